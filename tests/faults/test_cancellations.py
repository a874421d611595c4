"""Cancelled wherever it waits, a request leaves log and store saying the same, and nothing that others wait for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.cancel_program import ALL, WAYS


@pytest.mark.parametrize("kind", ALL)
def test_cancelled_anywhere_it_leaves_nothing_half_done_and_the_next_is_served_at_once(
    cancelled: dict[str, Any], kind: str
) -> None:
    assert cancelled[kind]["failures"] == []
    # a request waits at least to hear its caller and to answer, and what an operator does waits for the store:
    # a harness that saw less would prove nothing
    assert set(cancelled[kind]["points"]) == set(WAYS)
    least = 1 if kind in {"two", "engage", "release"} else 2
    assert all(points >= least for points in cancelled[kind]["points"].values())


def test_a_refund_whose_caller_left_while_it_ran_is_in_doubt_and_one_that_never_ran_is_free(
    cancelled: dict[str, Any],
) -> None:
    # never "busy": what runs is settled by the one who leaves, or was never begun
    assert {"run now", "with a person", "repeated"} == set(cancelled["refund"]["found"])
    assert {"run now", "with a person"} == set(cancelled["refund_failed"]["found"])


def test_a_loser_of_a_race_waits_in_more_places_and_can_leave_in_each(cancelled: dict[str, Any]) -> None:
    assert cancelled["race"]["points"]["at once"] > cancelled["refund"]["points"]["at once"]
