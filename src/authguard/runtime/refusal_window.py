"""Window records: above a rate, what nobody proven is refused is covered by one record instead of one each.

Rules of this file:
- A window is chained before the first request that it covers. It names the reason and the most requests it may cover.
- It ends after `WINDOW_S` or `MAX_COVERED` requests. A closing record counts them; one that a crash left unclosed means
  "at most `MAX_COVERED`".
- Requests of anybody who is proven, and requests that move a machine, are never covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.outcomes import Reason
    from authguard.runtime.journal import Journal

#: requests of nobody that are recorded one by one in each second
MAX_RECORDED_PER_S: Final = 20
#: seconds for which a window covers requests
WINDOW_S: Final = 1.0
#: requests that a window covers at most
MAX_COVERED: Final = 1_000


@dataclass(slots=True)
class _Window:
    """An open window: its record's id, when it began (epoch seconds UTC), and the requests it covers so far."""

    record: str
    at: float
    reason: Reason
    operation: str
    count: int = 1


class RefusalWindows:
    """Decides which requests of nobody are recorded one by one, and keeps the open windows of the others."""

    __slots__ = ("_journal", "_open", "_recorded", "_since")

    def __init__(self, journal: Journal) -> None:
        """Begin with no open window."""
        self._journal = journal
        #: at most one for each reason and operation, both of closed sets
        self._open: dict[tuple[str, str], _Window] = {}
        self._since = 0.0
        self._recorded = 0

    def cover(self, reason: Reason, now: float, operation: str = "") -> str:
        """Cover one request by an open or a new window.

        Args:
            reason: why it is refused.
            now: epoch seconds UTC.
            operation: for a public admission, the operation's name; windows of refusals cover any operation.

        Returns:
            The id of the window's record; empty where the request is to be recorded by itself.

        Raises:
            AuditError: a record of a window cannot be written, so the request is covered by none.
        """
        if self._open:
            self.close(now)
        window = self._open.get((reason.code, operation))
        if window is not None:
            window.count += 1
            return window.record
        if not 0.0 <= now - self._since < WINDOW_S:
            self._since, self._recorded = now, 0
        if self._recorded < MAX_RECORDED_PER_S:
            self._recorded += 1
            return ""
        record = self._journal.open_window(reason, now, operation, MAX_COVERED)
        self._open[reason.code, operation] = _Window(record, now, reason, operation)
        return record

    def close(self, now: float, *, everything: bool = False) -> None:
        """Count what ended windows covered, in a record each.

        Args:
            now: epoch seconds UTC.
            everything: whether windows that have not ended are closed too, as the guard is.

        Raises:
            AuditError: a record cannot be written.
        """
        ended = [
            key
            for key, window in self._open.items()
            if everything or window.count >= MAX_COVERED or not 0.0 <= now - window.at < WINDOW_S
        ]
        for key in ended:
            window = self._open.pop(key)
            self._journal.close_window(window.reason, now, window.operation, window.record, window.count)
