"""Taking a chain over from the writer before: what it left unsigned is told apart from what nobody with the key wrote.

Rules: behind a line ``closed`` that is signed nothing is ours; behind a crash the lines that go on with the chain are
recovered, and said to be. What is not ours is moved to a file beside the log before the chain goes on; nothing is lost.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import recover_rotation, sync_folder
from authguard.core.chain import MAX_LINE_BYTES, VERSION_VIOLATIONS, ChainedLine, Violation, parse_line
from authguard.core.entries import TransitionEntry
from authguard.core.handover import (
    ADOPTED,
    FOREIGN,
    RECOVERED,
    format_foreign_note,
    format_recovered_note,
    is_closed,
    is_opened,
)
from authguard.core.signed_note import open_note, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.audit.chain_file import LockedFile
    from authguard.audit.segment_file import Segment
    from authguard.core.signed_note import Check, Key, Sign

#: bytes that are moved at once
COPY_BYTES: Final = 1 << 20
#: of a file that holds what was moved aside
ASIDE_INFIX: Final = ".aside."
#: of a chain that is not the log's first
_NUMBER: Final = re.compile(r"\.[0-9]{1,2}$")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class SignedEnd:
    """Where the last writer of a chain left off, as far as its signatures tell.

    Attributes:
        base: number of the first line of the file in which that is.
        offset: bytes of that file that are vouched for.
        last: hash of the last line that is.
        size: lines of the chain that are.
        closed: whether that line is the last of a writer that ended by itself.
    """

    base: int
    offset: int
    last: str
    size: int
    closed: bool


@dataclass(slots=True)
class TakeoverResult:
    """What came of taking a chain over.

    Attributes:
        acts: to be recorded before anything else: act and note.
        must_reacquire: whether the file that is written was moved aside, so that the chain has to be claimed anew.
    """

    acts: list[tuple[str, str]] = field(default_factory=list)
    must_reacquire: bool = False


class ChainTakeover:
    """Finds out what the writer before left of a chain.

    Args:
        chain: the file that is written.
        signers: the keys of the deployment, the current one last.
        check: of signatures.
        memory: folder of the writers' newest checkpoints.
        every: lines that a checkpoint covers at most.
        within: seconds that a checkpoint covers at most.
    """

    def __init__(  # noqa: PLR0917 - what a chain is signed with
        self, chain: Path, signers: Sequence[tuple[Key, Sign]], check: Check, memory: Path, every: int, within: float
    ) -> None:
        self._chain = chain
        self._keys = tuple(key for key, _ in signers)
        self._check = check
        self._memory = memory
        self._every = every
        self._within = within

    def run(self) -> TakeoverResult:
        """Move aside what is not ours, and say what was left unsigned.

        Raises:
            OSError: a file cannot be read, or not be moved aside.
        """
        taken = TakeoverResult()
        segments = segment_file.list_segments(self._chain)
        if not any(segment.path.stat().st_size for segment in segments) or _is_torn(segments):
            return taken
        try:
            first, head = self._load_head(segments)
            if not first and head is None:
                self._require_version(segments[0])
        except ValueError:
            return taken  # the signer says that the memory is damaged, and signs nothing
        if first and self._is_copy(first, head):
            self._move_chain_aside(segments, taken)
        elif head is not None:
            left = self._find_signed_end(head, segments)
            if left is not None:
                self._recover_unsigned(left, segments, taken)
        elif self._was_started(segments):
            with segment_file.open_segment(segments[0]) as file:
                offset = len(file.readline(MAX_LINE_BYTES + 1))
            self._recover_unsigned(SignedEnd(segments[0].base, offset, first, 1, closed=False), segments, taken)
        elif first and self._predates_key(first):
            taken.acts.append((ADOPTED, "the lines so far were under no checkpoint"))
        else:
            self._move_chain_aside(segments, taken)
        return taken

    def _load_head(self, segments: Sequence[Segment]) -> tuple[str, checkpoint_file.Head | None]:
        """Find the hash of the chain's first line, and what was remembered of the chain last.

        Raises:
            OSError: the first line cannot be read, and no memory fits the others.
            ValueError: the memory is damaged.
        """
        try:
            first = self._read_first_hash(segments[0])
        except OSError:
            # a file whose time has long been over must not keep the app down, where the memory fits without it
            heads = (one for one in checkpoint_file.load_heads(self._memory) if one.file == self._chain.name)
            for one in heads:
                if self._find_signed_end(one, segments) is not None:
                    return "", one
            raise
        head = (
            checkpoint_file.load_head(self._memory, checkpoint_file.chain_origin(self._keys[-1].name, first))
            if first
            else None
        )
        return first, head

    def _require_version(self, segment: Segment) -> None:
        """Refuse a chain of another version; one that this key never signed is moved aside like any foreign chain.

        Raises:
            OSError: the chain is of another version.
        """
        if segment.is_tombstone:
            return
        with segment_file.open_segment(segment) as file:
            line = file.readline(MAX_LINE_BYTES + 1)
        found = parse_line(line)
        if not isinstance(found, Violation) or found not in VERSION_VIOLATIONS:
            return
        first = line[-67:-3].decode()
        is_ours = any(
            checkpoint_file.load_head(self._memory, checkpoint_file.chain_origin(key.name, first)) for key in self._keys
        )
        if is_ours or not any(self._memory.glob("*.json")):
            raise segment_file.make_version_error(found)

    @staticmethod
    def _read_first_hash(segment: Segment) -> str:
        """Return the hash of a chain's first line; empty where that is no line of a log."""
        if segment.is_tombstone:
            return segment_file.read_tombstone(segment)[0].first
        with segment_file.open_segment(segment) as file:
            found = parse_line(file.readline(MAX_LINE_BYTES + 1))
        return found.hash if isinstance(found, ChainedLine) else ""

    def _is_copy(self, first: str, head: checkpoint_file.Head | None) -> bool:
        """Whether another file of the log, which is there, is the chain of the first line."""
        if head is not None:
            return head.file != self._chain.name and self._chain.with_name(head.file).exists()
        log = self._chain.with_name(_NUMBER.sub("", self._chain.stem) + self._chain.suffix)
        others = (chain for chain in segment_file.list_chains(log) if chain != self._chain)
        return any(segment_file.read_first_hash(other) == first for other in others)

    def _was_started(self, segments: Sequence[Segment]) -> bool:
        """Whether a writer of ours began the chain, and ended before its first checkpoint."""
        if segments[0].is_tombstone or segments[0].base > 0:
            return False
        with segment_file.open_segment(segments[0]) as file:
            found = parse_line(file.readline(MAX_LINE_BYTES + 1))
        return isinstance(found, ChainedLine) and is_opened(found, self._keys, self._check)

    def _predates_key(self, first: str) -> bool:
        """Whether the chain may be older than the key: nothing was signed by it, or a checkpoint of it is beside it."""
        if not any(self._memory.glob("*.json")):
            return True
        names = {checkpoint_file.chain_origin(key.name, first) for key in self._keys}
        with suppress(FileNotFoundError):
            for note in checkpoint_file.read_notes(checkpoint_file.checkpoint_path(self._chain)):
                found = open_note(note, self._keys, self._check)
                if found is not None and found.checkpoint.origin in names:
                    return True
        return False

    def _find_signed_end(self, head: checkpoint_file.Head, segments: Sequence[Segment]) -> SignedEnd | None:
        """Find where the newest checkpoint ends; ``None`` where it is not ours or the file is not what was signed."""
        said = parse_checkpoint(head.note)
        segment = next((one for one in segments if one.base == head.base and not one.is_tombstone), None)
        if said is None or segment is None or open_note(head.note, self._keys, self._check) is None:
            return None
        start = max(0, head.offset - MAX_LINE_BYTES)
        with segment_file.open_segment(segment) as file:
            file.seek(start)
            before = file.read(head.offset - start)
        last = parse_line(before[before.rfind(b"\n", 0, -1) + 1 :])
        if not isinstance(last, ChainedLine) or (last.hash, last.seq + 1) != (head.last, said.size):
            return None
        return SignedEnd(head.base, head.offset, head.last, said.size, is_closed(last))

    def _recover_unsigned(self, left: SignedEnd, segments: Sequence[Segment], taken: TakeoverResult) -> None:
        """Sort what stands behind the last line that is vouched for."""
        ours = _Continuation(left, self._keys, self._check)
        going = True
        for segment in (one for one in segments if one.base >= left.base and not one.is_tombstone):
            begin = left.offset if segment.base == left.base else 0
            if going and segment.base in {left.base, ours.seq}:
                with segment_file.open_segment(segment) as file:
                    end, going = ours.follow(file, begin)
            else:
                end, going = begin, False
            if not going and segment.form != segment_file.GZIP_SUFFIX:
                self._move_tail_aside(segment, end, ours.seq, taken)
        if ours.seq > left.size:
            note = format_recovered_note(left.size + 1, ours.seq, ours.seconds, self._every, self._within)
            taken.acts.append((RECOVERED, note))

    def _move_tail_aside(self, segment: Segment, end: int, line: int, taken: TakeoverResult) -> None:
        """Move what stands behind a place of a file aside; a file of which nothing is left goes."""
        size = segment.path.stat().st_size
        if size <= end:
            return
        name, digest = self._copy_aside(segment.path, end)
        taken.acts.append((FOREIGN, format_foreign_note(size - end, line, name, digest)))
        if end:
            fd = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.ftruncate(fd, end)
                os.fsync(fd)
            finally:
                os.close(fd)
        else:
            segment.path.unlink()
            taken.must_reacquire |= segment.live
        sync_folder(segment.path.parent)

    def _copy_aside(self, path: Path, begin: int) -> tuple[str, str]:
        """Copy the end of a file to a file of its own; return its name and its digest."""
        new = path.with_name(f".{self._chain.name}{ASIDE_INFIX}{secrets.token_hex(4)}")
        hashed = sha256()
        try:
            target = os.open(new, _NEW, 0o600)
            with os.fdopen(target, "wb") as file, path.open("rb") as source:
                source.seek(begin)
                while block := source.read(COPY_BYTES):
                    hashed.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            digest = hashed.hexdigest()
            name = f"{self._chain.name}{ASIDE_INFIX}{digest[:12]}"
            new.replace(path.with_name(name))
        finally:
            new.unlink(missing_ok=True)
        return name, digest

    def _move_chain_aside(self, segments: Sequence[Segment], taken: TakeoverResult) -> None:
        """Move a whole chain aside, its checkpoints too."""
        for segment in segments:
            if segment.path.stat().st_size:
                size = segment.path.stat().st_size
                name, digest = self._copy_aside(segment.path, 0)
                taken.acts.append((FOREIGN, format_foreign_note(size, 0, name, digest)))
            segment.path.unlink()
        beside = checkpoint_file.checkpoint_path(self._chain)
        if beside.exists():
            self._copy_aside(beside, 0)
            beside.unlink()
        sync_folder(self._chain.parent)
        taken.must_reacquire = True


class _Continuation:
    """Lines that go on with a chain."""

    def __init__(self, left: SignedEnd, keys: Sequence[Key], check: Check) -> None:
        self.seq = left.size
        self.last = left.last
        self._closed = left.closed
        self._keys = keys
        self._check = check
        self._first_at = self._last_at = 0.0
        self._timed = False

    @property
    def seconds(self) -> float:
        """How long they took, by their own times."""
        return max(0.0, self._last_at - self._first_at)

    def follow(self, file: BinaryIO, begin: int) -> tuple[int, bool]:
        """Follow the lines of a file; return where they end, and whether nothing else stands behind them.

        What a crash tore at the end is not looked at: whoever goes on cuts it off.
        """
        place = begin
        for line in _lines(file, begin):
            found = parse_line(line)
            if not isinstance(found, ChainedLine) or not self._accept(found):
                torn = not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES
                return place, torn and not self._closed
            place += len(line)
        return place, True

    def _accept(self, found: ChainedLine) -> bool:
        """Take a line where it goes on with the chain; behind a writer's last line only another's first does."""
        if (found.seq, found.prev) != (self.seq, self.last):
            return False
        if self._closed and not is_opened(found, self._keys, self._check):
            return False
        self.seq, self.last, self._closed = self.seq + 1, found.hash, is_closed(found)
        # a transition bears the time at which it fell due, which may be long ago
        if type(found.entry) is not TransitionEntry:
            at = found.entry.at
            self._first_at = min(self._first_at, at) if self._timed else at
            self._last_at = max(self._last_at, at) if self._timed else at
            self._timed = True
        return True


def _is_torn(segments: Sequence[Segment]) -> bool:
    """Whether a chain is no more than a part of its first line: its writer died at it, and the next cuts it off."""
    if len(segments) != 1 or segments[0].is_tombstone:
        return False
    with segment_file.open_segment(segments[0]) as file:
        line = file.readline(MAX_LINE_BYTES + 1)
    return not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES


def find_start(file: LockedFile, end: int, now: float) -> tuple[int, float, tuple[int, str] | None, bytes]:
    """Find where the file that is written begins; one without a line goes on from the last segment.

    Args:
        file: the file.
        end: bytes of whole lines in it.
        now: epoch seconds UTC.

    Returns:
        Number and time of its first line; where there is none, how many lines come before it and the hash of the last
        of them; and what was torn at the end of the last segment.

    Raises:
        OSError: the segments cannot be read.
    """
    base, began, before, torn = 0, inf, None, b""
    if end:
        first = parse_line(os.pread(file.fd, MAX_LINE_BYTES, 0).partition(b"\n")[0] + b"\n")
        if isinstance(first, ChainedLine):
            base, began = first.seq, first.entry.at
    else:
        torn = segment_file.repair_tail(file.path)
        before = segment_file.read_closed_end(file.path)
        base, began = before[0], now
    recover_rotation(file, segment_file.segment_path(file.path, base))
    return base, began, before, torn


def _lines(file: BinaryIO, begin: int) -> Iterator[bytes]:
    file.seek(begin)
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
