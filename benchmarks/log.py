"""Cost of the log: ``python -m benchmarks.log [FOLDER]`` prints a table of ratios within the rounds of one run.

By processor time: a decision's record passed to the operating system, compared with the bare chained record, which is
the same record encoded with its predecessor's hash, hashed and written without any state. By the clock: 64 requests
that each wait for the disk, compared with 64 bare records and one fsync, in the same folder.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import asdict, replace

from authguard import signing_key
from authguard.app_log import LoggingSink
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.audit.write.jsonl import JsonlSink
from authguard.clock import SystemClock
from authguard.ids import SystemIds
from authguard.records.chain import make_template
from authguard.records.entries import DecisionEntry
from benchmarks.limit import Line
from benchmarks.rounds import Case, play
from benchmarks.table import Row, markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.ports import AuditSink

#: requests that wait for one fsync
GROUP: Final = 64
#: required ratio (issue 8)
APPEND: Final = 2.0
SHARE: Final = 0.5
DECIDED: Final = DecisionEntry(
    id="01a3186577c0a32b9848785500000007",
    at=1_800_000_000.25,
    policy="4d" * 32,
    operation="chat",
    cell=(
        *("live", "normal", "active", "verified", "none", "good", "routine", "read"),
        *("granted", "met", "within", "same", "subject"),
    ),
    rule="37:allow",
    outcome="allow",
    fallback="allow",
    events=("session.accepted",),
    subject="5b" * 16,
    session="5e" * 16,
    credential="c0" * 8,
    trace_id="4b" * 16,
)


class Bare:
    """The same record, chained and written with the least code."""

    def __init__(self, path: Path) -> None:
        said = {name: value for name, value in asdict(DECIDED).items() if name in Line.__struct_fields__}
        self._line: Final = Line(**said)
        self._encode: Final = msgspec.json.Encoder().encode
        self._fd: Final = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._head = "0" * 64

    async def run(self, batch: Sequence[DecisionEntry]) -> None:
        """Write a line for each."""
        encode, write, fd, line, head = self._encode, os.write, self._fd, self._line, self._head
        for entry in batch:
            line.at = entry.at
            line.prev = head
            raw = encode(line)
            head = sha256(raw).hexdigest()
            write(fd, raw + b"\n")
        self._head = head

    async def group(self, batch: Sequence[DecisionEntry]) -> None:
        """Write lines in groups, with one fsync per group."""
        for begin in range(0, len(batch), GROUP):
            await self.run(batch[begin : begin + GROUP])
            os.fsync(self._fd)


def entries(number: int) -> list[DecisionEntry]:
    """Build decisions with different times."""
    return [replace(DECIDED, at=DECIDED.at + place / 1e6) for place in range(number)]


def appending(sink: AuditSink) -> Callable[..., object]:
    """Return a function that appends whole records."""

    async def run(batch: Sequence[DecisionEntry]) -> None:
        append = sink.append
        for entry in batch:
            append(entry)

    return run


def pressing(sink: AuditSink) -> Callable[..., object]:
    """Return a function that appends cached decisions."""
    template = make_template(DECIDED)

    async def run(batch: Sequence[DecisionEntry]) -> None:
        again = sink.append_cached
        for entry in batch:
            again(template, entry.id, entry.at, entry.trace_id)

    return run


def waiting(sink: AuditSink) -> Callable[..., object]:
    """Return a function that appends and waits for the disk, with many concurrent requests."""

    async def one(entry: DecisionEntry) -> None:
        await sink.flush(sink.append(entry))

    async def run(batch: Sequence[DecisionEntry]) -> None:
        for begin in range(0, len(batch), GROUP):
            await asyncio.gather(*map(one, batch[begin : begin + GROUP]))

    return run


async def measure(folder: Path, *, rounds: int = 60, size: int = 2_048) -> list[Row]:
    """Run every case in turn, and return the rows.

    Args:
        folder: for the logs; its disk is measured too.
        rounds: number of rounds.
        size: records of a case per round; a multiple of `GROUP`.
    """
    clock, ids, key = SystemClock(), SystemIds(), signing_key.generate_key("bench")

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        return CheckpointSigner(
            path,
            fd,
            head,
            signers=[(key.key, key.sign)],
            check=signing_key.verify_signature,
            memory=folder / "heads",
            clock=clock,
        )

    names = ("append", "again", "signed", "announced", "group")
    sinks = {
        name: JsonlSink(
            folder / f"{name}.jsonl", clock=clock, ids=ids, make_signer=make_signer if name == "signed" else None
        )
        for name in names
    }
    for sink in sinks.values():
        sink.open()
    bare = Bare(folder / "bare.jsonl")
    grouped = Bare(folder / "bare-group.jsonl")
    cases = [
        Case("bare", entries, bare.run),
        Case("append", entries, appending(sinks["append"])),  # type: ignore[arg-type]  # an awaitable of nothing
        Case("again", entries, pressing(sinks["again"])),  # type: ignore[arg-type]  # the same
        Case("announced", entries, appending(LoggingSink(sinks["announced"]))),  # type: ignore[arg-type]  # the same
    ]
    # separate, since the time of the signing thread would count for the other cases
    sealed = [Case("bare", entries, bare.run), Case("signed", entries, appending(sinks["signed"]))]  # type: ignore[arg-type]  # the same
    waits = [
        Case("bare group", entries, grouped.group),
        Case("group", entries, waiting(sinks["group"])),  # type: ignore[arg-type]  # the same
    ]
    try:
        times = await play(cases, rounds=rounds, size=size, clock=process_time)
        under = await play(sealed, rounds=rounds, size=size, clock=process_time)
        waited = await play(waits, rounds=rounds, size=size)
    finally:
        for sink in sinks.values():
            sink.close()
    share = waited.ratio("bare group", "group")
    return [
        Row(what="bare chained record", value=times.of("bare"), unit="us"),
        Row.of("a decision's record / bare", times.ratio("append", "bare"), APPEND, 1.5),
        Row.of("the same, through what announces / bare", times.ratio("announced", "bare"), APPEND, 1.5),
        Row.of("the same, while its log is signed / bare", under.ratio("signed", "bare")),
        Row.of("a decision that was made before / bare", times.ratio("again", "bare"), APPEND, 1.5),
        Row(what=f"{GROUP} bare records and an fsync, each", value=waited.of("bare group"), unit="us"),
        Row.of(f"{GROUP} requests that wait for the disk: rate / bare rate", share, SHARE, 0.8, more=True),
    ]


def main(wanted: Sequence[str]) -> int:
    """Measure in a folder and print the table; return 1 if a requirement is not met."""
    with tempfile.TemporaryDirectory(dir=wanted[0] if wanted else None, prefix="authguard-bench-") as name:
        rows = asyncio.run(measure(Path(name)))
    print(markdown(rows))
    return int(any(row.met == "**no**" for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
