"""Calls are repeated only where that may help, with no sleep in the tests, and one deadline holds for the whole."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.outbound import retry
from authguard.outbound.error import ServiceError
from authguard.outbound.retry import call_with_retries

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses instead of waiting."""
    noted: list[float] = []

    async def note(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(retry, "sleep", note)
    return noted


class Service:
    """Does what the script says; an exception is raised, the last entry stands for ever."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.calls = 0

    async def call(self) -> object:
        self.calls += 1
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        if said == "hang":
            await anyio.sleep_forever()
        return said


def outage(**facts: Any) -> ServiceError:
    return ServiceError("error", **({"retryable": True} | facts))


def _call(run: Callable[..., Any], service: Service, timeout: float = 60.0, **arguments: Any) -> Any:
    async def scene() -> object:
        try:
            return await call_with_retries(service.call, timeout=timeout, **arguments)
        except Exception as error:  # noqa: BLE001 - is the result
            return error

    return run(scene)


def test_an_error_that_passes_is_repeated_and_an_answer_never_is(run: Callable[..., Any]) -> None:
    service = Service(outage(), "fine")
    assert _call(run, service) == "fine"
    assert service.calls == 2
    assert _call(run, service) == "fine"
    assert service.calls == 3


def test_the_number_of_attempts_is_bounded_and_the_last_error_is_raised(run: Callable[..., Any]) -> None:
    last = outage(detail="the last")
    service = Service(outage(), outage(), last)
    assert _call(run, service, attempts=3) is last
    assert service.calls == 3


@pytest.mark.parametrize("error", [ServiceError("refused"), ServiceError("open"), LookupError("alice")])
def test_a_misconfiguration_or_an_error_of_the_app_is_never_repeated(run: Callable[..., Any], error: Exception) -> None:
    service = Service(error)
    assert _call(run, service, attempts=9) is error
    assert service.calls == 1


def test_the_deadline_is_of_all_attempts_together(run: Callable[..., Any]) -> None:
    service = Service(outage(), "hang")
    error = _call(run, service, 0.2, attempts=9)
    assert (error.cause, service.calls) == ("timeout", 2)


def test_a_scope_of_the_caller_is_a_deadline_too(run: Callable[..., Any]) -> None:
    service = Service("hang")

    async def scene() -> bool:
        with anyio.move_on_after(0.01) as scope:
            await call_with_retries(service.call, timeout=inf)
        return scope.cancelled_caught

    assert run(scene)
    assert service.calls == 1


@pytest.mark.parametrize(("retry_after", "calls"), [(0.0, 2), (30.0, 2), (1e5, 1)])
def test_a_service_that_wants_a_longer_pause_than_there_is_time_for_is_left_alone(
    run: Callable[..., Any], retry_after: float, calls: int
) -> None:
    service = Service(outage(retry_after=retry_after))
    assert _call(run, service).cause == "error"
    assert service.calls == calls


def test_without_time_for_a_pause_the_error_itself_is_told(run: Callable[..., Any]) -> None:
    service = Service(outage(detail="no connection"))
    assert str(_call(run, service, first_pause=1e5)) == "no connection"
    assert service.calls == 1


def test_pauses_are_as_documented_and_no_longer(run: Callable[..., Any], pauses: list[float]) -> None:
    _call(run, Service(outage()), attempts=4)
    _call(run, Service(outage(retry_after=7.0)))
    for number, pause in enumerate(pauses[:3]):
        assert 0.05 * 2**number <= pause <= 0.1 * 2**number
    assert pauses[3:] == [7.0]
