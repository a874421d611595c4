"""Callers that conflict retry one at a time, and a cancelled caller releases the lock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authguard.core.snapshot import Keys
from authguard.runtime.rollback import Rollback
from authguard.stores.memory import MemoryStore
from tests.support.harness import EnforcerHarness

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot


class Slow(MemoryStore):
    """A store in which the first commits conflict, and later ones wait for an event."""

    nonblocking_writes = False

    def __init__(self, losing: int) -> None:
        super().__init__()
        self.losing = losing
        self.waiting = asyncio.Event()
        self.gate = asyncio.Event()

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        await asyncio.sleep(0)
        if self.losing:
            self.losing -= 1
            return False
        self.waiting.set()
        await self.gate.wait()
        return await super().commit(keys, before, after)


@pytest.mark.parametrize("leaving", ["whose turn it is", "who waits for it"])
async def test_whoever_leaves_a_race_keeps_no_turn_from_the_others(leaving: str) -> None:
    store = Slow(losing=2)
    rollback = Rollback(EnforcerHarness(store=store).enforcer.repository)
    tasks = [asyncio.create_task(rollback.engage(name, "drill")) for name in ("dana", "omar")]
    await store.waiting.wait()
    gone, other = tasks if leaving == "whose turn it is" else reversed(tasks)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    store.gate.set()
    await other
    assert (await store.load(Keys(), EnforcerHarness().enforcer.repository.blank)).service.state == "rolled_back"
