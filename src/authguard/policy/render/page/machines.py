"""The machines of a policy's page: a diagram and a table of transitions for each, the invariants and the timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.render.html_document import render_table
from authguard.policy.render.page.markup import join_words, render_codes, render_lines, render_row, render_text
from authguard.policy.render.state_diagram import draw_machine
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.core.policy import Policy
    from authguard.policy.draft import Invariant


def render_machines(policy: Policy) -> str:
    """Render each machine as a diagram, beside a table with the same transitions."""
    legend = (
        '<p class="quiet">An arrow leads to the state that the event enters. Transitions from the same states share a'
        " line. A dashed state stands for several; “any other” leaves out the state that the arrow enters.</p>"
    )
    return legend + "".join(_machine(policy, name) for name in MACHINES)


def _machine(policy: Policy, name: str) -> str:
    machine = policy.machines[name]
    states = machine.spec.states
    lines = []
    for event in machine.spec.triggers:
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for state in states:
            edge = machine.table[state, event]
            if edge.moves:
                found.setdefault((edge.dest, edge.raises), []).append(state)
        due = [
            f"{format_duration(one.after)} after {one.since}{f', in {join_words(one.states)}' if one.states else ''}"
            for one in policy.timers.declared
            if one.event == f"{name}.{event}"
        ]
        for (dest, raises), sources in found.items():
            more = [
                *(render_text(f"timer: {text}") for text in due),
                *(f"raises {render_text(one)}" for one in raises),
            ]
            notes = f'<span class="quiet">{render_lines(more)}</span>' if more else ""
            where = f'<td class="in">{_sources(sources, states, dest)}</td><td class="enters">{render_text(dest)}</td>'
            lines.append(f'<tr><th scope="row">{render_text(event)}{notes}</th>{where}</tr>')
    drawn = draw_machine(policy, name)
    picture = (
        f'<div class="drawn">{drawn}</div>'
        if drawn
        else '<p class="quiet">This machine has too many transitions for a diagram; the table has them all.</p>'
    )
    caption = f"{name}: begins in {machine.spec.initial}; an event that is not listed for a state keeps the state"
    table = render_table(("event", "in state", "enters"), lines, caption)
    heading = f'<h3 id="machine-{name}">{name}</h3>'
    return f'<section class="machine" aria-labelledby="machine-{name}">{heading}{picture}{table}</section>'


def _sources(sources: Sequence[str], states: Sequence[str], dest: str) -> str:
    """Name the states that an event leaves: all, all but some, or a list."""
    others = [state for state in states if state not in sources]
    if not others:
        return "any state"
    if others == [dest]:
        return "any other state"
    if len(others) < len(sources):
        return f"any but {render_text(join_words(others))}"
    return render_text(join_words(sources))


def render_timers(policy: Policy) -> str:
    """Render the events that timers raise."""
    lines = [
        render_row(
            render_text(one.event).replace(".", ".<wbr>"),
            format_duration(one.after),
            render_text(one.since),
            render_text(join_words(one.states)) if one.states else "any state",
        )
        for one in policy.timers.declared
    ]
    return render_table(("raises", "after", "since", "in state"), lines, "events that timers raise", slim=True)


def render_invariants(policy: Policy, invariants: Iterable[Invariant]) -> str:
    """Render what the policy can never do: the checks prove each one, or the policy does not compile."""
    lines = [render_row(render_text(one.name), _promise(policy, one)) for one in invariants]
    if not lines:
        return '<p class="quiet">The policy states no invariant.</p>'
    caption = "what no request can ever get; each invariant was proved over all cells before this page was made"
    return render_table(("invariant", "what it forbids"), lines, caption)


def _promise(policy: Policy, invariant: Invariant) -> str:
    if invariant.always_reachable:
        by = f", by events of {render_text(join_words(invariant.by, 'and'))} alone" if invariant.by else ""
        goals = render_codes(invariant.always_reachable)
        return f"a dead end: from each state that can occur, one of {goals} can be reached{by}"
    parts = []
    for name in policy.table.values:
        if name in invariant.never:
            values = [value for value in policy.table.values[name] if value in invariant.never[name]]
            words = render_text(join_words(values))
            parts.append(f'<span class="c"><span class="d">{render_text(name)}</span> {words}</span>')
    forbidden = invariant.never.get("outcome", frozenset(Outcome))
    named = sorted(invariant.never.get("fallback", ()))
    outcomes = render_text(join_words(named or [one for one in Outcome if one in forbidden]))
    parts.append(f'<span class="c"><span class="d">never</span> <b>{outcomes}</b></span>')
    return f'<span class="when">{"".join(parts)}</span>'
