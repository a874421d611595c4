"""Cancel a guarded request at every suspension point, in every way, and check the result. Run as a program.

``python -m tests.faults.cancel_program FOLDER [KIND...]`` prints its findings as JSON. Every suspension of the request
is a point; the points are counted while the request runs. The process continues, so log and store must agree, unlike
after a kill.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import sys
import traceback
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard import factory
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.checkpoint_signer import CheckpointSigner
from authguard.records.entries import ActEntry, DecisionEntry, TransitionEntry, WithdrawalEntry
from tests.faults import app as houses
from tests.faults import disk_state
from tests.faults.app import LOG, House, Reply, note, runs
from tests.faults.fault_cases import DIRECTORY, MODULES
from tests.faults.kill_program import import_all, still
from tests.faults.recovery_checks import once, served
from tests.faults.request_kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator


async def meet(house: House, heard: Any, token: str = "") -> Reply:
    """Open a WebSocket, as far as the guard lets it."""
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {"type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if "code" not in message:
            await heard(message)

    await house.guard(scope | {"root_path": "", "extensions": {}, "state": {}}, receive, send)
    return Reply()


async def lose(house: House, heard: Any) -> Reply:
    """Ask for a refund while newer tokens of the same customer come, so that it waits for its turn, and they for it."""
    issued = int(house.clock.now()) - RIVALS
    rivals = [asyncio.create_task(house.chat(house.token(iat=issued + number))) for number in range(RIVALS)]
    house.rivals = rivals
    await asyncio.sleep(0)
    return await house.refund(heard=heard)


#: what is cancelled beside the kinds that are killed
MORE: Final = {
    "directory": Kind(
        words="a request that asks a directory", killed=lambda house, heard: house.chat(heard=heard), after=served
    ),
    "handshake": Kind(words="a WebSocket", killed=lambda house, heard: meet(house, heard, house.token()), after=served),
    "handshake_refused": Kind(words="a WebSocket without a credential", killed=meet, after=served),
    "race": Kind(words="a refund that has to wait for others", killed=lose, after=once("answer", "repeated")),
}
ALL: Final = KINDS | MORE
#: how many others want the turn too
RIVALS: Final = 6
#: a request that waits more often than this is not cancelled but endless
MOST: Final = 200
#: seconds after which what should go on at once is held up
HELD_UP: Final = 300.0
#: the ways: at once; when what it waits for has just come, and is lost; by a scope, which cancels every wait that is
#: not shielded; and again at the next wait, as an impatient server does
WAYS: Final = ("at once", "just done", "scope", "twice")


class Left:
    """Runs a coroutine, and cancels it at one of its suspensions.

    Args:
        coroutine: what is cancelled.
        fatal: number of the suspension, from 1.
        way: one of `WAYS`.
        scope: what to cancel, in that way.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, object], fatal: int, way: str, scope: anyio.CancelScope) -> None:
        self._coroutine = coroutine
        self._fatal = fatal
        self._way = way
        self._scope = scope
        self.met = 0

    def __await__(self) -> Generator[Any, Any, object]:
        """Hand everything through, both ways."""
        step = self._coroutine.send
        sent: Any = None
        while True:
            try:
                waiting = step(sent)
            except StopIteration as stop:
                return stop.value
            self.met += 1
            if self.met == self._fatal or (self._way == "twice" and self.met == self._fatal + 1):
                self._leave(waiting)
            try:
                sent = yield waiting
                step = self._coroutine.send
            except BaseException as error:  # noqa: BLE001 - a cancellation is the coroutine's own matter
                sent, step = error, self._coroutine.throw

    def _leave(self, waiting: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._way == "scope":
            self._scope.cancel()
        elif self._way == "just done" and isinstance(waiting, asyncio.Future):
            waiting.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


async def cancel(house: House, kind: Kind, fatal: int, way: str) -> tuple[int, str]:
    """Cancel one request at one point; tell how many points it came to, and what is true afterwards in a word."""

    async def heard(message: dict[str, Any]) -> None:
        note(disk_state.TOLD, disk_state.message_line(message))

    await kind.before(house)
    disk_state.arm(house.clock.now())
    met = 0

    async def request() -> None:
        nonlocal met
        with anyio.CancelScope() as scope:
            left = Left(kind.killed(house, heard), fatal, way, scope)
            try:
                await left
            finally:
                met = left.met

    task = asyncio.create_task(request())
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None, task.exception()
    house.clock.advance(1e-3)  # no two requests come at the same moment, as on a real clock
    async with asyncio.timeout(HELD_UP):
        other = await house.chat(house.token(sub="bob"))
        assert other.status < 500, f"the next customer gets {other}"
        found = await kind.after(house, disk_state.told())
        assert all(reply.status < 500 for reply in await asyncio.gather(*house.rivals)), "a rival was kept waiting"
        house.rivals = []
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
    enforcer = house.guard.enforcer
    assert not enforcer.repository._locks, "a turn is kept"
    await enforcer.close()
    check(house)
    return met, found


def check(house: House) -> None:
    """Hold the log and the store against each other: what stands is what happened, all of it."""
    lines, torn = disk_state.log()
    entries = [line.entry for line in lines]
    void = {name for entry in entries if isinstance(entry, WithdrawalEntry) for name in entry.records}
    known = {entry.id for entry in entries if not isinstance(entry, WithdrawalEntry)}
    assert void <= known, "what was never written is withdrawn"
    admitted = {
        entry.id
        for entry in entries
        if isinstance(entry, DecisionEntry) and entry.outcome in {"allow", "restrict"} and entry.id not in void
    }
    own = {
        entry.id for entry in entries if isinstance(entry, DecisionEntry) and entry.operation.startswith("authguard.")
    }
    ran = Counter(record for record, _ in runs())
    assert set(ran) == admitted - own, "a decision that stands was not carried out, or one that does not was"
    assert max(ran.values(), default=0) <= 1, "one decision admitted twice"
    initial = house.guard.enforcer.policy.initial
    records = disk_state.rows()
    standing: dict[tuple[str, str], str] = {}
    for entry in entries:
        if isinstance(entry, TransitionEntry) and entry.id not in void:
            place = (
                entry.transaction or entry.session or (entry.machine == "account" and entry.subject) or "",
                entry.machine,
            )
            assert standing.get(place, initial[entry.machine]) == entry.source, f"the log leaps at {entry}"
            standing[place] = entry.dest
    moved = {
        (entry.decision, entry.event)
        for entry in entries
        if isinstance(entry, TransitionEntry) and entry.id not in void
    }
    for entry in entries:
        if isinstance(entry, ActEntry) and entry.decision and entry.transaction and entry.id not in void:
            does = entry.act.replace("withdrawn", "denied").partition(".")[2]
            assert (entry.decision, does) in moved, f"the log says {entry.act}, and nothing of it is saved"
    stored = Counter((machine, state) for (_, machine), state in disk_state.standing(records).items())
    said = Counter((machine, state) for (_, machine), state in standing.items())
    for machine, state in (*stored, *said):
        if state != initial[machine]:
            assert stored[machine, state] == said[machine, state], f"stored {stored}, but the log says {said}"
    disk_state._check_ledgers(records)
    verification = verify(LOG)
    assert verification.ok, [chain.result for chain in verification.chains]
    assert not torn
    assert not verification.repairs


def cancel_everywhere(house: House, kind: Kind, folder: Path) -> dict[str, Any]:
    """Cancel one kind of request at each of its points, in every way."""
    found: Counter[str] = Counter()
    failures: list[str] = []
    points: dict[str, int] = {}
    for way in WAYS:
        for fatal in range(1, MOST):
            place = folder / f"{way.replace(' ', '-')}-{fatal}"
            place.mkdir(parents=True)
            os.chdir(place)
            house.build()
            try:
                met, word = asyncio.run(cancel(house, kind, fatal, way))
            except BaseException:  # noqa: BLE001 - each point is told of, whatever it raised
                failures.append(f"{way} {fatal}: {traceback.format_exc()}")
                met, word = 0, "failed"
            for handle in houses._handles.values():
                os.close(handle)
            houses._handles.clear()
            shutil.rmtree(place)
            if met < fatal:
                points[way] = met
                break
            found[word] += 1
        else:
            failures.append(f"{way}: there is no end of points")
    return {"words": kind.words, "points": points, "found": dict(sorted(found.items())), "failures": failures}


def main() -> None:
    """Cancel the kinds that were named, or all of them."""
    CheckpointSigner.start = CheckpointSigner.stop = still  # type: ignore[method-assign,assignment]
    home, *names = sys.argv[1:]
    factory.load = lru_cache(factory.load)  # type: ignore[attr-defined]  # one proof of the policy is enough for all points
    plain = House(Path(home))
    import_all(plain, Path(home) / "rehearsal")
    other = Path(home) / "other"
    other.mkdir()
    houses_of = {"directory": House(other, DIRECTORY, MODULES)}
    gc.freeze()
    found = {name: cancel_everywhere(houses_of.get(name, plain), ALL[name], Path(home) / name) for name in names or ALL}
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
