"""Verify a log in a loop while an app writes, rotates, retires, signs, dies and restarts. Run as a program.

``python -m tests.faults.verify_loop_program FOLDER LOOKS SEED`` prints its findings as JSON. At times the disk is full
(a limit on the file's size, which needs no privilege), and files lose their modes (the program gives up root).

Rules: since nobody edits a line, no line may be reported as changed, cut, missing or unsigned. An unreadable file is
reported by name, and is the file that lost its mode. At the end the log verifies and is signed to its last line.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import traceback
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find
from authguard.audit.query.stats import collect_stats
from authguard.audit.verify.checkpoint_verifier import Trust, group_by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.errors import AuditError
from authguard.records.chain import Violation
from authguard.records.entries import ActEntry
from authguard.records.signed_note import parse_checkpoint
from authguard.testing import FakeClock
from tests.faults.log_crash_program import KEY, Life, sink_of

if TYPE_CHECKING:
    from authguard.audit.write.jsonl import JsonlSink

NOBODY: Final = 65_534
#: records of one life of the app, and lives at most
RECORDS: Final = 150
LIVES: Final = 400
#: share of the records before which the disk fills up, a mode is lost, and the process dies
FULL: Final = 0.02
LOST: Final = 0.03
DEATH: Final = 0.004


def unprivileged(folder: Path) -> None:
    """Give root's privilege up, to which modes mean nothing."""
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def trust_of(life: Life) -> Trust:
    """Read what the writers remember, as `authguard audit verify` does."""
    heads = list(checkpoint_file.load_heads(life.folder / "heads"))
    said = ((parse_checkpoint(head.note), head.file) for head in heads)
    files = {one.origin: file for one, file in said if one is not None}
    return Trust((KEY.key,), signing_key.verify_signature, group_by_origin(head.note for head in heads), {}, files)


# --- the app


class App:
    """Writes until it is told to stop, or dies."""

    def __init__(self, life: Life, chance: random.Random, clock: FakeClock) -> None:
        self.life = life
        self.chance = chance
        self.clock = clock
        self.shut: list[Path] = []

    def run(self) -> None:
        """Write the records of one life."""
        sink = sink_of(self.life, self.clock)
        sink.open()
        for number in range(RECORDS):
            if (self.life.folder / "stop").exists():
                break
            if self.chance.random() < DEATH and self.is_signed():
                os._exit(0)
            self.clock.advance(1.0)
            if self.chance.random() < LOST:
                self.lose()
            full = self.chance.random() < FULL
            if full:
                self.fill()
            self.write(sink, number)
            if full:
                for more in range(3):
                    self.write(sink, more)
                self.drain()
            if self.shut and self.chance.random() < 0.3:
                self.restore()
        self.restore()
        sink.close()

    def is_signed(self) -> bool:
        """Return whether a checkpoint vouches for the log: one without any is rightly called unsigned."""
        beside = self.life.log.with_suffix(".checkpoints")
        return beside.exists() and beside.stat().st_size > 0

    def write(self, sink: JsonlSink, number: int) -> None:
        """Write a record, if the disk takes it."""
        note = "x" * self.chance.choice((0, 10, 300))
        try:
            sink.append(ActEntry(id=f"r{number}", at=self.clock.now(), policy="ab", act="started", by="app", note=note))
            os.fsync(sink._fd)  # as an app that waits for the disk: its thread signs and keeps files meanwhile
        except (AuditError, OSError):
            return

    def fill(self) -> None:
        """Leave room for a part of a line."""
        size = self.life.log.stat().st_size + self.chance.randint(1, 200)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def drain(self) -> None:
        """Give the disk its space back."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def lose(self) -> None:
        """Take a file's mode away, having said which."""
        found = [piece.path for piece in segment_file.list_segments(self.life.log)]
        found.append(checkpoint_file.checkpoint_path(self.life.log))
        path = self.chance.choice(found)
        with (self.life.folder / "lost").open("a", encoding="utf-8") as told:
            told.write(f"{path.name}\n")
        try:
            path.chmod(0)
        except FileNotFoundError:
            return
        self.shut.append(path)

    def restore(self) -> None:
        """Give modes back, under whichever name the files have by now."""
        self.shut.clear()
        for path in list(self.life.log.parent.iterdir()):
            with suppress(FileNotFoundError):  # its thread compresses and retires meanwhile
                if path.stat().st_mode & 0o777 == 0:
                    path.chmod(0o600)


def app(life: Life, seed: int) -> int:
    """Start the app in a process of its own; give it."""
    pid = os.fork()
    if pid:
        return pid
    try:
        chance = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
        clock = FakeClock(1_000.0 + seed % LIVES * 2 * RECORDS)
        one = App(life, chance, clock)
        if life.log.parent.exists():
            one.restore()
        one.run()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child tells its parent, and never runs the parent's code
        (life.folder / "failed").write_text(traceback.format_exc(), "utf-8")
        os._exit(1)


# --- who verifies


def look(life: Life, found: Counter[str]) -> list[str]:
    """Verify once; give what must not be found."""
    seen = verify(life.log, trust=trust_of(life), reload_trust=lambda: trust_of(life))
    found["looks"] += 1
    lost = (life.folder / "lost").read_text("utf-8").split() if (life.folder / "lost").exists() else []
    wrong = []
    for one in seen.findings:
        known = {name.removesuffix(".gz") for name in lost}
        renamed = one.path.name.removesuffix(".gz").partition(".jsonl")[0] in {name.partition(".")[0] for name in known}
        if one.broken.violation is Violation.INACCESSIBLE and (one.path.name.removesuffix(".gz") in known or renamed):
            found["unread"] += 1
        else:
            wrong.append(f"{one.path.name}, line {one.broken.line}: {one.broken.violation.value}")
    return wrong


def ask(life: Life, found: Counter[str]) -> None:
    """Ask the log as `stats` does: it answers, whatever of it cannot be read."""
    with open_index(life.log) as index:
        collect_stats(index, float("-inf"), float("inf"))
        found["asked"] += 1
        if "made anew" in index.rebuild_reason or "gone" in index.rebuild_reason:
            raise AssertionError(f"a question hears that {index.rebuild_reason}")


def main() -> None:
    """Let apps live one after the other, and verify meanwhile."""
    home, looks, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    unprivileged(home)
    chance = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
    life = Life(home)
    found: Counter[str] = Counter()
    failures: list[str] = []
    for number in count():
        pid = app(life, seed * LIVES + number)
        ended = False
        while not ended and not failures:
            if not life.log.exists():
                ended = os.waitpid(pid, os.WNOHANG)[0] == pid
                continue
            failures += look(life, found)
            if chance.random() < 0.2:
                try:
                    ask(life, found)
                except Exception:  # noqa: BLE001 - its answer
                    failures.append(traceback.format_exc())
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        found["lives"] += 1
        if failures or found["looks"] >= looks or number >= LIVES:
            break
    answer: dict[str, Any] = dict(found)
    if not failures:
        failures += after(life, seed, answer)
    print(json.dumps({sys.argv[3]: answer | {"failures": failures}}))  # noqa: T201 - its answer


def after(life: Life, seed: int, answer: dict[str, Any]) -> list[str]:
    """Let a last app take over and stop; everything then verifies and is signed, and nobody was accused."""
    (life.folder / "stop").touch()
    os.waitpid(app(life, seed * LIVES + LIVES - 1), 0)
    failed = life.folder / "failed"
    if failed.exists():
        return [failed.read_text("utf-8")]
    seen = verify(life.log, trust=trust_of(life))
    wrong = [f"{one.path.name}, line {one.broken.line}: {one.broken.violation.value}" for one in seen.findings]
    for chain in seen.chains:
        answer["retired"] = chain.retired[0]
        if chain.ranges.signed != chain.lines:
            wrong.append(f"{chain.path.name}: signed to {chain.ranges.signed} of {chain.lines}")
    with open_index(life.log) as index:
        acts = Counter(one.template.act for one in find(index, Query()))
        accused = [one.record["note"] for one in find(index, Query(text="changed or cut"))]
    answer["acts"] = dict(acts)
    return wrong + [f"accused: {one}" for one in accused] + (["foreign"] if acts["foreign"] else [])


if __name__ == "__main__":
    main()
