"""Report sections on decisions: outcomes, denials by rule, proofs of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.audit.query.export import format_utc
from authguard.audit.query.stats import ratio
from authguard.audit.report.chart import draw_columns, draw_lines
from authguard.audit.report.data import GROUPS, MAX_ROWS
from authguard.audit.report.markup import (
    count_cells,
    format_duration,
    render_code,
    render_note,
    render_outcome,
    render_row,
    sort_counts,
)
from authguard.policy.render.html_document import escape_text, render_table

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext, ReportData


def render_decisions(data: ReportData) -> str:
    """Render the decisions over time, by outcome and by operation."""
    stats = data.stats
    if not stats.decisions:
        return render_note("There was no decision.")
    times = [*(one.at for one in data.columns), data.columns[-1].at + data.width]
    series = {group: [one.decided[group] for one in data.columns] for group in GROUPS}
    busiest = max(data.columns, key=lambda one: one.decided.total())
    most = f"the busiest, from {format_utc(busiest.at)}, has {busiest.decided.total():,} decisions"
    words = f"A column is {format_duration(data.width)}; {most}."
    by_outcome = [
        render_row(render_outcome(outcome), *count_cells(count, stats.decisions), numbers=(1, 2))
        for outcome, count in sort_counts(stats.outcomes)
    ]
    by_operation: dict[str, dict[str, int]] = {}
    for (operation, outcome), count in stats.operations.items():
        by_operation.setdefault(operation, {})[outcome] = count
    rows = [
        render_row(
            render_code(operation),
            f"{sum(outcomes.values()):,}",
            "".join(
                f'<span class="v">{render_outcome(outcome)} {count:,}</span>'
                for outcome, count in sort_counts(outcomes)
            ),
            numbers=(1,),
        )
        for operation, outcomes in sorted(by_operation.items(), key=lambda item: (-sum(item[1].values()), item[0]))[
            :MAX_ROWS
        ]
    ]
    return (
        draw_columns("Decisions over time", words, times, series)
        + render_note(words)
        + render_table(
            ("outcome", "decisions", "share", "in proportion"), by_outcome, "decisions by outcome", numbers=(1, 2)
        )
        + render_table(
            ("operation", "decisions", "outcomes"), rows, f"by operation, the {MAX_ROWS} busiest", numbers=(1,)
        )
    )


def render_denials(context: ReportContext, data: ReportData) -> str:
    """Render the denials by rule, and the reasons of requests without a decision."""
    whole = sum(one.count for one in data.denials)
    several = len({one.policy for one in data.denials}) > 1
    rows = [
        render_row(
            render_code(one.rule) + (f' <span class="quiet">{escape_text(one.policy[:12])}</span>' if several else ""),
            render_outcome(one.outcome),
            *count_cells(one.count, whole),
            "".join(
                f'<span class="v">{render_code(name)} {count:,}</span>'
                for name, count in sort_counts(one.operations)[:5]
            ),
            render_code(_policy_line(context, one.rule, one.policy)),
            numbers=(2, 3),
        )
        for one in data.denials[:MAX_ROWS]
    ]
    caption = f"{whole:,} denials by {len(data.denials):,} rules" + (
        f", of which the {MAX_ROWS} with the most are shown" if len(data.denials) > MAX_ROWS else ""
    )
    heads = ("rule", "outcome", "denials", "share", "in proportion", "operations", "written in")
    denied = render_table(heads, rows, caption, numbers=(2, 3)) if rows else render_note("Nothing was denied.")
    reasons = data.stats.reasons
    others = [
        render_row(render_code(reason), *count_cells(count, sum(reasons.values())), numbers=(1, 2))
        for reason, count in sort_counts(reasons)
    ]
    if not others:
        return denied + render_note("No request was refused without a decision, and the guard never failed.")
    caption = "refused without a decision, or because the guard failed"
    return denied + render_table(("reason", "requests", "share", "in proportion"), others, caption, numbers=(1, 2))


def _policy_line(context: ReportContext, rule: str, policy: str) -> str:
    """Return the policy file's line of a rule, if the given policy is the one that decided."""
    index = rule.partition(":")[0]
    if context.policy is None or context.policy.digest != policy or not index.isdecimal():
        return ""
    rules = context.policy.table.rules
    return rules[int(index)].origin if int(index) < len(rules) else ""


def render_identity(data: ReportData) -> str:
    """Render the verdicts on identity, and the conditions of credentials."""
    stats = data.stats
    verdicts = sum(stats.verdicts.values())
    sent = {name: count for name, count in stats.credentials.items() if name not in {"", "missing"}}
    credentials = render_table(
        ("condition", "requests", "share", "in proportion"),
        [
            render_row(escape_text(name), *count_cells(count, sum(sent.values())), numbers=(1, 2))
            for name, count in sort_counts(sent)
        ],
        f"credentials that were sent; {stats.credentials.get('missing', 0):,} requests had none",
        numbers=(1, 2),
    )
    if not verdicts:
        return render_note("There was no verdict on identity.") + (credentials if sent else "")
    times = [*(one.at for one in data.columns), data.columns[-1].at + data.width]
    series: dict[str, list[float | None]] = {
        name: [ratio(one.verdicts[key], total) if (total := one.verdicts.total()) else None for one in data.columns]
        for name, key in (("failed", "failed"), ("ambiguous or contradictory", "ambiguous"))
    }
    words = (
        f"Of {verdicts:,} verdicts {stats.failure_rate:.1%} were failures, and {stats.ambiguity_rate:.1%} doubt or"
        f" contradiction; a point is {format_duration(data.width)}."
    )
    rows = [
        render_row(escape_text(name), *count_cells(count, verdicts), numbers=(1, 2))
        for name, count in sort_counts(stats.verdicts)
    ]
    return (
        draw_lines("Failed and ambiguous proofs over time", words, times, series)
        + render_note(words)
        + render_table(("verdict", "times", "share", "in proportion"), rows, "verdicts on identity", numbers=(1, 2))
        + credentials
    )
