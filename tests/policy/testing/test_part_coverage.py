"""Tests of the coverage of a policy's parts: each is missing until a scenario does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.part_coverage import PartCoverage, measure_parts
from authguard.policy.testing.report import format_idle, parts_as_json
from authguard.policy.testing.scenario import run_scenarios
from tests.policy.testing.test_happening import POLICY_TEXT
from tests.support.harness import policy_of

if TYPE_CHECKING:
    from pathlib import Path

DESK = policy_of(POLICY_TEXT)
GIVEN = "given: {account: normal, verification: verified, seen: set}"


def missing(folder: Path, steps: str) -> set[str]:
    file = folder / "s" / "a.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"- {{name: a, {GIVEN}, steps: [{steps}, {{then: {{states: {{service: live}}}}}}]}}\n")
    scenarios, problems = parse_scenarios([file], DESK)
    assert problems == (), [str(one) for one in problems]
    return {f"{one.kind} {one.label}" for one in measure_parts(DESK, run_scenarios(DESK, scenarios)).uncovered}


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ("{ask: {operation: chat}}", "operation chat"),
        ("{ask: {operation: chat, scope: missing}}", "need chat without its scopes"),
        ("{ask: {operation: refund, assurance: insufficient}}", "need refund with a weaker sign-in"),
        ("{ask: {operation: refund, limit: unmeasured}}", "need refund with an amount that cannot be read"),
        ("{ask: {operation: refund, limit: exceeded}}", "need refund over its limits"),
        ("{when: [{set: hold, by: app}]}", "flag hold set by the app"),
        ("{when: [{set: hold, by: fraud}]}", "flag hold set by `fraud`"),
        ("{when: [{set: hold, by: app}, {clear: hold, by: fraud}]}", "flag hold cleared by a person"),
        ("{ask: {operation: balance, seen: clear}, app: 200}", "flag seen set by `balance` (committed)"),
        ("{ask: {operation: balance}}, {after: 2h, ask: {operation: balance}}", "flag seen expired"),
        ("{ask: {operation: refund, idempotency_key: none}}", "need refund without `Idempotency-Key`"),
        ("{ask: {request: GET /nowhere}}", "match a request that no operation matches"),
        ("{ask: {operation: refund, country: abroad}}", ""),
        ("{ask: {operation: refund}}", "condition 23:to_a_person: `country` other than abroad"),
        ("{ask: {operation: balance, country: abroad}}", "condition 23:to_a_person: `operation` other than refund"),
    ],
)
def test_a_part_is_missing_until_a_scenario_does_it(tmp_path: Path, steps: str, part: str) -> None:
    nothing, found = missing(tmp_path, "{after: 1s}"), missing(tmp_path, steps)
    assert part in nothing - found or not part


@pytest.mark.parametrize(
    "name", ["banking", "insurance", "shopping-agent", "standard", "support-desk", "telecom", "telehealth"]
)
def test_a_shipped_policy_covers_all_of_its_parts(name: str) -> None:
    from authguard.policy.testing.report import run_tests  # noqa: PLC0415 - only here

    report = run_tests(name)
    assert measure_parts(load(name), report.run).uncovered == ()


def test_a_policy_without_parts_is_covered() -> None:
    none = PartCoverage(total=0, uncovered=())
    assert (none.percent, parts_as_json(none)["percent"]) == (100.0, 100.0)


EXTENDED = """
authguard: 1
name: extended
extends: standard
issuers:
  - {issuer: 'https://idp.example', audience: a, algorithms: [ES256], keys: discovery}
accounts:
  - {from: claim, claim: status, map: {ok: normal, fine: normal, frozen: suspended}}
operations:
  - {name: chat, match: {websocket: /live}, risk: routine, effect: read}
timers:
  - {event: account.aged, after: 2h, since: reported, states: [normal]}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
decisions:
  - {when: {account: suspended, operation: chat, actor: subject}, do: to_a_person}
  - {when: {account: suspended, operation: chat}, do: to_a_person}
"""


def missing_of_extended(folder: Path, steps: str) -> set[str]:
    policy = policy_of(EXTENDED)
    file = folder / "s" / "a.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        f"- {{name: a, given: {{account: normal}}, steps: [{steps}, {{then: {{states: {{service: live}}}}}}]}}\n"
    )
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == (), [str(one) for one in problems]
    return {f"{one.kind} {one.label}" for one in measure_parts(policy, run_scenarios(policy, scenarios)).uncovered}


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ("{ask: {operation: chat, token: {claims: {status: fine}}}}", "status fine of claim:status"),
        ("{when: [account.suspended]}", "status frozen of claim:status"),
        ("{when: [{account: normal, from: claim}]}", "status ok of claim:status"),
        ("{after: 2h}", "timer account.aged after 2h"),
        ("{ask: {request: GET /chat}}", "match a request that no operation matches"),
        ("{ask: {request: websocket /chat}}", "match a handshake that no operation matches"),
        ("{ask: {request: websocket /live}}", "operation chat"),
    ],
)
def test_statuses_timers_and_matches_are_missing_until_a_scenario_has_them(
    tmp_path: Path, steps: str, part: str
) -> None:
    assert part in missing_of_extended(tmp_path, "{after: 1s}") - missing_of_extended(tmp_path, steps)


def test_a_condition_that_says_nothing_is_named_and_is_no_part() -> None:
    policy = policy_of(EXTENDED)
    found = measure_parts(policy, run_scenarios(policy, ()))
    assert any(one.label.endswith("`actor`") for one in found.idle)
    assert not any("`actor`" in one.label for one in found.uncovered)
    assert parts_as_json(found)["idle"][0]["is"] == found.idle[0].label
    assert "says nothing" in format_idle(found.idle[0])
