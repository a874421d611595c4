"""A proposed scenario passes on the policy and fails on the mutant, and its YAML can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.mutation.proposal import propose_scenario
from authguard.policy.mutation.trial import Fate, load_original, try_mutant
from tests.policy.mutation.desk import SCENARIOS, load_desk, write_desk

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.tree import Path as TreePath


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("machines", "account", "transitions", 0), None),
        (("machines", "account", "transitions", 0, "raises"), None),
        (("timers", 11), None),
        (("timers", 11, "after"), "50m"),
        (("decisions", 22), None),
    ],
)
def test_a_proposal_notices_its_mutant(tmp_path: Path, path: TreePath, new: Any) -> None:
    desk = load_desk(tmp_path)
    mutant = make_mutant("any", desk.tree, path, new)
    trial = try_mutant(desk, mutant)
    assert trial.fate is Fate.SURVIVED
    proposal = propose_scenario(desk, trial)
    assert proposal
    completed = load_original(write_desk(tmp_path, SCENARIOS + proposal))  # it passes on the policy
    noticed = try_mutant(completed, mutant)
    assert noticed.fate is Fate.NOTICED
    assert noticed.by in proposal


def test_nothing_is_proposed_without_a_survivor(tmp_path: Path) -> None:
    desk = load_desk(tmp_path)
    trial = try_mutant(desk, make_mutant("any", desk.tree, ("on_fault",), "read_only"))
    assert propose_scenario(desk, trial) == ""


def test_nothing_is_proposed_if_no_candidate_shows_a_difference(tmp_path: Path) -> None:
    desk = load_desk(tmp_path)
    trial = try_mutant(desk, make_mutant("any", desk.tree, ("on_fault",), "refuse"))
    assert trial.fate is Fate.SURVIVED
    assert propose_scenario(desk, trial) == ""
