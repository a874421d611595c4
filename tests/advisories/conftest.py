"""What the tests of the ledger share: a fresh deployment with a victim in it, and the one way to attack it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.advisories.scene import Scene, Strike
from tests.requirements import attacks, attacks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_ENTRIES = {entry.id: entry for entry in attacks()}


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Stand the usual deployment up once: an attack leaves nothing behind, or it has failed."""
    scene = Scene(tmp_path_factory.mktemp("usual"))
    yield scene
    asyncio.run(scene.guard.enforcer.close())


@pytest.fixture
async def strike(request: pytest.FixtureRequest, tmp_path: Path, usual: Scene) -> AsyncIterator[Strike]:
    """Attack as the entry says that the test names, and get the reply that it says."""
    called = getattr(request.node, "callspec", None)
    ids = (called.id,) if called and "case" in called.params else attacks_of(request.function)
    replies = {_ENTRIES[name].reply for name in ids}
    assert len(replies) == 1, "a test plays entries of the ledger that have one reply"
    usual.clock.advance(1)  # refusals of nobody above a rate share a record, and each attack looks for its own
    strike = Strike(tmp_path, replies.pop(), usual)
    yield strike
    await strike.close()
    assert strike.count, "a test of the ledger has to attack"
