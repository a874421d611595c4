"""The soak tells what grew, and nothing else."""

from __future__ import annotations

import pytest

from tests.soak.saturate import MIB, TOLERANCES, grown

STEADY = {"memory": 80 * MIB, "objects": 70_000, "tasks": 20, "threads": 3, "handles": 40}


def test_what_only_wavers_has_not_grown() -> None:
    taken = [{name: number + place % 2 for name, number in STEADY.items()} for place in range(40)]
    assert grown(taken) == []


@pytest.mark.parametrize(("name", "leak"), [("memory", 300 * 600), ("objects", 100), ("tasks", 1), ("handles", 1)])
def test_what_grows_a_little_each_time_is_told(name: str, leak: int) -> None:
    taken = [{**STEADY, name: STEADY[name] + place * leak} for place in range(60)]
    assert [problem.split()[0] for problem in grown(taken)] == [name]


def test_one_thread_more_is_one_too_many() -> None:
    assert grown([STEADY] * 20 + [{**STEADY, "threads": 4}] * 20) != []
    assert set(TOLERANCES) == set(STEADY)
