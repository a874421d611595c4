"""A signed log against somebody who has its files but not its key: every manipulation is found, and placed."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.chain_file import LockedFile, acquire, release
from authguard.audit.verify.checkpoint_verifier import Trust, group_by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.anchor import make_anchor
from authguard.audit.write.anchor_publisher import AnchorPublisher
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.audit.write.events import Part
from authguard.audit.write.jsonl import JsonlSink
from authguard.records.chain import ChainBreak
from authguard.records.entries import ActEntry, DecisionEntry
from authguard.testing import FakeClock
from tests.audit.conftest import CountingIds
from tests.audit.logs import CELL
from tests.audit.verify.tampering import LOG, MANIPULATIONS, SECOND, SIGNED, rehash
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.audit.verify.result import Verification

LINES = 40


class Deployment:
    """One deployment: a key, a memory beside it, and a log, signed by hand as the thread does."""

    def __init__(self, home: Path, name: str) -> None:
        self.folder = home / name
        self.memory = home / f"{name}.heads"
        self.keys = (signing_key.generate_key(f"desk-{name}"),)
        self.clock = FakeClock()
        self.signer: CheckpointSigner | None = None

    def make_signer(self, path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        self.signer = CheckpointSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in self.keys],
            check=signing_key.verify_signature,
            memory=self.memory,
            clock=self.clock,
        )
        self.signer.start = lambda: None  # type: ignore[method-assign]
        return self.signer

    def sink(self) -> JsonlSink:
        return JsonlSink(
            self.folder / LOG, clock=self.clock, ids=CountingIds(), policy="ab", make_signer=self.make_signer
        )

    def fill(self, first: str) -> None:
        """Write decisions with an approval among them between a beginning and an end, and sign at seven places."""
        sink = self.sink()
        sink.open()
        sink._record_opened()
        assert self.signer is not None
        self.clock.advance(10)
        self.signer.sign()
        for number in range(1, LINES - 1):
            at, name = 1000.0 + number, f"{first}{number}"
            if number == 24:
                sink.append(ActEntry(id=name, at=at, policy="ab", act="approval.given", by="dana"))
            else:
                sink.append(
                    DecisionEntry(
                        id=name,
                        at=at,
                        policy="ab",
                        operation="pay",
                        cell=CELL,
                        rule="3:deny",
                        outcome="deny",
                        fallback="deny",
                        subject="s3",
                        trace_id=f"{number:032x}",
                    )
                )
            if number in {18, 26, 30, 33, 35}:
                self.clock.advance(10)
                self.signer.sign()
        self.clock.advance(10)
        sink.close()

    def trust(self) -> Trust:
        held = group_by_origin(head.note for head in checkpoint_file.load_heads(self.memory))
        return Trust(tuple(one.key for one in self.keys), signing_key.verify_signature, held)

    def verify(self) -> Verification:
        return verify(self.folder / LOG, trust=self.trust(), pause=lambda _: None)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Deployment]:
    """Write two deployments' logs, the first with two writers' chains."""
    home = tmp_path_factory.mktemp("signed")
    ours, other = Deployment(home, "ours"), Deployment(home, "other")
    ours.fill("r")
    held: LockedFile = acquire(ours.folder / LOG)
    ours.fill("q")
    release(held)
    other.fill("o")
    return home, ours


@pytest.fixture
def tampered(signed: tuple[Path, Deployment], tmp_path: Path) -> Deployment:
    home, ours = signed
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    skip_validation(tmp_path)
    copy = Deployment(tmp_path, "ours")
    copy.keys = ours.keys
    return copy


def test_what_nobody_touched_verifies_and_is_signed_to_its_end(tampered: Deployment) -> None:
    found = tampered.verify()
    assert found.ok
    assert [(one.path.name, one.lines, one.ranges.signed) for one in found.chains] == [
        (LOG, LINES, LINES),
        (SECOND, LINES, LINES),
    ]
    assert [len((tampered.folder / name).read_bytes().splitlines()) for name in (SIGNED,)] == [7]


@pytest.mark.parametrize("done", MANIPULATIONS)
def test_a_manipulation_is_found_in_its_file_at_its_line(tampered: Deployment, done: str) -> None:
    tamper, file, line, flaw = MANIPULATIONS[done]
    tamper(tampered.folder)
    found = tampered.verify()
    assert not found.ok
    if file == "GONE":
        assert {one.broken.violation.value for one in found.missing} >= {flaw}
        return
    broken = [
        (one.where.name, one.result.line, one.result.violation.value)
        for one in found.chains
        if isinstance(one.result, ChainBreak)
    ]
    assert (file, line, flaw) in broken


def test_at_least_forty_manipulations_are_tried() -> None:
    assert len(MANIPULATIONS) >= 40


def test_a_restart_goes_on_and_never_signs_what_was_changed_meanwhile(tampered: Deployment) -> None:
    sink = tampered.sink()
    sink.open()
    sink.append(ActEntry(id="more", at=2000.0, policy="ab", act="stopped"))
    sink.close()
    assert tampered.verify().chains[0].ranges.signed == LINES + 3, "with the writer's first and last line"
    MANIPULATIONS["the log and its checkpoints cut alike"][0](tampered.folder)
    sink = tampered.sink()
    sink.open()
    sink.append(ActEntry(id="after", at=3000.0, policy="ab", act="started"))
    assert tampered.signer is not None
    tampered.signer.stop()
    sink.append(ActEntry(id="later", at=3005.0, policy="ab", act="started"))
    sink.close()
    assert b'"act":"signing_failed"' in (tampered.folder / LOG).read_bytes()
    assert not tampered.verify().ok


def test_lines_that_were_put_in_behind_the_writer_are_not_signed(tampered: Deployment) -> None:
    sink = tampered.sink()
    sink.open()
    sink.append(ActEntry(id="more", at=2000.0, policy="ab", act="stopped"))
    lines = (tampered.folder / LOG).read_bytes().splitlines(keepends=True)
    with (tampered.folder / LOG).open("r+b") as file:
        file.write(b"".join(rehash([*lines[:-1], lines[-1].replace(b"stopped", b"started")])))
    assert tampered.signer is not None
    tampered.signer.stop()
    assert "changed" in tampered.signer.events.find_failure(Part.SIGNING)
    sink.close()
    assert tampered.verify().chains[0].ranges.signed == LINES


def test_a_log_that_was_not_signed_is_adopted_and_says_so(tmp_path: Path) -> None:
    desk = Deployment(tmp_path, "desk")
    plain = JsonlSink(desk.folder / LOG, clock=desk.clock, ids=CountingIds(), policy="ab")
    plain.open()
    plain.append(ActEntry(id="a", at=1000.0, policy="ab", act="started"))
    plain.close()
    sink = desk.sink()
    sink.open()
    sink.close()
    found = desk.verify()
    assert found.ok
    assert (found.chains[0].lines, found.chains[0].ranges.signed, found.chains[0].ranges.adopted) == (4, 4, 2)


def test_who_trusts_the_old_key_follows_to_the_new_one(tampered: Deployment) -> None:
    old, trusted = tampered.keys[0], tampered.trust().keys
    tampered.keys = (old, signing_key.generate_key(old.key.name))
    for number in range(2):
        sink = tampered.sink()
        sink.open()
        sink.append(ActEntry(id=f"n{number}", at=2000.0, policy="ab", act="started"))
        tampered.clock.advance(10)
        sink.close()
    held = tampered.trust().remembered
    found = verify(tampered.folder / LOG, trust=Trust(trusted, signing_key.verify_signature, held))
    assert found.ok, found
    assert found.chains[0].ranges.signed == LINES + 7


def test_a_thread_signs_a_log_that_nobody_adds_to(tmp_path: Path) -> None:
    desk = Deployment(tmp_path, "desk")
    made = threading.Event()

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        return CheckpointSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in desk.keys],
            check=signing_key.verify_signature,
            memory=desk.memory,
            clock=desk.clock,
            within=0.01,
            publisher=AnchorPublisher([make_anchor(lambda _: made.set())], desk.memory),
        )

    sink = JsonlSink(desk.folder / LOG, clock=desk.clock, ids=CountingIds(), policy="ab", make_signer=make_signer)
    sink.open()
    sink.append(ActEntry(id="a", at=1000.0, policy="ab", act="started"))
    assert made.wait(300)
    assert desk.verify().ok
    sink.close()
