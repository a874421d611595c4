"""Chain files: one per running writer, locked by it.

A writer holds an exclusive ``flock`` on ``audit.jsonl`` while it runs; the next writer uses ``audit.1.jsonl``, then
``audit.2.jsonl``. No two processes write to one chain, so no line needs a lock. The kernel releases the lock when the
process ends, also after a crash.
"""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.core.chain import MAX_LINE_BYTES
from authguard.errors import AuditError
from authguard.paths import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: most chains beside each other, so most living writers
MAX_CHAINS: Final = 64
#: how often a file may vanish between being opened and being locked
MAX_LOCK_ATTEMPTS: Final = 8

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class ForkCounter:
    """How often this process descends by forking: tells a child from its parent without a system call per line."""

    forks = 0

    def increment(self) -> None:
        """Count, in the child."""
        self.forks += 1


fork_counter: Final = ForkCounter()
os.register_at_fork(after_in_child=fork_counter.increment)


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that this process alone writes to.

    Attributes:
        fd: open for reading and appending, with the lock.
        path: its name.
        identity: device and inode; a descriptor that no longer has them was closed under us and is somebody else's.
    """

    fd: int
    path: Path
    identity: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log.

    Attributes:
        end: bytes of whole lines.
        last: the last whole line with its newline; empty where there is none.
        torn: the bytes after it.
    """

    end: int
    last: bytes
    torn: bytes


def chain_paths(path: Path) -> Iterator[Path]:
    """Name every file that may hold a chain of this log, in the order in which writers take them."""
    yield path
    for number in range(1, MAX_CHAINS):
        yield path.with_name(f"{path.stem}.{number}{path.suffix}")


def acquire(path: Path) -> LockedFile:
    """Take the first chain that no living process holds; the file gets mode 0600, its folder 0700.

    Raises:
        AuditError: none can be taken.
    """
    try:
        make_folder(path.parent)
        for candidate in chain_paths(path):
            fd = _try_lock(candidate)
            if fd >= 0:
                return LockedFile(fd, candidate, _identity(os.fstat(fd)))
    except OSError as error:
        raise AuditError(f"the audit log `{path}` cannot be opened: {error.strerror}") from error
    raise AuditError(f"the audit log `{path}` has {MAX_CHAINS} living writers, which is the most: stop one")


def _try_lock(path: Path) -> int:
    """Open a file and lock it; -1 where another holds it."""
    for _ in range(MAX_LOCK_ATTEMPTS):
        fd = os.open(path, _FLAGS, 0o600)
        try:
            _require_regular_file(path, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if get_size(LockedFile(fd, path, _identity(os.fstat(fd)))) >= 0:
                return fd
            # deleted or replaced between the two calls: the lock is on a file that nobody will ever find
            os.close(fd)
        except BlockingIOError:
            os.close(fd)
            return -1
        except BaseException:
            os.close(fd)
            raise
    raise AuditError(f"the audit log `{path}` is being replaced all the time: find out by whom")


def rotate(file: LockedFile, segment: Path) -> LockedFile:
    """Close a file under another name and begin a new one in its place; at no moment is there none.

    Args:
        file: the file.
        segment: its name from now on.

    Returns:
        The new file, which is empty and ours.

    Raises:
        OSError: it cannot be done now, and nothing has changed.
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
    """Make the names in a folder durable.

    Raises:
        OSError: it cannot be done.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recover_rotation(file: LockedFile, segment: Path) -> None:
    """Take the second name off a file whose writer died between the two steps of `turn`.

    Raises:
        OSError: it cannot be done.
    """
    try:
        second = segment.lstat()
    except FileNotFoundError:
        return
    if _identity(second) == file.identity:
        segment.unlink()


def is_locked(path: Path) -> bool:
    """Whether a living process writes to a file."""
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
    """Refuse what cannot be read back: a pipe, a terminal, a device."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise AuditError(f"the audit log `{path}` is not a regular file: name one")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def get_size(file: LockedFile) -> int:
    """Measure the file in bytes; -1 where it is gone: its name or its descriptor leads elsewhere or nowhere."""
    try:
        named, opened = file.path.lstat(), os.fstat(file.fd)
    except OSError:
        return -1
    return opened.st_size if _identity(named) == _identity(opened) else -1


def release(file: LockedFile, *, forked: bool = False) -> None:
    """Close, and unlock also where a copy of the descriptor is still being synced.

    Args:
        file: the file.
        forked: the lock is the parent's, and stays.
    """
    try:
        if _identity(os.fstat(file.fd)) != file.identity:
            return
        if not forked:
            fcntl.flock(file.fd, fcntl.LOCK_UN)
        os.close(file.fd)
    except OSError:
        # closed under us: there is nothing left to let go of
        return


def read_tail(fd: int) -> Tail:
    """Read the end of a log: two lines' worth of bytes, however long the file.

    Raises:
        AuditError: what is there is longer than any line, so nobody of us wrote it.
        OSError: it cannot be read.
    """
    length = os.fstat(fd).st_size
    start = max(0, length - 2 * MAX_LINE_BYTES)
    data = os.pread(fd, length - start, start)
    cut = data.rfind(b"\n") + 1
    before = data.rfind(b"\n", 0, max(cut - 1, 0)) + 1
    if len(data) - cut >= MAX_LINE_BYTES or (start > 0 and before == 0):
        raise AuditError("the audit log does not end in a line of ours: look at it with `authguard audit verify`")
    return Tail(end=start + cut, last=data[before:cut], torn=data[cut:])
