"""Faults of the guard: an exception anywhere becomes a record and the policy's `on_fault` response.

Rules of this file:
- No request passes. The log has the class of the exception and the part that failed, never its message.
- A fault of store, keys or log sends `service.faulted` immediately. Any other exception may be caused by one caller's
  input, so it does so only after it occurred for several accounts (DESIGN 2, amended).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.request import Proven
from authguard.core.snapshot import Keys
from authguard.errors import AuditError, MachineFaultError, StoreError
from authguard.evaluation.decision import Decision, Verdict
from authguard.evaluation.request import NO_CREDENTIAL

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.evaluation.driver import Evaluation
    from authguard.evaluation.request import AccessRequest
    from authguard.runtime.state_repository import StateRepository

#: minimum time between two writes of `service.faulted`, so that many faults do not cause many writes
FAULT_INTERVAL_S: Final = 1.0
#: number of accounts with an exception of the guard's code within `FAULT_WINDOW_S` that faults the service
MIN_FAULT_ACCOUNTS: Final = 3
FAULT_WINDOW_S: Final = 60.0

_WHERE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (AuditError, "audit"),
    (StoreError, "store"),
    (MachineFaultError, "machine"),
    (TimeoutError, "deadline"),
)
#: parts that all requests depend on
SHARED_PARTS: Final = frozenset({"audit", "store", "deadline"})


class Faults:
    """Converts exceptions into a record, an event and the policy's response."""

    __slots__ = ("_accounts", "_last", "_repository")

    def __init__(self, repository: StateRepository) -> None:
        """Store the repository."""
        self._repository = repository
        self._last = float("-inf")
        #: account -> time of its last exception of the guard's code; at most `MIN_FAULT_ACCOUNTS` entries
        self._accounts: dict[bytes, float] = {}

    async def verdict(
        self, request: AccessRequest, error: Exception, credential: Credential = NO_CREDENTIAL
    ) -> Verdict:
        """Record the fault, and return the refusal of a request that failed with an exception.

        Args:
            request: the request.
            error: the exception.
            credential: of the request, if it was checked.
        """
        reason = Reason.GUARD_TIMEOUT if isinstance(error, TimeoutError) else Reason.GUARD_FAULT
        record = await self.record(reason, error, request, credential)
        policy = self._repository.policy
        decision = Decision(
            operation=request.operation,
            fallback=policy.fallbacks[policy.on_fault],
            reason=reason,
            snapshot=self._repository.blank,
        )
        now = self._repository.clock.now()
        return Verdict(decision=decision, record=record, credential=NO_CREDENTIAL, keys=Keys(), at=now)

    async def record(
        self, reason: Reason, error: Exception, request: AccessRequest, credential: Credential = NO_CREDENTIAL
    ) -> str:
        """Write the record of a fault and send `service.faulted`, if log and store still work.

        Returns:
            The record's id; empty if the log cannot be written, and the request is refused nevertheless. If the store
            cannot be written, the event is lost and the record is not; the next fault tries again.
        """
        where = next((name for kind, name in _WHERE if isinstance(error, kind)), "guard")
        now = self._repository.clock.now()
        record = ""
        try:
            record = self._repository.journal.record_fault(reason, where, error, request, now)
            if self._affects_service(where, credential, now) and abs(now - self._last) >= FAULT_INTERVAL_S:
                self._last = now
                await self._repository.change(Keys(), _fault)
        except Exception:  # noqa: BLE001 - the last resort (ASVS 16.5.4): the request is refused even if this fails
            return record
        return record

    def _affects_service(self, where: str, credential: Credential, now: float) -> bool:
        """Return whether a fault counts against the service, and not only against its request."""
        if where in SHARED_PARTS:
            return True
        account = credential.principal.account_key if isinstance(credential, Proven) else b""
        recent = {key: at for key, at in self._accounts.items() if abs(now - at) < FAULT_WINDOW_S and key != account}
        self._accounts = dict(list(recent.items())[1 - MIN_FAULT_ACCOUNTS :]) | {account: now}
        return len(self._accounts) >= MIN_FAULT_ACCOUNTS


def _fault(evaluation: Evaluation) -> None:
    evaluation.send("service.faulted", "guard", (("faulted", evaluation.now),))
