"""`authguard audit verify`: whether a log is what was written, and who vouches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from authguard.audit.verify.log_verifier import UNSIGNED_WARNING, verify
from authguard.cli.audit_trust import (
    NO_KEY,
    AlsoOption,
    AnchorOption,
    KeyOption,
    LogArgument,
    LogKeys,
    StoreOption,
    find_log,
    load_keys,
    load_trust,
)
from authguard.cli.output import FAILED, UNVERIFIED, print_error
from authguard.cli.progress import progress_bar
from authguard.cli.terminal import escape, format_time_ms
from authguard.core.chain import ChainBreak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.verify.checkpoint_verifier import Finding, Ranges
    from authguard.audit.verify.result import ChainReport, Verification

SignedOption = Annotated[
    bool, typer.Option("--require-signed", help="Fail where a line is under no checkpoint of the key.")
]
AnchoredOption = Annotated[
    bool, typer.Option("--require-anchored", help="Fail where a signed line is under no checkpoint of an --anchor.")
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Fail where lines were foreign, or recovered or adopted, and no person accepted that."
    ),
]
HashesOption = Annotated[
    bool,
    typer.Option("--hashes-only", help="Follow the hashes without a key: a cut tail or a full rewrite goes unseen."),
]


def check(
    path: LogArgument = None,
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
    """Verify a log and its signatures: nothing was edited, deleted, re-ordered, cut or written anew. Else exit 4.

    Without the log's public key nothing vouches for it, which is exit 4 too. What cannot be read now is exit 1.
    """
    log = find_log(path, store)
    if hashes_only and (key or anchor or require_signed or require_anchored):
        raise typer.BadParameter("without a key nothing is signed or anchored", param_hint="--hashes-only")
    vouching = LogKeys(()) if hashes_only else load_keys(key, store, log)
    trust = load_trust(log, vouching, anchor, store)
    with progress_bar("verifying the log") as progress:
        found = verify(
            log,
            trust=trust,
            also=also or (),
            progress=progress,
            reload_trust=lambda: load_trust(log, vouching, anchor, store),
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
    for line in _told(found, signed=trust is not None):
        typer.echo(escape(line))
    if vouching.note:
        typer.echo(f"note: {vouching.note}")
    if failures or unread:
        raise typer.Exit(UNVERIFIED if failures else FAILED)


def broken(found: Verification) -> Iterator[str]:
    """Describe every flaw of a log: file, line and what is wrong."""
    for chain in found.chains:
        if isinstance(chain.result, ChainBreak):
            yield _broken(chain, chain.result)
    for missing in found.missing:
        yield _gone(missing)


def _uncovered(found: Verification, how: str) -> Iterator[str]:
    """Describe the lines that a requirement asks more of."""
    for chain in found.chains:
        signed = max(chain.ranges.signed, chain.ranges.anchored)
        begin, end = (signed, chain.lines) if how == "signed" else (chain.ranges.anchored, max(signed, 1))
        if end > begin:
            yield f"{escape(str(chain.path))}: lines {begin + 1} to {end} are not {how}, as --require-{how} demands"


def _unaccepted(found: Verification) -> Iterator[str]:
    """Describe what nobody vouched for and no person accepted."""
    for mark in found.unaccepted():
        yield (
            f"{escape(mark.place)}: {escape(mark.words)}; look into it, then"
            f" `authguard audit accept '{escape(mark.place)}' --by NAME --reason WHY`"
        )


def _told(found: Verification, *, signed: bool) -> Iterator[str]:
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
        yield f"repairs: {_counted(found.repairs, 'torn line')} cut off after a crash or a full disk"
    if not signed:
        yield UNSIGNED_WARNING


def _details(chain: ChainReport, accepted: frozenset[str], *, signed: bool) -> Iterator[str]:
    """Describe a chain without a flaw: what is left of it, who vouches for which lines, what the log says of others."""
    count, since, until = chain.retired
    if count:
        times = f"{format_time_ms(since)} to {format_time_ms(until)}"
        yield f"retired: lines 1 to {count}, {times}: only their hashes were kept"
    if chain.unfinished:
        yield f"unfinished: {chain.unfinished} bytes after the last line: a crash or a full disk; they will be cut off"
    if signed:
        yield from _ranges(chain.ranges, chain.lines)
    for mark in chain.marks:
        yield f"{mark.words}{' (accepted)' if mark.id in accepted else ''}"


def _ranges(ranges: Ranges, lines: int) -> Iterator[str]:
    """Tell the ranges apart, each with its first and last line."""
    edges = (
        ("anchored", 0, ranges.anchored),
        ("signed but unanchored", ranges.anchored, max(ranges.signed, ranges.anchored)),
        ("unsigned tail", max(ranges.signed, ranges.anchored), lines),
    )
    for name, begin, end in edges:
        if end > begin:
            yield f"{name}: lines {begin + 1} to {end}"
    yield f"newest checkpoint {format_time_ms(ranges.at)}, longest silence {ranges.silence} s"


def _broken(chain: ChainReport, result: ChainBreak) -> str:
    where = f", line {result.line}" if result.line else ""
    before = f" ({_counted(chain.lines, 'line')} of the log before it verified)" if result.line else ""
    return f"{escape(str(chain.where))}{where}: {result.violation.message}{before}"


def _gone(missing: Finding) -> str:
    return f"{escape(str(missing.path))}: {missing.broken.violation.message}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
