"""The report of a period as one HTML page that stands alone: what an auditor reads, prints and puts with the papers.

Rules of this file:
- It fetches nothing and runs nothing: there is no script in it.
- Whatever stands in a log may be forged: every text of it goes through `html_document.escape_text`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.audit.query.export import utc
from authguard.audit.query.stats import ratio
from authguard.audit.report.data import GROUPS
from authguard.audit.report.decisions import decisions, denials, identity
from authguard.audit.report.markup import code, quiet, row
from authguard.audit.report.transitions import acts, held, machines, policies
from authguard.core.chain import ChainBreak
from authguard.policy.render.html_document import escape_text, load_style, render_document, render_table

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext, ReportData
    from authguard.audit.verify.result import ChainReport

_LOOK: Final = Path(__file__).parent / "report.css"
#: kinds of records, where there are several
_KINDS: Final = {
    "act": "acts",
    "decision": "decisions",
    "fault": "faults",
    "refusal": "refusals",
    "transition": "transitions",
    "withdrawn": "withdrawals",
}


def render_page(context: ReportContext, data: ReportData) -> str:
    """Write the report: a whole HTML document."""
    asked = " ".join(
        part
        for part in (
            f"from {utc(context.since)}" if context.since > float("-inf") else "from its beginning",
            f"to {utc(context.until)}" if context.until < float("inf") else "to its end",
        )
    )
    header = (
        f'<p class="lead">Log <span class="m">{escape_text(context.log)}</span>, {asked}.</p>'
        f'<p class="quiet">Made {utc(context.made)} by {escape_text(context.by)}. All times are UTC.</p>'
    )
    sections = (
        ("summary", "At a glance", _summary(context, data)),
        ("integrity", "Integrity", _integrity(context)),
        ("decisions", "Decisions", decisions(data)),
        ("denials", "Denials by rule", denials(context, data)),
        ("identity", "Proofs of identity", identity(data)),
        ("held", "Held transactions", held(data)),
        ("machines", "States and what moved them", machines(context, data)),
        ("acts", "What people did", acts(data)),
        ("policies", "Policies in force", policies(context, data)),
    )
    return render_document(
        "Audit report", header=header, sections=sections, look=load_style() + _LOOK.read_text("utf-8")
    )


def _summary(context: ReportContext, data: ReportData) -> str:
    stats = data.stats
    sound = context.verification.ok and context.signed
    verdict = "sound" if sound else "BROKEN" if not context.verification.ok else "NOT VOUCHED FOR"
    denied = sum(one.count for one in data.denials)
    allowed = sum(stats.outcomes.get(one, 0) for one in GROUPS["let through"])
    tiles = (
        ("Integrity", verdict, _vouched(context), "good" if sound else "bad"),
        ("Decisions", f"{stats.decisions:,}", f"{stats.decisions / stats.hours:,.1f} an hour", ""),
        ("Let through", f"{ratio(allowed, stats.decisions):.1%}", f"{allowed:,}", ""),
        ("Denied", f"{ratio(denied, stats.decisions):.1%}", f"{denied:,}", ""),
        ("Proofs that failed", f"{stats.failure_rate:.1%}", f"of {sum(stats.verdicts.values()):,} verdicts", ""),
        ("Proofs in doubt", f"{stats.ambiguity_rate:.1%}", "doubt or contradiction", ""),
        ("Bad credentials", f"{stats.bad_credential_rate:.1%}", "expired or rejected, of those sent", ""),
        ("People", f"{data.met.customers:,}", f"and {data.met.agents:,} agents, {data.met.staff:,} of staff", ""),
        ("Held transactions", f"{sum(one.count for one in data.ends.values()):,}", _waiting(data), ""),
    )
    told = "".join(
        f'<div class="tile {kind}"><dt>{name}</dt>'
        f'<dd>{escape(value)}<span class="quiet">{escape(more)}</span></dd></div>'
        for name, value, more, kind in tiles
    )
    kinds = ", ".join(f"{count:,} {escape_text(_KINDS.get(kind, kind))}" for kind, count in sorted(stats.kinds.items()))
    span = (
        f"The records run from {utc(stats.since)} to {utc(stats.until)}: {kinds}."
        if kinds
        else "No record stands here."
    )
    more = [span]
    if stats.void:
        more.append(f"Withdrawn, and counted nowhere: {stats.void:,}, in all of the log.")
    if stats.unparsed_lines:
        more.append(f"Lines of the log that are no record: {stats.unparsed_lines:,}.")
    return f'<dl class="tiles">{told}</dl>' + "".join(f"<p>{one}</p>" for one in more)


def _vouched(context: ReportContext) -> str:
    chains = context.verification.chains
    lines_ = sum(one.lines for one in chains)
    if not context.signed:
        return "no signature was looked at"
    signed = sum(max(one.ranges.signed, one.ranges.anchored) for one in chains)
    return f"{signed:,} of {lines_:,} lines signed"


def _waiting(data: ReportData) -> str:
    waiting = data.ends.get("held")
    return f"{waiting.count:,} wait still" if waiting else "none waits"


def _integrity(context: ReportContext) -> str:
    found = context.verification
    if not found.ok:
        words = "The log is not what was written. What this report tells of it may not be true."
    elif not context.signed:
        words = (
            "Nothing vouches for the log: no signature was looked at, so a cut tail, a removed chain or a full rewrite"
            " goes unseen. Name its public key with --key."
        )
    else:
        words = (
            "Every line of the log, and not of this period alone, follows the one before it,"
            " and what was signed is what stands there."
        )
    verdict = f'<p class="verdict {"good" if found.ok and context.signed else "bad"}">{words}</p>'
    if context.caveat:
        verdict += quiet(escape_text(context.caveat[:1].upper() + context.caveat[1:] + "."))
    heads = ("file", "lines", "anchored", "signed, not anchored", "unsigned", "retired", "newest checkpoint", "finding")
    rows = [_chain(one, signed=context.signed) for one in found.chains]
    rows += [
        row(
            code(one.path.name),
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
    told = "chains of the log, and how far each is vouched for, in lines"
    return verdict + render_table(heads, rows, told, numbers=(1, 2, 3, 4, 5))


def _chain(one: ChainReport, *, signed: bool) -> str:
    ranges = one.ranges
    upto = max(ranges.signed, ranges.anchored)
    finding = '<span class="o allow">intact</span>'
    if isinstance(one.result, ChainBreak):
        where = f"{one.where.name}, line {one.result.line}: " if one.result.line else f"{one.where.name}: "
        finding = f'<span class="o deny">{escape_text(where + one.result.violation.message)}</span>'
    vouched = (
        (f"{ranges.anchored:,}", f"{upto - ranges.anchored:,}", f"{one.lines - upto:,}")
        if signed
        else ("", "", f"{one.lines:,}")
    )
    at = utc(ranges.at) if ranges.at else ""
    return row(
        code(one.path.name), f"{one.lines:,}", *vouched, f"{one.retired[0]:,}", at, finding, numbers=(1, 2, 3, 4, 5)
    )
