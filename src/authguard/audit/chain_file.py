"""Chain files: one per running writer, locked by it.

A writer holds an exclusive ``flock`` on ``audit.jsonl`` while it runs; the next writer uses ``audit.1.jsonl``, then
``audit.2.jsonl``. No two processes write to one chain, so no line needs a lock. The kernel releases the lock when the
process ends, also after a crash.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure
from authguard.paths import make_data_folder
from authguard.records.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: maximum of chains of a log, and so of running writers
MAX_CHAINS: Final = 64
#: attempts to open and lock a file that another process removes in between
MAX_LOCK_ATTEMPTS: Final = 8

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class ForkCounter:
    """Count the forks between the first process and this one.

    The count tells a child from its parent without a system call for each line.
    """

    forks = 0

    def increment(self) -> None:
        """Count a fork; runs in the child."""
        self.forks += 1


fork_counter: Final = ForkCounter()
os.register_at_fork(after_in_child=fork_counter.increment)


class LockedFile(Struct, frozen=True):
    """A file that only this process writes.

    Attributes:
        fd: descriptor for reading and appending; it has the lock.
        path: path of the file.
        identity: device and inode. A descriptor with another identity was closed and reused by other code.
    """

    fd: int
    path: Path
    identity: tuple[int, int]


class Tail(Struct, frozen=True):
    """The end of a log file.

    Attributes:
        end: size of the complete lines in bytes.
        last: the last complete line with its newline; empty if there is none.
        torn: the bytes after the last complete line.
    """

    end: int
    last: bytes
    torn: bytes


def chain_paths(path: Path) -> Iterator[Path]:
    """Yield the path of every possible chain of a log, in the order in which writers try them."""
    yield path
    for number in range(1, MAX_CHAINS):
        yield path.with_name(f"{path.stem}.{number}{path.suffix}")


def acquire(path: Path) -> LockedFile:
    """Lock the first chain that no running process holds.

    The file gets mode 0600 and its folder 0700.

    Raises:
        AuditError: no chain can be locked.
    """
    try:
        make_data_folder(path.parent)
        for candidate in chain_paths(path):
            fd = _try_lock(candidate)
            if fd >= 0:
                return LockedFile(fd, candidate, _identity(os.fstat(fd)))
    except OSError as error:
        raise AuditError(describe_failure(FileRole.AUDIT_LOG, path, "opened", Access.WRITE, error)) from error
    raise AuditError(f"the audit log `{path}` has {MAX_CHAINS} running writers, the maximum: stop one")


def _try_lock(path: Path) -> int:
    """Open and lock a file; return -1 if another process holds it."""
    for _ in range(MAX_LOCK_ATTEMPTS):
        fd = os.open(path, _FLAGS, 0o600)
        try:
            _require_regular_file(path, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if get_size(LockedFile(fd, path, _identity(os.fstat(fd)))) >= 0:
                return fd
            # the file was deleted or replaced before the lock: the lock is on a file without a name
            os.close(fd)
        except BlockingIOError:
            os.close(fd)
            return -1
        except BaseException:
            os.close(fd)
            raise
    raise AuditError(f"the audit log `{path}` is replaced repeatedly: find out which program does it")


def rotate(file: LockedFile, segment: Path) -> LockedFile:
    """Rename a locked file to a segment, and create a new file in its place; the path exists at every moment.

    Args:
        file: the locked file.
        segment: path of the segment.

    Returns:
        The new file, empty and locked.

    Raises:
        OSError: the rotation failed, and nothing was changed.
    """
    new = file.path.with_name(f".{file.path.name}.next")
    new.unlink(missing_ok=True)
    fd = os.open(new, _FLAGS | os.O_EXCL, 0o600)
    linked = False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(file.path, segment, follow_symlinks=False)
        linked = True
        new.replace(file.path)
    except BaseException:
        os.close(fd)
        if linked:
            segment.unlink()
        new.unlink(missing_ok=True)
        raise
    return LockedFile(fd, file.path, _identity(os.fstat(fd)))


def sync_folder(folder: Path) -> None:
    """Make the directory entries of a folder durable.

    Raises:
        OSError: the folder cannot be synced.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recover_rotation(file: LockedFile, segment: Path) -> None:
    """Remove the segment's name from a file after its writer ended between the two steps of `rotate`.

    Raises:
        OSError: the name cannot be removed.
    """
    try:
        second = segment.lstat()
    except FileNotFoundError:
        return
    if _identity(second) == file.identity:
        segment.unlink()


def is_locked(path: Path) -> bool:
    """Return whether a running process writes to a file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def _require_regular_file(path: Path, fd: int) -> None:
    """Refuse a file that cannot be read again, such as a pipe, a terminal or a device."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise AuditError(f"the audit log `{path}` is not a regular file: name a regular file")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def get_size(file: LockedFile) -> int:
    """Return the size of the file in bytes; -1 if its path or its descriptor refers to another file or to none."""
    try:
        named, opened = file.path.lstat(), os.fstat(file.fd)
    except OSError:
        return -1
    return opened.st_size if _identity(named) == _identity(opened) else -1


def release(file: LockedFile, *, forked: bool = False) -> None:
    """Close a file, and unlock it even if a copy of the descriptor is still open for a sync.

    Args:
        file: the locked file.
        forked: whether this process is a child, and the lock belongs to its parent.
    """
    try:
        if _identity(os.fstat(file.fd)) != file.identity:
            return
        if not forked:
            fcntl.flock(file.fd, fcntl.LOCK_UN)
        os.close(file.fd)
    except OSError:
        # other code closed the descriptor: there is nothing to release
        return


def read_tail(fd: int) -> Tail:
    """Read the last lines of a log; reads at most the length of two lines.

    Raises:
        AuditError: the last line is longer than a line can be, so another program wrote it.
        OSError: the file cannot be read.
    """
    length = os.fstat(fd).st_size
    start = max(0, length - 2 * MAX_LINE_BYTES)
    data = os.pread(fd, length - start, start)
    cut = data.rfind(b"\n") + 1
    before = data.rfind(b"\n", 0, max(cut - 1, 0)) + 1
    if len(data) - cut >= MAX_LINE_BYTES or (start > 0 and before == 0):
        raise AuditError("the audit log does not end in a valid line: run `authguard audit verify`")
    return Tail(end=start + cut, last=data[before:cut], torn=data[cut:])
