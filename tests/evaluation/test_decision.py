"""A verdict reads from its decision, and says nothing in a log that the log does not have."""

from __future__ import annotations

from msgspec.structs import replace

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.request import NotProven, Operation, Principal, Proven
from authguard.core.snapshot import Keys, Snapshot, blank
from authguard.evaluation.decision import UNREAD, Decision, Verdict

START = blank(dict.fromkeys(("service", "account", "session", "verification", "transaction"), "x"))
DECISION = Decision(
    operation=Operation(name="pay"),
    fallback=Fallback(name="f", kind=Outcome.HOLD),
    reason=Reason.DECIDED,
    snapshot=START,
    cell=("live", "normal"),
    rule="3:f",
    token_scopes=frozenset({"pay"}),
    scopes=("pay",),
    channel="voice",
    acr_values=("aal2",),
    max_age=60,
    opened=True,
)
ALICE = Proven(Principal(issuer="https://issuer.test", subject="alice"))


def verdict_of(decision: Decision, credential: Proven | NotProven = ALICE) -> Verdict:
    return Verdict(decision=decision, record="r1", credential=credential, keys=Keys(b"a", b"s", "t1"), at=1.0)


def test_a_verdict_reads_from_its_decision() -> None:
    verdict = verdict_of(DECISION)
    for name in ("operation", "fallback", "reason", "snapshot", "cell", "rule", "token_scopes", "scopes", "channel"):
        assert getattr(verdict, name) is getattr(DECISION, name)
    assert (verdict.acr_values, verdict.max_age, verdict.running) == (("aal2",), 60, False)


def test_only_an_admitting_outcome_admits() -> None:
    for kind in Outcome:
        decision = replace(DECISION, fallback=Fallback(name="f", kind=kind))
        assert verdict_of(decision).admits is (kind in {Outcome.ALLOW, Outcome.RESTRICT})


def test_a_transaction_is_named_only_if_the_request_has_one() -> None:
    assert verdict_of(DECISION).transaction == "t1"
    assert not verdict_of(replace(DECISION, opened=False)).transaction


def test_the_states_of_a_cached_decision_are_those_that_are_stored() -> None:
    class Stored:
        def read_snapshot(self) -> Snapshot:
            return START

    shared = replace(DECISION, snapshot=UNREAD)
    assert replace(verdict_of(shared), stored=Stored()).snapshot is START
    later = replace(START, service=replace(START.service, state="rollback"))
    assert replace(verdict_of(shared), stored=Stored()).with_snapshot(later).snapshot is later


def test_an_unproven_request_has_no_principal() -> None:
    assert verdict_of(DECISION).principal is ALICE.principal
    assert verdict_of(DECISION, NotProven("missing", Reason.CREDENTIAL_MISSING)).principal is None


def test_its_text_has_no_personal_data() -> None:
    assert repr(verdict_of(DECISION)) == "Verdict(hold, record='r1')"


def test_later_states_leave_the_rest_as_it_was() -> None:
    later = replace(START, service=replace(START.service, state="rollback"))
    changed = verdict_of(DECISION).with_snapshot(later)
    assert changed.snapshot is later
    assert replace(changed, decision=DECISION) == verdict_of(DECISION)
