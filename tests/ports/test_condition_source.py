"""Tests of the port of functions that conditions ask: the adapter has the methods."""

from __future__ import annotations

from authguard.directories.condition import ConditionFunction, Pending
from authguard.ports.condition_source import ConditionSource, PendingValue
from tests.ports.conformance import list_differences


def test_a_condition_source_has_the_methods_of_the_port() -> None:
    assert list_differences(ConditionFunction, ConditionSource) == []
    assert list_differences(Pending, PendingValue) == []
