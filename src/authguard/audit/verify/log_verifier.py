"""Verification of a log: all its chains from their first lines, in constant memory, with counts.

Without a key, it detects lines that were edited, deleted, inserted or reordered before the end of a file. With the
key, it verifies the lines against the signed checkpoints, and these against the writers' heads and the anchors. Then
it also detects a truncated end, a removed chain and a chain that was rewritten.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import chain_paths
from authguard.audit.verify.chain_verifier import ChainVerifier, classify_error
from authguard.audit.verify.checkpoint_verifier import NO_RANGES, CheckpointVerifier, Finding
from authguard.audit.verify.result import ChainReport, RecordCounter, Verification
from authguard.records.chain import GENESIS, ChainBreak, IntactChain, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from authguard.audit.verify.checkpoint_verifier import Trust
    from authguard.audit.verify.result import Progress

#: attempts to read a chain that changes at the same time, and seconds before the next attempt, multiplied by its number
MAX_ATTEMPTS: Final = 6
RETRY_INTERVAL_S: Final = 0.02
UNSIGNED_WARNING: Final = (
    "no signature was verified: a truncated end, a removed chain or a full rewrite is not detected"
)


def _no_progress(_done: int, _whole: int) -> None:
    """Report no progress."""


def _estimate_size(chain: Path) -> int:
    """Return the size of a chain's files; compressed files count as they are."""
    try:
        return sum(segment.path.stat().st_size for segment in segment_file.list_segments(chain))
    except OSError:
        return 0


def verify(
    path: Path,
    *,
    trust: Trust | None = None,
    also: Iterable[Path] = (),
    pause: Callable[[float], None] = time.sleep,
    progress: Progress = _no_progress,
    reload_trust: Callable[[], Trust | None] | None = None,
) -> Verification:
    """Verify a log: the given chain and the other chains of the log.

    A chain with a finding is read again if its files changed in between, because the writer of a running log closes,
    compresses and retires files.

    Args:
        path: path of the log's first chain, which must exist; the other chains need not.
        trust: keys and checkpoints to verify against; ``None`` to verify the hash chains only.
        also: archived logs, which provide chains that are missing here.
        pause: waits the given seconds before an incomplete line or a chain is read again.
        progress: called with the bytes that were verified, and all bytes.
        reload_trust: loads `trust` again before a chain is read again; by default the first `trust` is used.
    """
    seen: set[str] = set()
    roots = (path, *also)
    files = [file for root in roots for file in dict.fromkeys((root, *segment_file.list_chains(root)))]
    whole = sum(map(_estimate_size, files))
    tally = RecordCounter(progress, whole)
    reports = []
    new_chains: set[Path] = set()
    done = 0
    for file in files:
        current_trust = trust
        for attempt in range(MAX_ATTEMPTS):
            before = _snapshot_files(file)
            counted = RecordCounter(progress, whole, done)
            report = _verify_chain(file, counted, pause, current_trust, seen)
            if isinstance(report.result, IntactChain) or attempt == MAX_ATTEMPTS - 1 or _snapshot_files(file) == before:
                break
            pause(RETRY_INTERVAL_S * (attempt + 1))
            current_trust = reload_trust() if reload_trust is not None else trust
        if file in roots or segment_file.try_list_segments(file) or checkpoint_file.checkpoint_path(file).exists():
            tally.merge(counted)
            reports.append(report)
            # use the files from before the read: the first checkpoint may appear before the other chains are read
            if _is_new(report) and checkpoint_file.checkpoint_path(file).name not in {name for name, *_ in before}:
                new_chains.add(file)
        done += _estimate_size(file)
    missing = tuple(_find_missing(path, trust, seen, reports)) if trust else ()
    return Verification(
        chains=tuple(
            replace(report, result=IntactChain(0, GENESIS))
            if trust and not missing and report.path in new_chains
            else report
            for report in reports
        ),
        kinds=dict(sorted(tally.kinds.items())),
        outcomes=dict(sorted(tally.outcomes.items())),
        repairs=tally.repairs,
        first=tally.first,
        last=tally.last,
        missing=missing,
    )


def _snapshot_files(chain: Path) -> tuple[tuple[str, int, int, int, int], ...]:
    """Return the file status of a chain's files; it is equal if nothing changed in between."""
    found = []
    for path in (
        *(segment.path for segment in segment_file.try_list_segments(chain)),
        checkpoint_file.checkpoint_path(chain),
    ):
        try:
            status = path.lstat()
        except OSError:
            continue
        found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


def _is_new(report: ChainReport) -> bool:
    empty = isinstance(report.result, ChainBreak) and report.result.violation is Violation.EMPTY
    return empty and not report.segments and report.where == report.path


def _find_missing(path: Path, trust: Trust, seen: set[str], reports: Iterable[ChainReport]) -> Iterator[Finding]:
    yield from trust.unreadable
    files = {report.path for report in reports}
    unread = {
        report.path.name
        for report in reports
        if isinstance(report.result, ChainBreak)
        and report.result.violation is Violation.INACCESSIBLE
        and not report.lines
    }
    for origin in sorted({*trust.remembered, *trust.anchored} - seen):
        name = trust.files.get(origin, "")
        # the origin of an unreadable chain is unknown, so it may be this one
        if name in unread or (not name and unread):
            continue
        chain = f"the chain {origin.rpartition('/')[2] or 'of an anchor'}{f' of {name}' if name else ''}"
        yield Finding(path.parent / chain, ChainBreak(0, Violation.CHAIN_MISSING))
    for file in chain_paths(path):
        # a chain's file is created before its checkpoints, so check for it after them
        if file not in files and checkpoint_file.checkpoint_path(file).exists() and not file.exists():
            yield Finding(file, ChainBreak(0, Violation.MISSING))


def _verify_chain(
    path: Path, tally: RecordCounter, pause: Callable[[float], None], trust: Trust | None, seen: set[str]
) -> ChainReport:
    verifier = ChainVerifier(path, CheckpointVerifier(path, trust) if trust else None, tally, seen, pause)
    try:
        segments = segment_file.list_segments(path)
    except OSError as error:
        segments = ()
        finding: Finding | None = Finding(path, ChainBreak(0, classify_error(error)))
    else:
        finding = verifier.run(segments)
    result = IntactChain(verifier.lines, verifier.head) if finding is None else finding.broken
    return ChainReport(
        path=path,
        lines=verifier.lines,
        result=result,
        where=path if finding is None else finding.path,
        ranges=verifier.checkpoints.ranges() if verifier.checkpoints else NO_RANGES,
        segments=sum(not segment.live for segment in segments),
        retired=verifier.retired,
        unfinished=verifier.unfinished,
        marks=tuple(verifier.marks),
        accepted=verifier.accepted(),
    )
