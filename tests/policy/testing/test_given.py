"""A scenario starts with the records that its given states need, and with none for initial states."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.core.approvers import Approvers
from authguard.core.snapshot import Cost, Keys, Report, blank
from authguard.errors import MachineFaultError
from authguard.evaluation.request import NO_CREDENTIAL, RequestFacts
from authguard.policy.compiler import load
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.given import approve_as_held, build_given, find_due, stay_present
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.simulator import Simulator

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


@pytest.mark.parametrize(
    ("asked", "hold", "count"),
    [
        (ScenarioRequest(operation="change_iban"), "officer_and_controller", 2),
        (ScenarioRequest(operation="payout", amount="6000 EUR"), "officer_and_controller", 2),
        (ScenarioRequest(operation="cancel_contract"), "one_officer", 1),
    ],
)
def test_a_given_approval_is_by_whom_the_request_would_wait_for(asked: ScenarioRequest, hold: str, count: int) -> None:
    policy = load("insurance")
    given = {**policy.initial, "account": "normal", "session": "active", "verification": "verified"}
    simulator = Simulator(Deployment(policy), {**given, "transaction": "approved"}, supposes=True, is_dated=False)
    simulator.set_flags({"status_read": "set"})
    assert simulator.ask(asked).fallback == "allow"
    record = simulator.records.transactions[simulator.transaction]
    assert (record.hold, len(record.approvals)) == (hold, count)


def test_approvals_of_a_given_transaction_book_what_it_costs() -> None:
    policy = load("insurance")
    given = {**policy.initial, "account": "normal", "session": "active", "transaction": "approved"}
    stored = build_given(policy, given, KEYS, 5.0)
    costs = (Cost("over_10000_month", "400"),)
    held = replace(stored.transaction, hold="one_officer", approvers=(Approvers("officer"),), costs=costs)
    named = replace(stored, transaction=replace(stored.transaction, operation="payout"))
    facts = RequestFacts(now=6.0, credential=NO_CREDENTIAL, keys=replace(KEYS, transaction="t"))
    found = approve_as_held(policy, named, held, facts)
    assert (found.transaction.state, found.transaction.entered) == ("approved", named.transaction.entered)
    assert [one.amount for one in found.account.ledger if one.transaction == "t"] == ["400"]
