"""Sink of the log on disk: hash-chained JSON lines, each written by one system call.

Rules: the chain advances only after a complete write. A sink continues after its own last line, never after another,
so removed lines leave a break that `authguard audit verify` reports. One thread appends. After a fork, the child
leaves the parent's chain and acquires another.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any, Final

from authguard.audit import chain_file, segment_file
from authguard.audit.write.acquisition import acquire_chain
from authguard.audit.write.disk_space import DiskSpaceMonitor
from authguard.audit.write.events import LogAct
from authguard.audit.write.file_watch import FileWatch
from authguard.audit.write.flusher import Flusher
from authguard.audit.write.health import LogHealth, describe_tampering
from authguard.audit.write.takeover import find_start, require_tail
from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, format_line, parse_line, render_line
from authguard.records.entries import ActEntry, TransitionEntry
from authguard.records.handover import AUDIT_ACTOR, CLOSED, OPENED

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from authguard.audit.write.acquisition import SignerFactory
    from authguard.audit.write.checkpoint_signer import CheckpointSigner
    from authguard.audit.write.retention import RetentionPolicy
    from authguard.ports import Clock, Ids
    from authguard.records.chain import ChainedLine, LineTemplate, Violation
    from authguard.records.entries import Entry

#: seconds, by the times of the records, between checks that the path still leads to the file; its link count and its
#: size are checked after each line
IDENTITY_CHECK_INTERVAL_S: Final = 0.05
NOT_UNICODE: Final = "a record has text that is not Unicode"


class JsonlSink:
    """Implementation of `authguard.ports.AuditSink` on a file.

    Args:
        path: path of the log; if another process holds it, the next chain is used (``audit.1.jsonl`` ...).
        clock: clock for the records of the log itself.
        ids: ids for these records.
        policy: digest of the policy in these records.
        make_signer: creates the signer of a chain; ``None`` for an unsigned log.
        retention: when to rotate the file; ``None`` for never.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        ids: Ids,
        policy: str = "",
        make_signer: SignerFactory | None = None,
        retention: RetentionPolicy | None = None,
    ) -> None:
        self._path: Final = path
        self._clock: Final = clock
        self._ids: Final = ids
        self._policy: Final = policy
        self._make_signer: Final = make_signer
        self._retention: Final = retention
        self._health: Final = LogHealth()
        self._disk_space: Final = DiskSpaceMonitor()
        self._watch = FileWatch(-1)
        self._reset()

    def _reset(self) -> None:
        self._watch.close()
        self._file: chain_file.LockedFile | None = None
        self._fd = -1
        self._forks = chain_file.fork_counter.forks
        self._opened = False
        #: whether the file is locked and ends in our last line
        self._writable = False
        #: whether `_seq` and `_head` are of our lines or of adopted ones, not the initial values
        self._resumed = False
        self._seq = 0
        self._head = GENESIS
        self._size = 0
        #: number and time of the file's first line
        self._base = 0
        self._first_at = inf
        #: why the last rotation failed
        self._rotation_error = ""
        self._health.reset()
        self._checked_at = 0.0
        self._position = 0
        self._signer: CheckpointSigner | None = None
        #: whether this writer's first record was written
        self._announced = False
        self._flusher = Flusher(lambda: (self._fd, self._position))

    @property
    def path(self) -> Path:
        """Return the file that is written; without a lock, the requested path."""
        return self._file.path if self._file else self._path

    def open(self) -> None:
        """Acquire a chain, remove an incomplete last line and record that, and continue after the last complete line.

        Raises:
            SettingsError: the signing key cannot be read or created.
            AuditError: no chain is available, its last line was edited or is of another version, or the record
                cannot be written.
        """
        if self._opened and self._forks == chain_file.fork_counter.forks:
            return
        if self._file is not None:
            chain_file.release(self._file, forked=True)
        self._reset()
        try:
            self._acquire()
        except AuditError as error:
            self._health.add_failure(self._clock.now(), error)
            raise
        self._opened = True

    def close(self) -> None:
        """Release the file; appended lines are with the kernel. A file without a line is removed."""
        file, forked = self._file, self._forks != chain_file.fork_counter.forks
        if self._signer is not None and not forked:
            self._record_closed()
            self._signer.stop()
        self._reset()
        if file is not None:
            if not forked and chain_file.get_size(file) == 0 and not segment_file.list_closed(file.path):
                file.path.unlink(missing_ok=True)
            chain_file.release(file, forked=forked)

    def append(self, entry: Entry) -> int:
        """Write a record to the kernel before returning.

        Returns:
            The number of lines that this sink has written, including this one: the position for `flush`.

        Raises:
            AuditError: the line was not written completely; the next call repairs the file first.
        """
        # a transition has the time at which it was due, which tells nothing about the time since the last check
        is_check_due = (
            type(entry) is not TransitionEntry and not abs(entry.at - self._checked_at) < IDENTITY_CHECK_INTERVAL_S
        )
        try:
            if not self._writable or self._forks != chain_file.fork_counter.forks or is_check_due:
                self._ensure_writable(entry.at)
            if not self._announced:
                self._record_opened()
            return self._write(*format_line(entry, self._seq, self._head))
        except UnicodeEncodeError as error:
            failure = AuditError(NOT_UNICODE)
            self._health.add_failure(entry.at, failure)
            raise failure from error
        except AuditError as error:
            self._health.add_failure(entry.at, error)
            raise

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Write a decision that differs from an earlier one only by id, time and trace.

        Raises:
            AuditError: the line was not written completely; the next call repairs the file first.
        """
        try:
            if (
                not self._writable
                or self._forks != chain_file.fork_counter.forks
                or not abs(at - self._checked_at) < IDENTITY_CHECK_INTERVAL_S
            ):
                self._ensure_writable(at)
            if not self._announced:
                self._record_opened()
            return self._write(*render_line(template, record, at, trace, self._seq, self._head))
        except AuditError as error:
            self._health.add_failure(at, error)
            raise

    def maintain(self) -> None:
        """Rotate the file if it is due, and write the log's own records, as the next record would.

        Raises:
            AuditError: the log cannot be written now.
        """
        self._ensure_writable(self._clock.now())

    def flush(self, position: int) -> Coroutine[Any, Any, None]:
        """Wait until a line is on the disk; one fsync serves all waiting callers.

        Raises:
            AuditError: the line could not be made durable.
        """
        return self._flusher.wait(position)

    def _write_own(self, entry: ActEntry) -> None:
        """Write a record about the log itself."""
        try:
            self._write(*format_line(entry, self._seq, self._head))
        except UnicodeEncodeError as error:
            raise AuditError(NOT_UNICODE) from error

    def _write(self, line: bytes, head: str) -> int:
        if len(line) > MAX_LINE_BYTES:
            raise AuditError(f"a record is longer than {MAX_LINE_BYTES} bytes")
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            self._writable = False
            raise AuditError(describe_failure(FileRole.AUDIT_LOG, self.path, "written", Access.WRITE, error)) from error
        if written != len(line):
            self._writable = False
            cut = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise AuditError("the disk accepted only a part of a line: check the free space") from cut
        # the position after an append is the end of the file, so it shows what others added or removed
        if self._watch.may_have_changed() or os.lseek(self._fd, 0, os.SEEK_CUR) != self._size + written:
            self._check_line(written)
        last, self._head = self._head, head
        self._seq += 1
        self._size += written
        self._position += 1
        if self._signer is not None:
            buffer = self._signer.leaves
            # `authguard.records.merkle.leaf` without the call
            leaf = sha256(b"\x00" + line[:-1]).digest()
            if self._seq > buffer.due:
                buffer.publish(leaf, self._seq, last, self._base, self._size - written)
            else:
                buffer.leaves.append(leaf)
        return self._position

    def _check_line(self, written: int) -> None:
        """Check that the file with the line still has a name, and that nobody else changed its size."""
        self._watch.clear()
        status = os.fstat(self._fd)
        if not status.st_nlink or status.st_size != self._size + written:
            self._writable = False
            self._flusher.mark_lost(self._position)
            raise self._tampering_error(status.st_size - written if status.st_nlink else -1)

    def _ensure_writable(self, at: float) -> None:
        if not self._opened:
            raise AuditError("the audit log is not open")
        if self._forks != chain_file.fork_counter.forks:
            self.open()
        if self._file is not None:
            self._check_file(self._file)
        if self._file is None:
            self._acquire()
        elif not self._writable:
            self._resume()
        self._checked_at = at
        self._record_health()
        if self._retention is not None and self._size and self._retention.is_due(self._size, at - self._first_at):
            self._rotate(self._file, at)

    def _record_health(self) -> None:
        for act in self._health.list_records(self._disk_space.check(self.path.parent, self._checked_at)):
            self._record_act(act)
        if self._signer is None:
            return
        events = self._signer.events
        for event in events.list_unrecorded():
            self._record_act(event.record)
            events.confirm(event, self._seq)

    def _rotate(self, file: chain_file.LockedFile | None, at: float) -> None:
        """Rotate the file; on failure, record it and continue in the old file."""
        if file is None:
            return
        segment = segment_file.segment_path(file.path, self._base)
        try:
            new = chain_file.rotate(file, segment)
        except OSError as error:
            why = error.strerror or type(error).__name__
            if why != self._rotation_error:
                self._rotation_error = why
                self._record_act(LogAct("rotation_failed", f"a new file could not be created: {why}"))
            return
        chain_file.release(file)
        before, self._base = self._base, self._seq
        self._file, self._fd, self._size, self._first_at, self._rotation_error = new, new.fd, 0, at, ""
        self._watch.close()
        self._watch = FileWatch(new.fd)
        self._flusher.add_segment(segment)
        if self._signer is not None:
            self._signer.leaves.restart()
            self._signer.on_rotate(new.fd)
        self._record_act(LogAct("rotated", f"lines {before + 1} to {self._base} are in {segment.name}"))

    def _record_act(self, act: LogAct) -> None:
        self._record_opened()
        now = self._clock.now()
        record = self._ids.record(now)
        self._write_own(ActEntry(id=record, at=now, policy=self._policy, act=act.act, by=AUDIT_ACTOR, note=act.note))

    def _record_opened(self) -> None:
        """Record this writer's first line, which is signed if the log is."""
        if self._announced or self._signer is None:
            return
        self._announced = True
        now = self._clock.now()
        record = self._ids.record(now)
        note = self._signer.opened_note(self._head, record, now)
        try:
            self._write_own(ActEntry(id=record, at=now, policy=self._policy, act=OPENED, by=AUDIT_ACTOR, note=note))
        except AuditError:
            self._announced = False
            raise

    def _record_closed(self) -> None:
        """Record this writer's last line, if the disk accepts it."""
        if self._signer is None or not self._announced:
            return
        with suppress(AuditError):
            if not self._writable:
                self._ensure_writable(self._clock.now())
            self._record_act(LogAct(CLOSED, f"after line {self._seq}"))

    def _acquire(self) -> None:
        found = acquire_chain(self._path, self._make_signer, lambda: self._head, take_over=not self._resumed)
        self._file, self._fd, self._signer = found.file, found.file.fd, found.signer
        self._watch.close()
        self._watch = FileWatch(self._fd)
        self._forks = chain_file.fork_counter.forks
        self._flusher.add_folder(self._file.path.parent)
        try:
            self._resume()
        except AuditError:
            chain_file.release(self._file)
            self._file, self._fd, self._signer = None, -1, None
            raise
        if self._signer is None:
            return
        if self._seq and (rotation_record := self._signer.startup_record()) is not None:
            self._record_act(rotation_record)
        for act in found.acts:
            self._record_act(act)
        self._signer.start()

    def _resume(self) -> None:
        """Remove an incomplete line, and continue after the last complete one or after our own."""
        try:
            found = chain_file.read_tail(self._fd)
            torn = found.torn
            if found.last:
                self._adopt_tail(parse_line(found.last))
            if found.torn:
                os.ftruncate(self._fd, found.end)
            if self._file is not None and not self._resumed:
                self._base, self._first_at, before, other = find_start(self._file, found.end, self._clock.now())
                torn = other or torn
                if before is not None:
                    self._seq, self._head = before
        except OSError as error:
            raise AuditError(f"the audit log `{self.path}` cannot be continued: {error.strerror}") from error
        self._resumed = self._writable = True
        self._size = found.end
        if self._signer is not None:
            self._signer.leaves.restart()
        if torn:
            self._record_act(LogAct("repaired", f"{len(torn)} bytes, sha256 {sha256(torn).hexdigest()}"))

    def _adopt_tail(self, last: ChainedLine | Violation) -> None:
        """Continue after the file's last line, unless this sink has written lines already."""
        line = require_tail(self.path, last)
        if not self._resumed:
            self._seq, self._head = line.seq + 1, line.hash

    def _tampering_error(self, found: int) -> AuditError:
        """Build the error for a file that another program changed; `found` is its size in bytes, -1 if it is gone."""
        done = describe_tampering(found, self._size)
        self._health.set_tampering(f"the file was {done} after line {self._seq}")
        return AuditError(f"the audit log `{self.path}` was {done} while it was written: find out which program did it")

    def _check_file(self, file: chain_file.LockedFile) -> None:
        """Check that the file exists and is not shorter; otherwise, positions that are not durable are lost."""
        found, was_writable = chain_file.get_size(file), self._writable
        if found >= self._size:
            return
        self._writable = False
        self._flusher.mark_lost(self._position)
        if found < 0:
            if self._signer is not None:
                self._signer.abandon()
            self._file, self._fd, self._signer, self._announced = None, -1, None, False
            chain_file.release(file)
        if was_writable:
            raise self._tampering_error(found)
