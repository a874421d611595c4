"""Verification of one chain against its checkpoints: which lines are signed, which anchored.

Rules: every checkpoint must be valid, not only the newest. The checkpoint file alone is not trusted about the end of
the chain; the writers' heads and the anchors are checked, too.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from authguard.audit import checkpoint_file
from authguard.records.chain import ChainBreak, Violation
from authguard.records.checkpoint_retention import (
    CheckpointInfo,
    RetentionNote,
    digest_checkpoints,
    longest_gap,
    select_retained,
)
from authguard.records.entries import ActEntry
from authguard.records.merkle import Tree, leaf
from authguard.records.signed_note import count_signatures, open_note, parse_checkpoint, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from authguard.records.chain import ChainedLine
    from authguard.records.signed_note import Check, Key, VerifiedNote
    from authguard.records.tombstone import Tombstone

#: maximum of keys to which a chain may be rotated during a verification
MAX_ROTATIONS: Final = 64
#: maximum of checkpoints that are compared with the record of kept checkpoints; and signature lines of a single key
MAX_CHECKED: Final = 200_000
SINGLE_KEY_SIGNATURES: Final = 2
#: lines of a batch if no checkpoint is left to compare
BATCH_LINES: Final = 4_096


class Finding(Struct, frozen=True):
    """A violation with its file.

    Attributes:
        path: file of the violation.
        broken: line number and violation.
    """

    path: Path
    broken: ChainBreak


class Ranges(Struct, frozen=True):
    """How many lines of a chain are covered, counted from the first.

    Attributes:
        anchored: lines under a checkpoint of an anchor.
        signed: lines under a checkpoint of the key.
        adopted: signed lines that were not signed when they were written.
        at: time of the newest checkpoint, epoch seconds UTC; 0 if there is none.
        silence: longest time between two checkpoints, in seconds.
        retired: lines that were replaced by tombstones.
    """

    anchored: int = 0
    signed: int = 0
    adopted: int = 0
    at: int = 0
    silence: int = 0
    retired: int = 0


#: ranges of a chain without checkpoints
NO_RANGES: Final = Ranges()


class Trust(Struct, frozen=True):
    """The keys and checkpoints to verify a log against.

    Attributes:
        keys: keys that may have signed the log; each may name its successor in the log.
        check: verifies signatures.
        remembered: origin of a chain -> its checkpoints in the writers' heads.
        anchored: origin of a chain -> its checkpoints at the anchors.
        files: origin of a chain -> name of its file in the writers' heads.
        unreadable: heads that could not be read.
    """

    keys: tuple[Key, ...]
    check: Check
    remembered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anchored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[Finding, ...] = ()


def group_by_origin(notes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Group notes by their origin; the empty origin has the texts that are not notes."""
    found: dict[str, list[str]] = {}
    for note in notes:
        checkpoint = parse_checkpoint(note)
        found.setdefault(checkpoint.origin if checkpoint else "", []).append(note)
    return {name: tuple(many) for name, many in found.items()}


class CheckpointVerifier:
    """Verifier of one chain against its checkpoints.

    Args:
        path: path of the chain.
        trust: keys and checkpoints to verify against.
    """

    def __init__(self, path: Path, trust: Trust) -> None:
        self._path = path
        self._checkpoints = checkpoint_file.checkpoint_path(path)
        self._trust = trust
        self._keys = list(trust.keys)
        self._offered: list[Key] = []
        self._tree = Tree()
        self._number = 0
        self._notes: Iterator[str] = iter(())
        self._next: VerifiedNote | None = None
        self._note = ""
        self._signed = 0
        self._verified = 0
        self._at = 0
        self._silence = 0
        self._adopted = 0
        self._anchored = 0
        self._outside_roots: dict[int, list[tuple[bytes, bool]]] = {}
        self._next_size = -1
        self._checked: list[CheckpointInfo] = []
        self.origins: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the keys that may have signed up to here, and the announced successors."""
        return (*self._keys, *self._offered)

    @property
    def check(self) -> Check:
        """Return the function that verifies signatures."""
        return self._trust.check

    def start(self, first: str) -> Finding | None:
        """Start with the hash of the first line, which names the chain."""
        self.origins = tuple({checkpoint_file.chain_origin(key.name, first): None for key in self._keys})
        try:
            self._notes = checkpoint_file.read_notes(self._checkpoints)
            finding = self._read_next()
        except FileNotFoundError:
            self._notes, finding = iter(()), None
        except OSError as error:
            violation = Violation.INACCESSIBLE if isinstance(error, PermissionError) else Violation.UNREADABLE
            return Finding(self._checkpoints, ChainBreak(0, violation))
        if finding is not None:
            return finding
        for notes, anchored in ((self._trust.remembered, False), (self._trust.anchored, True)):
            for note in (note for name in self.origins for note in notes.get(name, ())):
                checkpoint = parse_checkpoint(note)
                if checkpoint is not None:
                    self._outside_roots.setdefault(checkpoint.size, []).append((checkpoint.root, anchored))
        self._schedule()
        return None

    def _read_next(self) -> Finding | None:
        note = next(self._notes, None)
        if note is None:
            self._next = None
            return None
        self._number += 1
        checkpoint = parse_checkpoint(note)
        if checkpoint is None:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.BAD_SIGNATURE))
        if checkpoint.origin not in self.origins:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.WRONG_ORIGIN))
        found = open_note(note, self._keys, self._trust.check)
        if found is None:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.BAD_SIGNATURE))
        if found.checkpoint.size < self._verified or found.at < self._at:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.CHECKPOINT_ROLLED_BACK))
        self._next, self._note = found, note
        if len(self._checked) < MAX_CHECKED:
            digest = sha256(note.encode()).digest()
            pivotal = count_signatures(note) > SINGLE_KEY_SIGNATURES
            self._checked.append(CheckpointInfo(found.checkpoint.size, found.at, pivotal, digest))
        return None

    def check_thinning(self, kept: RetentionNote) -> Finding | None:
        """Compare the checkpoints with the record of kept checkpoints."""
        if len(self._checked) >= MAX_CHECKED:
            return None
        old = [one for one in self._checked if kept.covers(one)]
        if digest_checkpoints(old[place] for place in select_retained(old, kept.first)) != kept.digest:
            return Finding(self._checkpoints, ChainBreak(0, Violation.CHECKPOINTS_INCOMPLETE))
        self._silence = max(kept.silence, longest_gap([*old[-1:], *self._checked[len(old) :]]))
        return None

    def _accept_keys(self) -> Finding | None:
        """Trust announced successor keys if a trusted key signed the same checkpoint."""
        found = open_note(self._note, [*self._keys, *self._offered], self._trust.check)
        if found is None:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.BAD_SIGNATURE))
        self._keys += [key for key in found.keys if key not in self._keys]
        self._offered = [key for key in self._offered if key not in self._keys]
        return None

    def _schedule(self) -> None:
        """Find the next size at which roots are compared."""
        sizes = [size for size in self._outside_roots if size > self._tree.size]
        if self._next is not None:
            sizes.append(self._next.checkpoint.size)
        self._next_size = min(sizes, default=-1)

    def add_line(self, line: bytes, found: ChainedLine) -> Finding | None:
        """Add a line of the verified hash chain."""
        self._tree.add(leaf(line[:-1]))
        entry = found.entry
        if type(entry) is ActEntry and entry.by == "audit":
            self._on_record(entry)
        if self._tree.size != self._next_size:
            return None
        return self._compare_roots()

    def lines_until_checkpoint(self) -> int:
        """Return how many lines, at least one, may be added before the next comparison of roots."""
        return self._next_size - self._tree.size if self._next_size > self._tree.size else BATCH_LINES

    def add_leaves(self, leaves: Sequence[bytes]) -> Finding | None:
        """Add lines without records of the log itself, as leaves; at most `lines_until_checkpoint`."""
        self._tree.extend(leaves)
        return self._compare_roots() if self._tree.size == self._next_size else None

    def add_tombstone(self, tombstone: Tombstone) -> Finding | None:
        """Add a tombstone instead of its lines.

        Checkpoints inside the retired lines are not compared, later ones are.
        """
        end = tombstone.base + tombstone.count
        tombstone.append_to(self._tree)
        for note in tombstone.offered[:MAX_ROTATIONS]:
            self._offer_key(note)
        self._adopted = max(self._adopted, tombstone.adopted)
        while self._next is not None and self._next.checkpoint.size < end:
            if self._at:
                self._silence = max(self._silence, self._next.at - self._at)
            self._at, self._verified = self._next.at, self._next.checkpoint.size
            finding = self._accept_keys() if self._offered else None
            if (finding := finding or self._read_next()) is not None:
                return finding
        self._outside_roots = {size: roots for size, roots in self._outside_roots.items() if size >= end}
        self._schedule()
        signed = self._next is not None and self._next.checkpoint.size == end
        return self._compare_roots() if signed or end in self._outside_roots else None

    def _on_record(self, entry: ActEntry) -> None:
        if entry.act == "adopted":
            self._adopted = self._tree.size - 1
        elif entry.act == "key.rotated":
            self._offer_key(entry.note)

    def _offer_key(self, text: str) -> None:
        """Add a key that may follow if a trusted key signs the same checkpoint."""
        if len(self._offered) < MAX_ROTATIONS:
            with suppress(ValueError):
                self._offered.append(parse_key(text))

    def _compare_roots(self) -> Finding | None:
        root, size = self._tree.root(), self._tree.size
        while self._next is not None and self._next.checkpoint.size == size:
            if self._next.checkpoint.root != root:
                return Finding(self._path, ChainBreak(self._verified + 1, Violation.ROOT_MISMATCH))
            if self._at:
                self._silence = max(self._silence, self._next.at - self._at)
            self._at, self._verified, self._signed = self._next.at, size, size
            finding = self._accept_keys() if self._offered else None
            if (finding := finding or self._read_next()) is not None:
                return finding
        for other, anchored in self._outside_roots.pop(size, ()):
            if other != root:
                return Finding(self._path, ChainBreak(self._verified + 1, Violation.ROOT_MISMATCH))
            if anchored:
                self._anchored = size
        self._verified = size
        self._schedule()
        return None

    def finish(self) -> Finding | None:
        """Return what is missing at the end."""
        if self._next is not None or any(size > self._tree.size for size in self._outside_roots):
            return Finding(self._path, ChainBreak(self._tree.size + 1, Violation.TRUNCATED))
        if self._signed < self._verified:
            return Finding(self._checkpoints, ChainBreak(self._number + 1, Violation.CHECKPOINTS_REMOVED))
        if not self._signed:
            return Finding(self._path, ChainBreak(1, Violation.UNSIGNED))
        return None

    def ranges(self) -> Ranges:
        """Return the covered ranges."""
        return Ranges(self._anchored, self._signed, min(self._adopted, self._signed), self._at, self._silence)
