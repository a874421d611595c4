"""The scenarios of the shipped policies catch their mutants; each one that survives is listed here, with the reason."""

from __future__ import annotations

import os
from typing import Final

import pytest

from authguard.policy.loading.locator import shipped_policies
from authguard.policy.mutation.trial import Fate, load_original, try_mutants

#: kinds of mutants that no scenario can show: a rollback is an act of operators, a fault of the guard is no event of a
#: scenario, and what the app may report is also reported by a claim
OUT_OF_REACH: Final = frozenset(
    {
        "app-report-dropped",
        "on-fault-changed",
        "rollback-count-lowered",
        "rollback-role-changed",
    }
)
#: policy -> mutants that change no answer: only the durability of records or the effect of a public operation
WITHOUT_ANSWER: Final[dict[str, frozenset[str]]] = {
    "shopping-agent": frozenset(
        {
            "risk-lowered operations[7].risk: sensitive -> routine",
            "risk-lowered operations[8].risk: sensitive -> routine",
        }
    ),
    "telehealth": frozenset(
        {
            "write-as-read operations[1].effect: write -> read",
            "write-as-read operations[2].effect: write -> read",
        }
    ),
}
#: mutants of each policy in CI; all of them in the soak
MOST: Final = 2_000 if os.environ.get("AUTHGUARD_MUTATION") == "all" else 8
#: number of mutants that may survive in each policy
SURVIVORS: Final = {
    "banking": 3,
    "insurance": 12,
    "shopping-agent": 5,
    "standard": 1,
    "support-desk": 5,
    "telecom": 4,
    "telehealth": 5,
}


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_its_scenarios_catch_its_mutants(name: str) -> None:
    trials = try_mutants(load_original(name), most=MOST, seed=19, seconds=3_600.0)
    assert not [trial.mutant.name for trial in trials if trial.fate is Fate.UNTRIED]
    survived = [trial.mutant for trial in trials if trial.fate is Fate.SURVIVED]
    unexpected = [
        mutant.name
        for mutant in survived
        if mutant.kind not in OUT_OF_REACH and mutant.name not in WITHOUT_ANSWER.get(name, ())
    ]
    assert unexpected == []
    assert len(survived) <= SURVIVORS[name]
