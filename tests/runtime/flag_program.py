"""Program for test_flag_races: refunds in a process of its own, which may kill itself at a given stage.

``python -m tests.runtime.flag_program FOLDER die STAGE`` makes one refund and uses SIGKILL;
``python -m tests.runtime.flag_program FOLDER race NAME STATUS...`` makes one refund for each status of the app.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from authguard.evaluation.decision import AppResponse
from authguard.stores.sqlite import SqliteStore
from tests.evaluation.test_flags import BODY, TEXT
from tests.support.harness import EnforcerHarness

#: where it may die: before the refund is saved, before the app was called, in the app, after the app has answered
STAGES: Final = ("unsaved", "saved", "running", "answered", "settled")


def die() -> None:
    """Kill the process as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(SqliteStore):
    """A store in which the process dies before a commit."""

    #: number of commits until it dies; negative for never
    left = -1

    async def commit(self, *parts: Any) -> bool:
        """Commit, or die."""
        self.left -= 1
        if not self.left:
            die()
        return await super().commit(*parts)


async def prepare(store: SqliteStore) -> tuple[EnforcerHarness, bytes]:
    """Open a guard with the store, and let the customer chat, which permits refunds."""
    desk = EnforcerHarness(TEXT, store=store)
    await store.open()
    token = desk.login()
    await desk.enforcer.reports.commit_flags(await desk.ask("chat", token))
    return desk, token


async def refund_and_die(folder: Path, stage: str) -> None:
    """Make one refund, and die at a stage; the app writes a file to show that it ran."""
    store = DyingStore(folder / "store.db")
    desk, token = await prepare(store)
    store.left = {"unsaved": 1, "answered": 2}.get(stage, -1)
    verdict = await desk.ask("refund", token, body=BODY, idempotency="k")
    if stage == "saved":
        die()
    (folder / "ran").touch()
    if stage == "running":
        die()
    await desk.enforcer.reports.settle(verdict, AppResponse(201))
    die()


async def race(folder: Path, name: str, statuses: list[int]) -> None:
    """Make refunds at the same time as other processes, each with its status of the app."""
    desk, token = await prepare(SqliteStore(folder / "store.db"))

    async def refund(number: int, status: int) -> None:
        verdict = await desk.ask("refund", token, body={**BODY, "amount": 1}, idempotency=f"{name}-{number}")
        if verdict.running:
            await desk.enforcer.reports.settle(verdict, AppResponse(status))

    await asyncio.gather(*(refund(number, status) for number, status in enumerate(statuses)))
    await desk.store.close()


if __name__ == "__main__":
    place, act, word, *rest = sys.argv[1:]
    if act == "die":
        asyncio.run(refund_and_die(Path(place), word))
    asyncio.run(race(Path(place), word, [int(one) for one in rest]))
