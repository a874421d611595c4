"""One request is evaluated to one decision, without a trace: the same facts give the same decision."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from authguard.core.outcomes import Outcome, Reason
from authguard.core.request import Evidence, NotProven, Proven
from authguard.core.snapshot import Keys, Snapshot, TransactionRecord
from authguard.encryption import PayloadCipher
from authguard.evaluation.decision import Decision, NeedsBody
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.request import AccessRequest, RequestFacts
from tests.stores.samples import BLANK, amended
from tests.stores.samples import signed_in as known
from tests.support.harness import POLICY, EnforcerHarness, policy_of, signed_in

NOW = 1_800_000_000.0
CIPHER = PayloadCipher((b"k" * 32,))
MISSING = NotProven("missing", Reason.CREDENTIAL_MISSING)
#: a customer who signed in and is known
LIVE = amended(known(BLANK, NOW), "session", verification="verified", verification_entered=NOW)


def decide(
    operation: str = "chat",
    before: Snapshot = BLANK,
    *,
    text: str = POLICY,
    now: float = NOW,
    credential: Proven | NotProven | None = None,
    evidence: Evidence = Evidence(),  # noqa: B008 - frozen
    **facts: Any,
) -> Decision | Reason | NeedsBody:
    """Evaluate a request of a customer who signed in at `NOW`."""
    policy = policy_of(text)
    wanted = next(one for one in policy.operations if one.name == operation)
    who = credential or signed_in("alice", at=NOW)
    keys = Keys() if isinstance(who, NotProven) else Keys(who.principal.account_key, who.principal.session_key)
    request = AccessRequest(operation=wanted, evidence=evidence, method="POST")
    return evaluate(policy, request, RequestFacts(now=now, credential=who, keys=keys, **facts), before, CIPHER)


def decided(*arguments: Any, **facts: Any) -> Decision:
    found = decide(*arguments, **facts)
    assert isinstance(found, Decision), found
    return found


def cell_of(decision: Decision) -> dict[str, str]:
    names = ("service", "account", "session", "verification", "transaction", "credential", "risk", "effect")
    return dict(zip((*names, "scope", "assurance", "limit", "channel_change", "actor"), decision.cell, strict=True))


def test_the_same_facts_give_the_same_decision_and_the_snapshot_before_stays() -> None:
    before = msgspec.structs.replace(BLANK)

    first, second = decided(before=before), decided(before=before)

    assert first == second
    assert before == BLANK
    assert first.snapshot.states()[2] == "active"


def test_what_did_not_move_is_the_very_snapshot_that_was_loaded() -> None:
    live = decided(before=LIVE).snapshot
    again = decided(before=live)

    assert again.transitions == ()
    assert again.fallback.kind is Outcome.ALLOW
    assert again.snapshot.session is live.session, "nothing has to be saved"


def test_an_unproven_request_meets_the_strictest_of_every_condition() -> None:
    decision = decided("refund", LIVE, credential=MISSING)
    cell = cell_of(decision)

    assert decision.fallback.kind is Outcome.CHALLENGE
    assert decision.reason is Reason.CREDENTIAL_MISSING
    assert (cell["credential"], cell["scope"], cell["assurance"], cell["limit"]) == (
        "missing",
        "missing",
        "insufficient",
        "unmeasured",
    )
    assert decision.token_scopes == frozenset()
    assert decision.snapshot == LIVE, "a request of nobody moves nothing"


def test_a_public_operation_is_allowed_without_a_credential() -> None:
    assert decided("health", credential=MISSING).fallback.kind is Outcome.ALLOW


def test_a_body_is_asked_for_only_where_the_request_is_bound() -> None:
    closing = "operations:\n  - {name: close, match: {path: /close, method: POST}, risk: high, effect: write}\n"
    text = POLICY.replace("operations:\n", closing)

    assert isinstance(decide("close", LIVE, text=text), NeedsBody)
    assert isinstance(decide("chat", LIVE, text=text), Decision)
    assert isinstance(decide("close", LIVE, text=text, credential=MISSING), Decision), "nobody's body is read"


def test_a_named_transaction_of_somebody_else_is_unknown_before_anything_is_decided() -> None:
    record = TransactionRecord("held", NOW, account=b"another", session=b"another", version=1)
    before = msgspec.structs.replace(LIVE, transaction=record)
    binding = dataclasses.replace(RequestFacts(now=NOW, credential=MISSING).binding, named=True)

    assert decide("refund", before, binding=binding, has_body=True) is Reason.TRANSACTION_UNKNOWN


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"token_scopes": frozenset({"accounts"})}, "scope", "missing"),
        ({"acr": "aal1"}, "assurance", "met"),
        ({"client": "concierge"}, "actor", "agent"),
        ({"actor": "unheard-of"}, "actor", "stranger"),
    ],
)
def test_each_fact_of_the_credential_reaches_its_dimension(facts: dict[str, Any], name: str, value: str) -> None:
    assert cell_of(decided(credential=signed_in("alice", at=NOW, **facts)))[name] == value


def test_due_timers_move_the_machines_before_the_request_is_judged() -> None:
    live = decided().snapshot
    old = signed_in("alice", at=NOW, expires_at=NOW + 86_400)

    later = decided(before=live, now=NOW + 20 * 60, credential=old)

    assert "session.idled" in later.events
    assert later.fallback.kind is not Outcome.ALLOW
    assert live.session.state == "active", "the loaded snapshot stays"


def test_a_restriction_only_takes_scopes_away() -> None:
    locked = amended(LIVE, "account", state="suspended", entered=NOW)
    decision = decided(before=locked)

    assert decision.fallback.kind is Outcome.RESTRICT
    assert decision.token_scopes <= signed_in("alice", at=NOW).principal.token_scopes
    assert "refunds" not in decision.token_scopes


def test_a_step_up_names_every_value_that_means_the_level_and_the_age() -> None:
    old = signed_in("alice", at=NOW, auth_time=NOW - 600)
    live = amended(LIVE, "session", signed_in=NOW - 600, entered=NOW - 600)
    body = RequestFacts(now=NOW, credential=old).binding

    decision = decided("refund", live, credential=old, has_body=True, binding=body, evidence=Evidence(idempotency="k"))

    assert decision.fallback.kind is Outcome.STEP_UP
    assert decision.acr_values == ("aal2", "urn:example:2fa")
    assert decision.max_age == 300
    assert cell_of(decision)["assurance"] == "stale"


def test_a_transaction_without_enough_approvers_is_denied() -> None:
    who = signed_in("alice", at=NOW).principal
    record = TransactionRecord(
        "approved", NOW, account=who.account_key, session=who.session_key, count=1, version=2, created=NOW
    )
    before = msgspec.structs.replace(LIVE, transaction=record)

    decision = decided("refund", before, has_body=True, lacks_quorum=True, evidence=Evidence(idempotency="k"))

    assert decision.snapshot.transaction.state == "denied"
    assert not decision.running


def test_attempts_to_sign_in_run_out_and_lead_to_a_person() -> None:
    snapshot = amended(LIVE, "session", state="idle", entered=NOW, verification="unverified")
    seen = []
    for number in range(5):
        stale = signed_in("alice", at=NOW - 60, fingerprint=f"token-{number}")
        decision = decided(before=snapshot, now=NOW + 1, credential=stale)
        snapshot = decision.snapshot
        seen.append(decision.fallback.kind)

    assert seen == [Outcome.STEP_UP] * 3 + [Outcome.HANDOFF] * 2
    assert decision.reason is Reason.ATTEMPTS_SPENT


@pytest.mark.parametrize("by", ["subject", "session", "operation", "client"])
async def test_a_key_of_a_request_that_is_no_transaction_spares_it_no_limit(by: str) -> None:
    operation = f"""operations:
  - name: note
    match: {{path: /note, method: POST}}
    risk: sensitive
    effect: write
    amount: {{at: /amount, currency: {{at: /currency}}}}
    limits: [{{calls: 2, per: 1h, by: {by}}}]
"""
    desk = EnforcerHarness(POLICY.replace("operations:\n", operation, 1))
    header = desk.login()
    body = {"amount": 5, "currency": "EUR"}
    asked = [await desk.ask("note", header, body=body, idempotency="k1") for _ in range(4)]
    assert [one.fallback.kind.value for one in asked] == ["allow", "allow", "hold", "hold"]
