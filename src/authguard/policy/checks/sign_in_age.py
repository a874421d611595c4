"""Check of the age of sign-ins: a `max_age` over the life of a session hardly decides, since the session ends first."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from authguard.core.machine import expand
from authguard.policy.checks.machine import event_is_known
from authguard.policy.problem import Problem
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft


def check_sign_in_age(draft: Draft) -> Iterator[Problem]:
    """Check that every `max_age` is shorter than the longest session."""
    longest = _longest_session(draft)
    asked = [
        (f"operations[{index}].assurance", f"operations[{index}]", f"operation `{operation.name}`", operation.max_age)
        for index, operation in enumerate(draft.operations)
    ]
    asked.append(("otherwise.assurance", "otherwise", "`otherwise`", draft.otherwise.max_age))
    asked += [
        (f"fallbacks.{name}.max_age", f"fallbacks.{name}", f"fallback `{name}`", item.max_age)
        for name, item in draft.fallbacks.items()
    ]
    for path, above, owner, max_age in asked:
        if max_age > longest:
            life, age = format_duration(longest), format_duration(max_age)
            yield Problem(
                code="max-age-idle",
                place=draft.place(path, above),
                message=f"{owner} has `max_age: {age}`, and a session ends {life} after its sign-in: only a token from"
                " before it can be too old",
                advice=f"write at most {life}",
                severity="note",
            )


def _longest_session(draft: Draft) -> float:
    """Return the seconds after a sign-in at which a timer ends each session that `renewed` keeps."""
    spec = draft.machines.get("session")
    if spec is None:
        return inf
    edges = expand(spec).edges
    live = {state for state in spec.states if (edge := edges.get((state, "renewed"))) and edge.dest == state}
    longest = dict.fromkeys(live, inf)
    for timer in draft.timers:
        machine, _, trigger = timer.event.partition(".")
        if machine != "session" or timer.since != "signed_in" or not event_is_known(draft, timer.event):
            continue
        for state in live & set(timer.states or spec.states):
            edge = edges.get((state, trigger))
            if edge is not None and edge.dest not in live:
                longest[state] = min(longest[state], timer.after)
    return max(longest.values(), default=inf)
