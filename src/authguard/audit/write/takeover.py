"""Takeover of a chain from its last writer: separates unsigned lines of that writer from foreign lines.

Rules: after a signed ``closed`` record no line is ours. After a crash, lines that continue the chain are recovered,
and a record states that. Foreign lines are moved to a separate file before the chain continues; nothing is lost.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import recover_rotation, sync_folder
from authguard.audit.write.events import LogAct
from authguard.errors import AuditError
from authguard.records.chain import MAX_LINE_BYTES, VERSION_VIOLATIONS, ChainedLine, Violation, parse_line
from authguard.records.entries import TransitionEntry
from authguard.records.handover import (
    ADOPTED,
    FOREIGN,
    RECOVERED,
    format_foreign_note,
    format_recovered_note,
    is_closed,
    is_opened,
)
from authguard.records.signed_note import open_note, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.audit.chain_file import LockedFile
    from authguard.audit.segment_file import Segment
    from authguard.records.signed_note import Check, Key, Sign

#: bytes of a copy step
COPY_BYTES: Final = 1 << 20
#: part of the name of a file with foreign lines
ASIDE_INFIX: Final = ".aside."
#: suffix of a chain other than the log's first
_NUMBER: Final = re.compile(r"\.[0-9]{1,2}$")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class SignedEnd(Struct, frozen=True):
    """The last signed line of a chain.

    Attributes:
        base: number of the first line of the file with that line.
        offset: bytes of that file up to the end of the line.
        last: hash of the line.
        size: lines of the chain up to it.
        closed: whether the line is the last record of a writer that stopped cleanly.
    """

    base: int
    offset: int
    last: str
    size: int
    closed: bool


class TakeoverResult(Struct):
    """The result of a takeover.

    Attributes:
        acts: acts to record first.
        must_reacquire: whether the written file was moved aside, so that a chain must be acquired again.
    """

    acts: list[LogAct] = []
    must_reacquire: bool = False


class ChainTakeover:
    """Takes a chain over from its last writer.

    Args:
        chain: path of the chain.
        signers: the deployment's keys, the current one last.
        check: verifies signatures.
        memory: folder of the heads.
        every: maximum of lines between checkpoints.
        within: maximum of seconds between checkpoints.
    """

    def __init__(
        self, chain: Path, signers: Sequence[tuple[Key, Sign]], *, check: Check, memory: Path, every: int, within: float
    ) -> None:
        self._chain = chain
        self._keys = tuple(key for key, _ in signers)
        self._check = check
        self._memory = memory
        self._every = every
        self._within = within

    def run(self) -> TakeoverResult:
        """Move foreign lines aside, and report lines that were not signed.

        Raises:
            OSError: a file cannot be read or moved, or is of another version.
        """
        result = TakeoverResult()
        segments = segment_file.list_segments(self._chain)
        if not any(segment.path.stat().st_size for segment in segments) or _is_torn(segments):
            return result
        try:
            first, head = self._load_head(segments)
            if not first and head is None:
                self._require_version(segments[0])
        except ValueError:
            return result  # the signer reports that the head is damaged, and does not sign
        if first and self._is_copy(first, head):
            self._move_chain_aside(segments, result)
        elif head is not None:
            left = self._find_signed_end(head, segments)
            if left is not None:
                self._recover_unsigned(left, segments, result)
        elif self._was_started(segments):
            with segment_file.open_segment(segments[0]) as file:
                offset = len(file.readline(MAX_LINE_BYTES + 1))
            self._recover_unsigned(SignedEnd(segments[0].base, offset, first, 1, closed=False), segments, result)
        elif first and self._predates_key(first):
            result.acts.append(LogAct(ADOPTED, "no checkpoint covered the earlier lines"))
        else:
            self._move_chain_aside(segments, result)
        return result

    def _load_head(self, segments: Sequence[Segment]) -> tuple[str, checkpoint_file.Head | None]:
        """Return the hash of the chain's first line, and the head of the chain."""
        try:
            first = self._read_first_hash(segments[0])
        except OSError:
            # an old file that cannot be read must not keep the app down if a head matches the other files
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
        """Refuse a chain of another version, unless this key never signed it."""
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
        if segment.is_tombstone:
            return segment_file.read_tombstone(segment)[0].first
        with segment_file.open_segment(segment) as file:
            found = parse_line(file.readline(MAX_LINE_BYTES + 1))
        return found.hash if isinstance(found, ChainedLine) else ""

    def _is_copy(self, first: str, head: checkpoint_file.Head | None) -> bool:
        """Return whether another file of the log is the chain with this first line."""
        if head is not None:
            return head.file != self._chain.name and self._chain.with_name(head.file).exists()
        log = self._chain.with_name(_NUMBER.sub("", self._chain.stem) + self._chain.suffix)
        others = (chain for chain in segment_file.list_chains(log) if chain != self._chain)
        return any(segment_file.read_first_hash(other) == first for other in others)

    def _was_started(self, segments: Sequence[Segment]) -> bool:
        """Return whether a writer with the key started the chain, and ended before its first checkpoint."""
        if segments[0].is_tombstone or segments[0].base > 0:
            return False
        with segment_file.open_segment(segments[0]) as file:
            found = parse_line(file.readline(MAX_LINE_BYTES + 1))
        return isinstance(found, ChainedLine) and is_opened(found, self._keys, self._check)

    def _predates_key(self, first: str) -> bool:
        """Return whether the chain may be older than the key: the key signed nothing yet, or signed this chain."""
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
        """Find the last line of the newest checkpoint; ``None`` if its signature or the file does not match."""
        checkpoint = parse_checkpoint(head.note)
        segment = next((one for one in segments if one.base == head.base and not one.is_tombstone), None)
        if checkpoint is None or segment is None or open_note(head.note, self._keys, self._check) is None:
            return None
        start = max(0, head.offset - MAX_LINE_BYTES)
        with segment_file.open_segment(segment) as file:
            file.seek(start)
            before = file.read(head.offset - start)
        last = parse_line(before[before.rfind(b"\n", 0, -1) + 1 :])
        if not isinstance(last, ChainedLine) or (last.hash, last.seq + 1) != (head.last, checkpoint.size):
            return None
        return SignedEnd(head.base, head.offset, head.last, checkpoint.size, is_closed(last))

    def _recover_unsigned(self, left: SignedEnd, segments: Sequence[Segment], result: TakeoverResult) -> None:
        """Recover the unsigned lines after the signed end, and move foreign lines aside."""
        continuation = _Continuation(left, self._keys, self._check)
        going = True
        for segment in (one for one in segments if one.base >= left.base and not one.is_tombstone):
            begin = left.offset if segment.base == left.base else 0
            if going and segment.base in {left.base, continuation.seq}:
                with segment_file.open_segment(segment) as file:
                    end, going = continuation.follow(file, begin)
            else:
                end, going = begin, False
            if not going and segment.form != segment_file.GZIP_SUFFIX:
                self._move_tail_aside(segment, end, continuation.seq, result)
        if continuation.seq > left.size:
            note = format_recovered_note(
                left.size + 1, continuation.seq, continuation.seconds, self._every, self._within
            )
            result.acts.append(LogAct(RECOVERED, note))

    def _move_tail_aside(self, segment: Segment, end: int, line: int, result: TakeoverResult) -> None:
        """Move the bytes after an offset aside; remove a file that becomes empty."""
        size = segment.path.stat().st_size
        if size <= end:
            return
        name, digest = self._copy_aside(segment.path, end)
        result.acts.append(LogAct(FOREIGN, format_foreign_note(size - end, line, name, digest)))
        if end:
            fd = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.ftruncate(fd, end)
                os.fsync(fd)
            finally:
                os.close(fd)
        else:
            segment.path.unlink()
            result.must_reacquire |= segment.live
        sync_folder(segment.path.parent)

    def _copy_aside(self, path: Path, begin: int) -> tuple[str, str]:
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

    def _move_chain_aside(self, segments: Sequence[Segment], result: TakeoverResult) -> None:
        for segment in segments:
            if segment.path.stat().st_size:
                size = segment.path.stat().st_size
                name, digest = self._copy_aside(segment.path, 0)
                result.acts.append(LogAct(FOREIGN, format_foreign_note(size, 0, name, digest)))
            segment.path.unlink()
        checkpoints = checkpoint_file.checkpoint_path(self._chain)
        if checkpoints.exists():
            self._copy_aside(checkpoints, 0)
            checkpoints.unlink()
        sync_folder(self._chain.parent)
        result.must_reacquire = True


class _Continuation:
    """The lines that continue a chain after its signed end."""

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
        """Return the seconds between the first and the last line, by their times."""
        return max(0.0, self._last_at - self._first_at)

    def follow(self, file: BinaryIO, begin: int) -> tuple[int, bool]:
        """Follow a file's lines; return the offset of their end, and whether nothing foreign comes after it.

        An incomplete line at the end is ignored; the next writer removes it.
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
        """Accept a line that continues the chain; after a writer's last line only another writer's first does."""
        if (found.seq, found.prev) != (self.seq, self.last):
            return False
        if self._closed and not is_opened(found, self._keys, self._check):
            return False
        self.seq, self.last, self._closed = self.seq + 1, found.hash, is_closed(found)
        # a transition has the time at which it was due, which may be long ago
        if type(found.entry) is not TransitionEntry:
            at = found.entry.at
            self._first_at = min(self._first_at, at) if self._timed else at
            self._last_at = max(self._last_at, at) if self._timed else at
            self._timed = True
        return True


def _is_torn(segments: Sequence[Segment]) -> bool:
    """Return whether a chain is only a part of its first line; the next writer removes it."""
    if len(segments) != 1 or segments[0].is_tombstone:
        return False
    with segment_file.open_segment(segments[0]) as file:
        line = file.readline(MAX_LINE_BYTES + 1)
    return not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES


def require_tail(path: Path, last: ChainedLine | Violation) -> ChainedLine:
    """Return the last line of a file.

    Raises:
        AuditError: the chain cannot continue after the line.
    """
    if isinstance(last, ChainedLine):
        return last
    if last in VERSION_VIOLATIONS:
        raise AuditError(f"the audit log `{path}` cannot be continued: {last.message}")
    raise AuditError(
        f"the last line of the audit log `{path}` cannot be continued ({last.message}): "
        "run `authguard audit verify`, then move the file away"
    )


def find_start(file: LockedFile, end: int, now: float) -> tuple[int, float, tuple[int, str] | None, bytes]:
    """Find where the written file starts; a file without a line continues the last segment.

    Args:
        file: the locked file.
        end: size of the complete lines in bytes.
        now: epoch seconds UTC.

    Returns:
        Number and time of the file's first line; for a file without a line, the length of the chain and the hash of
        its last line, otherwise ``None``; and the bytes of an incomplete line at the end of the last segment.

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
