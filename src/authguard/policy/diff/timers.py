"""Compare timers by what they do: an earlier end of a hold is looser, and so is a later end of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.machine import expand
from authguard.policy.diff.difference import CHANGED, MAY_LOOSEN, make_difference
from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.words import count
from authguard.policy.schema.units import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.policy_pair import PolicyPair
    from authguard.policy.draft import Draft

#: (event, state) -> moment from which it counts -> seconds
Durations = dict[tuple[str, str], dict[str, float]]


#: direction and whether the timer is sooner -> what follows
_FOLLOWS: Final = {
    (Direction.LOOSER, True): ": a state that admits less ends sooner",
    (Direction.LOOSER, False): ": a state that admits more lasts longer",
    (Direction.STRICTER, True): ": a state that admits more ends sooner",
    (Direction.STRICTER, False): ": a state that admits less lasts longer",
}
#: moment from which a timer counts -> its words
_MOMENTS: Final = {
    "entered": "the state was entered",
    "signed_in": "the sign-in",
    "last_seen": "the last request of the person",
    "reported": "the account's last report",
    "faulted": "the last fault",
}


def diff_timers(pair: PolicyPair) -> Iterator[Difference]:
    """Compare every timer in each state that it moves; texts that several states share are reported once."""
    if pair.old.timers == pair.new.timers and pair.old.machines == pair.new.machines:
        return
    before, after = _durations(pair.old), _durations(pair.new)
    reported: dict[tuple[Direction, str], list[str]] = {}
    for event, state in sorted(before.keys() | after.keys()):
        was, becomes = before.get((event, state), {}), after.get((event, state), {})
        if was != becomes:
            for direction, text in _compare(pair, event, state, was, becomes):
                reported.setdefault((direction, text), []).append(state)
    for (direction, text), states in reported.items():
        more = f" and {count(len(states) - 1, 'further state')}" if len(states) > 1 else ""
        yield make_difference("timers", f"in `{states[0]}`{more}, {text}", direction)


def _durations(draft: Draft) -> Durations:
    """Return the timers that move a state; of several with one moment, the first to fall due."""
    found: Durations = {}
    for timer in draft.timers:
        machine, _, trigger = timer.event.partition(".")
        spec = draft.machines[machine]
        edges = expand(spec).edges
        for state in timer.states or spec.states:
            if edges[state, trigger].moves:
                known = found.setdefault((timer.event, state), {})
                known[timer.since] = min(timer.after, known.get(timer.since, timer.after))
    return found


def _compare(
    pair: PolicyPair, event: str, state: str, was: dict[str, float], becomes: dict[str, float]
) -> Iterator[tuple[Direction, str]]:
    machine, _, trigger = event.partition(".")
    sooner, later = pair.compare_wait(machine, state, trigger)
    gone, new = sorted(was.keys() - becomes.keys()), sorted(becomes.keys() - was.keys())
    if len(gone) == len(new) == 1:
        text = f"`{event}` came {_format(was[gone[0]], gone[0])}, comes {_format(becomes[new[0]], new[0])} now"
        yield CHANGED if sooner is CHANGED else MAY_LOOSEN, text
        gone, new = [], []
    for since in gone:
        yield later, f"`{event}` no longer falls due {_format(was[since], since)}"
    for since in new:
        yield sooner, f"`{event}` now falls due {_format(becomes[since], since)}"
    for since in sorted(was.keys() & becomes.keys()):
        if was[since] != becomes[since]:
            direction = sooner if becomes[since] < was[since] else later
            ends = describe_duration(was[since]), describe_duration(becomes[since])
            follows = _FOLLOWS.get((direction, becomes[since] < was[since]), "")
            yield direction, f"`{event}` came after {ends[0]}, comes after {ends[1]} now{follows}"


def _format(after: float, since: str) -> str:
    return f"{describe_duration(after)} after {_MOMENTS[since]}"
