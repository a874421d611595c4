"""Report sections on changes: held transactions, machines with their traffic, acts, policies in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.audit.report.data import MAX_ROWS
from authguard.audit.report.machine import MAX_ARROWS, Arrow, draw_machine, outline_machine
from authguard.audit.report.markup import (
    COUNTS,
    count_cells,
    format_duration,
    render_code,
    render_counts,
    render_grid,
    render_id,
    render_note,
    render_text,
    render_time,
    sort_counts,
)
from authguard.audit.report.verdict import count_noun
from authguard.core.events import MACHINES
from authguard.policy.render.html_document import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.report.data import Act, ReportContext, ReportData
    from authguard.audit.report.hold import HeldTransaction

#: initial state of each machine, if no policy is given
_INITIAL: Final = {
    "service": "live",
    "account": "unknown",
    "session": "absent",
    "verification": "unverified",
    "transaction": "none",
}
#: state of a held transaction at the end of the period -> description
_ENDS: Final = {
    "held": "still held",
    "approved": "approved, and not requested again yet",
    "running": "approved, and running",
    "done": "approved, and done",
    "failed": "approved, and refused by the app",
    "in_doubt": "approved, and in doubt whether it was done",
    "denied": "denied by an approver",
    "lapsed": "lapsed: no decision in time",
    "none": "withdrawn or altered since",
}


#: ends that are listed first, in this order
_URGENT: Final = ("in_doubt", "held", "failed", "denied", "lapsed")


def render_held(data: ReportData) -> str:
    """Render the held transactions, their ends and the people who decided."""
    whole = data.held_transactions
    if not whole:
        return render_note("No transaction was held in this period.")
    rows = []
    for state, waits in sorted(data.ends.items(), key=lambda item: (_urgency(item[0]), -item[1].count, item[0])):
        waited = ("", "") if state == "held" else (format_duration(waits.mean), format_duration(waits.longest))
        rows.append((render_text(_ENDS.get(state, state)), *count_cells(waits.count, whole), *waited))
    ends = render_grid(
        ("result", "transactions", *COUNTS, "decided after, mean", "longest"),
        rows,
        f"{count_noun(whole, 'held transaction')}; states at the end of the period",
        mark="held-ends",
        numbers=(1, 2, 4, 5),
    )
    waiting = [_transaction(data, one) for one in data.waiting]
    held = [_transaction(data, one) for one in data.held]
    lists = (
        render_grid(
            _TRANSACTION, waiting, f"still held: the {len(waiting):,} that wait the longest", mark="held-waiting"
        )
        if waiting
        else "",
        render_grid(_TRANSACTION, held, f"decided: the newest {len(held):,}", mark="held-decided", tall=True)
        if held
        else "",
    )
    return ends + "".join(lists)


_TRANSACTION: Final = ("transaction", "held", "decided after", "result", "who")


def _urgency(state: str) -> int:
    return _URGENT.index(state) if state in _URGENT else len(_URGENT)


def _transaction(data: ReportData, one: HeldTransaction) -> tuple[str, ...]:
    people = "".join(f'<span class="v">{render_text(who)}</span>' for who in one.people)
    waited = format_duration(one.decided - one.at) if one.decided else ""
    result = render_text(_ENDS.get(one.state, one.state))
    return render_id(one.id, data.short_ids), render_time(one.at), waited, result, people


def render_machines(context: ReportContext, data: ReportData) -> str:
    """Render every machine with transitions, and its traffic."""
    traffic: dict[str, dict[tuple[str, str], dict[str, int]]] = {}
    for (machine, event, source, dest), count in data.stats.transitions.items():
        edge = traffic.setdefault(machine, {}).setdefault((source, dest), {})
        edge[event] = edge.get(event, 0) + count
    if not traffic:
        return render_note("No state changed.")
    named = [name for name in MACHINES if name in traffic] + sorted(set(traffic) - set(MACHINES))
    return "".join(_machine(context, data, number, name, traffic[name]) for number, name in enumerate(named))


def _machine(
    context: ReportContext, data: ReportData, number: int, name: str, edges: Mapping[tuple[str, str], Mapping[str, int]]
) -> str:
    arrows = [Arrow(source, dest, events) for (source, dest), events in edges.items()]
    spec = context.policy.machines[name].spec if context.policy and name in context.policy.machines else None
    initial = spec.initial if spec else _INITIAL.get(name, "")
    whole = sum(one.count for one in arrows)
    notes = []
    if len(arrows) > MAX_ARROWS:
        notes.append(f"The {MAX_ARROWS} busiest of {len(arrows)} transitions are drawn.")
    entered = {state for one in arrows for state in (one.source, one.dest)}
    if spec and (never := [state for state in spec.states if state not in entered]):
        notes.append(f"Not entered in this period: {', '.join(never)}.")
    rows = []
    for one in sorted(arrows, key=lambda one: (-one.count, one.source, one.dest))[: 2 * MAX_ROWS]:
        for event, count in sort_counts(one.events):
            path = f'{render_text(one.source)} <span aria-label="to">→</span> {render_text(one.dest)}'
            rows.append((path, render_code(event), *count_cells(count, whole)))
    stays = [
        (render_text(state), f"{stay.count:,}", format_duration(stay.mean), format_duration(stay.longest))
        for (machine, state), stay in data.stats.dwell_times.items()
        if machine == name
    ]
    caption = f"Machine {name}: {count_noun(whole, 'transition')}"
    table = render_grid(
        ("from, to", "event", "times", *COUNTS),
        rows,
        caption,
        mark=f"machine-{number}-transitions",
        tall=True,
        numbers=(2, 3),
    )
    times = render_grid(
        ("state", "stays", "mean", "longest"),
        stays,
        f"time in a state of {name}, of stays that ended",
        mark=f"machine-{number}-stays",
        numbers=(1, 2, 3),
        slim=True,
    )
    return (
        f'<h3 id="machine-of-{number}">{escape_text(name)}</h3>'
        f"{draw_machine(number, caption, arrows, initial)}{outline_machine(caption, arrows)}"
        f"{''.join(render_note(note) for note in notes)}"
        f'<div class="wide">{table}</div>{times if stays else ""}'
    )


def render_acts(data: ReportData) -> str:
    """Render the acts of people, and those of the guard and of the log."""
    if not data.acts:
        return render_note("There was no act in this period.")
    totals = [(render_code(act), count) for act, count in sort_counts(data.acts)]
    people = _acts(data, data.by_people, "by people", "acts-by-people")
    itself = _acts(data, data.by_system, "by the guard and the log", "acts-by-system")
    counted = render_counts("act", "times", totals, "all acts", "acts-counted")
    return (people or render_note("There was no act of a person in this period.")) + itself + counted


def _acts(data: ReportData, acts: tuple[Act, ...], words: str, mark: str) -> str:
    """Render a list of acts; empty if there is none."""
    rows = [
        (
            render_time(one.at),
            render_code(one.act),
            render_text(one.by),
            render_text(one.note),
            render_id(one.id, data.short_ids),
        )
        for one in acts
    ]
    heads = ("time", "act", "by", "reason", "record")
    return render_grid(heads, rows, f"{words}, the newest {len(acts)}", mark=mark, tall=True) if rows else ""


def render_policies(context: ReportContext, data: ReportData) -> str:
    """Render the policies under which the records were made."""
    if not data.in_force:
        return render_note("No record was made in this period.")
    rows = []
    for one in data.in_force:
        name = context.policy.name if context.policy and context.policy.digest == one.digest else ""
        times = (render_time(one.first), render_time(one.last))
        rows.append((render_id(one.digest, data.short_ids), render_text(name), *times, f"{one.count:,}"))
    return render_grid(
        ("digest", "name", "first record", "last record", "records"),
        rows,
        "policies under which the records were made",
        mark="policies-in-force",
        numbers=(4,),
    )
