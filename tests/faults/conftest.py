"""Results of the fault programs: each program runs once for all tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.cancel_program import ALL
from tests.faults.program_runner import folder, run
from tests.faults.request_kinds import KINDS


@pytest.fixture(scope="session")
def killed() -> dict[str, Any]:
    """Kind of request -> its points, what was found after each kill, and what must not have been."""
    names = list(KINDS)
    with folder() as place:
        found = run("kill_program", place, (names[::2], names[1::2]))
    return {name: found[name] for name in names}


@pytest.fixture(scope="session")
def cancelled() -> dict[str, Any]:
    """Kind of request -> its points, what was found after each cancellation, and what must not have been."""
    names = list(ALL)
    with folder() as place:
        found = run("cancel_program", place, (names[::2], names[1::2]))
    return {name: found[name] for name in names}


@pytest.fixture(scope="session")
def broken() -> dict[str, Any]:
    """Trouble -> what was seen of it."""
    with folder() as place:
        return run("fault_program", place, [[]])
