"""The head of a report and its summary: the verdict, the period in two time zones, and the most important counts."""

from __future__ import annotations

from datetime import datetime
from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Final

from authguard.audit.query.stats import ratio
from authguard.audit.report.markup import render_code, render_time
from authguard.audit.report.verdict import Verdict, conclude, count_lines, count_noun, judge
from authguard.policy.render.html_document import escape_text

if TYPE_CHECKING:
    from datetime import tzinfo

    from authguard.audit.report.data import ReportContext, ReportData

#: kind of record -> noun
_KINDS: Final = {"withdrawn": "withdrawal"}
_INTEGRITY: Final = {Verdict.VERIFIED: "verified", Verdict.UNVERIFIED: "not verified", Verdict.BROKEN: "broken"}


def render_head(context: ReportContext, data: ReportData) -> str:
    """Render the verdict, its reasons, what to type next, and the period."""
    conclusion = conclude(context, data)
    tone = "good" if conclusion.verdict is Verdict.VERIFIED else "bad"
    why = "".join(f"<li>{escape_text(one)}</li>" for one in conclusion.why)
    typed = "".join(f"<li>{render_code(one)}</li>" for one in conclusion.commands)
    return (
        f'<p class="verdict {tone}" id="verdict"><strong>{escape(conclusion.opening)}</strong>'
        f" {escape(conclusion.counts)}</p>"
        f"{_period(context, data)}"
        f'<ul class="why">{why}</ul>' + (f'<div class="next"><p>next:</p><ul>{typed}</ul></div>' if typed else "")
    )


def _period(context: ReportContext, data: ReportData) -> str:
    whole = not isfinite(context.since) and not isfinite(context.until)
    begin = _end(context.since, data.log_first, "the first record of the log")
    end = _end(context.until, data.log_last, "the last record of the log")
    return (
        f'<p class="lead">Period: {"the whole log, " if whole else ""}{begin} to {end}, UTC.'
        f"{_local_period(context, data)}</p>"
        f'<p class="quiet">Log {render_code(context.log)}; report made {render_time(context.made)} by'
        f" {escape_text(context.by)}. All times are UTC unless a zone is named.</p>"
    )


def _end(at: float, otherwise: float, words: str) -> str:
    """Render one end of the period: as requested, or the end of the log."""
    return render_time(at) if isfinite(at) else render_time(otherwise) if otherwise else words


def _local_period(context: ReportContext, data: ReportData) -> str:
    """Render the period in the zone of the person who makes the report; empty if it is UTC."""
    ends = [
        _convert(context.zone, at if isfinite(at) else otherwise)
        for at, otherwise in ((context.since, data.log_first), (context.until, data.log_last))
    ]
    moments = [one for one in ends if one is not None]
    if len(moments) < len(ends) or not any(one.utcoffset() for one in moments):
        return ""
    begin, end = (one.isoformat(" ", "seconds") for one in moments)
    return (
        f' <span class="local">In the time zone of the person who made the report, {escape_text(str(context.zone))}:'
        f" {escape_text(begin)} to {escape_text(end)}.</span>"
    )


def _convert(zone: tzinfo, at: float) -> datetime | None:
    """Convert a time; None if there is none, or no calendar has it."""
    try:
        return datetime.fromtimestamp(at, zone) if at else None
    except (ValueError, OverflowError, OSError):
        return None


def render_summary(context: ReportContext, data: ReportData) -> str:
    """Render the most important counts, and what the counts do not include."""
    verdict = judge(context)
    waiting = data.ends["held"].count if "held" in data.ends else 0
    allowed = data.count_group("admitted")
    decisions = data.stats.decisions
    stats, people = data.stats, data.participants
    tiles = (
        (
            "integrity",
            "Integrity",
            _INTEGRITY[verdict],
            _signed_lines(context),
            "good" if verdict is Verdict.VERIFIED else "bad",
        ),
        ("reasons", "Failed in the guard", f"{data.failed:,}", "requests", "bad" if data.failed else ""),
        (
            "reasons",
            "Refused",
            f"{data.refused:,}",
            f"{data.count_group('denied'):,} denied, {stats.kinds.get('refusal', 0):,} without a decision",
            "",
        ),
        ("held", "Held transactions", f"{data.held_transactions:,}", f"{waiting:,} still held", ""),
        ("reasons", "Challenged", f"{data.count_group('challenged'):,}", "asked to prove more", ""),
        ("identity", "Proofs that failed", f"{stats.failure_rate:.1%}", _ambiguous(data), ""),
        ("identity", "Bad credentials", f"{stats.bad_credential_rate:.1%}", "expired or rejected, of those sent", ""),
        ("decisions", "Decisions", f"{decisions:,}", f"{decisions / stats.hours:,.1f} an hour", ""),
        ("decisions", "Admitted", f"{ratio(allowed, decisions):.1%}", f"{allowed:,} decisions", ""),
        ("acts", "People", f"{people.customers:,}", f"and {people.agents:,} agents, {people.staff:,} of staff", ""),
    )
    tiles_markup = "".join(
        f'<div class="tile {kind}"><dt><a href="#{mark}">{name}</a></dt>'
        f'<dd>{escape(value)}<span class="quiet">{escape(more)}</span></dd></div>'
        for mark, name, value, more, kind in tiles
    )
    return f'<dl class="tiles">{tiles_markup}</dl>' + "".join(f"<p>{one}</p>" for one in _span(data))


def _ambiguous(data: ReportData) -> str:
    return f"and {data.stats.ambiguity_rate:.1%} ambiguous, of {sum(data.stats.verdicts.values()):,} verdicts"


def _span(data: ReportData) -> list[str]:
    stats = data.stats
    kinds = ", ".join(
        escape_text(count_noun(count, _KINDS.get(kind, kind))) for kind, count in sorted(stats.kinds.items())
    )
    spans = (
        f"The records of the period run from {render_time(stats.since)} to {render_time(stats.until)}: {kinds}."
        if kinds
        else "There is no record in this period.",
        f"Withdrawn and not counted: {stats.void:,}, in all of the log." if stats.void else "",
        f"Lines of the log that are not records: {stats.unparsed_lines:,}." if stats.unparsed_lines else "",
    )
    return [one for one in spans if one]


def _signed_lines(context: ReportContext) -> str:
    lines, signed = count_lines(context)
    return f"{signed:,} of {lines:,} lines signed" if context.signed else "no signature was verified"
