"""Report sections on changes: held transactions, machines with their traffic, acts, policies in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.audit.query.export import format_utc
from authguard.audit.report.data import MAX_ROWS
from authguard.audit.report.machine import MAX_ARROWS, Arrow, draw_machine
from authguard.audit.report.markup import (
    count_cells,
    format_duration,
    render_code,
    render_note,
    render_row,
    sort_counts,
)
from authguard.core.events import MACHINES
from authguard.policy.render.html_document import escape_text, render_table

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


def render_held(data: ReportData) -> str:
    """Render the held transactions, their ends and the people who decided."""
    whole = sum(one.count for one in data.ends.values())
    if not whole:
        return render_note("No transaction was held in this period.")
    rows = []
    for state, waits in sorted(data.ends.items(), key=lambda item: (-item[1].count, item[0])):
        waited = ("", "") if state == "held" else (format_duration(waits.mean), format_duration(waits.longest))
        rows.append(
            render_row(
                escape_text(_ENDS.get(state, state)), *count_cells(waits.count, whole), *waited, numbers=(1, 2, 4, 5)
            )
        )
    heads = ("result", "transactions", "share", "in proportion", "decided after, mean", "longest")
    ends = render_table(
        heads, rows, f"{whole:,} transactions were held; their states at the end of the period", numbers=(1, 2, 4, 5)
    )
    waiting = [_transaction(one) for one in data.waiting]
    held = [_transaction(one) for one in data.held]
    lists = (
        render_table(_TRANSACTION, waiting, f"still held: the {len(waiting)} that wait the longest") if waiting else "",
        render_table(_TRANSACTION, held, f"decided: the newest {len(held)}", tall=True) if held else "",
    )
    return ends + "".join(lists)


_TRANSACTION: Final = ("transaction", "held", "decided after", "result", "who")


def _transaction(one: HeldTransaction) -> str:
    people = "".join(f'<span class="v">{escape_text(who)}</span>' for who in one.people)
    waited = format_duration(one.decided - one.at) if one.decided else ""
    return render_row(
        render_code(one.id), format_utc(one.at), waited, escape_text(_ENDS.get(one.state, one.state)), people
    )


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
            path = f'{escape_text(one.source)} <span aria-label="to">→</span> {escape_text(one.dest)}'
            rows.append(render_row(path, render_code(event), *count_cells(count, whole), numbers=(2, 3)))
    stays = [
        render_row(
            escape_text(state),
            f"{stay.count:,}",
            format_duration(stay.mean),
            format_duration(stay.longest),
            numbers=(1, 2, 3),
        )
        for (machine, state), stay in data.stats.dwell_times.items()
        if machine == name
    ]
    caption = f"Machine {name}: {whole:,} transitions"
    return (
        f"<h3>{escape_text(name)}</h3>{draw_machine(number, caption, arrows, initial)}"
        f"{''.join(render_note(note) for note in notes)}"
        + render_table(
            ("from, to", "event", "times", "share", "in proportion"), rows, caption, tall=True, numbers=(2, 3)
        )
        + (
            render_table(
                ("state", "stays", "mean", "longest"),
                stays,
                f"time in a state of {name}, of stays that ended",
                numbers=(1, 2, 3),
            )
            if stays
            else ""
        )
    )


def render_acts(data: ReportData) -> str:
    """Render the acts of people, and those of the guard and of the log."""
    if not data.acts:
        return render_note("There was no act of a person.")
    totals = [render_row(render_code(act), f"{count:,}", numbers=(1,)) for act, count in sort_counts(data.acts)]
    people = (
        render_table(_ACT, map(_act, data.by_people), f"by people, the newest {len(data.by_people)}", tall=True)
        if data.by_people
        else render_note("There was no act of a person.")
    )
    itself = (
        render_table(
            _ACT, map(_act, data.by_system), f"by the guard and the log, the newest {len(data.by_system)}", tall=True
        )
        if data.by_system
        else ""
    )
    return people + itself + render_table(("act", "times"), totals, "all acts", numbers=(1,))


_ACT: Final = ("time", "act", "by", "note", "record")


def _act(one: Act) -> str:
    return render_row(
        format_utc(one.at), render_code(one.act), escape_text(one.by), escape_text(one.note), render_code(one.id)
    )


def render_policies(context: ReportContext, data: ReportData) -> str:
    """Render the policies under which the records were made."""
    rows = []
    for one in data.in_force:
        name = context.policy.name if context.policy and context.policy.digest == one.digest else ""
        rows.append(
            render_row(
                render_code(one.digest),
                escape_text(name),
                format_utc(one.first),
                format_utc(one.last),
                f"{one.count:,}",
                numbers=(4,),
            )
        )
    heads = ("digest", "name", "first record", "last record", "records")
    return (
        render_table(heads, rows, "policies under which the records were made, by digest", numbers=(4,))
        if rows
        else render_note("None.")
    )
