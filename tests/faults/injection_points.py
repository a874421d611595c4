"""Every point at which a kill could leave a different state, found by observing the process.

A process that is killed leaves what it did to the world: files, locks, and what it told its caller. So the points are
each call that leaves Python for the operating system or for SQLite, on whatever thread, and each suspension of the
guarded app, whatever it waits for. Between two of them there is only arithmetic.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import FrameType

SUSPENDED: Final = "suspended"
#: modules, written in C, whose calls reach the disk
WORLD: Final = frozenset({"posix", "fcntl", "sqlite3", "_sqlite3", "_io"})
#: calls of theirs that leave nothing behind
READING: Final = frozenset(
    {"fspath", "getpid", "urandom", "stat", "fstat", "lstat", "listdir", "scandir", "read", "pread", "lseek"}
    | {"fetchall", "fetchone", "tell", "seek", "readall", "readline", "isatty", "fileno"}
)
#: streams of `_io` that end with their process
MEMORY: Final = (io.StringIO, io.BytesIO)


def die() -> NoReturn:
    """Be killed as the kernel kills: nothing is flushed, no `finally` runs."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Points:
    """Counts the points of this process while it is armed, and dies at the one that was asked for.

    Args:
        fatal: number of the point to die at, from 1.
    """

    def __init__(self, fatal: int) -> None:
        self._fatal = fatal
        self._turn = threading.Lock()
        self.met: list[str] = []
        self.armed = False

    def watch(self) -> None:
        """Watch this thread, and those that start from now on."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def meet(self, name: str) -> None:
        """Come to a point; to wait again where nothing was done since the last wait is the same point."""
        if not self.armed or (name == SUSPENDED and self.met[-1:] == [SUSPENDED]):
            return
        with self._turn:
            self.met.append(name)
            if len(self.met) == self._fatal:
                self.armed = False  # dying is no point
                die()

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        del frame
        if not self.armed or event != "c_call" or called.__name__ in READING or home(called) not in WORLD:
            return
        if not isinstance(getattr(called, "__self__", None), MEMORY):
            self.meet(f"{home(called)}.{called.__name__}")

    def stepping(self, coroutine: Coroutine[Any, Any, object]) -> Stepped:
        """Meet a point at each suspension of a coroutine, too."""
        return Stepped(coroutine, self)


class Stepped:
    """Runs a coroutine, and comes to a point whenever it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], points: Points) -> None:
        self._coroutine = coroutine
        self._points = points

    def __await__(self) -> Generator[Any, Any, object]:
        """Hand everything through, both ways."""
        step = self._coroutine.send
        sent: Any = None
        while True:
            try:
                waiting = step(sent)
            except StopIteration as stop:
                return stop.value
            self._points.meet(SUSPENDED)
            try:
                sent = yield waiting
                step = self._coroutine.send
            except BaseException as error:  # noqa: BLE001 - a cancellation is the coroutine's own matter
                sent, step = error, self._coroutine.throw


def home(called: Any) -> str:
    """Name the module of a function in C, also of a method of one of its objects."""
    return called.__module__ or type(getattr(called, "__self__", None)).__module__


def tear(fatal: int) -> list[int]:
    """Die in the middle of a write to the log: half of its bytes are there.

    Args:
        fatal: number of the write to die in, from 1.

    Returns:
        The lengths of the writes so far, as a list that grows.
    """
    whole = os.write
    met: list[int] = []

    def write(handle: int, data: bytes) -> int:
        if b'"hash":"' in data:
            met.append(len(data))
            if len(met) == fatal:
                whole(handle, data[: len(data) // 2])
                die()
        return whole(handle, data)

    os.write = write  # type: ignore[assignment]  # all that the guard writes is bytes
    return met
