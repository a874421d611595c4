"""The trace id is that of the active span, and whatever OpenTelemetry does, a request goes on without one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from authguard.active_span import active_trace_id, is_loaded

if TYPE_CHECKING:
    from collections.abc import Callable

API = "opentelemetry.trace"


def tracing(trace_id: Any, *, is_valid: bool = True) -> Any:
    context = SimpleNamespace(trace_id=trace_id, is_valid=is_valid)
    return SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: context))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda module: monkeypatch.setitem(sys.modules, API, module)


def test_without_opentelemetry_there_is_no_trace_and_none_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, API, raising=False)

    assert not is_loaded()
    assert active_trace_id() == ""
    assert API not in sys.modules


def test_the_id_of_a_valid_span_has_32_digits(load: Callable[[Any], None]) -> None:
    load(tracing(0xABC))

    assert is_loaded()
    assert active_trace_id() == "0" * 29 + "abc"


@pytest.mark.parametrize(
    "module",
    [
        tracing(0xABC, is_valid=False),
        tracing(0),
        tracing(-1),
        tracing(1 << 128),
        tracing("abc"),
        tracing(None),
        SimpleNamespace(),
        None,
    ],
    ids=["invalid", "zero", "negative", "too long", "a text", "none", "being loaded", "blocked"],
)
def test_another_answer_is_no_trace(load: Callable[[Any], None], module: Any) -> None:
    load(module)

    assert active_trace_id() == ""


def test_an_exception_of_a_plug_in_is_no_trace(load: Callable[[Any], None]) -> None:
    def fall() -> None:
        raise RuntimeError("broken plug-in")

    load(SimpleNamespace(get_current_span=fall))

    assert active_trace_id() == ""


def test_the_real_api_has_no_span_here_and_one_inside_a_span() -> None:
    from opentelemetry import trace  # noqa: PLC0415 - the tests above begin without it

    assert active_trace_id() == ""
    context = trace.SpanContext(0x1234, 0x1, is_remote=False)

    with trace.use_span(trace.NonRecordingSpan(context)):
        assert active_trace_id() == f"{0x1234:032x}"
