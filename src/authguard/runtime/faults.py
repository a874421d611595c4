"""Failure is an event: an exception anywhere in the guard becomes `service.faulted` and the policy's `on_fault`.

Nothing passes, nothing is told; the log learns the class of what was raised and where, never its message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys
from authguard.errors import AuditError, MachineFault, StoreError
from authguard.runtime.verdict import NOBODY, Verdict

if TYPE_CHECKING:
    from authguard.core.facts import Operation
    from authguard.runtime.changes import Standing
    from authguard.runtime.walk import Walk

#: seconds between two writes of `service.faulted`, so that a storm of faults is no storm of writes
QUIET: Final = 1.0

_WHERE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (AuditError, "audit"),
    (StoreError, "store"),
    (MachineFault, "machine"),
    (TimeoutError, "deadline"),
)


class Faults:
    """Turns what was raised into a record, an event and the policy's answer."""

    __slots__ = ("_last", "_standing")

    def __init__(self, standing: Standing) -> None:
        """Keep the standing that a fault moves."""
        self._standing = standing
        self._last = float("-inf")

    async def verdict(self, operation: Operation, error: Exception) -> Verdict:
        """Refuse a request whose judging failed.

        Args:
            operation: what was asked.
            error: what was raised.
        """
        reason = Reason.GUARD_TIMEOUT if isinstance(error, TimeoutError) else Reason.GUARD_FAULT
        record = await self.record(reason, error, operation.name)
        policy = self._standing.policy
        return Verdict(
            record=record,
            operation=operation,
            fallback=policy.fallbacks[policy.on_fault],
            reason=reason,
            credential=NOBODY,
            snapshot=self._standing.blank,
            keys=Keys(),
            at=self._standing.clock.now(),
        )

    async def record(self, reason: Reason, error: Exception, operation: str) -> str:
        """Record a fault and raise `service.faulted`, as far as log and store still work.

        Returns:
            The record's id; empty where the log cannot be written, which refuses all the same. A store that cannot be
            written loses the event, not the record; the next fault tries again.
        """
        where = next((name for kind, name in _WHERE if isinstance(error, kind)), "guard")
        now = self._standing.clock.now()
        record = ""
        try:
            record = self._standing.journal.faulted(reason, where, error, operation, now)
            if abs(now - self._last) >= QUIET:
                self._last = now
                await self._standing.change(Keys(), _fault)
        except Exception:  # noqa: BLE001 - the last resort (ASVS 16.5.4): the refusal stands whatever fails here
            return record
        return record


def _fault(walk: Walk) -> None:
    walk.happen("service.faulted", "guard", (("faulted", walk.now),))
