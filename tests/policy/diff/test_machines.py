"""Transitions are compared by the states to which they lead, and by all that follows from these."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import LOOSER, MAY, Case, compare, with_line

CASES = [
    Case(
        "a revoked session that the same token revives",
        (),
        with_line("session", "{trigger: accepted, source: revoked, dest: absent}"),
        LOOSER,
        MAY,
    ),
    Case(
        "a session that has ended counts as idle",
        (),
        with_line("session", "{trigger: accepted, source: revoked, dest: active}"),
        LOOSER,
        MAY,
    ),
    Case(
        "a locked account is unlocked by age",
        (),
        with_line("account", "{trigger: aged, source: locked, dest: normal}"),
        LOOSER,
        MAY,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
