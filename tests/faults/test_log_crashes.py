"""Kill -9 of a process that writes, signs, closes, compresses and retires a log; `make soak` kills a thousand."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.faults.log_crash_program import WAYS
from tests.faults.program_runner import folder, run

#: how many kills; half of them from each seed, at the same time
KILLS = int(os.environ.get("AUTHGUARD_CRASH_KILLS", "40"))
SEEDS = ("20261122", "8")


@pytest.fixture(scope="module")
def crashes() -> dict[str, Any]:
    """Seed -> how its processes were killed, and what must not have been found."""
    with folder() as place:
        return run("log_crash_program", place, [[str(KILLS // 2), seed] for seed in SEEDS])


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_anywhere_a_log_verifies_and_has_lost_nothing_that_was_acknowledged(
    crashes: dict[str, Any], seed: str
) -> None:
    assert crashes[seed]["failures"] == []
    assert crashes[seed]["killed"] == KILLS // 2
    assert crashes[seed]["acknowledged"] > 5 * KILLS


def test_processes_were_killed_in_each_way_while_files_were_closed_compressed_and_retired(
    crashes: dict[str, Any],
) -> None:
    seen = crashes[SEEDS[0]]
    assert {how.partition(",")[0] for how in seen["ways"]} == set(WAYS)
    assert min(seen["found"][name] for name in ("torn", "segments", "packed", "retired")) >= 1
