"""Text and JSON of a verified log: the verdict first, then findings, chains and promises of the policy."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from authguard.audit.query.export import format_utc
from authguard.audit.verify.log_verifier import UNSIGNED_WARNING
from authguard.cli.terminal import escape, format_time, format_time_ms
from authguard.records.chain import ChainBreak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.verify.checkpoint_verifier import Ranges
    from authguard.audit.verify.result import ChainReport, Verification
    from authguard.cli.audit_promise import Promise, UsedPolicy


class VerifyFinding(Struct, frozen=True, kw_only=True):
    """Something that is wrong with a log.

    Attributes:
        place: file or lines; empty for the whole log.
        line: number of the line in its file; 0 for none.
        what: what is wrong.
        next: what to do.
    """

    place: str
    line: int = 0
    what: str
    next: str = ""

    @property
    def text(self) -> str:
        """The finding as one line."""
        where = f"{self.place}, line {self.line}: " if self.line else f"{self.place}: " if self.place else ""
        return f"{where}{self.what}{f'; {self.next}' if self.next else ''}"


class VerifyResult(Struct, frozen=True, kw_only=True):
    """What the command found.

    Attributes:
        log: path of the log.
        found: the verification.
        findings: what is wrong, and makes the command fail.
        is_unread: whether the only findings are files that cannot be read now.
        is_signed: whether there is a public key.
        note: limit of the keys; empty for none.
        policies: under which the log was written; empty without `--policy`.
        promises: of the policy; empty without `--policy`.
    """

    log: str
    found: Verification
    findings: tuple[VerifyFinding, ...]
    is_unread: bool
    is_signed: bool
    note: str
    policies: tuple[UsedPolicy, ...] = ()
    promises: tuple[Promise, ...] = ()

    @property
    def verdict(self) -> str:
        """`verified`, `not verified` or `not read`."""
        return "not read" if self.is_unread else "not verified" if self.findings else "verified"


def format_verdict(result: VerifyResult) -> str:
    """Return the verdict as one line."""
    found = result.found
    lines = sum(chain.lines for chain in found.chains)
    counted = f"{count(lines, 'line')} in {count(len(found.chains), 'chain')}"
    if result.findings:
        return f"{result.verdict}: {count(len(result.findings), 'finding')}, {counted} read"
    unsigned = sum(chain.lines - max(chain.ranges.signed, chain.ranges.anchored) for chain in found.chains)
    if not result.is_signed:
        return f"hashes verified: {counted}, no signature"
    return f"{result.verdict}: {counted}, " + (
        f"{count(unsigned, 'line')} not signed yet" if unsigned else "all signed"
    )


def format_details(result: VerifyResult) -> Iterator[str]:
    """Yield the lines after the verdict and the findings, not escaped."""
    found = result.found
    for promise in sorted(result.promises, key=lambda one: one.is_kept):
        yield f"{'kept' if promise.is_kept else 'NOT KEPT'}: {promise.words}"
    for chain in found.chains:
        if not isinstance(chain.result, ChainBreak):
            files = f" in {chain.segments + 1} files" if chain.segments else ""
            yield f"{chain.path}: ok, {count(chain.lines, 'line')}{files}, head {chain.result.head}"
            yield from (f"  {words}" for words in _details(chain, found.accepted, signed=result.is_signed))
    if found.kinds:
        yield "records: " + ", ".join(f"{number} {kind}" for kind, number in found.kinds.items())
        yield f"from {format_time_ms(found.first)} to {format_time_ms(found.last)}"
    if found.outcomes:
        yield "outcomes: " + ", ".join(f"{number} {outcome}" for outcome, number in found.outcomes.items())
    if found.repairs:
        yield f"repairs: {count(found.repairs, 'torn line')} removed after a crash or a full disk"
    for used in result.policies:
        times = f"{format_time(used.first)} to {format_time(used.last)}"
        yield f"policy {used.digest[:12]}: {count(used.records, 'record')}, {times}"
    if not result.is_signed:
        yield UNSIGNED_WARNING


def _details(chain: ChainReport, accepted: frozenset[str], *, signed: bool) -> Iterator[str]:
    """Yield details of an intact chain: retired lines, unfinished bytes, signed ranges and marked ranges."""
    number, since, until = chain.retired
    if number:
        times = f"{format_time_ms(since)} to {format_time_ms(until)}"
        yield f"retired: lines 1 to {number}, {times}: only their hashes are kept"
    if chain.unfinished:
        yield f"unfinished: {chain.unfinished} bytes after the last line: a crash or a full disk; they will be removed"
    if signed:
        yield from _ranges(chain.ranges, chain.lines)
    for mark in chain.marks:
        yield f"{mark.words}{' (accepted)' if mark.id in accepted else ''}"


def _ranges(ranges: Ranges, lines: int) -> Iterator[str]:
    """Yield anchored, signed and unsigned ranges, each with its first and last line."""
    edges = (
        ("anchored", 0, ranges.anchored),
        ("signed but unanchored", ranges.anchored, max(ranges.signed, ranges.anchored)),
        ("unsigned tail", max(ranges.signed, ranges.anchored), lines),
    )
    for name, begin, end in edges:
        if end > begin:
            yield f"{name}: lines {begin + 1} to {end}"
    yield f"newest checkpoint {format_time_ms(ranges.at)}, longest gap {ranges.silence} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def to_builtins(result: VerifyResult) -> dict[str, Any]:
    """Return the result as JSON values."""
    found = result.found
    return {
        "verdict": result.verdict,
        "log": result.log,
        "signed": result.is_signed,
        "findings": [
            {"place": one.place, "line": one.line, "what": one.what, "next": one.next} for one in result.findings
        ],
        "chains": [_chain_builtins(chain, found.accepted) for chain in found.chains],
        "records": dict(found.kinds),
        "outcomes": dict(found.outcomes),
        "repairs": found.repairs,
        "first": _time(found.first),
        "last": _time(found.last),
        "policies": [
            {"digest": one.digest, "first": _time(one.first), "last": _time(one.last), "records": one.records}
            for one in result.policies
        ],
        "promises": [{"name": one.name, "kept": one.is_kept, "words": one.words} for one in result.promises],
        "note": result.note,
    }


def _chain_builtins(chain: ChainReport, accepted: frozenset[str]) -> dict[str, Any]:
    ranges, (retired, since, until) = chain.ranges, chain.retired
    broken = isinstance(chain.result, ChainBreak)
    return {
        "path": escape(str(chain.path)),
        "ok": not broken,
        "lines": chain.lines,
        "head": "" if isinstance(chain.result, ChainBreak) else chain.result.head,
        "files": chain.segments + 1,
        "anchored_lines": ranges.anchored,
        "signed_lines": max(ranges.signed, ranges.anchored),
        "newest_checkpoint": _time(ranges.at),
        "longest_gap_s": ranges.silence,
        "retired_lines": retired,
        "retired_since": _time(since) if retired else None,
        "retired_until": _time(until) if retired else None,
        "unfinished_bytes": chain.unfinished,
        "marks": [
            {
                "kind": mark.kind,
                "id": mark.id,
                "place": mark.place,
                "words": mark.words,
                "severe": mark.severe,
                "accepted": mark.id in accepted,
            }
            for mark in chain.marks
        ],
    }


def _time(at: float) -> str | None:
    return format_utc(at) if at and isfinite(at) else None
