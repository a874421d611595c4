"""Report sections on decisions: refusals by reason, denials by rule, proofs of identity, outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.audit.query.export import format_utc
from authguard.audit.query.stats import ratio
from authguard.audit.report.chart import draw_columns, draw_lines
from authguard.audit.report.data import DENIALS, FAILED, GROUPS, MAX_ROWS, REFUSED
from authguard.audit.report.markup import (
    COUNTS,
    count_cells,
    format_duration,
    render_advice,
    render_code,
    render_counts,
    render_grid,
    render_id,
    render_note,
    render_outcome,
    render_text,
    sort_counts,
)
from authguard.audit.report.verdict import count_noun
from authguard.core.outcomes import Reason
from authguard.policy.render.html_document import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.report.data import ReportContext, ReportData

#: reason of a decision that has no other reason
DECIDED: Final = Reason.DECIDED.code
_SEE_DENIALS: Final = ': see <a href="#denials">denials by rule</a>'
_SEE_OPERATIONS: Final = ': see <a href="#decisions-by-operation">decisions by operation</a>'
#: verdicts on identity, in the order of a list
_VERDICTS: Final = ("failed", "ambiguous", "unavailable", "passed")
#: results without a decision -> (style of an outcome, words)
_RESULTS: Final = {FAILED: ("terminate", "failed in the guard"), REFUSED: ("deny", "refused without a decision")}


def render_decisions(data: ReportData) -> str:
    """Render the decisions over time, by outcome and by operation."""
    stats = data.stats
    if not stats.decisions:
        return render_note("There was no decision in this period.")
    times = [*(one.at for one in data.columns), data.columns[-1].at + data.width]
    series = {group: [one.decided[group] for one in data.columns] for group in GROUPS}
    busiest = max(data.columns, key=lambda one: one.decided.total())
    begin = format_utc(busiest.at)[:16].replace("T", " ")
    most = f"the busiest, from {begin} UTC, has {count_noun(busiest.decided.total(), 'decision')}"
    words = f"A column is {format_duration(data.width)}; {most}."
    by_outcome = [(render_outcome(outcome), count) for outcome, count in sort_outcomes(stats.outcomes)]
    by_operation: dict[str, dict[str, int]] = {}
    for (operation, outcome), count in stats.operations.items():
        by_operation.setdefault(operation, {})[outcome] = count
    busy = sorted(by_operation.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:MAX_ROWS]
    rows = [
        (
            render_code(operation),
            f"{sum(outcomes.values()):,}",
            "".join(
                f'<span class="v">{render_outcome(outcome)} {count:,}</span>'
                for outcome, count in sort_outcomes(outcomes)
            ),
        )
        for operation, outcomes in busy
    ]
    caption = (
        f"decisions by operation, the {MAX_ROWS} busiest of {len(by_operation):,}"
        if len(by_operation) > MAX_ROWS
        else "decisions by operation, the busiest first"
    )
    return (
        draw_columns("Decisions over time", words, times, series)
        + render_note(words)
        + render_counts(
            "outcome",
            "decisions",
            by_outcome,
            "decisions by outcome, refusals first",
            "decisions-by-outcome",
        )
        + render_grid(
            ("operation", "decisions", "outcomes"), rows, caption, mark="decisions-by-operation", numbers=(1,)
        )
    )


def sort_outcomes(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts of outcomes: denials first, then what was deferred or challenged, then what was admitted."""
    groups = list(reversed(GROUPS.values()))
    places = {outcome: place for place, outcomes in enumerate(groups) for outcome in outcomes}
    return sorted(counted.items(), key=lambda item: (places.get(item[0], -1), -item[1], item[0]))


def render_reasons(context: ReportContext, data: ReportData) -> str:
    """Render the requests that were not admitted by reason, with the meaning of each reason and what to do."""
    if not data.reasons:
        return render_note("No request was refused or challenged in this period, and the guard never failed.")
    whole = sum(one.count for one in data.reasons)
    rows = []
    for one in data.reasons[:MAX_ROWS]:
        meaning, cure = context.describe_reason(one.reason), context.describe_cure(one.reason)
        if one.reason == DECIDED:
            meaning, cure = "the states of the request and the policy's rule decided", ""
        see = (_SEE_DENIALS if one.result in DENIALS else _SEE_OPERATIONS) if one.reason == DECIDED else ""
        said = f"{render_advice(meaning)}{see}"
        done = f'<span class="cure">{render_advice(cure)}</span>' if cure else ""
        rows.append(
            (
                render_code(one.reason),
                _result(one.result),
                f"{one.count:,}",
                f"{ratio(one.count, whole):.2%}",
                said,
                done,
            )
        )
    caption = f"{count_noun(whole, 'request')} failed, refused or challenged" + (
        f"; the {MAX_ROWS} most frequent of {len(data.reasons):,} reasons" if len(data.reasons) > MAX_ROWS else ""
    )
    heads = ("reason", "result", "requests", "share", "meaning", "what to do")
    return render_grid(heads, rows, caption, mark="refusals-by-reason", numbers=(2, 3))


def _result(result: str) -> str:
    style, words = _RESULTS.get(result, (result, result))
    return f'<span class="o {escape_text(style)}">{escape_text(words)}</span>'


def render_denials(context: ReportContext, data: ReportData) -> str:
    """Render the denials by rule."""
    whole = sum(one.count for one in data.denials)
    if not data.denials:
        return render_note("Nothing was denied by a rule in this period.")
    several = len({one.policy for one in data.denials}) > 1
    rows = []
    for one in data.denials[:MAX_ROWS]:
        policy = f'<span class="v quiet">{render_id(one.policy, data.short_ids)}</span>' if several else ""
        operations = "".join(
            f'<span class="v">{count:,} {render_code(name)}</span>' for name, count in sort_counts(one.operations)[:5]
        )
        if (more := len(one.operations) - 5) > 0:
            operations += f'<span class="v quiet">and {more:,} more</span>'
        line = _policy_line(context, one.rule, one.policy)
        rows.append(
            (
                f"{render_code(one.rule)}{policy}",
                render_outcome(one.outcome),
                *count_cells(one.count, whole),
                operations,
                render_code(line) if line else "",
            )
        )
    caption = f"{count_noun(whole, 'denial')} by {count_noun(len(data.denials), 'rule')}" + (
        f", of which the {MAX_ROWS} with the most are shown" if len(data.denials) > MAX_ROWS else ""
    )
    heads = ("rule", "outcome", "denials", *COUNTS, "operations", "written in")
    return render_grid(heads, rows, caption, mark="denials-by-rule", numbers=(2, 3))


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
    credentials = render_counts(
        "condition",
        "requests",
        [(render_text(name), count) for name, count in _sort_conditions(sent)],
        f"credentials that were sent, bad ones first; {count_noun(stats.credentials.get('missing', 0), 'request')}"
        " had none",
        "credentials",
    )
    if not verdicts:
        return render_note("There was no verdict on identity in this period.") + (credentials if sent else "")
    times = [*(one.at for one in data.columns), data.columns[-1].at + data.width]
    series: dict[str, list[float | None]] = {
        name: [ratio(one.verdicts[key], total) if (total := one.verdicts.total()) else None for one in data.columns]
        for name, key in (("failed", "failed"), ("ambiguous or contradictory", "ambiguous"))
    }
    words = (
        f"Of {count_noun(verdicts, 'verdict')} {stats.failure_rate:.1%} were failures, and"
        f" {stats.ambiguity_rate:.1%} doubt or contradiction; a point is {format_duration(data.width)}."
    )
    rows = [(name, stats.verdicts[name]) for name in _VERDICTS if name in stats.verdicts]
    return (
        draw_lines("Failed and ambiguous proofs over time", words, times, series)
        + render_note(words)
        + render_counts("verdict", "times", rows, "verdicts on identity, failures first", "identity-verdicts")
        + credentials
    )


def _sort_conditions(sent: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sent.items(), key=lambda item: (item[0] == "good", -item[1], item[0]))
