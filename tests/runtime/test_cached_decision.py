"""A cached decision is repeated only where nothing changed, and a record that failed refuses the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.request import Evidence
from authguard.errors import AuditError
from authguard.evaluation.decision import Refusal, Verdict
from authguard.evaluation.request import AccessRequest
from authguard.runtime.cached_decision import MISSED, Missed
from tests.support.harness import EnforcerHarness

if TYPE_CHECKING:
    import pytest


async def _warm(desk: EnforcerHarness) -> bytes:
    token = desk.login()
    for _ in range(3):
        await desk.ask("chat", token)
    return token


def _request(desk: EnforcerHarness, token: bytes, transaction: str = "") -> AccessRequest:
    chat = next(one for one in desk.policy.operations if one.name == "chat")
    return AccessRequest(operation=chat, evidence=Evidence(authorization=token, transaction=transaction), method="POST")


async def test_a_known_decision_is_repeated_with_a_record_of_its_own() -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    decider = desk.enforcer.cached_decider
    first, second = (decider.decide(_request(desk, token)) for _ in range(2))
    assert isinstance(first, Verdict)
    assert isinstance(second, Verdict)
    assert first.record != second.record
    assert [entry.id for entry in desk.sink.entries[-2:]] == [first.record, second.record]


async def test_a_guard_that_is_closed_repeats_nothing() -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    await desk.enforcer.close()
    assert isinstance(desk.enforcer.cached_decider.decide(_request(desk, token)), Missed)


async def test_a_request_that_names_a_transaction_is_evaluated() -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    assert isinstance(desk.enforcer.cached_decider.decide(_request(desk, token, transaction="t" * 32)), Missed)


async def test_a_token_that_nobody_has_seen_is_evaluated() -> None:
    desk = EnforcerHarness()
    await _warm(desk)
    assert isinstance(desk.enforcer.cached_decider.decide(_request(desk, desk.login("bob"))), Missed)


async def test_a_record_that_failed_refuses_the_request_even_if_the_log_recovers() -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    decider, request = desk.enforcer.cached_decider, _request(desk, token)
    desk.sink.broken = AuditError("no space")
    missed = decider.decide(request)
    assert isinstance(missed, Missed)
    desk.sink.broken = None
    refused = await desk.enforcer.decide(request, missed)
    assert isinstance(refused, Refusal) or not refused.admits
    later = decider.decide(request)
    assert isinstance(later, Verdict) or later.error is None  # it counts once


async def test_another_failure_leaves_the_request_to_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    request = _request(desk, token)

    def fail(*_: object) -> object:
        raise RuntimeError

    monkeypatch.setattr(desk.check, "get_cached", fail)
    assert desk.enforcer.cached_decider.decide(request) is MISSED


async def test_the_evaluation_gets_the_credential_that_was_looked_up() -> None:
    desk = EnforcerHarness()
    token = await _warm(desk)
    balance = next(one for one in desk.policy.operations if one.name == "balance")
    request = AccessRequest(operation=balance, evidence=Evidence(authorization=token))
    missed = desk.enforcer.cached_decider.decide(request)
    assert isinstance(missed, Missed)
    assert missed.credential is desk.check.known[token]
    desk.check.known.clear()  # whoever looks again finds nothing
    verdict = await desk.enforcer.decide(request, missed)
    assert isinstance(verdict, Verdict)
    assert verdict.principal is not None
