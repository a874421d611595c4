"""One deployment for the tests of signed logs: a key, a memory beside it, and a log, signed and kept by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find
from authguard.audit.verify.checkpoint_verifier import Trust, by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.checkpoint_signer import LogSigner
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.retention import Keeper, Keeping
from authguard.core.entries import Acted
from authguard.testing import FakeClock
from tests.audit.conftest import CountingIds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.audit.verify.result import Verification

LOG = "audit.jsonl"


class Desk:
    """A deployment whose thread is the test.

    Attributes:
        clock: for everything.
        sealer: of the sink that was opened last.
    """

    def __init__(self, home: Path, keeping: Keeping | None = None) -> None:
        self.folder = home / "log"
        self.log = self.folder / LOG
        self.memory = home / "heads"
        self.keys = (signing_key.make("desk"),)
        self.keeping = keeping or Keeping(size=2_000, keep=1_000.0)
        self.clock = FakeClock(1_000.0)
        self.ids = CountingIds()
        self.sealer: LogSigner | None = None

    def seal(self, path: Path, fd: int, head: Callable[[], str]) -> LogSigner:
        self.sealer = LogSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in self.keys],
            check=signing_key.check,
            memory=self.memory,
            clock=self.clock,
            keeper=Keeper(path, self.keeping, self.clock.now),
        )
        self.sealer.start = lambda: None  # type: ignore[method-assign]  # the test signs
        return self.sealer

    def open(self) -> JsonlSink:
        """Open a sink on the log."""
        sink = JsonlSink(self.log, clock=self.clock, ids=self.ids, policy="ab", seal=self.seal, keeping=self.keeping)
        sink.open()
        return sink

    def write(self, sink: JsonlSink, *notes: str) -> None:
        """Write a record a second for each note."""
        for note in notes:
            self.clock.advance(1)
            sink.append(Acted(id=f"r{note}", at=self.clock.now(), policy="ab", act="started", by="dana", note=note))

    def work(self) -> None:
        """Do what the thread does when it wakes: sign, then keep."""
        assert self.sealer is not None
        self.sealer._try(again=False)
        self.sealer._tidy()
        assert not self.sealer.trouble
        assert not self.sealer.untidy

    def names(self) -> list[str]:
        """List the files of the log."""
        return sorted(path.name for path in self.folder.iterdir())

    def trust(self) -> Trust:
        held = by_origin(head.note for head in checkpoint_file.load_heads(self.memory))
        return Trust(tuple(one.key for one in self.keys), signing_key.check, held)

    def verify(self) -> Verification:
        return verify(self.log, trust=self.trust(), pause=lambda _: None)


def numbers(begin: int, end: int) -> list[str]:
    """Name records."""
    return [str(number) for number in range(begin, end)]


def filled(desk: Desk, count: int = 60) -> None:
    """Write records over several segments, signed and compressed on the way."""
    sink = desk.open()
    for begin in range(0, count, 10):
        desk.write(sink, *numbers(begin, begin + 10))
        desk.work()
    desk.clock.advance(1)
    sink.close()


def told(desk: Desk) -> list[str]:
    """Read every record's note through the index, oldest first; what the log says of itself is left out."""
    with open_index(desk.log) as index:
        found = [one.record for one in find(index, Query(), newest=False)]
    return [one["note"] for one in found if one["by"] == "dana"]
