"""`authguard audit verify`: verify hash chains, signatures and anchors of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from authguard.audit.verify.log_verifier import UNSIGNED_WARNING, verify
from authguard.cli.audit_trust import (
    NO_KEY,
    AlsoOption,
    AnchorOption,
    KeyOption,
    LogKeys,
    find_log,
    load_keys,
    load_trust,
)
from authguard.cli.options import LogOption, StoreOption
from authguard.cli.output import FAILED, UNVERIFIED, print_error
from authguard.cli.progress import progress_bar
from authguard.cli.terminal import escape, format_time_ms
from authguard.core.chain import ChainBreak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.verify.checkpoint_verifier import Finding, Ranges
    from authguard.audit.verify.result import ChainReport, Verification

SignedOption = Annotated[
    bool, typer.Option("--require-signed", help="Fail if a line is not covered by a checkpoint of the key.")
]
AnchoredOption = Annotated[
    bool,
    typer.Option("--require-anchored", help="Fail if a signed line is not covered by a checkpoint of an --anchor."),
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Fail if lines are foreign, recovered or adopted, and have not been accepted."),
]
HashesOption = Annotated[
    bool,
    typer.Option("--hashes-only", help="Verify only the hashes: does not detect truncation or a full rewrite."),
]


def check(
    log: LogOption = None,
    key: KeyOption = None,
    anchor: AnchorOption = None,
    also: AlsoOption = None,
    store: StoreOption = "",
    *,
    require_signed: SignedOption = False,
    require_anchored: AnchoredOption = False,
    strict: StrictOption = False,
    hashes_only: HashesOption = False,
) -> None:
    """Verify that no line of a log was edited, deleted, reordered, truncated or rewritten.

    Exit 4 if verification fails, or if there is no public key. Exit 1 if a file cannot be read now.
    """
    path = find_log(log, store)
    if hashes_only and (key or anchor or require_signed or require_anchored):
        raise typer.BadParameter("signatures and anchors need a key", param_hint="--hashes-only")
    log_keys = LogKeys(()) if hashes_only else load_keys(key, store, path)
    trust = load_trust(path, log_keys, anchor, store)
    with progress_bar("verifying the log") as progress:
        found = verify(
            path,
            trust=trust,
            also=also or (),
            progress=progress,
            reload_trust=lambda: load_trust(path, log_keys, anchor, store),
        )
    unread = list(broken(found)) if found.is_inaccessible else []
    failures = [] if unread else list(broken(found))
    if trust is None and not hashes_only:
        failures.append(NO_KEY)
    if require_signed:
        failures += _uncovered(found, "signed")
    if require_anchored:
        failures += _uncovered(found, "anchored")
    if strict:
        failures += _unaccepted(found)
    for failure in (*failures, *unread):
        print_error(failure)
    for line in _format_result(found, signed=trust is not None):
        typer.echo(escape(line))
    if log_keys.note:
        typer.echo(f"note: {log_keys.note}")
    if failures or unread:
        raise typer.Exit(UNVERIFIED if failures else FAILED)


def broken(found: Verification) -> Iterator[str]:
    """Yield a message for each broken chain and missing file."""
    for chain in found.chains:
        if isinstance(chain.result, ChainBreak):
            yield _broken(chain, chain.result)
    for missing in found.missing:
        yield _gone(missing)


def _uncovered(found: Verification, how: str) -> Iterator[str]:
    """Yield a message for each range of lines that `--require-signed` or `--require-anchored` rejects."""
    for chain in found.chains:
        signed = max(chain.ranges.signed, chain.ranges.anchored)
        begin, end = (signed, chain.lines) if how == "signed" else (chain.ranges.anchored, max(signed, 1))
        if end > begin:
            yield f"{escape(str(chain.path))}: lines {begin + 1} to {end} are not {how}, but --require-{how} is set"


def _unaccepted(found: Verification) -> Iterator[str]:
    """Yield a message for each range of lines that has not been accepted."""
    for mark in found.unaccepted():
        yield (
            f"{escape(mark.place)}: {escape(mark.words)}; investigate, then run"
            f" `authguard audit accept '{escape(mark.place)}' --by NAME --reason WHY`"
        )


def _format_result(found: Verification, *, signed: bool) -> Iterator[str]:
    for chain in found.chains:
        if not isinstance(chain.result, ChainBreak):
            files = f" in {chain.segments + 1} files" if chain.segments else ""
            yield f"{escape(str(chain.path))}: ok, {_counted(chain.lines, 'line')}{files}, head {chain.result.head}"
            yield from (f"  {words}" for words in _details(chain, found.accepted, signed=signed))
    if found.kinds:
        yield "records: " + ", ".join(f"{count} {kind}" for kind, count in found.kinds.items())
        yield f"from {format_time_ms(found.first)} to {format_time_ms(found.last)}"
    if found.outcomes:
        yield "outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    if found.repairs:
        yield f"repairs: {_counted(found.repairs, 'torn line')} removed after a crash or a full disk"
    if not signed:
        yield UNSIGNED_WARNING


def _details(chain: ChainReport, accepted: frozenset[str], *, signed: bool) -> Iterator[str]:
    """Yield details of an intact chain: retired lines, unfinished bytes, signed ranges and marked ranges."""
    count, since, until = chain.retired
    if count:
        times = f"{format_time_ms(since)} to {format_time_ms(until)}"
        yield f"retired: lines 1 to {count}, {times}: only their hashes are kept"
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


def _broken(chain: ChainReport, result: ChainBreak) -> str:
    where = f", line {result.line}" if result.line else ""
    before = f" ({_counted(chain.lines, 'line')} verified before it)" if result.line else ""
    return f"{escape(str(chain.where))}{where}: {result.violation.message}{before}"


def _gone(missing: Finding) -> str:
    return f"{escape(str(missing.path))}: {missing.broken.violation.message}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
