"""Watch on an open file by Linux's inotify: tells without a look at the file whether its names may have changed.

`os.fstat` after each write costs twice as much as the write: since Linux 6.13, whoever has read the times of a file
makes the next write take a new one. The kernel adds an event to the watch before a call that unlinks, links, moves or
replaces the file returns. Where there is no inotify, every question is answered with "maybe".
"""

from __future__ import annotations

import os
from array import array
from contextlib import suppress
from fcntl import ioctl
from functools import cache
from termios import FIONREAD
from typing import Any, Final

#: IN_ATTRIB (among others a new link count), IN_MOVE_SELF and IN_DELETE_SELF of inotify(7)
_EVENTS: Final = 0x004 | 0x800 | 0x400
_READ_BYTES: Final = 65_536


class FileWatch:
    """Watch on one file.

    Args:
        fd: descriptor of the file; negative for none.
    """

    __slots__ = ("_fd", "_is_certain", "_pending")

    def __init__(self, fd: int) -> None:
        self._pending = array("i", [0])
        self._fd = _watch(fd) if fd >= 0 else -1
        #: whether the file was looked at since the last event
        self._is_certain = False

    def may_have_changed(self) -> bool:
        """Return whether the file may have been unlinked, linked or moved since the last call of `clear`."""
        if self._is_certain:
            try:
                ioctl(self._fd, FIONREAD, self._pending)
            except OSError:  # somebody closed the descriptor; the line is written and its file must be looked at
                self._fd, self._pending[0] = -1, 1
            self._is_certain = not self._pending[0]
        return not self._is_certain

    def clear(self) -> None:
        """Forget the events so far; the caller looks at the file after this call."""
        if self._fd >= 0:
            with suppress(OSError):  # without an event there is nothing to read
                os.read(self._fd, _READ_BYTES)
            self._is_certain = True

    def close(self) -> None:
        """End the watch."""
        if self._fd >= 0:
            with suppress(OSError):  # somebody closed it
                os.close(self._fd)
        self._fd, self._is_certain = -1, False


def _watch(fd: int) -> int:
    """Return a descriptor with the events of a file; -1 if the system has no such watch, or no more of them."""
    try:
        library = _library()
        events: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        # the link leads to the open file itself, whatever its path leads to now
        if events >= 0 and library.inotify_add_watch(events, b"/proc/self/fd/%d" % fd, _EVENTS) < 0:
            os.close(events)
            return -1
    except (ImportError, OSError, AttributeError):
        return -1
    return events


@cache
def _library() -> Any:  # noqa: ANN401 - functions of the C library
    import ctypes  # noqa: PLC0415 - takes milliseconds, and only a writer needs it

    return ctypes.CDLL(None)
