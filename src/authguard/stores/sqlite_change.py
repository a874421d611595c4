"""Detection of changed records without reading them, for the reads of `authguard.stores.sqlite` on the event loop.

SQLite's ``PRAGMA data_version`` changes for a connection when another connection commits, in this process or another
one, and not when it commits itself (https://sqlite.org/pragma.html#pragma_data_version). So the store asks it on the
connection of its own writes, and notes the names of the records that these change.

Rule: every function is called with the lock of the writing connection, and `note` before the commit that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.stores.sqlite_wal_index import NO_INDEX

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from authguard.stores.sqlite_wal_index import WalIndex

DATA_VERSION: Final = "PRAGMA data_version"
#: maximum number of names of changed records; when there are more, every record counts as changed
MAX_NAMES: Final = 16_384


class ChangeLog:
    """Numbers the changes of records."""

    __slots__ = ("_by_name", "_header", "_index", "_last", "_others", "_version")

    def __init__(self) -> None:
        """Start without a change."""
        self._index = NO_INDEX
        #: bytes of the header before SQLite was last asked
        self._header = b""
        self._last = 0
        #: record -> number of the last change by this store
        self._by_name: dict[bytes, int] = {}
        #: number of the last change that may concern any record
        self._others = 0
        self._version = -1

    def note(self, names: Iterable[bytes]) -> None:
        """Note that this store is about to change records."""
        self._last += 1
        for name in names:
            self._by_name[name] = self._last
        if len(self._by_name) > MAX_NAMES:
            self.note_all()

    def note_all(self) -> None:
        """Note that any record may have changed."""
        self._last += 1
        self._others = self._last
        self._by_name.clear()

    def connect(self, index: WalIndex) -> None:
        """Start with a new connection, which numbers its versions anew, and after unknown changes."""
        self._index, self._header = index, b""
        self.note_all()

    def find_last(self, writer: sqlite3.Connection, names: tuple[bytes, ...]) -> int:
        """Return the number of the last change that may concern any of these records.

        Args:
            writer: the connection of the store's own writes, outside of a transaction.
            names: of the records.

        Raises:
            sqlite3.Error: the file cannot be read now.
        """
        header = self._index.header[:]
        if not header or header != self._header:
            (version,) = writer.execute(DATA_VERSION).fetchone()
            self._header = header  # read before SQLite was asked, so no commit after the answer is missed
            if version != self._version:
                self._version = version
                self.note_all()
        found, changed = self._others, self._by_name
        for name in names:
            number = changed.get(name, 0)
            if number > found:  # noqa: PLR1730 - a call of `max` takes longer
                found = number
        return found
