"""The report of a period as one self-contained HTML page, for auditors to read, print and file.

Rules:
- The page loads nothing and contains no script.
- A log may hold forged text: all of its text is escaped with `escape_text`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.audit.query.export import format_utc
from authguard.audit.query.stats import ratio
from authguard.audit.report.data import GROUPS
from authguard.audit.report.decisions import render_decisions, render_denials, render_identity
from authguard.audit.report.markup import render_code, render_note, render_row
from authguard.audit.report.transitions import render_acts, render_held, render_machines, render_policies
from authguard.core.chain import ChainBreak
from authguard.policy.render.html_document import escape_text, load_style, render_document, render_table

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext, ReportData
    from authguard.audit.verify.result import ChainReport

_STYLE_SHEET: Final = Path(__file__).parent / "report.css"
#: kind of record -> plural
_KINDS: Final = {
    "act": "acts",
    "decision": "decisions",
    "fault": "faults",
    "refusal": "refusals",
    "transition": "transitions",
    "withdrawn": "withdrawals",
}


def render_page(context: ReportContext, data: ReportData) -> str:
    """Return the report as an HTML document."""
    asked = " ".join(
        part
        for part in (
            f"from {format_utc(context.since)}" if context.since > float("-inf") else "from its beginning",
            f"to {format_utc(context.until)}" if context.until < float("inf") else "to its end",
        )
    )
    header = (
        f'<p class="lead">Log <span class="m">{escape_text(context.log)}</span>, {asked}.</p>'
        f'<p class="quiet">Made {format_utc(context.made)} by {escape_text(context.by)}. All times are UTC.</p>'
    )
    sections = (
        ("summary", "Summary", _summary(context, data)),
        ("integrity", "Integrity", _integrity(context)),
        ("decisions", "Decisions", render_decisions(data)),
        ("denials", "Denials by rule", render_denials(context, data)),
        ("identity", "Proofs of identity", render_identity(data)),
        ("held", "Held transactions", render_held(data)),
        ("machines", "States and transitions", render_machines(context, data)),
        ("acts", "Acts", render_acts(data)),
        ("policies", "Policies in force", render_policies(context, data)),
    )
    return render_document(
        "Audit report", header=header, sections=sections, look=load_style() + _STYLE_SHEET.read_text("utf-8")
    )


def _summary(context: ReportContext, data: ReportData) -> str:
    stats = data.stats
    sound = context.verification.ok and context.signed
    verdict = "sound" if sound else "BROKEN" if not context.verification.ok else "NOT VERIFIED"
    denied = sum(one.count for one in data.denials)
    allowed = sum(stats.outcomes.get(one, 0) for one in GROUPS["admitted"])
    tiles = (
        ("Integrity", verdict, _signed_lines(context), "good" if sound else "bad"),
        ("Decisions", f"{stats.decisions:,}", f"{stats.decisions / stats.hours:,.1f} an hour", ""),
        ("Admitted", f"{ratio(allowed, stats.decisions):.1%}", f"{allowed:,}", ""),
        ("Denied", f"{ratio(denied, stats.decisions):.1%}", f"{denied:,}", ""),
        ("Proofs that failed", f"{stats.failure_rate:.1%}", f"of {sum(stats.verdicts.values()):,} verdicts", ""),
        ("Ambiguous proofs", f"{stats.ambiguity_rate:.1%}", "ambiguous or contradictory", ""),
        ("Bad credentials", f"{stats.bad_credential_rate:.1%}", "expired or rejected, of those sent", ""),
        (
            "People",
            f"{data.participants.customers:,}",
            f"and {data.participants.agents:,} agents, {data.participants.staff:,} of staff",
            "",
        ),
        ("Held transactions", f"{sum(one.count for one in data.ends.values()):,}", _waiting(data), ""),
    )
    tiles_markup = "".join(
        f'<div class="tile {kind}"><dt>{name}</dt>'
        f'<dd>{escape(value)}<span class="quiet">{escape(more)}</span></dd></div>'
        for name, value, more, kind in tiles
    )
    kinds = ", ".join(f"{count:,} {escape_text(_KINDS.get(kind, kind))}" for kind, count in sorted(stats.kinds.items()))
    span = (
        f"The records run from {format_utc(stats.since)} to {format_utc(stats.until)}: {kinds}."
        if kinds
        else "There is no record."
    )
    more = [span]
    if stats.void:
        more.append(f"Withdrawn and not counted: {stats.void:,}, in all of the log.")
    if stats.unparsed_lines:
        more.append(f"Lines of the log that are not records: {stats.unparsed_lines:,}.")
    return f'<dl class="tiles">{tiles_markup}</dl>' + "".join(f"<p>{one}</p>" for one in more)


def _signed_lines(context: ReportContext) -> str:
    chains = context.verification.chains
    lines_ = sum(one.lines for one in chains)
    if not context.signed:
        return "no signature was verified"
    signed = sum(max(one.ranges.signed, one.ranges.anchored) for one in chains)
    return f"{signed:,} of {lines_:,} lines signed"


def _waiting(data: ReportData) -> str:
    waiting = data.ends.get("held")
    return f"{waiting.count:,} still held" if waiting else "none is held"


def _integrity(context: ReportContext) -> str:
    found = context.verification
    if not found.ok:
        words = "The log was changed after it was written. This report may be wrong."
    elif not context.signed:
        words = (
            "The log is not authenticated: no signature was verified, so a cut tail, a removed chain or a full rewrite"
            " is not detected. Pass its public key with --key."
        )
    else:
        words = (
            "Every line of the whole log, beyond this period too, matches the hash chain,"
            " and every checkpoint matches its lines."
        )
    verdict = f'<p class="verdict {"good" if found.ok and context.signed else "bad"}">{words}</p>'
    if context.caveat:
        verdict += render_note(escape_text(context.caveat[:1].upper() + context.caveat[1:] + "."))
    heads = ("file", "lines", "anchored", "signed, not anchored", "unsigned", "retired", "newest checkpoint", "finding")
    rows = [_chain(one, signed=context.signed) for one in found.chains]
    rows += [
        render_row(
            render_code(one.path.name),
            "",
            "",
            "",
            "",
            "",
            "",
            f'<span class="o deny">{escape_text(one.broken.violation.message)}</span>',
        )
        for one in found.missing
    ]
    tiles_markup = "chains of the log, and their signed and anchored lines"
    return verdict + render_table(heads, rows, tiles_markup, numbers=(1, 2, 3, 4, 5))


def _chain(one: ChainReport, *, signed: bool) -> str:
    ranges = one.ranges
    signed_until = max(ranges.signed, ranges.anchored)
    finding = '<span class="o allow">intact</span>'
    if isinstance(one.result, ChainBreak):
        where = f"{one.where.name}, line {one.result.line}: " if one.result.line else f"{one.where.name}: "
        finding = f'<span class="o deny">{escape_text(where + one.result.violation.message)}</span>'
    line_counts = (
        (f"{ranges.anchored:,}", f"{signed_until - ranges.anchored:,}", f"{one.lines - signed_until:,}")
        if signed
        else ("", "", f"{one.lines:,}")
    )
    at = format_utc(ranges.at) if ranges.at else ""
    return render_row(
        render_code(one.path.name),
        f"{one.lines:,}",
        *line_counts,
        f"{one.retired[0]:,}",
        at,
        finding,
        numbers=(1, 2, 3, 4, 5),
    )
