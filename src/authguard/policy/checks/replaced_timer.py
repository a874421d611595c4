"""Check of timers that a policy replaces: its lines for an event replace all inherited ones for that event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.machine import expand
from authguard.policy.checks.machine import event_is_known
from authguard.policy.problem import Problem, list_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.content import ReplacedTimer
    from authguard.policy.draft import Draft


def check_replaced_timers(draft: Draft) -> Iterator[Problem]:
    """Note an inherited timer that was replaced, with the states in which its event no longer falls due."""
    for replaced in draft.changes.timers:
        own = [(index, timer) for index, timer in enumerate(draft.timers) if timer.event == replaced.event]
        if not own or not event_is_known(draft, replaced.event):
            continue
        left = _left_states(draft, replaced)
        dropped = [state for state in left if not any(state in (timer.states or (state,)) for _, timer in own)]
        if dropped:
            message = (
                f"the timers of `{replaced.event}` replace the inherited ones, so it no longer falls due in"
                f" {list_names(dropped)}"
            )
            yield Problem(
                code="timer-dropped",
                place=draft.place(f"timers[{own[0][0]}]", "timers"),
                message=message,
                advice=f"add `- {_format_line(draft, replaced, dropped)}` unless that is meant",
                severity="note",
            )


def _format_line(draft: Draft, replaced: ReplacedTimer, states: list[str]) -> str:
    """Format the timer for some of its states."""
    left = _left_states(draft, replaced)
    where = f", states: [{', '.join(states)}]" if replaced.states or len(states) < len(left) else ""
    return f"{{event: {replaced.event}, after: {replaced.after}, since: {replaced.since}{where}}}"


def _left_states(draft: Draft, replaced: ReplacedTimer) -> list[str]:
    """Return the states that the event of an inherited timer leaves."""
    machine, _, trigger = replaced.event.partition(".")
    spec = draft.machines[machine]
    edges = expand(spec).edges
    running = [state for state in spec.states if not replaced.states or state in replaced.states]
    return [state for state in running if (edge := edges.get((state, trigger))) and edge.moves]
