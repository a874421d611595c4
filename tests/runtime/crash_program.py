"""Program for test_leases: makes one purchase, and kills itself at a given stage.

``python -m tests.runtime.crash_program STORE STAGE``; it uses SIGKILL, so that nothing is cleaned up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.evaluation.decision import AppResponse
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from collections.abc import Callable

#: where it may die: before its purchase is saved, before the app was called, in the app, after the app has answered
STAGES: Final = ("unsaved", "saved", "running", "answered", "settled")
TEXT: Final = POLICY.replace("    limits:\n", "    limits:\n      - {amount: 1000 EUR, per: 1d, by: service}\n")
BODY: Final = {"amount": 400, "currency": "EUR"}


def die() -> None:
    """Kill the process as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


async def buy(store: SqliteStore, stage: str, ran: Callable[[], None]) -> None:
    """Make one purchase, and die at a stage; the app writes a file to show that it ran."""
    desk = EnforcerHarness(TEXT, store=store)
    commit = store.commit
    commits = 0

    async def dying(*parts: Any) -> bool:
        nonlocal commits
        commits += 1
        if (stage, commits) in {("unsaved", 1), ("answered", 2)}:
            die()
        return await commit(*parts)

    store.commit = dying  # type: ignore[method-assign,assignment]  # to die in it
    await store.open()
    verdict = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
    if stage == "saved":
        die()
    ran()
    if stage == "running":
        die()
    await desk.enforcer.reports.settle(verdict, AppResponse(201, "text/plain", b"bought"))
    die()


class _Patient(SqliteStore):
    """A store with a `commit` that tests can replace."""


if __name__ == "__main__":
    place = Path(sys.argv[1])
    asyncio.run(buy(_Patient(place / "store.db"), sys.argv[2], (place / "ran").touch))
