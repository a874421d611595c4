"""Handing checkpoints on: nobody waits for an anchor, the newest is what counts, and failures are caught up."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.write.anchor import FileAnchor, HttpAnchor, read_anchor
from authguard.audit.write.anchor_publisher import SCAN_INTERVAL_S, STALE_AFTER_S, AnchorPublisher
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.audit.write.events import EventBox, Part
from authguard.audit.write.jsonl import JsonlSink
from authguard.errors import AuditError
from authguard.records.entries import ActEntry
from authguard.records.signed_note import Checkpoint, sign_note
from authguard.testing import FakeClock
from tests.audit.conftest import CountingIds
from tests.audit.write.anchored import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authguard.audit.write.anchor import Anchor

KEY = signing_key.generate_key("desk")
WAIT = 300.0


def note(size: int = 1, chain: str = "desk/00") -> str:
    return sign_note(Checkpoint(chain, size, bytes(32)), 1_800_000_000 + size, [(KEY.key, KEY.sign)])


class Watched:
    """An anchor that tells how each attempt ended, and waits where a test holds it."""

    def __init__(self, inner: Anchor | None = None) -> None:
        self.name = "watched"
        self.inner = inner
        self.ended: queue.Queue[tuple[str, bool]] = queue.Queue()
        self.free = threading.Event()
        self.free.set()
        self.broken = False

    def store(self, text: str) -> None:
        self.free.wait(WAIT)
        try:
            if self.inner is not None and not self.broken:
                self.inner.store(text)
        except BaseException:
            self.ended.put((text, False))
            raise
        self.ended.put((text, not self.broken))
        if self.broken:
            raise AuditError("broken")

    def next(self) -> tuple[str, bool]:
        return self.ended.get(timeout=WAIT)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., AnchorPublisher]]:
    """Make anchorings that retry at once, all stopped at the end."""
    all_made: list[AnchorPublisher] = []

    def make(*anchors: Anchor) -> AnchorPublisher:
        all_made.append(AnchorPublisher(anchors, tmp_path / "heads", first=0.01))
        return all_made[-1]

    yield make
    for one in all_made:
        one.stop()


def test_of_a_chain_the_newest_alone_waits(made: Callable[..., AnchorPublisher]) -> None:
    anchor = Watched()
    publisher = made(anchor)
    anchor.free.clear()
    for size in range(1, 6):
        publisher.publish("desk/00", note(size))
    publisher.publish("desk/01", note(7, "desk/01"))
    anchor.free.set()
    seen = [anchor.next()[0] for _ in range(2)]
    while note(7, "desk/01") not in seen or note(5) not in seen:
        seen.append(anchor.next()[0])
    assert set(seen) <= {note(1), note(2), note(3), note(4), note(5), note(7, "desk/01")}
    assert len(seen) <= 4


def test_an_anchor_that_hangs_delays_neither_the_chain_nor_another_anchor(made: Callable[..., AnchorPublisher]) -> None:
    slow, quick = Watched(), Watched()
    slow.free.clear()
    publisher = made(slow, quick)
    publisher.publish("desk/00", note(1))
    assert quick.next() == (note(1), True)
    publisher.publish("desk/00", note(2))
    assert quick.next() == (note(2), True)
    assert slow.ended.empty()
    slow.free.set()


def test_what_fails_is_told_and_asked_again_until_it_is_kept(made: Callable[..., AnchorPublisher]) -> None:
    anchor = Watched()
    anchor.broken = True
    publisher, events = made(anchor), EventBox()
    publisher.connect(events)
    assert not events.find_failure(Part.ANCHORING)
    publisher.publish("desk/00", note(1))
    assert [anchor.next()[1] for _ in range(3)] == [False] * 3
    assert publisher.error == events.find_failure(Part.ANCHORING) == "watched: broken"
    later = EventBox()
    publisher.connect(later)
    assert later.find_failure(Part.ANCHORING) == "watched: broken"
    anchor.broken = False
    while not anchor.next()[1]:
        pass
    publisher.stop()
    assert not publisher.error
    assert not later.find_failure(Part.ANCHORING)
    assert events.find_failure(Part.ANCHORING), "the box of an earlier chain gets no more"


def test_a_service_that_is_killed_gets_the_newest_when_it_is_back(
    tmp_path: Path, made: Callable[..., AnchorPublisher]
) -> None:
    service = Service(tmp_path / "kept.jsonl")
    service.start()
    anchor = Watched(HttpAnchor(service.url, service.token))
    publisher = made(anchor)
    publisher.publish("desk/00", note(1))
    assert anchor.next() == (note(1), True)
    service.kill()
    publisher.publish("desk/00", note(2))
    assert anchor.next() == (note(2), False)
    publisher.publish("desk/00", note(3))
    assert not anchor.next()[1]
    assert "ConnectError" in publisher.error
    service.start()
    found = anchor.next()
    while not found[1]:
        found = anchor.next()
    assert found == (note(3), True)
    assert list(read_anchor(service.url, service.token)) == [note(1), note(3)]
    service.kill()


def test_a_stop_hands_on_what_waits(tmp_path: Path) -> None:
    publisher = AnchorPublisher([FileAnchor(tmp_path / "anchor")], tmp_path / "heads")
    publisher.publish("desk/00", note(1))
    publisher.stop()
    assert list(read_anchor(str(tmp_path / "anchor"))) == [note(1)]
    publisher.publish("desk/00", note(2))
    publisher.stop()
    assert list(read_anchor(str(tmp_path / "anchor"))) == [note(1), note(2)]


def test_what_an_ended_writer_left_behind_is_handed_on_and_what_a_living_one_remembers_is_not(
    tmp_path: Path, made: Callable[..., AnchorPublisher]
) -> None:
    for chain in ("desk/0a", "desk/0b"):
        checkpoint_file.save_head(
            tmp_path / "heads", checkpoint_file.Head(1, "audit.jsonl", note(9, chain), 1, "", ()), chain
        )
    (tmp_path / "heads" / "damaged.json").write_text("{")
    for name in ("0a.json", "damaged.json"):
        os.utime(tmp_path / "heads" / name, (1_000, 1_000))
    anchor = Watched()
    publisher = made(anchor)
    publisher.publish("desk/00", note(1))
    assert {anchor.next(), anchor.next()} == {(note(1), True), (note(9, "desk/0a"), True)}
    publisher.stop()
    assert anchor.ended.empty()
    assert STALE_AFTER_S > 2 * SCAN_INTERVAL_S


def test_a_forked_child_hands_on_by_a_thread_of_its_own(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, warnings
warnings.simplefilter("ignore")
from authguard.audit.write.events import EventBox, Part
from authguard.audit.write.anchor_publisher import AnchorPublisher
from authguard.audit.write.anchor import FileAnchor
folder = pathlib.Path({str(tmp_path)!r})
publisher = AnchorPublisher([FileAnchor(folder / "anchor")], folder / "heads")
publisher.publish("desk/00", {note(1)!r})
child = os.fork()
if child == 0:
    publisher.publish("desk/01", {note(2, "desk/01")!r})
    publisher.stop()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
publisher.stop()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)  # noqa: S603 - this interpreter
    assert sorted(read_anchor(str(tmp_path / "anchor"))) == [note(1), note(2, "desk/01")]


def test_the_log_says_that_it_is_not_anchored_and_that_it_is_again(
    tmp_path: Path, made: Callable[..., AnchorPublisher]
) -> None:
    clock, anchor = FakeClock(), Watched()
    anchor.broken = True
    publisher = made(anchor)

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        return CheckpointSigner(
            path,
            fd,
            head,
            signers=[(KEY.key, KEY.sign)],
            check=signing_key.verify_signature,
            memory=tmp_path / "heads",
            clock=clock,
            within=0.01,
            publisher=publisher,
        )

    sink = JsonlSink(tmp_path / "audit.jsonl", clock=clock, ids=CountingIds(), policy="ab", make_signer=make_signer)
    sink.open()

    def say() -> None:
        clock.advance(2)
        sink.append(ActEntry(id="x", at=clock.now(), policy="ab", act="started"))

    say()
    assert not anchor.next()[1]
    assert not anchor.next()[1]
    say()
    anchor.broken = False
    while not anchor.next()[1]:
        pass
    anchor.free.clear()  # what comes now waits, so that nothing fails or is kept meanwhile
    while publisher.error:
        pass
    say()
    anchor.free.set()
    sink.close()
    said = (tmp_path / "audit.jsonl").read_bytes()
    assert b'"act":"anchoring_failed","by":"audit","note":"watched: broken"' in said
    assert said.index(b'"act":"anchoring_failed"') < said.index(b'"act":"anchoring_recovered"')
