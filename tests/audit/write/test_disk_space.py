"""A record says that the log's space ends before it has ended, and that there is enough again."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from authguard.audit.write.disk_space import CHECK_INTERVAL_S, ENOUGH_BYTES, LOW_BYTES, DiskSpaceMonitor
from authguard.audit.write.jsonl import JsonlSink
from authguard.records.entries import ActEntry
from authguard.testing import FakeClock
from tests.support.harness import CountingIds

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Disk:
    """A file system with as much free space as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        self.looks = 0
        monkeypatch.setattr(os, "statvfs", self._statvfs)

    def _statvfs(self, _: object) -> SimpleNamespace:
        self.looks += 1
        if self.free < 0:
            raise OSError
        return SimpleNamespace(f_bavail=self.free // 4096, f_frsize=4096)


def test_it_is_low_below_one_bound_and_enough_above_a_higher_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk, watch = Disk(monkeypatch, ENOUGH_BYTES), DiskSpaceMonitor()
    assert watch.check(tmp_path, 0.0) == ""
    for turn, (free, is_low) in enumerate(
        ((LOW_BYTES - 4096, True), (LOW_BYTES, True), (-1, True), (ENOUGH_BYTES, False), (LOW_BYTES, False)), 1
    ):
        disk.free = free
        assert bool(watch.check(tmp_path, turn * CHECK_INTERVAL_S)) == is_low


def test_it_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk, watch = Disk(monkeypatch, ENOUGH_BYTES), DiskSpaceMonitor()
    for second in range(100):
        watch.check(tmp_path, float(second))
    assert disk.looks == 100 / CHECK_INTERVAL_S


def test_the_log_says_so_once_and_again_when_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk, clock, ids = Disk(monkeypatch, ENOUGH_BYTES), FakeClock(), CountingIds()
    sink = JsonlSink(tmp_path / "audit.jsonl", clock=clock, ids=ids)
    sink.open()
    for free in (ENOUGH_BYTES, LOW_BYTES // 2, LOW_BYTES // 4, ENOUGH_BYTES):
        disk.free = free
        clock.advance(CHECK_INTERVAL_S)
        sink.append(ActEntry(id=ids.record(clock.now()), at=clock.now(), policy="ab", act="started"))
    sink.close()
    acts = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    said = [(act["act"], act.get("note", "")) for act in acts if act["act"].startswith("space")]
    assert said == [
        ("space_low", "128 MiB are free on the log's disk: free space, or move the log"),
        ("space_recovered", ""),
    ]
