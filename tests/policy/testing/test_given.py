"""A scenario starts with the records that its given states need, and with none for initial states."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.core.snapshot import Keys, Report, blank
from authguard.errors import MachineFaultError
from authguard.policy.compiler import load
from authguard.policy.testing.given import build_given, find_due, stay_present

POLICY = load("banking")
KEYS = Keys(account=b"a", session=b"s")


def test_initial_states_need_no_record() -> None:
    assert build_given(POLICY, POLICY.initial, KEYS, 5.0) == blank(POLICY.initial)


def test_a_session_began_now_and_its_proof_has_a_channel() -> None:
    session = build_given(POLICY, {"session": "active", "verification": "verified"}, KEYS, 5.0).session
    assert (session.entered, session.signed_in, session.last_seen, session.ended) == (5.0, 5.0, 5.0, 0.0)
    assert (session.account, session.channel, session.verification_entered) == (b"a", "app", 5.0)
    assert build_given(POLICY, {"session": "revoked"}, KEYS, 5.0).session.ended == 5.0


def test_a_state_of_the_account_has_the_report_of_a_source() -> None:
    account = build_given(POLICY, {"account": "locked"}, KEYS, 5.0).account
    assert account.reports == {"claim:account_status": Report("locked", 5.0)}


def test_a_transaction_was_requested_after_the_session_began() -> None:
    found = build_given(POLICY, {"session": "active", "transaction": "held"}, KEYS, 5.0)
    assert (found.transaction.account, found.transaction.version) == (b"a", 1)
    assert found.transaction.created > found.session.entered


def test_a_state_that_the_machine_does_not_have_is_a_fault() -> None:
    with pytest.raises(MachineFaultError, match="machine `session` has no state `nowhere`"):
        build_given(POLICY, {"session": "nowhere"}, KEYS, 5.0)


def test_a_customer_who_stays_present_renews_every_moment_but_the_one_that_counts() -> None:
    given = {"session": "active", "account": "normal"}
    found = build_given(POLICY, given, KEYS, 5.0)
    found = replace(found, session=replace(found.session, version=1), account=replace(found.account, version=1))
    assert find_due(POLICY, found, "session.idled") == (905.0, "last_seen")
    assert find_due(POLICY, found, "verification.aged") == (None, "")
    idle = stay_present(POLICY, found, 900.0, "last_seen")
    assert (idle.session.last_seen, idle.account.reported) == (5.0, 900.0)
    aged = stay_present(POLICY, found, 900.0, "reported")
    assert (aged.session.last_seen, aged.account.reported) == (900.0, 5.0)
