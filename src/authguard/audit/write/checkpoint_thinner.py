"""Thinning of a checkpoint file: a signed record lists the kept checkpoints, then the others are removed."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import sync_folder
from authguard.audit.write.events import LogAct, RemovalRequested
from authguard.records.checkpoint_retention import (
    KEEP_ALL_S,
    THINNED,
    CheckpointInfo,
    RetentionNote,
    format_retention_note,
    longest_gap,
    parse_retention_note,
    select_retained,
)
from authguard.records.signed_note import count_signatures, parse_checkpoint, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: minimal size in bytes of a file that is thinned
MIN_FILE_BYTES: Final = 512 * 1_024
#: signature lines of a checkpoint that a single key signed
SINGLE_KEY_SIGNATURES: Final = 2


class CheckpointThinner:
    """Thins the checkpoint file of one chain.

    Args:
        chain: path of the chain.
        least: minimal size in bytes of a checkpoint file that is thinned.
    """

    def __init__(self, chain: Path, least: int = MIN_FILE_BYTES) -> None:
        self._chain = chain
        self._checkpoints = checkpoint_file.checkpoint_path(chain)
        self._least = self._due = least
        self._requested = False
        self._confirmed_at = -1
        #: the last record of kept checkpoints
        self._recorded: RetentionNote | None = None

    def run(self, signed: int) -> RemovalRequested | None:
        """Remove the checkpoints whose removal is recorded and signed.

        Args:
            signed: lines of the chain that a checkpoint covers.

        Returns:
            The request to thin the file, once it is large enough; another one only after it was confirmed.

        Raises:
            OSError: a file cannot be read or written; nothing was lost.
        """
        if 0 <= self._confirmed_at <= signed:
            self._rewrite()
            self._confirmed_at = -1
        elif not self._requested and self._confirmed_at < 0 and self._checkpoints.stat().st_size >= self._due:
            return self._request()
        return None

    def _request(self) -> RemovalRequested | None:
        found = [one for one, _ in self._read()]
        if not found:
            return None
        first = next(
            (segment.base for segment in segment_file.list_segments(self._chain) if not segment.is_tombstone), 0
        )
        kept = [found[place] for place in select_retained(found, first)]
        note = format_retention_note(first, kept, self._longest_silence(found))

        def confirm(lines: int) -> None:
            self._requested, self._confirmed_at, self._recorded = False, lines, parse_retention_note(note)

        self._requested = True
        return RemovalRequested(LogAct(THINNED, note), confirm)

    def _longest_silence(self, found: list[CheckpointInfo]) -> int:
        """Return the longest gap between checkpoints: recorded for the thinned ones, measured for the others."""
        before = self._recorded
        if before is None:  # another writer may have thinned them, but never those of the last hour
            return longest_gap([one for one in found if one.at > found[-1].at - KEEP_ALL_S])
        return max(before.silence, longest_gap([one for one in found if one.size >= before.last]))

    def _rewrite(self) -> None:
        """Replace the file by one with the kept and the newer checkpoints."""
        if self._recorded is None:
            return
        found = list(self._read())
        old = [one for one, _ in found if self._recorded.covers(one)]
        kept = set(select_retained(old, self._recorded.first)) | set(range(len(old), len(found)))
        new = self._checkpoints.with_name(f".{self._checkpoints.name}.{secrets.token_hex(4)}")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.writelines(
                    checkpoint_file.encode_line(note) for place, (_, note) in enumerate(found) if place in kept
                )
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._checkpoints)
        finally:
            new.unlink(missing_ok=True)
        sync_folder(self._checkpoints.parent)
        self._due = max(self._least, 2 * self._checkpoints.stat().st_size)

    def _read(self) -> Iterator[tuple[CheckpointInfo, str]]:
        """Yield the checkpoints of the file; raise if a line is not a checkpoint, so that none is removed."""
        for note in checkpoint_file.read_notes(self._checkpoints):
            checkpoint = parse_checkpoint(note)
            if checkpoint is None:
                raise OSError(74, "the file has a line that is not a checkpoint", str(self._checkpoints))
            digest = sha256(note.encode()).digest()
            yield (
                CheckpointInfo(
                    checkpoint.size, parse_time(note), count_signatures(note) > SINGLE_KEY_SIGNATURES, digest
                ),
                note,
            )
