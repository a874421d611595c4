"""Ids of audit records, and secrets, from the random generator of the system."""

from __future__ import annotations

import os
import secrets
from typing import Final
from weakref import WeakSet

#: random bytes of a process, part of each of its record ids
PROCESS_BYTES: Final = 6
#: hexadecimal digits of the counter, and its first value, which has more digits so that the last ones are padded
COUNTER_DIGITS: Final = 8
FIRST_COUNT: Final = 1 << 32


def _reseed_after_fork() -> None:
    """Reseed every generator of a forked process."""
    for ids in _generators:
        ids.reseed()


_generators: Final[WeakSet[SystemIds]] = WeakSet()


os.register_at_fork(after_in_child=_reseed_after_fork)


class SystemIds:
    """Generator of record ids and secrets, from the random generator of the system.

    A record id is the time in milliseconds, random digits of the process, and a counter: unique, sorted by time, cheap
    to build, and not secret. A forked process reseeds; otherwise sibling processes would produce the same ids.
    """

    __slots__ = ("__weakref__", "_counter", "_milliseconds", "_prefix", "_process")

    def __init__(self) -> None:
        """Seed the generator, and reseed it in every forked process."""
        self.reseed()
        _generators.add(self)

    def reseed(self) -> None:
        """Choose new random digits for this process and restart the counter."""
        self._process = secrets.token_hex(PROCESS_BYTES)
        self._counter = FIRST_COUNT
        self._milliseconds = -1
        self._prefix = ""

    def record(self, now: float) -> str:
        """Return a new record id, 32 hexadecimal digits."""
        milliseconds = int(now * 1000)
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._prefix = f"{milliseconds & 0xFFFFFFFFFFFF:012x}{self._process}"
        self._counter += 1
        return self._prefix + hex(self._counter)[-COUNTER_DIGITS:]

    @staticmethod
    def secret() -> str:
        """Return an unguessable id of 128 bits (ASVS 7.2.3)."""
        return secrets.token_hex(16)
