"""The conclusion of a report: whether the log verifies, the counts in one sentence, why, and what to type next."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.audit.query.export import format_utc
from authguard.audit.report.data import FAILED
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.report.data import ReportContext, ReportData
    from authguard.audit.verify.checkpoint_verifier import Finding

#: most findings of the verification, and most reasons, that are named
MAX_FINDINGS: Final = 5
MAX_REASONS: Final = 3


class Verdict(StrEnum):
    """Verdicts on a log."""

    VERIFIED = "verified"
    UNVERIFIED = "not_verified"
    BROKEN = "broken"


_OPENINGS: Final = {
    Verdict.VERIFIED: "Verified",
    Verdict.UNVERIFIED: "Not verified",
    Verdict.BROKEN: "Not verified: the log is broken",
}


class Conclusion(Struct, frozen=True):
    """The conclusion of a report.

    Attributes:
        verdict: verdict on the log.
        opening: the verdict in words.
        counts: the most important counts as one sentence.
        why: reasons of the verdict and of the counts, the worst first.
        commands: what to type next, the most urgent first.
    """

    verdict: Verdict
    opening: str
    counts: str
    why: tuple[str, ...]
    commands: tuple[str, ...]


def conclude(context: ReportContext, data: ReportData) -> Conclusion:
    """Return the conclusion of a report."""
    verdict = judge(context)
    integrity, counts = tuple(_integrity_reasons(context, verdict)), tuple(_count_reasons(data))
    return Conclusion(
        verdict,
        f"{_OPENINGS[verdict]}.",
        _describe_counts(data),
        (*integrity, *counts) if verdict is not Verdict.VERIFIED else (*counts, *integrity),
        tuple(_commands(context, data, verdict)),
    )


def judge(context: ReportContext) -> Verdict:
    """Return the verdict on the log."""
    found = context.verification
    if not found.ok:
        return Verdict.UNVERIFIED if found.is_inaccessible else Verdict.BROKEN
    return Verdict.VERIFIED if context.signed else Verdict.UNVERIFIED


def count_noun(count: int, noun: str) -> str:
    """Return a count and its noun, in the plural unless the count is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def describe_finding(one: Finding) -> str:
    """Return a violation with its file and line."""
    where = f"{one.path.name}, line {one.broken.line}" if one.broken.line else one.path.name
    return f"{where}: {one.broken.violation.message}"


def count_lines(context: ReportContext) -> tuple[int, int]:
    """Return the number of lines of the log, and how many of them are signed."""
    chains = context.verification.chains
    signed = sum(max(one.ranges.signed, one.ranges.anchored) for one in chains) if context.signed else 0
    return sum(one.lines for one in chains), signed


def _describe_counts(data: ReportData) -> str:
    if data.is_empty:
        return "No record falls into this period."
    counts = (
        count_noun(data.stats.decisions, "decision"),
        f"{data.refused:,} refused",
        f"{data.held_transactions:,} held",
        f"{data.failed:,} failed",
    )
    return f"{', '.join(counts)}."


def _integrity_reasons(context: ReportContext, verdict: Verdict) -> Iterator[str]:
    found = context.verification
    for one in islice(found.findings, MAX_FINDINGS):
        yield f"{describe_finding(one)}."
    if (more := sum(1 for _ in found.findings) - MAX_FINDINGS) > 0:
        yield f"{count_noun(more, 'further finding')}: see Integrity."
    if verdict is Verdict.BROKEN:
        yield "The log was changed after it was written, so the figures of this report may be wrong."
    elif verdict is Verdict.UNVERIFIED and found.ok:
        yield (
            "No signature was verified, because no public key was given: a cut tail, a removed chain or a full"
            " rewrite of the log is not detected."
        )
    if marks := sum(1 for _ in found.unaccepted()):
        yield f"{count_noun(marks, 'note')} about lines of an unknown writer that no person accepted."
    if verdict is Verdict.VERIFIED:
        lines, signed = count_lines(context)
        rest = f" The newest {lines - signed:,} are not signed yet." if lines > signed else ""
        yield (
            "Every line of the whole log, beyond this period too, matches the hash chain and the signed checkpoints:"
            f" {signed:,} of {lines:,} lines signed.{rest}"
        )
    if context.caveat:
        yield f"{context.caveat[:1].upper()}{context.caveat[1:]}."


def _count_reasons(data: ReportData) -> Iterator[str]:
    if data.is_empty:
        yield (
            f"The records of the log run from {format_utc(data.log_first)} to {format_utc(data.log_last)}."
            if data.log_last
            else "The log has no record."
        )
        return
    failures = Counter({one.reason: one.count for one in data.reasons if one.result == FAILED})
    if failures:
        yield f"{count_noun(data.failed, 'request')} failed in the guard: {_list_reasons(failures)}."
    refusals: Counter[str] = Counter()
    for one in data.reasons:
        refusals[one.reason] += one.count if one.result != FAILED else 0
    if +refusals:
        whole = sum(refusals.values())
        yield f"{count_noun(whole, 'request')} refused or challenged: {_list_reasons(+refusals)}."
    if "held" in data.ends and data.waiting:
        waits = count_noun(data.ends["held"].count, "transaction")
        yield f"{waits} still held at the end of the period, the oldest since {format_utc(data.waiting[0].at)}."
    if data.stats.unparsed_lines:
        yield f"{count_noun(data.stats.unparsed_lines, 'line')} of the log cannot be read as a record."


def _list_reasons(counted: Counter[str]) -> str:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{reason} {count:,}" for reason, count in ordered[:MAX_REASONS]]
    more = len(ordered) - MAX_REASONS
    return ", ".join([*named, *([f"and {count_noun(more, 'further reason')}"] if more > 0 else [])])


def _commands(context: ReportContext, data: ReportData, verdict: Verdict) -> Iterator[str]:
    log = "" if context.log == DEFAULT_LOG else f" --log {quote(context.log)}"
    period = "".join(
        f" {option} {format_utc(at)}"
        for option, at in (("--since", context.since), ("--until", context.until))
        if abs(at) < float("inf")
    )
    if verdict is Verdict.UNVERIFIED and context.verification.ok:
        yield "authguard audit keys show"
    elif verdict is not Verdict.VERIFIED:
        yield f"authguard audit verify{log}"
    if data.is_empty:
        if data.log_last:
            yield f"authguard audit report --since {format_utc(data.log_first)}{log}"
        return
    if data.failed:
        yield f"authguard audit query --kind fault{log}{period}"
    if data.count_group("denied"):
        yield f"authguard audit query --outcome deny{log}{period}"
    elif data.refused:
        yield f"authguard audit query --kind refusal{log}{period}"
    if data.waiting:
        yield "authguard transactions list"
