"""Report section on the integrity of the log: its chains, broken ones first, and their signed and anchored lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.audit.report.markup import render_code, render_grid, render_text, render_time
from authguard.audit.report.verdict import Verdict, describe_finding, judge
from authguard.audit.verify.checkpoint_verifier import Finding
from authguard.records.chain import ChainBreak

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext
    from authguard.audit.verify.result import ChainReport

_WORDS: Final = {
    Verdict.VERIFIED: "Every line matches the hash chain, and every checkpoint matches its lines.",
    Verdict.UNVERIFIED: "The log is not authenticated. Pass its public key with --key.",
    Verdict.BROKEN: "The log was changed after it was written. This report may be wrong.",
}


def render_integrity(context: ReportContext) -> str:
    """Render the verdict on the log and a row for each chain."""
    found = context.verification
    verdict = judge(context)
    heads = ("file", "finding", "lines", "unsigned", "signed, not anchored", "anchored", "retired", "newest checkpoint")
    rows = [_missing(one) for one in found.missing]
    chains = sorted(found.chains, key=lambda one: not isinstance(one.result, ChainBreak))
    rows += [_chain(one, signed=context.signed) for one in chains]
    caption = "chains of the log, and their signed and anchored lines"
    return f"<p>{_WORDS[verdict]}</p>" + render_grid(
        heads, rows, caption, mark="integrity-chains", numbers=(2, 3, 4, 5, 6)
    )


def _missing(one: Finding) -> tuple[str, ...]:
    finding = f'<span class="o deny">{render_text(one.broken.violation.message)}</span>'
    return render_code(one.path.name), finding, "", "", "", "", "", ""


def _chain(one: ChainReport, *, signed: bool) -> tuple[str, ...]:
    ranges = one.ranges
    signed_until = max(ranges.signed, ranges.anchored)
    finding = '<span class="o allow">intact</span>'
    if isinstance(one.result, ChainBreak):
        broken = describe_finding(Finding(one.where, one.result))
        finding = f'<span class="o deny">{render_text(broken)}</span>'
    counts = (
        (f"{one.lines - signed_until:,}", f"{signed_until - ranges.anchored:,}", f"{ranges.anchored:,}")
        if signed
        else (f"{one.lines:,}", "", "")
    )
    at = render_time(ranges.at) if ranges.at else ""
    return render_code(one.path.name), finding, f"{one.lines:,}", *counts, f"{one.retired[0]:,}", at
