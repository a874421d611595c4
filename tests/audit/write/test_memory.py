"""The log in memory: chained as the one on disk."""

from __future__ import annotations

import pytest

from authguard.audit.write.memory import MemorySink
from authguard.errors import AuditError
from authguard.records.chain import IntactChain, verify_chain
from authguard.records.entries import ActEntry, RefusalEntry


async def test_it_keeps_chained_lines_that_decode() -> None:
    sink = MemorySink()
    sink.open()
    positions = [
        sink.append(ActEntry(id="1", at=1.0, policy="ab", act="started")),
        sink.append(RefusalEntry(id="2", at=2.0, policy="ab", reason="body-too-large", status=413)),
    ]
    await sink.flush(positions[-1])
    sink.close()
    assert positions == [1, 2]
    assert isinstance(verify_chain(sink.lines), IntactChain)
    assert [(entry["kind"], entry["seq"], entry["id"]) for entry in sink.entries()] == [
        ("act", 0, "1"),
        ("refusal", 1, "2"),
    ]


async def test_it_fails_when_it_is_told_to_and_goes_on_after() -> None:
    sink = MemorySink()
    entry = ActEntry(id="1", at=1.0, policy="ab", act="started")
    sink.append(entry)
    sink.full = True
    with pytest.raises(AuditError):
        sink.append(entry)
    with pytest.raises(AuditError):
        await sink.flush(1)
    sink.full = False
    sink.append(entry)
    with pytest.raises(AuditError):
        await sink.flush(3)
    assert isinstance(verify_chain(sink.lines), IntactChain)
