"""Holding one chain against its checkpoints while its lines go by: what is signed, anchored, or neither.

Rules: every checkpoint has to be good, not only the newest; nothing that only the file says is believed about its end:
the writer's memory and the anchors are asked too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoint_file
from authguard.core.chain import ChainBreak, Violation
from authguard.core.checkpoint_retention import (
    CheckpointInfo,
    RetentionNote,
    digest_checkpoints,
    longest_gap,
    select_retained,
)
from authguard.core.entries import ActEntry
from authguard.core.merkle import Tree, leaf
from authguard.core.signed_note import count_signatures, open_note, parse_checkpoint, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from authguard.core.chain import ChainedLine
    from authguard.core.signed_note import Check, Key, VerifiedNote
    from authguard.core.tombstone import Tombstone

#: most keys that a chain may be rotated to while it is verified
MAX_ROTATIONS: Final = 64
#: most checkpoints that are held against what the log says was kept of them, and signature lines of one key
MAX_CHECKED: Final = 200_000
SINGLE_KEY_SIGNATURES: Final = 2
#: lines that are taken at once where nothing is to be compared
BATCH_LINES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding with its place.

    Attributes:
        path: of the file in which it is.
        broken: line and finding.
    """

    path: Path
    broken: ChainBreak


@dataclass(frozen=True, slots=True)
class Ranges:
    """How far a chain is vouched for, in lines from the first.

    Attributes:
        anchored: lines under a checkpoint that an anchor holds.
        signed: lines under a checkpoint of the key.
        adopted: of them, lines that were not signed when they were written.
        at: time of the newest checkpoint, epoch seconds UTC; 0 where there is none.
        silence: longest time between two checkpoints, seconds.
        retired: lines that gave way to stubs when their time was over.
    """

    anchored: int = 0
    signed: int = 0
    adopted: int = 0
    at: int = 0
    silence: int = 0
    retired: int = 0


#: of a chain that nothing was held against
NO_RANGES: Final = Ranges()


@dataclass(frozen=True, slots=True)
class Trust:
    """What a log is held against.

    Attributes:
        keys: that may have signed it; each may name its successor in the log.
        check: of signatures.
        remembered: origin of a chain -> checkpoints of it that the writer remembers.
        anchored: origin of a chain -> checkpoints of it that were handed on.
        files: origin of a chain -> name of its file, as the writer remembers it.
        blind: what of the writers' memory could not be read, and how.
    """

    keys: tuple[Key, ...]
    check: Check
    remembered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anchored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[Finding, ...] = ()


def group_by_origin(notes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Arrange notes by the chain that they sign; what is no note is under the empty name."""
    found: dict[str, list[str]] = {}
    for note in notes:
        said = parse_checkpoint(note)
        found.setdefault(said.origin if said else "", []).append(note)
    return {name: tuple(many) for name, many in found.items()}


class CheckpointVerifier:
    """One chain, held against what vouches for it.

    Args:
        path: of the chain.
        trust: what it is held against.
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
        """The keys that may have signed up to here, and those that the log says will."""
        return (*self._keys, *self._offered)

    @property
    def check(self) -> Check:
        """What checks signatures."""
        return self._trust.check

    def start(self, first: str) -> Finding | None:
        """Take the hash of the first line: it names the chain."""
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
                said = parse_checkpoint(note)
                if said is not None:
                    self._outside_roots.setdefault(said.size, []).append((said.root, anchored))
        self._schedule()
        return None

    def _read_next(self) -> Finding | None:
        """Open the next checkpoint of the file."""
        note = next(self._notes, None)
        if note is None:
            self._next = None
            return None
        self._number += 1
        said = parse_checkpoint(note)
        if said is None:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.BAD_SIGNATURE))
        if said.origin not in self.origins:
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

    def check_thinning(self, said: RetentionNote) -> Finding | None:
        """Hold the checkpoints against what the log says was kept of them."""
        if len(self._checked) >= MAX_CHECKED:
            return None
        old = [one for one in self._checked if said.covers(one)]
        if digest_checkpoints(old[place] for place in select_retained(old, said.first)) != said.digest:
            return Finding(self._checkpoints, ChainBreak(0, Violation.CHECKPOINTS_INCOMPLETE))
        self._silence = max(said.silence, longest_gap([*old[-1:], *self._checked[len(old) :]]))
        return None

    def _accept_keys(self) -> Finding | None:
        """Trust the successors that the log names, where a key that is trusted signed beside them."""
        found = open_note(self._note, [*self._keys, *self._offered], self._trust.check)
        if found is None:
            return Finding(self._checkpoints, ChainBreak(self._number, Violation.BAD_SIGNATURE))
        self._keys += [key for key in found.keys if key not in self._keys]
        self._offered = [key for key in self._offered if key not in self._keys]
        return None

    def _schedule(self) -> None:
        """Choose at which size something is to be compared next."""
        sizes = [size for size in self._outside_roots if size > self._tree.size]
        if self._next is not None:
            sizes.append(self._next.checkpoint.size)
        self._next_size = min(sizes, default=-1)

    def add_line(self, line: bytes, found: ChainedLine) -> Finding | None:
        """Take one line that the chain let pass."""
        self._tree.add(leaf(line[:-1]))
        entry = found.entry
        if type(entry) is ActEntry and entry.by == "audit":
            self._on_record(entry)
        if self._tree.size != self._next_size:
            return None
        return self._compare_roots()

    def lines_until_checkpoint(self) -> int:
        """Say how many lines may be taken at once: no more than up to the next comparison; at least one."""
        return self._next_size - self._tree.size if self._next_size > self._tree.size else BATCH_LINES

    def add_leaves(self, leaves: Sequence[bytes]) -> Finding | None:
        """Take lines in which the log says nothing of itself, by their leaves; no more of them than there is room."""
        self._tree.extend(leaves)
        return self._compare_roots() if self._tree.size == self._next_size else None

    def add_tombstone(self, stub: Tombstone) -> Finding | None:
        """Take a stub in the place of its lines: what was signed inside is not compared, what was signed later is."""
        end = stub.base + stub.count
        stub.append_to(self._tree)
        for note in stub.offered[:MAX_ROTATIONS]:
            self._offer_key(note)
        self._adopted = max(self._adopted, stub.adopted)
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
        """Hear what the log says of itself."""
        if entry.act == "adopted":
            self._adopted = self._tree.size - 1
        elif entry.act == "key.rotated":
            self._offer_key(entry.note)

    def _offer_key(self, text: str) -> None:
        """Hear of a key that may follow, if one that is trusted signs beside it."""
        if len(self._offered) < MAX_ROTATIONS:
            with suppress(ValueError):
                self._offered.append(parse_key(text))

    def _compare_roots(self) -> Finding | None:
        """Compare the tree with every checkpoint of its size."""
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
        """Say what is missing at the end."""
        if self._next is not None or any(size > self._tree.size for size in self._outside_roots):
            return Finding(self._path, ChainBreak(self._tree.size + 1, Violation.TRUNCATED))
        if self._signed < self._verified:
            return Finding(self._checkpoints, ChainBreak(self._number + 1, Violation.CHECKPOINTS_REMOVED))
        if not self._signed:
            return Finding(self._path, ChainBreak(1, Violation.UNSIGNED))
        return None

    def ranges(self) -> Ranges:
        """Say how far the chain is vouched for."""
        return Ranges(self._anchored, self._signed, min(self._adopted, self._signed), self._at, self._silence)
