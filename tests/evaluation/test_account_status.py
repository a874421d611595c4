"""A status in a token counts as the policy maps it, and its delegations only if they can be read completely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from authguard.core.deployment import AccountSource
from authguard.core.snapshot import Report
from authguard.evaluation.account_status import MAX_STATUS_LENGTH, read_statements
from authguard.ports import AccountStatus
from tests.support.harness import policy_of, signed_in

if TYPE_CHECKING:
    from authguard.core.policy import Policy

SOURCE = AccountSource(name="claim:status", claim="status", map={"ok": "normal", "gone": "unknown", "3": "locked"})
DIRECTORY = AccountSource(name="crm", url="https://crm.test")
PRINCIPAL = signed_in(at=7.0).principal
POLICY = replace(policy_of(), accounts=(SOURCE, DIRECTORY))


def read(claims: dict[str, object], policy: Policy = POLICY, **answers: AccountStatus) -> tuple[object, object]:
    return read_statements(policy, replace(PRINCIPAL, content=msgspec.json.encode(claims)), answers)[:2]


@pytest.mark.parametrize(
    ("claim", "state"),
    [("ok", "normal"), (3, "locked"), (["ok"], "unrecognised"), ("gone", "unrecognised"), ("else", "unrecognised")],
)
def test_a_status_is_a_text_or_a_number_that_the_policy_maps(claim: object, state: str) -> None:
    reports, unmapped = read({"status": claim})
    assert reports == {"claim:status": Report(state, 7.0)}
    assert bool(unmapped) == (state == "unrecognised")


def test_a_source_without_a_statement_reports_nothing() -> None:
    assert read({"other": "ok"}) == ({}, {})


def test_a_directory_states_a_state_as_it_is() -> None:
    assert read({}, crm=AccountStatus("locked", 5.0)) == ({"crm": Report("locked", 5.0)}, {})


def test_a_status_that_is_not_mapped_is_cut_for_the_log() -> None:
    assert read({"status": "x" * 99})[1] == {"claim:status": "x" * MAX_STATUS_LENGTH}


def test_malformed_delegations_void_the_status() -> None:
    policy = replace(POLICY, accounts=(replace(SOURCE, delegations_at="/may_act"),))
    assert read({"status": "ok", "may_act": {"sub": 1}}, policy)[0] == {"claim:status": Report("unrecognised", 7.0)}
    assert read({"status": "ok"}, policy)[0] == {"claim:status": Report("normal", 7.0)}


def test_every_status_is_returned_as_it_was_stated() -> None:
    principal = replace(PRINCIPAL, content=msgspec.json.encode({"status": "else"}))
    found = read_statements(POLICY, principal, {"crm": AccountStatus("locked", 5.0)}).statuses
    assert found == {"claim:status": AccountStatus("else", 7.0), "crm": AccountStatus("locked", 5.0)}
