"""Costs beside the main path, each with its limit: hold, approval, hand-off, verification, WebSocket and metadata.

The limits, and why:

- On a disk the waits count. A hold, an approval and a hand-off commit one transaction of the store and wait for the
  log, so twice a bare transaction is the least: 4 must, 2.5 aimed for. A verification commits two and waits for the log
  once, as a high write does: 2.5 and 2 for each.
- Where no disk is waited for, processor time counts, in bare transactions of about 30 us. A change of state may take
  12. A hand-off also switches to the log's thread: 15. An approval also reads a body in a thread, and finds the
  transaction: 20. A hold also canonicalizes, measures, renders and encrypts the request: 25. A verification is two
  decisions, each with its commit: 15 for each. The aim is half of it.
- The handshake of a known session repeats a cached decision, as a warm request does, and starts the task that answers
  the guard's own messages: 6 times the bare handshake, and 4.
- The metadata document is constant, and its decision is repeated, as a warm request's is: with 3.5 and 2.5 times the
  limit it takes 2 and 1.4 times the bare app's request.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.changes import two_statements
from benchmarks.kinds import ACCEPTED, Seen, Sent, batch, deployed, every_route, handshake
from benchmarks.measure import NO_DISK
from benchmarks.rounds import Case, play
from benchmarks.table import Row
from benchmarks.warm import UnfairError
from benchmarks.world import request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.kinds import Deployment
    from benchmarks.rounds import Times
    from benchmarks.world import App


class Limits(NamedTuple):
    """What a kind that writes to the store may cost, in bare transactions: each pair is what it must, and its aim.

    Attributes:
        commits: transactions of the store that it commits; the other numbers are for each.
        disk: where both sides wait for a disk.
        no_disk: where none does, by processor time.
    """

    commits: int
    disk: tuple[float, float]
    no_disk: tuple[float, float]


WRITES: Final = {
    "hold": Limits(1, (4.0, 2.5), (25.0, 12.5)),
    "approval": Limits(1, (4.0, 2.5), (20.0, 10.0)),
    "hand-off": Limits(1, (4.0, 2.5), (15.0, 7.5)),
    "verification": Limits(2, (2.5, 2.0), (15.0, 7.5)),
}
#: requests of a kind in each round
SIZE: Final = 3
#: requests in each round of kinds that write nothing to the store
MANY: Final = 100


async def costs(rounds: int, size: int = SIZE, many: int = MANY) -> list[Row]:
    """Measure every cost.

    Args:
        rounds: how many, in each of which every kind runs.
        size: requests in a round of a kind that writes to the store.
        many: requests in a round of the others.
    """
    rows = await _writes(rounds, size, None)
    if NO_DISK.is_dir():
        rows += await _writes(rounds, size, NO_DISK)
    return rows + await _replies(rounds, many)


async def _writes(rounds: int, size: int, base: Path | None) -> list[Row]:
    number = rounds * size
    with tempfile.TemporaryDirectory(dir=base) as name:
        folder = Path(name)
        with two_statements(folder / "bare.db", number) as bare:
            async with deployed(folder, folder / "store.db") as at:
                cases = [_written(at, kind, await batch(at, kind, number)) for kind in WRITES]
                clock = process_time if base else perf_counter
                times = await play([*cases, bare], rounds=rounds, size=size, clock=clock)
    rows = []
    for kind, limits in WRITES.items():
        what = "SQLite transaction" if limits.commits == 1 else f"{limits.commits} SQLite transactions"
        words = ", no disk, by processor time" if base else ""
        ratio = times.ratio(kind, "statements").divided(limits.commits)
        rows.append(Row.of(f"{kind} / its {what}{words}", ratio, *(limits.no_disk if base else limits.disk)))
    return rows


def _written(at: Deployment, kind: str, requests: Sequence[Sent]) -> Case:
    left = iter(requests)

    async def run(sent: Sequence[Sent]) -> None:
        for one in sent:
            await at.send(one)

    return Case(kind, lambda size: [next(left) for _ in range(size)], run)


async def _replies(rounds: int, many: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with deployed(folder, folder / "store.db") as at:
            (document,) = await batch(at, "metadata", 1)
            (socket,) = await batch(at, "WebSocket", 1)
            token = next(value for header, value in socket.scope["headers"] if header == b"authorization")[7:]
            app = every_route()
            cases = [
                _same("bare", app, lambda: Sent(request())),
                _same("metadata", at.guarded, lambda: Sent(request(path=document.scope["path"]))),
                _same("bare handshake", app, lambda: Sent(handshake(token), status=ACCEPTED)),
                _same("WebSocket", at.guarded, lambda: Sent(handshake(token), status=ACCEPTED)),
            ]
            # nothing waits here, and the time of the thread that signs the log is not the request's
            times: Times = await play(cases, rounds=rounds, size=many, clock=thread_time)
    return [
        Row.of("WebSocket handshake / the bare app's", times.ratio("WebSocket", "bare handshake"), 6.0, 4.0),
        Row.of("metadata document / the bare app's 200", times.ratio("metadata", "bare"), 2.0, 1.4),
    ]


def _same(name: str, app: App, make: Callable[[], Sent]) -> Case:
    async def run(batch: Sequence[Sent]) -> None:
        for sent in batch:
            seen = Seen(sent)
            await app(sent.scope, seen.receive, seen.send)
            if seen.status != sent.status:
                raise UnfairError(f"{name} was answered {seen.status}")

    return Case(name, lambda size: [make() for _ in range(size)], run)
