"""Tests of the port of the audit log: every adapter has the methods."""

from __future__ import annotations

import pytest

from authguard.app_log import LoggingSink
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.memory import MemorySink
from authguard.ports.audit_sink import AuditSink
from tests.ports.conformance import list_differences


@pytest.mark.parametrize("adapter", [JsonlSink, MemorySink, LoggingSink(MemorySink())])
def test_a_sink_has_the_methods_of_the_port(adapter: object) -> None:
    assert list_differences(adapter, AuditSink) == []
