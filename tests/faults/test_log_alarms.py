"""No false alarm: a log is verified in a loop while it is written, rotated, retired, signed and taken over."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.faults.program_runner import folder, run

#: how often each of two logs is verified
LOOKS = int(os.environ.get("AUTHGUARD_ALARM_LOOKS", "25"))
SEEDS = ("20261129", "14")


@pytest.fixture(scope="module")
def alarms() -> dict[str, Any]:
    """Seed -> what was looked at, and what must not have been found."""
    with folder() as place:
        return run("verify_loop_program", place, [[str(LOOKS), seed] for seed in SEEDS])


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_log_is_never_called_anything_else(alarms: dict[str, Any], seed: str) -> None:
    assert alarms[seed]["failures"] == []
    assert alarms[seed]["looks"] >= LOOKS


def test_files_were_closed_retired_and_taken_over_meanwhile(alarms: dict[str, Any]) -> None:
    acts = [alarms[seed]["acts"] for seed in SEEDS]
    for act in ("rotated", "retired", "recovered", "closed", "writing_recovered", "repaired"):
        assert any(one.get(act) for one in acts), f"there was none that was `{act}`"
