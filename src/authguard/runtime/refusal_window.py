"""Window records: above a rate, one record covers many refusals of unproven requests.

Rules of this file:
- A window is chained before the first request that it covers. It has the reason and the maximum number of requests.
- It ends after `WINDOW_S` or `MAX_COVERED` requests. A closing record has their number. If a crash prevented it, the
  number is at most `MAX_COVERED`.
- Requests of a proven principal, and requests that move a machine, are never covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import ADMITTING, Reason
from authguard.core.request import Proven

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.evaluation.decision import Decision
    from authguard.runtime.journal import Journal

#: unproven requests per second that are recorded individually
MAX_RECORDED_PER_S: Final = 20
#: duration of a window
WINDOW_S: Final = 1.0
#: maximum number of requests that a window covers
MAX_COVERED: Final = 1_000


@dataclass(slots=True)
class _Window:
    """An open window: its record's id, its start (epoch seconds UTC), and the number of requests so far."""

    record: str
    at: float
    reason: Reason
    operation: str
    count: int = 1


class RefusalWindows:
    """Decides which unproven requests are recorded individually, and holds the open windows for the others."""

    __slots__ = ("_covers_public", "_journal", "_newest", "_oldest", "_open", "_recorded", "_since")

    def __init__(self, journal: Journal, *, covers_public: bool = False) -> None:
        """Start with no open window.

        Args:
            journal: the audit log.
            covers_public: whether windows cover public admissions, too.
        """
        self._journal = journal
        self._covers_public = covers_public
        #: at most one for each reason and operation; both sets are closed
        self._open: dict[tuple[str, str], _Window] = {}
        #: start of the first and of the last of them
        self._oldest, self._newest = inf, -inf
        self._since = 0.0
        self._recorded = 0

    def cover(self, reason: Reason, now: float, operation: str = "") -> str:
        """Cover one request by an open or a new window.

        Args:
            reason: of the refusal.
            now: epoch seconds UTC.
            operation: name of the operation for a public admission; a window of refusals covers all operations.

        Returns:
            The id of the window's record; empty if the request is recorded individually.

        Raises:
            AuditError: a window's record cannot be written, so no window covers the request.
        """
        if self._open and not (self._newest <= now and now - self._oldest < WINDOW_S):
            self.close(now)
        window = self._open.get((reason.code, operation))
        if window is not None:
            if window.count < MAX_COVERED:
                window.count += 1
                return window.record
            self.close(now)
        if not 0.0 <= now - self._since < WINDOW_S:
            self._since, self._recorded = now, 0
        if self._recorded < MAX_RECORDED_PER_S:
            self._recorded += 1
            return ""
        record = self._journal.open_window(reason, now, operation, MAX_COVERED)
        self._oldest, self._newest = min(self._oldest, now), max(self._newest, now)
        self._open[reason.code, operation] = _Window(record, now, reason, operation)
        return record

    def cover_decision(self, credential: Credential, decision: Decision, now: float) -> str:
        """Cover one decision that moved no machine.

        Args:
            credential: the result of its check.
            decision: on the request.
            now: epoch seconds UTC.

        Returns:
            The id of the window's record; empty if the decision is recorded individually, as that on a proven
            principal always is.

        Raises:
            AuditError: as for `cover`.
        """
        if isinstance(credential, Proven):
            return ""
        if decision.fallback.kind not in ADMITTING:
            return self.cover(credential.reason, now)
        return self.cover(Reason.DECIDED, now, decision.operation.name) if self._covers_public else ""

    def close(self, now: float, *, everything: bool = False) -> None:
        """Close the windows that have ended, with one record each.

        Args:
            now: epoch seconds UTC.
            everything: whether to close all windows, because the guard closes.

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
        starts = [window.at for window in self._open.values()]
        self._oldest, self._newest = min(starts, default=inf), max(starts, default=-inf)
