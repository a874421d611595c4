"""Tests of the explanation of a request: the driver decides on the facts of this request, and says what it supposes."""

from __future__ import annotations

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, NotProven, Operation
from authguard.core.snapshot import Keys
from authguard.evaluation.request import NO_CREDENTIAL, AccessRequest, Body
from authguard.policy.explain.sent_request import SentRequest, explain_sent
from tests.support.harness import POLICY, policy_of, signed_in

AT = 1_700_000_000.0
DIRECTORY = POLICY.replace("accounts:\n", "accounts:\n  - {from: python, call: 'app.accounts:find'}\n")


def ask(operation: str, *, text: str = POLICY, credential: object = None, **given: str) -> SentRequest:
    named = next(one for one in policy_of(text).all_operations if one.name == operation)
    return SentRequest(
        access=AccessRequest(operation=named, method="POST", evidence=Evidence(idempotency="k")),
        credential=credential or signed_in(at=AT - 10),  # type: ignore[arg-type]  # a credential of the test
        body=Body(b'{"amount": "20", "currency": "EUR"}', b"/", "application/json"),
        channel="",
        given=given,
        at=AT,
    )


def test_the_first_request_of_a_session_opens_it() -> None:
    found = explain_sent(policy_of(), ask("chat"))
    assert found.decision is not None
    assert (found.decision.outcome, found.credential, found.reason) == ("allow", "good", "decided")
    assert found.supposed == ("it is the first request of its session",)


def test_a_directory_is_supposed_to_report_a_normal_account() -> None:
    found = explain_sent(policy_of(DIRECTORY), ask("chat", text=DIRECTORY))
    assert found.decision is not None
    assert found.decision.outcome == "allow"
    assert "the account source reports `normal`" in found.supposed
    locked = explain_sent(policy_of(DIRECTORY), ask("chat", text=DIRECTORY, account="locked"))
    assert locked.decision is not None
    assert {one.dimension: one.value for one in locked.decision.values}["account"] == "locked"
    assert "the account source reports `normal`" not in locked.supposed


def test_a_refusal_before_the_table_has_no_decision() -> None:
    request = ask("refund")
    access = AccessRequest(operation=request.access.operation, method="POST")
    sent = SentRequest(access=access, credential=request.credential, body=request.body, channel="", given={}, at=AT)
    found = explain_sent(policy_of(), sent)
    assert (found.decision, found.reason) == (None, Reason.IDEMPOTENCY_MISSING.code)
    assert found.status == Reason.IDEMPOTENCY_MISSING.status


def test_no_credential_is_needed_for_a_public_operation() -> None:
    rejected = NotProven("rejected", Reason.SIGNATURE_INVALID)
    found = explain_sent(policy_of(), ask("health", credential=rejected))
    assert found.decision is not None
    assert (found.decision.outcome, found.needs) == ("allow", ())
    missing = explain_sent(policy_of(), ask("chat", credential=NO_CREDENTIAL))
    assert missing.decision is not None
    assert (missing.decision.outcome, missing.credential) == ("challenge", "missing")


def test_an_operation_of_the_guard_is_decided_by_its_risk() -> None:
    own = Operation(name="authguard.session", risk="self", effect="read")
    request = ask("chat")
    sent = SentRequest(
        access=AccessRequest(operation=own, method="GET"),
        credential=request.credential,
        body=request.body,
        channel="",
        given={},
        at=AT,
    )
    found = explain_sent(policy_of(), sent)
    assert found.decision is not None
    assert (found.operation, found.decision.outcome) == ("authguard.session", "allow")


def test_the_records_are_those_of_the_caller() -> None:
    credential = signed_in(at=AT - 10)
    assert Keys(credential.principal.account_key, credential.principal.session_key).account
    idle = explain_sent(policy_of(), ask("chat", session="idle"))
    assert idle.decision is not None
    assert idle.decision.fallback == "sign_in_fresh"
