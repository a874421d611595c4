"""What the tests of the ledger share: a fresh deployment with a victim in it, and the one way to attack it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.advisories.scene import Strike
from tests.requirements import attacks, attacks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_ENTRIES = {entry.id: entry for entry in attacks()}


@pytest.fixture
async def strike(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Strike]:
    """Attack as the entry says that the test names, and get the reply that it says."""
    called = getattr(request.node, "callspec", None)
    ids = (called.id,) if called and "case" in called.params else attacks_of(request.function)
    replies = {_ENTRIES[name].reply for name in ids}
    assert len(replies) == 1, "a test plays entries of the ledger that have one reply"
    strike = Strike(tmp_path, replies.pop())
    yield strike
    await strike.close()
    assert strike.count, "a test of the ledger has to attack"
