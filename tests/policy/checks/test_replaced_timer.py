"""The timers of an event replace the inherited ones, and a state that is left without one is named."""

from __future__ import annotations

import pytest

from authguard.policy.checks.checker import check

HEAD = "authguard: 1\nname: example\nextends: support-desk\ntimers:\n"


def dropped(*lines: str) -> list[str]:
    text = HEAD + "".join(f"  - {line}\n" for line in lines)
    problems = check("policy.yaml", text=text.encode()).problems
    return [str(one) for one in problems if one.code == "timer-dropped"]


def test_the_note_has_the_line_to_add() -> None:
    (problem,) = dropped("{event: transaction.lapsed, after: 4h, since: entered, states: [held]}")
    assert problem == (
        "policy.yaml:5:5: note[timer-dropped]: the timers of `transaction.lapsed` replace the inherited ones, so it no"
        " longer falls due in `approved`; add `- {event: transaction.lapsed, after: 5m, since: entered, states:"
        " [approved]}` unless that is meant"
    )


def test_each_dropped_line_is_noted_with_the_states_that_are_left_without_one() -> None:
    said = dropped("{event: verification.aged, after: 5m, since: entered, states: verified}")
    assert ["`pending`" in said[0], "`unavailable`" in said[1]] == [True, True]


@pytest.mark.parametrize(
    "line",
    [
        "{event: session.idled, after: 5m, since: last_seen, states: [active]}",
        "{event: session.aged, after: 8h, since: signed_in}",
        "{event: transaction.lapsed, after: 4h, since: entered}",
        "{event: transaction.lapsed, after: 4h, since: entered, states: [held, approved]}",
        "{event: session.ended, after: 8h, since: signed_in}",
    ],
)
def test_a_timer_that_takes_over_all_states_drops_nothing(line: str) -> None:
    assert dropped(line) == []


def test_a_timer_that_is_not_valid_is_reported_as_such() -> None:
    assert dropped("{event: verification.agd, after: 5m, since: entered}") == []
    assert dropped("{event: {a: b}, after: 5m, since: entered}") == []
