"""What the tests of crashes and troubles found: each program runs once for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.cancelling import ALL
from tests.faults.kinds import KINDS
from tests.faults.programs import folder, run


@pytest.fixture(scope="session")
def killed() -> dict[str, Any]:
    """Kind of request -> its points, what was found after each kill, and what must not have been."""
    names = list(KINDS)
    with folder() as place:
        found = run("killing", place, (names[::2], names[1::2]))
    return {name: found[name] for name in names}


@pytest.fixture(scope="session")
def cancelled() -> dict[str, Any]:
    """Kind of request -> its points, what was found after each cancellation, and what must not have been."""
    names = list(ALL)
    with folder() as place:
        found = run("cancelling", place, (names[::2], names[1::2]))
    return {name: found[name] for name in names}


@pytest.fixture(scope="session")
def broken() -> dict[str, Any]:
    """Trouble -> what was seen of it."""
    with folder() as place:
        return run("breaking", place, [[]])
