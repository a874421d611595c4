"""Kill a process that writes the log, many times, and check the files that remain. Run as a program.

``python -m tests.faults.log_crash_program FOLDER KILLS SEED`` prints its findings as JSON. The process writes, waits
for the disk, signs, closes, compresses and retires files and keeps an index, all at once. It is killed in three ways:
from outside, after a number of acknowledgements; by itself, before, after or during a call of the operating system;
and with the loss of every byte that no fsync had brought to the disk, as in a power failure.

Rules: only the process's own acknowledgements and calls show what is durable. A record is acknowledged when `append`
or `flush` has returned and this was written to a pipe, which a kill does not undo.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find
from authguard.audit.verify.checkpoint_verifier import Trust, group_by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.retention import RetentionPolicy, SegmentRetention
from authguard.ids import SystemIds
from authguard.records.chain import ChainBreak, Violation
from authguard.records.entries import ActEntry
from authguard.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

#: what a process calls where it can be killed, and what a power cut may undo
CALLS: Final = (
    *("write", "pwrite", "fsync", "ftruncate", "link", "replace", "unlink", "open", "close", "pread", "lseek"),
    *("rename", "mkdir", "stat", "lstat", "fstat", "dup", "scandir"),
)
#: those that change something come up most
CHANGING: Final = ("write", "pwrite", "fsync", "ftruncate", "link", "replace", "unlink", "open")
WAYS: Final = ("outside", "call", "power")
MOMENTS: Final = ("before", "half", "after")
#: kills that one log has to survive, and records that are written between two
LIVES: Final = 20
RECORDS: Final = 60
#: every so-manieth kill is in the middle of a line
TEARING: Final = 8
#: share of the processes whose thread signs all the time
BUSY: Final = 0.6
KEY: Final = signing_key.generate_key("crash")
_write: Final = os.write
_fsync: Final = os.fsync


@dataclass
class Life:
    """One log and what is known of it.

    Attributes:
        folder: its home.
        acknowledged: number of a record -> whether it was said to be on the disk.
        first: the next record's number.
        now: the clock.
    """

    folder: Path
    acknowledged: dict[int, bool] = field(default_factory=dict)
    first: int = 0
    now: float = 1_000.0

    @property
    def log(self) -> Path:
        """Its first chain."""
        return self.folder / "log" / "audit.jsonl"


def sink_of(life: Life, clock: FakeClock, *, busy: bool = True) -> JsonlSink:
    """Make a sink that closes small files and keeps lines for a minute or two.

    Args:
        life: of the log.
        clock: of the records.
        busy: whether its thread signs as fast as it can, which brings the lines to the disk too; else hardly ever.
    """
    retention = RetentionPolicy(max_bytes=4_000, retention_s=100.0)

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        return CheckpointSigner(
            path,
            fd,
            head,
            signers=[(KEY.key, KEY.sign)],
            check=signing_key.verify_signature,
            memory=life.folder / "heads",
            clock=clock,
            every=5 if busy else 1_000_000,
            within=0.001 if busy else 3_600.0,
            retention=SegmentRetention(path, retention, clock.now),
        )

    return JsonlSink(life.log, clock=clock, ids=SystemIds(), policy="ab", make_signer=make_signer, retention=retention)


# --- the process that is killed


def arm(call: str, number: int, moment: str, ledger: int) -> None:
    """Die at the so-manieth call of a kind: before it, after it, or when half of it is done."""
    counts: Counter[str] = Counter()

    def wrapped(name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        fatal = name == call and counts[name] == number
        if fatal and moment == "half" and name in {"write", "pwrite"}:
            fd, data, *rest = args
            real(fd, data[: len(data) // 2], *rest)
        if fatal and moment != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        status = os.__dict__["_fstat"](args[0]) if name == "fsync" else None
        done = real(*args, **kwargs)
        if status is not None:
            _write(ledger, f"{status.st_ino} {status.st_size}\n".encode())
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    os.__dict__["_fstat"] = os.fstat
    for name in CALLS:
        setattr(os, name, partial(wrapped, name, getattr(os, name)))


async def work(life: Life, seed: int, told: int) -> None:
    """Write records from several tasks, some of which wait for the disk, and keep an index meanwhile."""
    chance = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
    clock = FakeClock(life.now)
    sink = sink_of(life, clock, busy=chance.random() < BUSY)
    sink.open()
    numbers = count(life.first)

    async def write() -> None:
        for number in numbers:
            if number >= life.first + RECORDS:
                return
            clock.advance(1.0)
            size = chance.choice((0, 10, 300))
            position = sink.append(
                ActEntry(id=str(number), at=clock.now(), policy="ab", act="started", by="crash", note="x" * size)
            )
            if chance.random() < 0.7:
                await sink.flush(position)
                _write(told, f"S {number}\n".encode())
            else:
                _write(told, f"A {number}\n".encode())
                await asyncio.sleep(0)
            if chance.random() < 0.05:
                with open_index(life.log) as index:
                    next(find(index, Query()), None)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(write())
    sink.close()


# --- what is left


def cut_power(life: Life, sizes: dict[int, int], ledger: str) -> None:
    """Take away what no fsync had brought to the disk; names are as they were last, as a journal keeps them."""
    for line in ledger.splitlines():
        inode, size = line.split()
        sizes[int(inode)] = max(int(size), sizes.get(int(inode), 0))
    for path in files(life):
        if ".index" not in path.name and path.stat().st_size > sizes.get(path.stat().st_ino, 0):
            os.truncate(path, sizes.get(path.stat().st_ino, 0))


def files(life: Life) -> list[Path]:
    """List every file of a log and of its writer's memory."""
    return [path for path in life.folder.rglob("*") if path.is_file()]


def look(life: Life, way: str) -> dict[str, Any]:
    """Verify what is left before and after a new process goes on with it; give what was found, or raise."""
    trust = Trust(
        (KEY.key,),
        signing_key.verify_signature,
        group_by_origin(head.note for head in checkpoint_file.load_heads(life.folder / "heads")),
    )
    raw = life.log.read_bytes() if life.log.exists() else b""
    torn = bool(raw) and not raw.endswith(b"\n")
    if life.log.exists() and way != "power":
        before = verify(life.log, trust=trust, pause=lambda _: None)
        findings = {chain.result.violation for chain in before.chains if isinstance(chain.result, ChainBreak)}
        assert findings <= (
            {Violation.TORN} if torn else {Violation.EMPTY, Violation.UNSIGNED, Violation.CHECKPOINTS_REMOVED}
        ), findings
    clock = FakeClock(life.now + 2 * RECORDS)
    sink = sink_of(life, clock)
    sink.open()
    sink.append(ActEntry(id="survivor", at=clock.now(), policy="ab", act="started", by="survivor"))
    sink.close()
    trust = Trust(
        (KEY.key,),
        signing_key.verify_signature,
        group_by_origin(head.note for head in checkpoint_file.load_heads(life.folder / "heads")),
    )
    after = verify(life.log, trust=trust, pause=lambda _: None)
    assert after.ok, [chain for chain in after.chains if isinstance(chain.result, ChainBreak)]
    assert len(after.chains) == 1
    chain = after.chains[0]
    assert chain.ranges.signed == chain.lines
    with open_index(life.log) as index:
        there = [one.record for one in find(index, Query(), newest=False)]
    assert len(there) == chain.lines - chain.retired[0], "the index does not have every line"
    present = {int(one["id"]) for one in there if one["by"] == "crash"}
    # what was retired went from the beginning on, and there is no telling who it was
    oldest = min(present, default=life.first + RECORDS) if chain.retired[0] else 0
    lost = [
        number
        for number, durable in life.acknowledged.items()
        if number >= oldest and number not in present and (durable or way != "power")
    ]
    assert not lost, f"acknowledged and lost: {lost}"
    if torn and way != "power":
        assert any(one["act"] == "repaired" for one in there[-8:]), "unrepaired"
    assert not any(one["act"] == "foreign" for one in there), "lines of a writer of ours were taken for somebody else's"
    return {
        "torn": torn,
        "lines": chain.lines,
        "segments": chain.segments,
        "retired": chain.retired[0],
        "packed": sum(piece.form == segment_file.GZIP_SUFFIX for piece in segment_file.list_closed(life.log)),
        "present": sorted(present),
    }


# --- one kill after the other


def forked(work: Callable[[], Any], verdict: Path) -> int:
    """Run something in a process of its own, which leaves what it found in a file; give the process."""
    pid = os.fork()
    if pid == 0:
        try:
            verdict.write_text(json.dumps({"found": work()}), "utf-8")
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child tells its parent, and never runs the parent's code
            verdict.write_text(json.dumps({"failed": traceback.format_exc()}), "utf-8")
            os._exit(1)
    return pid


def kill_once(life: Life, turn: int, chance: random.Random, place: Path) -> tuple[str, str]:
    """Let a process write, and kill it; give how, and whether it was done before that."""
    way = chance.choice(WAYS)
    call = chance.choice(CHANGING if chance.random() < 0.8 else CALLS)
    number = chance.randint(1, 60 if call in {"write", "fsync", "open"} or call not in CHANGING else 10)
    moment = "half" if call in {"write", "pwrite"} and chance.random() < 0.7 else chance.choice(MOMENTS)
    if turn % TEARING == 0:  # this one is always reached, so every run has torn lines
        way, call, number, moment = "call", "write", chance.randint(5, 20), "half"
    patience = chance.randint(1, RECORDS - 5)
    sizes = {path.stat().st_ino: path.stat().st_size for path in files(life)}
    seed = chance.randrange(1 << 30)
    told, tells = os.pipe()
    ledger, writes = os.pipe()
    os.set_blocking(ledger, False)

    def victim() -> None:
        os.close(told)
        if way != "outside":
            arm(call, number, moment, writes)
        asyncio.run(work(life, seed, tells))

    pid = forked(victim, place / "verdict")
    os.close(tells)
    os.close(writes)
    heard = b""
    while data := os.read(told, 4_096):
        heard += data
        if way == "outside" and heard.count(b"\n") >= patience:
            os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(told)
    kept = b""
    while data := _read_some(ledger):
        kept += data
    os.close(ledger)
    if code not in {0, -signal.SIGKILL}:
        raise AssertionError(json.loads((place / "verdict").read_text("utf-8"))["failed"])
    for line in heard[: heard.rfind(b"\n") + 1].decode().splitlines():
        kind, said = line.split()
        life.acknowledged[int(said)] = kind == "S" or life.acknowledged.get(int(said), False)
    if way == "power":
        cut_power(life, sizes, kept.decode())
    how = way if way == "outside" else f"{way}, {moment} {call}"
    return how, "killed" if code else "ended"


def _read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except BlockingIOError:
        return b""


def main() -> None:
    """Kill so many, over as many logs as that takes."""
    home, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
    gc.freeze()
    found: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    failures: list[str] = []
    acknowledged = 0
    life, lives, killed = Life(home / "0"), 0, 0
    while killed < kills and not failures:
        if not lives % LIVES:
            shutil.rmtree(life.folder, ignore_errors=True)
            life = Life(home / str(lives))
            life.folder.mkdir()
        lives += 1
        how = ""
        try:
            how, ended = kill_once(life, lives, chance, home)
            killed += ended == "killed"
            way = how.partition(",")[0]
            if ended == "killed":
                ways[how] += 1
            pid = forked(partial(look, life, way), home / "verdict")
            os.waitpid(pid, 0)
            said = json.loads((home / "verdict").read_text("utf-8"))
            if "failed" in said:
                failures.append(f"{how}, kill {killed} of seed {seed}: {said['failed']}")
                break
            seen = said["found"]
        except Exception:  # noqa: BLE001 - its answer
            failures.append(f"{how}, kill {killed} of seed {seed}: {traceback.format_exc()}")
            break
        found["torn"] += seen["torn"]
        for name in ("segments", "retired", "packed"):
            found[name] = max(found[name], seen[name])
        acknowledged += sum(number >= life.first for number in life.acknowledged)
        present = set(seen["present"])
        life.acknowledged = {number: True for number in life.acknowledged if number in present}
        life.now += 2 * RECORDS + 1
        life.first += RECORDS
    answer: dict[str, Any] = {
        "killed": killed,
        "acknowledged": acknowledged,
        "found": dict(found),
        "ways": dict(sorted(ways.items())),
    }
    print(json.dumps({sys.argv[3]: answer | {"failures": failures}}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
