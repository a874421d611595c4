"""Candidates name where to start and what to ask; their number is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.mutation.candidates import MAX_CANDIDATES, find_candidates
from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.mutation.trial import try_mutant
from tests.policy.mutation.desk import load_desk

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.mutation.scenario_text import PlainScenario
    from authguard.policy.tree import Path as TreePath


def candidates(folder: Path, path: TreePath) -> list[PlainScenario]:
    desk = load_desk(folder)
    mutant = make_mutant("any", desk.tree, path, None)
    mutated = try_mutant(desk, mutant).policy
    assert mutated is not None
    return list(find_candidates(desk, mutant, mutated))


def test_a_transition_is_tried_from_each_of_its_states_and_watched(tmp_path: Path) -> None:
    found = candidates(tmp_path, ("machines", "account", "transitions", 0))
    assert all(one["given"]["account"] == "normal" for one in found)
    assert all(one["steps"] == [{"when": ["account.locked"]}] for one in found)
    assert [one["watch"] for one in found] == ["account", "account", "verification", "verification"]
    assert ["verification" in one["given"] for one in found] == [True, False, True, False]


def test_a_timer_is_tried_when_it_is_due(tmp_path: Path) -> None:
    (found,) = candidates(tmp_path, ("timers", 11))
    assert found["steps"] == [{"after": "5m"}]
    assert found["watch"] == "session"


def test_a_rule_is_tried_in_a_cell_that_it_changes(tmp_path: Path) -> None:
    found = candidates(tmp_path, ("decisions", 22))
    assert found
    assert all(one["given"]["account"] == "locked" for one in found)
    assert all(set(one["steps"][0]) == {"ask"} for one in found)


def test_the_number_is_bounded(tmp_path: Path) -> None:
    assert len(candidates(tmp_path, ("decisions", 22))) <= MAX_CANDIDATES
