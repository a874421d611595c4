"""Ids of audit records, and secrets, from the random generator of the system."""

from __future__ import annotations

import os
import secrets
from typing import Final
from weakref import WeakSet

#: random bytes in a record's id, the same for all that one process makes
_PROCESS_BYTES: Final = 6
#: hexadecimal digits of its counter, and where that begins: with as many digits as it has later
_COUNTED: Final = 8
_FIRST: Final = 1 << 32


def _begin_anew() -> None:
    """Let every counter of a forked process begin anew."""
    for ids in _counting:
        ids.begin_anew()


_counting: Final[WeakSet[SystemIds]] = WeakSet()


os.register_at_fork(after_in_child=_begin_anew)


class SystemIds:
    """Ids from the system's generator.

    A record's id is the time in milliseconds, this process's own random digits, and a counter: unique, sorting by
    time, cheap. A forked process begins anew, or siblings would count alike. It is no secret; `secret` is.
    """

    __slots__ = ("__weakref__", "_counter", "_milliseconds", "_prefix", "_process")

    def __init__(self) -> None:
        """Begin anew, and again in every child."""
        self.begin_anew()
        _counting.add(self)

    def begin_anew(self) -> None:
        """Choose this process's own digits at random, and count from the beginning."""
        self._process = secrets.token_hex(_PROCESS_BYTES)
        self._counter = _FIRST
        self._milliseconds = -1
        self._prefix = ""

    def record(self, now: float) -> str:
        """Make a record's id, 32 hexadecimal digits."""
        milliseconds = int(now * 1000)
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._prefix = f"{milliseconds & 0xFFFFFFFFFFFF:012x}{self._process}"
        self._counter += 1
        return self._prefix + hex(self._counter)[-_COUNTED:]

    @staticmethod
    def secret() -> str:
        """Make an id of 128 bits that nobody can guess (ASVS 7.2.3)."""
        return secrets.token_hex(16)
