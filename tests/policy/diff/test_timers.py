"""Timers are compared by the states between which they move, not by a list of events."""

from __future__ import annotations

import pytest

from tests.policy.diff.pairs import CHANGED, LOOSER, MAY, STRICTER, TELECOM, Case, compare, with_timers

CASES = [
    Case(
        "one of two timers of an event",
        with_timers("{event: session.aged, after: 1h, since: entered, states: [active]}"),
        with_timers(),
    ),
    Case(
        "the later of two timers of one moment has no effect",
        with_timers("{event: session.aged, after: 13h, since: signed_in}"),
        with_timers(),
        CHANGED,
        CHANGED,
    ),
    Case(
        "another length of a hold that admits what its end does not",
        (("after: 72h", "after: 1m"),),
        (("after: 72h", "after: 96h"),),
        MAY,
        MAY,
        TELECOM,
    ),
    Case("the telecom's hold after a SIM swap, shortened", (), (("after: 72h", "after: 1m"),), MAY, MAY, TELECOM),
    Case(
        "a shorter session",
        (),
        with_timers("{event: session.idled, after: 1m, since: last_seen, states: [active]}"),
        STRICTER,
        LOOSER,
    ),
    Case(
        "a proof of identity that lasts longer",
        (),
        with_timers(
            "{event: verification.aged, after: 60m, since: entered, states: [verified]}",
            "{event: verification.aged, after: 2m, since: entered, states: [pending]}",
            "{event: verification.aged, after: 30s, since: entered, states: [unavailable]}",
        ),
    ),
    Case(
        "a shorter time after the last attempt",
        (),
        with_timers("{event: verification.cooled, after: 1m, since: entered, states: [exhausted]}"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)
