"""The order of states: what the table admits in them, and in all that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.diff.state_order import StateOrder, combine, merge, summarize
from authguard.policy.diff.table_order import TableOrder
from tests.policy.diff.pairs import CHANGED, LOOSER, MAY, STRICTER, TELECOM, draft_of, with_line
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.policy.diff.permissiveness import Direction


def order_of(text: str = POLICY, *edits: tuple[str, str]) -> StateOrder:
    draft = draft_of(text, *edits)
    return StateOrder(draft, TableOrder(draft))


STANDARD = order_of()


@pytest.mark.parametrize(
    ("machine", "before", "after", "expected"),
    [
        ("session", "active", "expired", STRICTER),
        ("session", "expired", "active", LOOSER),
        ("account", "normal", "locked", STRICTER),
        ("account", "locked", "closed", STRICTER),  # both admit nothing, and no report reopens the second
        ("account", "closed", "locked", LOOSER),
        ("verification", "unverified", "verified", LOOSER),
        ("verification", "unavailable", "unverified", LOOSER),  # which offers the proof again
        ("transaction", "held", "held", CHANGED),
        ("account", "normal", "no-such-state", MAY),
    ],
)
def test_states_are_ordered_by_what_follows_from_them(
    machine: str, before: str, after: str, expected: Direction
) -> None:
    assert STANDARD.compare(machine, before, after) is expected


def test_a_session_that_the_same_token_revives_is_above_one_that_has_ended() -> None:
    revived = order_of(POLICY, *with_line("session", "{trigger: accepted, source: revoked, dest: absent}"))
    assert not revived.is_below("session", "revoked", "expired")
    assert STANDARD.is_below("session", "revoked", "expired")


def test_a_timer_is_looser_sooner_if_it_lifts_something_and_later_if_it_ends_something() -> None:
    assert STANDARD.compare_wait("verification", "exhausted", "cooled") == (LOOSER, STRICTER)
    assert STANDARD.compare_wait("session", "active", "aged") == (STRICTER, LOOSER)
    assert STANDARD.compare_wait("service", "degraded", "repaired") == (LOOSER, STRICTER)
    # the hold admits routine writes, which the state that follows does not, and that one may become normal again
    assert order_of(TELECOM).compare_wait("account", "sim_swap_hold", "aged") == (MAY, MAY)


def test_an_event_is_tight_if_it_leads_from_no_state_to_a_more_permissive_one() -> None:
    assert STANDARD.is_tight("session.revoked")
    assert STANDARD.is_tight("verification.moved")
    assert not STANDARD.is_tight("account.normal")
    assert not STANDARD.is_tight("account.restricted"), "it also ends `locked`"


def test_raising_an_event_and_raising_it_no_longer_are_opposite_only_where_both_are_proved() -> None:
    raised = [STANDARD.compare_raised("session.revoked", gone=gone) for gone in (False, True)]
    assert raised == [STRICTER, LOOSER]
    assert STANDARD.compare_raised("account.restricted", gone=False) in {LOOSER, MAY}


def test_events_are_compared_over_all_states() -> None:
    assert STANDARD.compare_events("account", "locked", "normal") is LOOSER
    assert STANDARD.compare_events("account", "normal", "locked") is STRICTER
    assert STANDARD.compare_events("account", "normal", "no-such-report") is MAY


def test_directions_are_combined_by_the_worst() -> None:
    assert summarize([STRICTER, LOOSER, MAY]) is LOOSER
    assert summarize([STRICTER, MAY]) is MAY
    assert summarize([CHANGED, STRICTER]) is STRICTER
    assert summarize([]) is CHANGED
    assert merge([STRICTER, LOOSER]) is MAY
    assert [combine(up=up, down=down) for up in (True, False) for down in (True, False)] == [
        CHANGED,
        LOOSER,
        STRICTER,
        MAY,
    ]
