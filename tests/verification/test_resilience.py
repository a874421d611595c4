"""Errors of external services are never failures of the customer, and each call is bounded in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.deployment import Verifier
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.outbound import retry
from authguard.outbound.error import ServiceError
from authguard.ports import Question
from authguard.testing import FakeClock
from authguard.verification.python import PythonService
from authguard.verification.resilience import ResilientVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.verification import VerifierVerdict

DECLARED = Verifier(name="otp", type="python", call="desk:otp", pass_at=0.9, fail_at=0.4, timeout=0.05)
QUESTION = Question(
    issuer="https://issuer.test",
    subject="alice",
    session="00",
    attempt="a",
    answers={"answer": "1"},
    channel="",
    at=0.0,
)
Said = "float | VerifierVerdict | Exception"


class Scripted:
    """A service that does what the test wrote down; a callable is awaited."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.asked = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Do the next thing; the last for ever."""
        del question
        self.asked += 1
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        if callable(said):
            return await said()  # type: ignore[no-any-return]
        return said  # type: ignore[return-value]


def steady(*services: Scripted, clock: FakeClock | None = None, **declared: object) -> ResilientVerifier:
    """Wrap services."""
    made = replace(DECLARED, **declared)  # type: ignore[arg-type]  # the facts of a test are its own
    return ResilientVerifier(made, services, clock=clock or FakeClock())


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses between attempts."""

    async def go_on(_: float) -> None:
        """Do not wait."""

    monkeypatch.setattr(retry, "sleep", go_on)


async def never() -> float:
    """Hang."""
    await asyncio.Event().wait()
    return 1.0


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (1.0, Passed()),
        (0.9, Passed()),
        (0.6, Doubted(0.6)),
        (0.4, Failed()),
        (0, Failed()),
        (float("nan"), Unavailable("nonsense")),
        (1.01, Unavailable("nonsense")),
        (-0.1, Unavailable("nonsense")),
        (Failed(), Failed()),
        (ServiceError("too-large"), Unavailable("too-large")),
        (RuntimeError("x"), Unavailable("error")),
        (never, Unavailable("timeout")),
    ],
)
async def test_each_behaviour_of_a_service_is_one_verdict(said: object, verdict: object) -> None:
    assert await steady(Scripted(said)).verify(QUESTION) == verdict


@given(st.floats())
async def test_no_number_that_is_below_the_threshold_passes(score: float) -> None:
    verdict = await steady(Scripted(score)).verify(QUESTION)
    assert isinstance(verdict, Passed) == (0.9 <= score <= 1.0)


async def test_what_may_help_is_asked_again_and_an_answer_never_is() -> None:
    service = Scripted(ServiceError("error", retryable=True), ServiceError("error", retryable=True), 0.95)
    verifier = steady(service, retries=3)
    assert await verifier.verify(QUESTION) == Passed()
    assert service.asked == 3
    failing = Scripted(0.1)
    assert await steady(failing, retries=3).verify(QUESTION) == Failed()
    assert failing.asked == 1
    hopeless = Scripted(ServiceError("nonsense"))
    assert await steady(hopeless, retries=3).verify(QUESTION) == Unavailable("nonsense")
    assert hopeless.asked == 1


async def test_a_breaker_opens_lets_one_through_and_closes_when_the_service_is_back() -> None:
    clock = FakeClock()
    service = Scripted(ServiceError("error"), ServiceError("error"), ServiceError("error"), 0.95)
    verifier = steady(service, clock=clock, failures=2, open_for=30.0)
    assert [await verifier.verify(QUESTION) for _ in range(3)][-1] == Unavailable("open")
    assert service.asked == 2
    clock.advance(30)
    assert await verifier.verify(QUESTION) == Unavailable("error"), "one is let through"
    assert await verifier.verify(QUESTION) == Unavailable("open")
    clock.advance(30)
    assert await verifier.verify(QUESTION) == Passed()
    assert await verifier.verify(QUESTION) == Passed()


async def test_questions_beyond_the_bulkhead_are_told_so_at_once() -> None:
    gate = asyncio.Event()

    async def wait() -> float:
        await gate.wait()
        return 1.0

    service = Scripted(wait)
    verifier = steady(service, max_concurrency=2, timeout=5.0)
    running = [asyncio.create_task(verifier.verify(QUESTION)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await verifier.verify(QUESTION) == Unavailable("busy")
    gate.set()
    assert await asyncio.gather(*running) == [Passed(), Passed()]
    assert await verifier.verify(QUESTION) == Passed()


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (never, 0.95, Passed()),
        (never, never, Unavailable("timeout")),
        (ServiceError("error"), 0.1, Failed()),
        (0.1, 0.95, Failed()),
        (ServiceError("error"), ServiceError("nonsense"), Unavailable("nonsense")),
    ],
)
async def test_a_second_service_answers_where_the_first_does_not(
    first: object, second: object, verdict: object
) -> None:
    one, two = Scripted(first), Scripted(second)
    assert await steady(one, two, hedge_after=0.01).verify(QUESTION) == verdict
    assert two.asked == (0 if first == 0.1 else 1), "it is asked only if it has to be"


async def test_a_service_that_was_called_back_because_another_was_faster_has_not_failed() -> None:
    slow = Scripted(never)
    verifier = steady(slow, Scripted(0.95), hedge_after=0.001, timeout=60.0, failures=1)
    for _ in range(3):
        assert await verifier.verify(QUESTION) == Passed()
    assert slow.asked == 3, "its breaker is closed"


async def test_two_services_that_both_answer_and_disagree_are_doubt() -> None:
    late = asyncio.Event()

    async def first() -> float:
        await late.wait()
        return 0.1

    async def second() -> float:
        late.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return 0.95

    verdict = await steady(Scripted(first), Scripted(second), hedge_after=0.001, timeout=5.0).verify(QUESTION)
    assert isinstance(verdict, Doubted)


@pytest.mark.parametrize(
    ("gives", "verdict"),
    [
        (True, Passed()),
        (False, Failed()),
        (0.95, Passed()),
        ("yes", Unavailable("nonsense")),
        (None, Unavailable("nonsense")),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_function_of_the_app_may_give_a_bool_or_a_score_and_nothing_else(
    gives: object, verdict: object, kind: str
) -> None:
    async def asynchronous(question: Question) -> object:
        assert question is QUESTION
        return gives

    function: Callable[[Question], object] = asynchronous if kind == "async" else lambda _: gives
    verifier = ResilientVerifier(replace(DECLARED, timeout=5.0), [PythonService(function)], clock=FakeClock())
    assert await verifier.verify(QUESTION) == verdict
