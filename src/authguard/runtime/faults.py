"""Failure is an event: an exception anywhere in the guard becomes a record and the policy's `on_fault`.

Rules of this file:
- Nothing passes. The log gets the class of the exception and the part that failed, never its message.
- A fault of store, keys or log raises `service.faulted` at once. Any other exception may be the work of one caller's
  input, so it does so only when it met several accounts (DESIGN 2, amended).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.request import Proven
from authguard.core.snapshot import Keys
from authguard.errors import AuditError, MachineFaultError, StoreError
from authguard.runtime.access import NO_CREDENTIAL, Verdict

if TYPE_CHECKING:
    from authguard.core.request import Credential, Operation
    from authguard.runtime.evaluation import Evaluation
    from authguard.runtime.state_repository import StateRepository

#: seconds between two writes of `service.faulted`, so that a storm of faults is no storm of writes
FAULT_INTERVAL_S: Final = 1.0
#: accounts that an exception of the guard's own code has to meet within `FAULT_WINDOW_S` to count against the service
MIN_FAULT_ACCOUNTS: Final = 3
FAULT_WINDOW_S: Final = 60.0

_WHERE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (AuditError, "audit"),
    (StoreError, "store"),
    (MachineFaultError, "machine"),
    (TimeoutError, "deadline"),
)
#: parts that everybody depends on
SHARED_PARTS: Final = frozenset({"audit", "store", "deadline"})


class Faults:
    """Turns what was raised into a record, an event and the policy's answer."""

    __slots__ = ("_accounts", "_last", "_repository")

    def __init__(self, repository: StateRepository) -> None:
        """Keep the standing that a fault moves."""
        self._repository = repository
        self._last = float("-inf")
        #: account that met an exception of the guard's own code -> when it last did; at most `MIN_FAULT_ACCOUNTS`
        self._accounts: dict[bytes, float] = {}

    async def verdict(self, operation: Operation, error: Exception, credential: Credential = NO_CREDENTIAL) -> Verdict:
        """Refuse a request whose judging failed.

        Args:
            operation: what was asked.
            error: what was raised.
            credential: of the request, as far as it was checked.
        """
        reason = Reason.GUARD_TIMEOUT if isinstance(error, TimeoutError) else Reason.GUARD_FAULT
        record = await self.record(reason, error, operation.name, credential)
        policy = self._repository.policy
        return Verdict(
            record=record,
            operation=operation,
            fallback=policy.fallbacks[policy.on_fault],
            reason=reason,
            credential=NO_CREDENTIAL,
            snapshot=self._repository.blank,
            keys=Keys(),
            at=self._repository.clock.now(),
        )

    async def record(
        self, reason: Reason, error: Exception, operation: str, credential: Credential = NO_CREDENTIAL
    ) -> str:
        """Record a fault and raise `service.faulted`, as far as log and store still work.

        Returns:
            The record's id; empty where the log cannot be written, which refuses all the same. A store that cannot be
            written loses the event, not the record; the next fault tries again.
        """
        where = next((name for kind, name in _WHERE if isinstance(error, kind)), "guard")
        now = self._repository.clock.now()
        record = ""
        try:
            record = self._repository.journal.record_fault(reason, where, error, operation, now)
            if self._affects_service(where, credential, now) and abs(now - self._last) >= FAULT_INTERVAL_S:
                self._last = now
                await self._repository.change(Keys(), _fault)
        except Exception:  # noqa: BLE001 - the last resort (ASVS 16.5.4): the refusal stands whatever fails here
            return record
        return record

    def _affects_service(self, where: str, credential: Credential, now: float) -> bool:
        """Return whether a fault counts against the service, and not only against the request that met it."""
        if where in SHARED_PARTS:
            return True
        account = credential.principal.account_key if isinstance(credential, Proven) else b""
        recent = {key: at for key, at in self._accounts.items() if abs(now - at) < FAULT_WINDOW_S and key != account}
        self._accounts = dict(list(recent.items())[1 - MIN_FAULT_ACCOUNTS :]) | {account: now}
        return len(self._accounts) >= MIN_FAULT_ACCOUNTS


def _fault(evaluation: Evaluation) -> None:
    evaluation.send("service.faulted", "guard", (("faulted", evaluation.now),))
