"""Verifying a log: every chain of it from its genesis, in constant memory, with counts and the first break of each.

Without a key, what is verified is that nothing was edited, deleted, inserted or re-ordered before the end of each file.
With the key, the lines are held against the signed checkpoints, and those against what the writer remembers and what
anchors hold: a tail that was cut, a chain removed and a chain written anew show too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoints, segments
from authguard.audit.files import chains
from authguard.audit.proving.findings import ChainReport, Tally, Verification
from authguard.audit.proving.signatures import NOTHING, Found, Holding
from authguard.audit.proving.walk import Walk
from authguard.core.chain import Broken, Flaw, Intact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from authguard.audit.proving.findings import Progress
    from authguard.audit.proving.signatures import Trust

UNSIGNED: Final = "no signature was looked at: a cut tail, a removed chain or a full rewrite goes unseen"


def _silent(_done: int, _whole: int) -> None:
    """Tell nobody."""


def _size(chain: Path) -> int:
    """Measure a chain, about: compressed files are smaller than what is read of them."""
    try:
        return sum(piece.path.stat().st_size for piece in segments.pieces(chain))
    except OSError:
        return 0


def verify(
    path: Path,
    *,
    trust: Trust | None = None,
    also: Iterable[Path] = (),
    pause: Callable[[float], None] = time.sleep,
    progress: Progress = _silent,
) -> Verification:
    """Verify a log: the file and the chains beside it.

    Args:
        path: of the log's first chain; it has to exist, its siblings need not.
        trust: what to hold it against; else the chains alone are followed.
        also: logs that were archived, whose chains are not missing.
        pause: waits before an unfinished line is read again.
        progress: told now and then how many bytes of how many went by.
    """
    seen: set[str] = set()
    roots = (path, *also)
    files = [file for root in roots for file in dict.fromkeys((root, *segments.of_log(root)))]
    tally = Tally(progress, sum(map(_size, files)))
    reports = tuple(_verify(file, tally, pause, trust, seen) for file in files)
    return Verification(
        chains=reports,
        kinds=dict(sorted(tally.kinds.items())),
        outcomes=dict(sorted(tally.outcomes.items())),
        repairs=tally.repairs,
        first=tally.first,
        last=tally.last,
        gone=tuple(_gone(path, trust, seen, files)) if trust else (),
    )


def _gone(path: Path, trust: Trust, seen: set[str], files: list[Path]) -> Iterator[Found]:
    """Name what should be there and is not."""
    if trust.blind:
        yield Found(path, Broken(0, Flaw.BLIND))
    for origin in sorted({*trust.held, *trust.anchored} - seen):
        yield Found(path.parent / f"the chain {origin.rpartition('/')[2] or 'of an anchor'}", Broken(0, Flaw.GONE))
    for file in chains(path):
        if file not in files and checkpoints.beside(file).exists():
            yield Found(file, Broken(0, Flaw.MISSING))


def _verify(
    path: Path, tally: Tally, pause: Callable[[float], None], trust: Trust | None, seen: set[str]
) -> ChainReport:
    """Verify one chain."""
    walk = Walk(path, Holding(path, trust) if trust else None, tally, seen, pause)
    try:
        pieces = segments.pieces(path)
    except OSError:
        pieces = ()
        flaw: Found | None = Found(path, Broken(0, Flaw.UNREADABLE))
    else:
        flaw = walk.run(pieces)
    result = Intact(walk.lines, walk.head) if flaw is None else flaw.broken
    return ChainReport(
        path=path,
        lines=walk.lines,
        result=result,
        where=path if flaw is None else flaw.path,
        ranges=walk.holding.ranges() if walk.holding else NOTHING,
        segments=sum(not piece.live for piece in pieces),
        retired=walk.retired,
        marks=tuple(walk.marks),
        accepted=walk.accepted(),
    )
