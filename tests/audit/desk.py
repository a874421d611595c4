"""One deployment for the tests of signed logs: a key, a memory beside it, and a log, signed and kept by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find
from authguard.audit.verify.checkpoint_verifier import Trust, group_by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.checkpoint_signer import DEFAULT_INTERVAL_LINES, CheckpointSigner
from authguard.audit.write.events import Part
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.retention import RetentionPolicy, SegmentRetention
from authguard.records.entries import ActEntry
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
        signer: of the sink that was opened last.
        every: lines after which the writer wakes it, and hands their leaves over.
    """

    def __init__(self, home: Path, retention: RetentionPolicy | None = None) -> None:
        self.folder = home / "log"
        self.log = self.folder / LOG
        self.memory = home / "heads"
        self.keys = (signing_key.generate_key("desk"),)
        self.retention = retention or RetentionPolicy(max_bytes=2_000, retention_s=1_000.0)
        self.clock = FakeClock(1_000.0)
        self.ids = CountingIds()
        self.signer: CheckpointSigner | None = None
        self.every = DEFAULT_INTERVAL_LINES

    def make_signer(self, path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        self.signer = CheckpointSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in self.keys],
            check=signing_key.verify_signature,
            memory=self.memory,
            clock=self.clock,
            every=self.every,
            retention=SegmentRetention(path, self.retention, self.clock.now),
        )
        self.signer.start = lambda: None  # type: ignore[method-assign]  # the test signs
        return self.signer

    def open(self) -> JsonlSink:
        """Open a sink on the log."""
        sink = JsonlSink(
            self.log,
            clock=self.clock,
            ids=self.ids,
            policy="ab",
            make_signer=self.make_signer,
            retention=self.retention,
        )
        sink.open()
        return sink

    def write(self, sink: JsonlSink, *notes: str) -> None:
        """Write a record a second for each note."""
        for note in notes:
            self.clock.advance(1)
            sink.append(ActEntry(id=f"r{note}", at=self.clock.now(), policy="ab", act="started", by="dana", note=note))

    def work(self) -> None:
        """Do what the thread does when it wakes: sign, then keep."""
        assert self.signer is not None
        self.signer._try_sign(again=False)
        self.signer._maintain()
        assert not self.signer.events.find_failure(*Part)

    def names(self) -> list[str]:
        """List the files of the log."""
        return sorted(path.name for path in self.folder.iterdir())

    def trust(self) -> Trust:
        held = group_by_origin(head.note for head in checkpoint_file.load_heads(self.memory))
        return Trust(tuple(one.key for one in self.keys), signing_key.verify_signature, held)

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
