"""Mutants are refused by checks, noticed by scenarios, equivalent, or survive; the number and the time are bounded."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from authguard.errors import PolicyError
from authguard.policy.mutation.kinds import find_mutants, pick_mutants
from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.mutation.trial import FailingPolicyError, Fate, load_original, try_mutant, try_mutants
from tests.policy.mutation.desk import SCENARIOS, load_desk, write_desk

if TYPE_CHECKING:
    from pathlib import Path

FAILS = "- {name: fails, given: {account: normal}, ask: {operation: chat}, then: {outcome: deny}}\n"
UNREADABLE = "- {name: odd, ask: {operation: nothing}, then: {outcome: deny}}\n"


def test_each_fate_is_reported_with_what_noticed_it(tmp_path: Path) -> None:
    desk = load_desk(tmp_path)
    refused = try_mutant(desk, make_mutant("any", desk.tree, ("on_fault",), "read_only"))
    assert (refused.fate, refused.by, refused.policy) == (Fate.REFUSED, "fault-admits", None)
    unknown = try_mutant(desk, make_mutant("any", desk.tree, ("decisions", 22, "do"), "nothing"))
    assert (unknown.fate, unknown.by) == (Fate.REFUSED, "unknown-name")
    unreadable = try_mutant(desk, make_mutant("any", desk.tree, ("timers", 0, "after"), "soon"))
    assert (unreadable.fate, unreadable.by) == (Fate.REFUSED, "duration")
    noticed = try_mutant(desk, make_mutant("any", desk.tree, ("decisions", 22, "when"), {"account": ["normal"]}))
    assert (noticed.fate, noticed.by) == (Fate.NOTICED, "a customer chats")
    same = try_mutant(desk, make_mutant("any", desk.tree, ("invariants", 0), None))
    assert same.fate is Fate.EQUIVALENT
    survived = try_mutant(desk, make_mutant("any", desk.tree, ("identity", "credential"), "aal1"))
    assert survived.fate is Fate.SURVIVED
    assert survived.policy is not None
    assert survived.policy.identity == "aal1"
    assert [trial.is_caught for trial in (refused, noticed, same, survived)] == [True, True, False, False]


def test_the_number_of_mutants_is_bounded(tmp_path: Path) -> None:
    desk = load_desk(tmp_path)
    expected = pick_mutants(find_mutants(desk.tree, desk.policy.file), most=4, seed=3)
    assert tuple(trial.mutant for trial in try_mutants(desk, most=4, seed=3)) == expected


def test_after_its_time_no_mutant_is_tried(tmp_path: Path) -> None:
    ticks = count()
    trials = try_mutants(load_desk(tmp_path), most=5, seconds=2.5, clock=lambda: float(next(ticks)))
    assert [trial.fate is Fate.UNTRIED for trial in trials] == [False, False, True, True, True]


def test_inherited_parts_are_tried_on_demand(tmp_path: Path) -> None:
    desk = load_desk(tmp_path)
    trials = try_mutants(desk, most=6, inherited=True, seconds=0.0)
    assert any(one.mutant.place.file == "standard.yaml" for one in trials)


@pytest.mark.parametrize("scenarios", [SCENARIOS + FAILS, SCENARIOS + UNREADABLE])
def test_a_policy_whose_scenarios_do_not_pass_has_no_mutants(tmp_path: Path, scenarios: str) -> None:
    with pytest.raises(FailingPolicyError):
        load_desk(tmp_path, scenarios)


def test_a_policy_with_errors_has_no_mutants(tmp_path: Path) -> None:
    path = write_desk(tmp_path)
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: x\nextends: standard\n", encoding="utf-8")
    with pytest.raises(PolicyError):
        load_original(path)
