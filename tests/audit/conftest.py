"""What the log's tests share: a clock that stands still, ids in order, and a sink on a folder of its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from authguard.audit.write.jsonl import JsonlSink
from authguard.records.entries import ActEntry
from authguard.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class CountingIds:
    """Implements the port `authguard.ports.Ids` by counting."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def record(self, now: float) -> str:
        return f"{int(now)}-{next(self._numbers)}"

    def secret(self) -> str:
        return f"secret-{next(self._numbers)}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Name a log in a folder that is not there yet."""
    return tmp_path / "var" / "audit.jsonl"


@pytest.fixture
def new_sink(log: Path, clock: FakeClock) -> Iterator[Callable[[], JsonlSink]]:
    """Make sinks on the log, all closed at the end."""
    made: list[JsonlSink] = []
    ids = CountingIds()

    def make() -> JsonlSink:
        made.append(JsonlSink(log, clock=clock, ids=ids, policy="ab"))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(new_sink: Callable[[], JsonlSink]) -> JsonlSink:
    """Give an open sink."""
    opened = new_sink()
    opened.open()
    return opened


@pytest.fixture
def act(clock: FakeClock) -> Callable[[str], ActEntry]:
    """Make an entry by its note."""
    return lambda note: ActEntry(id="x", at=clock.now(), policy="ab", act="started", note=note)
