"""Run two processes against each other on one store and one log. Run as a program.

``python -m tests.faults.race_program FOLDER RACE...`` prints what each process saw, as JSON. Both are forked from a
process that built the guard, as a server forks its workers; both have opened it before either begins.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.core import record_codec
from tests.faults.app import REFUND, TEXT, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.snapshot import Keys, Snapshot
    from tests.faults.app import Reply

PROCESSES: Final = 2
CONCURRENT: Final = 64
PURCHASES: Final = 100
#: ten purchases of 100 fit the day, and nothing else limits them
BUDGET: Final = TEXT.replace("      - {calls: 5, per: 10m, by: session}\n", "")
#: the same ten, whoever asks, by everything that limits count by
SHARED: Final = BUDGET.replace(
    "      - {amount: 1000 EUR, per: 1d, by: subject}\n",
    "".join(
        f"      - {{amount: 1000 EUR, per: 1d, by: {by}}}\n"
        for by in ("service", "issuer", "operation", "client", "payee", "actor")
    ),
).replace("    limits:\n", "    payee: {at: /to}\n    limits:\n")
#: seconds that a writer waits for the other process's: a busy machine is no failure of a race
PATIENCE: Final = 60.0


async def first_sight(house: House, process: int) -> list[Reply]:
    """Meet one customer for the first time."""
    del process
    return await gather(house.chat() for _ in range(CONCURRENT))


async def one_refund(house: House, process: int) -> list[Reply]:
    """Ask for one refund under one key."""
    del process
    return await gather(house.refund() for _ in range(CONCURRENT))


async def budget(house: House, process: int) -> list[Reply]:
    """Buy a hundred times, where the day's budget is for ten."""
    return await gather(house.refund(key=f"{process}-{number}") for number in range(PURCHASES))


async def shared(house: House, process: int) -> list[Reply]:
    """Let several customers buy from one payee, who spells the name in many ways, where there is a budget for ten."""
    bodies = [{"amount": 100, "currency": "EUR", "app": "answer", "to": name} for name in ("Shop 7", "shop-7", "SHOP7")]
    tokens = [house.token(sub=f"customer-{number}", client_id="app") for number in range(4)]
    return await gather(
        house.ask(REFUND, tokens[number % 4], body=bodies[number % 3], key=f"{process}-{number}")
        for number in range(PURCHASES)
    )


async def approved(house: House, process: int) -> list[Reply]:
    """Run one transaction that a person has approved."""
    del process
    return await gather(house.refund(amount=600) for _ in range(PURCHASES))


async def approve(house: House) -> list[Reply]:
    """Have one held, and approved."""
    reply = await house.refund(amount=600)
    name = reply.next["transaction"]
    await house.guard.enforcer.approvals.decide_as_operator(name, "transaction.approved", ("dana",), "why")
    return [reply]


async def reports(house: House, process: int) -> list[Reply]:
    """Let the app report doubt of one customer with every request."""
    del process
    return await gather(house.chat(body={"app": "report"}) for _ in range(CONCURRENT))


async def statuses(house: House, process: int) -> list[Reply]:
    """Come with tokens that say different things of one account at different moments."""
    tokens = []
    for number in range(CONCURRENT):
        house.clock.advance(1)
        wanted = ("ok", "frozen", "locked", "kid")[(number + process) % 4]
        tokens.append(house.token(account_status=wanted))
    return await gather(house.chat(token) for token in tokens)


async def sign_outs(house: House, process: int) -> list[Reply]:
    """Sign out while the same session talks."""
    ways = (house.chat, lambda: house.ask("/.authguard/session/end", house.token()))
    return await gather(ways[(number + process) % 2]() for number in range(CONCURRENT))


_ALL: Final = (first_sight, one_refund, budget, shared, approved, reports, statuses, sign_outs)
RACES: Final = {race.__name__: race for race in _ALL}
#: what the first process does before any of them begins
BEFORE: Final = {approved: approve}


async def gather(requests: Any) -> list[Any]:
    """Send requests at once."""
    return list(await asyncio.gather(*requests, return_exceptions=True))


async def run(
    house: House, race: Callable[[House, int], Awaitable[list[Reply]]], process: int, ready: int, go: int
) -> Any:
    """Open the guard, wait for the other process, race; give the replies, and how often each row was replaced."""
    store: Any = house.guard.enforcer.repository.store
    store._lock_timeout_s = PATIENCE
    replaced: Counter[str] = Counter()
    commit = store.commit

    async def counted(keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        saved: bool = await commit(keys, before, after)
        if saved:
            replaced.update(change.name.hex() for change in record_codec.list_changes(keys, before, after))
        return saved

    house.guard.enforcer.repository.store = Counted(store, counted)
    await house.guard.enforcer.open()
    before = await BEFORE[race](house) if race in BEFORE and not process else []
    os.write(ready, b".")
    await asyncio.to_thread(os.read, go, 1)
    replies: list[Any] = [*before, *await race(house, process)]
    await house.guard.enforcer.close()
    counts = Counter(
        f"{reply.status} {reply.outcome}" if not isinstance(reply, BaseException) else repr(reply) for reply in replies
    )
    return {"replies": counts, "replaced": replaced}


class Counted:
    """A store whose commits are counted."""

    def __init__(self, store: Any, commit: Any) -> None:
        self._store = store
        self.commit = commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def race(house: House, name: str, folder: Path) -> list[Any]:
    """Fork the processes, let them go at the same moment, and collect what they saw."""
    folder.mkdir()
    os.chdir(folder)
    house.build()
    ready, say_ready = os.pipe()
    go, say_go = os.pipe()
    pids = []
    for process in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(say_go)
                found = asyncio.run(run(house, RACES[name], process, say_ready, go))
                Path(f"found.{process}").write_text(json.dumps(found), "utf-8")
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        pids.append(pid)
    os.close(say_ready)
    seen = b""
    while len(seen) < PROCESSES and (more := os.read(ready, PROCESSES)):
        seen += more
    os.close(say_go)
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert ended == [0] * PROCESSES, ended
    return [json.loads((folder / f"found.{process}").read_text("utf-8")) for process in range(PROCESSES)]


def main() -> None:
    """Run the races that were named; every house has a folder of its own."""
    home, *names = sys.argv[1:]
    found = {}
    for name in names:
        place = Path(home) / f"{name}.house"
        place.mkdir()
        house = House(place, SHARED if name == "shared" else BUDGET)
        gc.freeze()
        found[name] = race(house, name, Path(home) / name)
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
