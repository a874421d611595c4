"""Tests of the ports of time and randomness: every adapter has the methods."""

from __future__ import annotations

import pytest

from authguard.clock import SystemClock
from authguard.ids import SystemIds
from authguard.ports.system import Clock, Ids
from authguard.testing import FakeClock
from tests.audit.conftest import CountingIds
from tests.ports.conformance import list_differences


@pytest.mark.parametrize("adapter", [SystemClock, FakeClock])
def test_a_clock_has_the_methods_of_the_port(adapter: type) -> None:
    assert list_differences(adapter, Clock) == []


@pytest.mark.parametrize("adapter", [SystemIds, CountingIds])
def test_ids_have_the_methods_of_the_port(adapter: type) -> None:
    assert list_differences(adapter, Ids) == []


def test_a_lacking_or_other_method_is_found() -> None:
    class Wrong:
        def record(self, at: float) -> str:
            return str(at)

    assert list_differences(Wrong, Ids) == [
        "record(self, at: 'float') -> 'str' is not (self, now: 'float') -> 'str'",
        "secret is missing",
    ]
