"""Which checkpoints of a chain are kept: all of the last hour, and of older ones the fewer the older they are.

A later checkpoint covers all that an earlier one does, so an earlier one is kept for its time alone. Rule: which are
kept follows from what is there, and thinning what was thinned changes nothing; so whoever knows the digest of what
was kept finds out that one was taken away, whether or not the others were already dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

THINNED: Final = "thinned"
#: seconds for which every checkpoint is kept, and parts into which each doubling of the age after that is cut
KEEP_ALL_S: Final = 3_600
PARTS: Final = 16
_NOTE: Final = re.compile(
    r"checkpoints from line ([0-9]{1,18}) to ([0-9]{1,18}) until ([0-9]{1,12}): [0-9]+ kept,"
    r" longest silence ([0-9]{1,12}) s, sha256 ([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint is judged by.

    Attributes:
        size: lines that it covers.
        at: when it was signed, epoch seconds UTC.
        pivotal: whether more than one key signed it: whoever trusts the older one needs it.
        digest: of its note.
    """

    size: int
    at: int
    pivotal: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class RetentionNote:
    """What a log says of its checkpoints.

    Attributes:
        first: line before which lines had given way to stubs, from 0.
        last: lines under the newest checkpoint that was looked at.
        until: its time, epoch seconds UTC.
        silence: longest time between two of them before, seconds.
        digest: of those that are kept, hexadecimal.
    """

    first: int
    last: int
    until: int
    silence: int
    digest: str

    def covers(self, one: CheckpointInfo) -> bool:
        """Whether a checkpoint is one of those that were looked at."""
        return one.size <= self.last and one.at <= self.until


def select_retained(checkpoints: Sequence[CheckpointInfo], first: int) -> list[int]:
    """Choose the checkpoints that are kept; return their places, in order.

    Args:
        checkpoints: in their order, the newest last.
        first: lines that had given way to stubs: what only covers those goes.
    """
    if not checkpoints:
        return []
    now, last = checkpoints[-1].at, len(checkpoints) - 1
    chosen: dict[tuple[int, int], int] = {}
    kept = {last}
    for place, one in enumerate(checkpoints):
        if one.pivotal:
            kept.add(place)
        if one.size < first:
            continue
        age = now - one.at
        if age < KEEP_ALL_S:
            kept.add(place)
        else:
            width = 1 << max(0, (age // PARTS).bit_length() - 1)
            chosen[width, one.at // width] = place
    return sorted(kept | set(chosen.values()))


def digest_checkpoints(checkpoints: Iterable[CheckpointInfo]) -> str:
    """Hash the digests of checkpoints, in their order."""
    return sha256(b"".join(one.digest for one in checkpoints)).hexdigest()


def longest_gap(checkpoints: Sequence[CheckpointInfo]) -> int:
    """Return the longest time between two checkpoints, seconds."""
    return max((after.at - before.at for before, after in pairwise(checkpoints)), default=0)


def format_retention_note(first: int, checkpoints: Sequence[CheckpointInfo], silence: int) -> str:
    """Write what is kept.

    Args:
        first: as in `select_retained`.
        checkpoints: those that are kept.
        silence: longest time between two before they were thinned, seconds.
    """
    last = checkpoints[-1]
    return (
        f"checkpoints from line {first} to {last.size} until {last.at}: {len(checkpoints)} kept,"
        f" longest silence {silence} s, sha256 {digest_checkpoints(checkpoints)}"
    )


def parse_retention_note(note: str) -> RetentionNote | None:
    """Read what a record says was kept; ``None`` where it says nothing of the kind."""
    said = _NOTE.fullmatch(note)
    if said is None:
        return None
    first, last, until, silence = map(int, said.groups()[:4])
    return RetentionNote(first, last, until, silence, said[5])
