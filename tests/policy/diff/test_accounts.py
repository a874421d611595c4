"""Account sources: the map of each status, and the order in which reports win."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import Case, compare, with_section

CASES = [
    Case(
        "the order of account states",
        with_section(
            "machines: {account: {states: [unknown, normal, dormant, minor, delegated, restricted, unrecognised,"
            " locked, suspended, compromised, merged, deceased, closed]}}\n"
        ),
        with_section(
            "machines: {account: {states: [unknown, dormant, minor, delegated, restricted, unrecognised,"
            " locked, normal, suspended, compromised, merged, deceased, closed]}}\n"
        ),
    ),
    Case("a status of the source", (), (("frozen: suspended", "frozen: normal"),)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
