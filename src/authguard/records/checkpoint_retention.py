"""Retention of checkpoints: all of the last hour, and fewer of the older ones the older they are.

A later checkpoint covers everything that an earlier one does, so an earlier one is kept only for its time. Rule: the
selection is a function of the checkpoints and is idempotent. So the digest of the kept ones reveals a missing
checkpoint, whether or not the others were already dropped.
"""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

THINNED: Final = "thinned"
#: seconds for which every checkpoint is kept; number of parts per doubling of the age after that
KEEP_ALL_S: Final = 3_600
PARTS_PER_DOUBLING: Final = 16
_NOTE: Final = re.compile(
    r"checkpoints from line ([0-9]{1,18}) to ([0-9]{1,18}) until ([0-9]{1,12}): [0-9]+ kept,"
    r" longest silence ([0-9]{1,12}) s, sha256 ([0-9a-f]{64})"
)


class CheckpointInfo(Struct, frozen=True):
    """The properties of a checkpoint that decide about its retention.

    Attributes:
        size: number of lines that it covers.
        at: signing time, epoch seconds UTC.
        pivotal: whether several keys signed it: a verifier that only trusts the older key needs it.
        digest: of its note.
    """

    size: int
    at: int
    pivotal: bool
    digest: bytes


class RetentionNote(Struct, frozen=True):
    """The statement of a log about its kept checkpoints.

    Attributes:
        first: line, from 0, before which lines were retired.
        last: lines under the newest checkpoint of the selection.
        until: time of that checkpoint, epoch seconds UTC.
        silence: longest time between two checkpoints before the selection, seconds.
        digest: of the kept checkpoints, hex.
    """

    first: int
    last: int
    until: int
    silence: int
    digest: str

    def covers(self, one: CheckpointInfo) -> bool:
        """Return whether a checkpoint was part of the selection."""
        return one.size <= self.last and one.at <= self.until


def select_retained(checkpoints: Sequence[CheckpointInfo], first: int) -> list[int]:
    """Select the checkpoints to keep; return their indexes, in order.

    Args:
        checkpoints: in order, the newest last.
        first: number of retired lines: checkpoints that only cover those are dropped.
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
            width = 1 << max(0, (age // PARTS_PER_DOUBLING).bit_length() - 1)
            chosen[width, one.at // width] = place
    return sorted(kept | set(chosen.values()))


def digest_checkpoints(checkpoints: Iterable[CheckpointInfo]) -> str:
    """Hash the digests of checkpoints, in order."""
    return sha256(b"".join(one.digest for one in checkpoints)).hexdigest()


def longest_gap(checkpoints: Sequence[CheckpointInfo]) -> int:
    """Return the longest time between two checkpoints, seconds."""
    return max((after.at - before.at for before, after in pairwise(checkpoints)), default=0)


def format_retention_note(first: int, checkpoints: Sequence[CheckpointInfo], silence: int) -> str:
    """Format the statement about the kept checkpoints.

    Args:
        first: as in `select_retained`.
        checkpoints: the kept ones.
        silence: longest time between two checkpoints before the selection, seconds.
    """
    last = checkpoints[-1]
    return (
        f"checkpoints from line {first} to {last.size} until {last.at}: {len(checkpoints)} kept,"
        f" longest silence {silence} s, sha256 {digest_checkpoints(checkpoints)}"
    )


def parse_retention_note(note: str) -> RetentionNote | None:
    """Parse a statement about kept checkpoints; return ``None`` if the note is none."""
    match = _NOTE.fullmatch(note)
    if match is None:
        return None
    first, last, until, silence = map(int, match.groups()[:4])
    return RetentionNote(first, last, until, silence, match[5])
