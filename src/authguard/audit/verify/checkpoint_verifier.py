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
from authguard.core.chain import ChainBreak, Flaw
from authguard.core.checkpoint_retention import (
    CheckpointInfo,
    RetentionNote,
    digest_checkpoints,
    longest_gap,
    select_retained,
)
from authguard.core.entries import Acted
from authguard.core.merkle import Tree, leaf
from authguard.core.signed_note import count_signatures, open_note, parse_checkpoint, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from authguard.core.chain import ChainedLine
    from authguard.core.signed_note import Check, Key, VerifiedNote
    from authguard.core.tombstone import Tombstone

#: most keys that a chain may be rotated to while it is verified
ROTATIONS: Final = 64
#: most checkpoints that are held against what the log says was kept of them, and signature lines of one key
PASSED: Final = 200_000
ONE_KEY: Final = 2
#: lines that are taken at once where nothing is to be compared
ROOM: Final = 4_096


@dataclass(frozen=True, slots=True)
class Found:
    """A flaw with its place.

    Attributes:
        path: of the file in which it is.
        broken: line and flaw.
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
NOTHING: Final = Ranges()


@dataclass(frozen=True, slots=True)
class Trust:
    """What a log is held against.

    Attributes:
        keys: that may have signed it; each may name its successor in the log.
        check: of signatures.
        held: origin of a chain -> checkpoints of it that the writer remembers.
        anchored: origin of a chain -> checkpoints of it that were handed on.
        files: origin of a chain -> name of its file, as the writer remembers it.
        blind: what of the writers' memory could not be read, and how.
    """

    keys: tuple[Key, ...]
    check: Check
    held: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anchored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    blind: tuple[Found, ...] = ()


def by_origin(notes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Arrange notes by the chain that they sign; what is no note is under the empty name."""
    found: dict[str, list[str]] = {}
    for note in notes:
        said = parse_checkpoint(note)
        found.setdefault(said.origin if said else "", []).append(note)
    return {name: tuple(many) for name, many in found.items()}


class Holding:
    """One chain, held against what vouches for it.

    Args:
        path: of the chain.
        trust: what it is held against.
    """

    def __init__(self, path: Path, trust: Trust) -> None:
        self._path = path
        self._beside = checkpoint_file.checkpoint_path(path)
        self._trust = trust
        self._keys = list(trust.keys)
        self._offered: list[Key] = []
        self._tree = Tree()
        self._number = 0
        self._notes: Iterator[str] = iter(())
        self._next: VerifiedNote | None = None
        self._note = ""
        self._signed = 0
        self._good = 0
        self._at = 0
        self._silence = 0
        self._adopted = 0
        self._anchored = 0
        self._others: dict[int, list[tuple[bytes, bool]]] = {}
        self._due = -1
        self._passed: list[CheckpointInfo] = []
        self.origins: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that may have signed up to here, and those that the log says will."""
        return (*self._keys, *self._offered)

    @property
    def check(self) -> Check:
        """What checks signatures."""
        return self._trust.check

    def begin(self, first: str) -> Found | None:
        """Take the hash of the first line: it names the chain."""
        self.origins = tuple({checkpoint_file.chain_origin(key.name, first): None for key in self._keys})
        try:
            self._notes = checkpoint_file.read_notes(self._beside)
            flaw = self._advance()
        except FileNotFoundError:
            self._notes, flaw = iter(()), None
        except OSError as error:
            unread = Flaw.UNREAD if isinstance(error, PermissionError) else Flaw.UNREADABLE
            return Found(self._beside, ChainBreak(0, unread))
        if flaw is not None:
            return flaw
        for notes, anchored in ((self._trust.held, False), (self._trust.anchored, True)):
            for note in (note for name in self.origins for note in notes.get(name, ())):
                said = parse_checkpoint(note)
                if said is not None:
                    self._others.setdefault(said.size, []).append((said.root, anchored))
        self._plan()
        return None

    def _advance(self) -> Found | None:
        """Open the next checkpoint of the file."""
        note = next(self._notes, None)
        if note is None:
            self._next = None
            return None
        self._number += 1
        said = parse_checkpoint(note)
        if said is None:
            return Found(self._beside, ChainBreak(self._number, Flaw.FORGED))
        if said.origin not in self.origins:
            return Found(self._beside, ChainBreak(self._number, Flaw.STRANGE))
        found = open_note(note, self._keys, self._trust.check)
        if found is None:
            return Found(self._beside, ChainBreak(self._number, Flaw.FORGED))
        if found.checkpoint.size < self._good or found.at < self._at:
            return Found(self._beside, ChainBreak(self._number, Flaw.BACKWARD))
        self._next, self._note = found, note
        if len(self._passed) < PASSED:
            digest = sha256(note.encode()).digest()
            pivotal = count_signatures(note) > ONE_KEY
            self._passed.append(CheckpointInfo(found.checkpoint.size, found.at, pivotal, digest))
        return None

    def thinned(self, said: RetentionNote) -> Found | None:
        """Hold the checkpoints against what the log says was kept of them."""
        if len(self._passed) >= PASSED:
            return None
        old = [one for one in self._passed if said.covers(one)]
        if digest_checkpoints(old[place] for place in select_retained(old, said.first)) != said.digest:
            return Found(self._beside, ChainBreak(0, Flaw.PLUCKED))
        self._silence = max(said.silence, longest_gap([*old[-1:], *self._passed[len(old) :]]))
        return None

    def _succeed(self) -> Found | None:
        """Trust the successors that the log names, where a key that is trusted signed beside them."""
        found = open_note(self._note, [*self._keys, *self._offered], self._trust.check)
        if found is None:
            return Found(self._beside, ChainBreak(self._number, Flaw.FORGED))
        self._keys += [key for key in found.keys if key not in self._keys]
        self._offered = [key for key in self._offered if key not in self._keys]
        return None

    def _plan(self) -> None:
        """Choose at which size something is to be compared next."""
        sizes = [size for size in self._others if size > self._tree.size]
        if self._next is not None:
            sizes.append(self._next.checkpoint.size)
        self._due = min(sizes, default=-1)

    def add(self, line: bytes, found: ChainedLine) -> Found | None:
        """Take one line that the chain let pass."""
        self._tree.add(leaf(line[:-1]))
        entry = found.entry
        if type(entry) is Acted and entry.by == "audit":
            self._heed(entry)
        if self._tree.size != self._due:
            return None
        return self._compare()

    def room(self) -> int:
        """Say how many lines may be taken at once: no more than up to the next comparison; at least one."""
        return self._due - self._tree.size if self._due > self._tree.size else ROOM

    def add_all(self, leaves: Sequence[bytes]) -> Found | None:
        """Take lines in which the log says nothing of itself, by their leaves; no more of them than there is room."""
        self._tree.extend(leaves)
        return self._compare() if self._tree.size == self._due else None

    def skip(self, stub: Tombstone) -> Found | None:
        """Take a stub in the place of its lines: what was signed inside is not compared, what was signed later is."""
        end = stub.base + stub.count
        stub.append_to(self._tree)
        for note in stub.offered[:ROTATIONS]:
            self._offer(note)
        self._adopted = max(self._adopted, stub.adopted)
        while self._next is not None and self._next.checkpoint.size < end:
            if self._at:
                self._silence = max(self._silence, self._next.at - self._at)
            self._at, self._good = self._next.at, self._next.checkpoint.size
            flaw = self._succeed() if self._offered else None
            if (flaw := flaw or self._advance()) is not None:
                return flaw
        self._others = {size: roots for size, roots in self._others.items() if size >= end}
        self._plan()
        signed = self._next is not None and self._next.checkpoint.size == end
        return self._compare() if signed or end in self._others else None

    def _heed(self, entry: Acted) -> None:
        """Hear what the log says of itself."""
        if entry.act == "adopted":
            self._adopted = self._tree.size - 1
        elif entry.act == "key.rotated":
            self._offer(entry.note)

    def _offer(self, text: str) -> None:
        """Hear of a key that may follow, if one that is trusted signs beside it."""
        if len(self._offered) < ROTATIONS:
            with suppress(ValueError):
                self._offered.append(parse_key(text))

    def _compare(self) -> Found | None:
        """Compare the tree with every checkpoint of its size."""
        root, size = self._tree.root(), self._tree.size
        while self._next is not None and self._next.checkpoint.size == size:
            if self._next.checkpoint.root != root:
                return Found(self._path, ChainBreak(self._good + 1, Flaw.CONTRADICTED))
            if self._at:
                self._silence = max(self._silence, self._next.at - self._at)
            self._at, self._good, self._signed = self._next.at, size, size
            flaw = self._succeed() if self._offered else None
            if (flaw := flaw or self._advance()) is not None:
                return flaw
        for other, anchored in self._others.pop(size, ()):
            if other != root:
                return Found(self._path, ChainBreak(self._good + 1, Flaw.CONTRADICTED))
            if anchored:
                self._anchored = size
        self._good = size
        self._plan()
        return None

    def end(self) -> Found | None:
        """Say what is missing at the end."""
        if self._next is not None or any(size > self._tree.size for size in self._others):
            return Found(self._path, ChainBreak(self._tree.size + 1, Flaw.CUT))
        if self._signed < self._good:
            return Found(self._beside, ChainBreak(self._number + 1, Flaw.STRIPPED))
        if not self._signed:
            return Found(self._path, ChainBreak(1, Flaw.UNSIGNED))
        return None

    def ranges(self) -> Ranges:
        """Say how far the chain is vouched for."""
        return Ranges(self._anchored, self._signed, min(self._adopted, self._signed), self._at, self._silence)
