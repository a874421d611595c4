"""Demands of operations: limits by what they imply, actors and levels by what the table does with them."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import CHANGED, LOOSER, STRICTER, Case, compare

CASES = [
    Case(
        "one of two limits of one key",
        (("{calls: 5, per: 10m", "{calls: 9, per: 10m, by: session}\n      - {calls: 5, per: 10m"),),
        (("{calls: 5, per: 10m", "{calls: 9, per: 10m"),),
    ),
    Case(
        "the lower of two limits of one key raised",
        (("{calls: 5, per: 10m", "{calls: 9, per: 10m, by: session}\n      - {calls: 5, per: 10m"),),
        (("{calls: 5, per: 10m", "{calls: 9, per: 10m, by: session}\n      - {calls: 7, per: 10m"),),
    ),
    Case(
        "the higher of two limits of one key has no effect",
        (("{calls: 5, per: 10m", "{calls: 9, per: 10m, by: session}\n      - {calls: 5, per: 10m"),),
        (),
        CHANGED,
        CHANGED,
    ),
    Case(
        "a longer window of a limit is stricter",
        (),
        (("per: 10m, by: session", "per: 20m, by: session"),),
        STRICTER,
        LOOSER,
    ),
    Case(
        "another owner of a limit",
        (),
        (
            ("{calls: 5, per: 10m, by: session}", "{calls: 5, per: 10m, by: payee}"),
            ("    amount: {at: /amount", "    payee: {at: /to}\n    amount: {at: /amount"),
        ),
        LOOSER,
        LOOSER,
    ),
    Case("`actor: forbidden` dropped", (("    risk: high\n", "    risk: high\n    actor: forbidden\n"),), ()),
    Case("`actor: required` dropped", (("    risk: high\n", "    risk: high\n    actor: required\n"),), ()),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
