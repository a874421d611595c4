"""Compare machines: their states, transitions and what these raise, by the order of the states to which they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import MACHINES
from authguard.core.machine import expand
from authguard.policy.diff.difference import CHANGED, LOOSER, MAY_LOOSEN, make_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.machine import Spec
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.policy_pair import PolicyPair


def diff_machines(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the five machines of two policies."""
    for name in MACHINES:
        before, after = pair.old.machines[name], pair.new.machines[name]
        if before == after:
            continue
        yield from _diff_states(pair, before, after)
        if before.initial != after.initial:
            direction = pair.compare_states(name, before.initial, after.initial)
            if name == "verification" and direction is not LOOSER:
                direction = MAY_LOOSEN  # a sign-in proves identity in the initial state only
            text = f"machine `{name}` began in `{before.initial}`, begins in `{after.initial}` now"
            yield make_difference("machines", text, direction)
        yield from _diff_edges(pair, before, after)
    yield from _diff_live_states(pair)


def _diff_states(pair: PolicyPair, before: Spec, after: Spec) -> Iterator[Difference]:
    # a source without a map reports any state of the policy; an unknown name counts as `unrecognised`
    is_open = after.name == "account" and any(not source.map for source in pair.new.accounts)
    for state in after.states:
        if state not in before.states:
            direction = CHANGED  # what leads to it is compared one by one
            if is_open and pair.compare_reports("unrecognised", state) in {LOOSER, MAY_LOOSEN}:
                direction = MAY_LOOSEN
            yield make_difference("machines", f"state `{state}` of machine `{after.name}` is new", direction)
    for state in before.states:
        if state not in after.states:
            yield make_difference("machines", f"state `{state}` of machine `{after.name}` is gone", CHANGED)


def _diff_edges(pair: PolicyPair, before: Spec, after: Spec) -> Iterator[Difference]:
    name = after.name
    olds, news = expand(before).edges, expand(after).edges
    for state, trigger in (pair_ for pair_ in olds if pair_ in news):
        was, becomes = olds[state, trigger], news[state, trigger]
        if was.dest != becomes.dest:
            direction = pair.compare_states(name, was.dest, becomes.dest)
            text = f"`{name}.{trigger}` led from `{state}` to `{was.dest}`, leads to `{becomes.dest}` now"
            yield make_difference("machines", text, direction)
        elif was.moves != becomes.moves:
            text = f"`{name}.{trigger}` in `{state}` {'no longer restarts' if was.moves else 'now restarts'} its timers"
            yield make_difference("machines", text, MAY_LOOSEN)
        for event in sorted(set(was.raises) ^ set(becomes.raises)):
            gone = event in was.raises
            direction = pair.compare_raised(event, gone=gone)
            text = f"`{name}.{trigger}` in `{state}` {'no longer raises' if gone else 'now raises'} `{event}`"
            yield make_difference("machines", text, direction)


def _diff_live_states(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the session states that a fresh sign-in keeps: in others, a token must state its sign-in time."""
    live = [
        {state for (state, trigger), edge in edges.items() if trigger == "renewed" and edge.dest == state}
        for edges in (expand(draft.machines["session"]).edges for draft in (pair.old, pair.new))
    ]
    shared = set(pair.old.machines["session"].states) & set(pair.new.machines["session"].states)
    for state in sorted((live[0] ^ live[1]) & shared):
        text = f"a fresh sign-in {'no longer keeps' if state in live[0] else 'now keeps'} the session state `{state}`"
        yield make_difference("machines", text, MAY_LOOSEN)
