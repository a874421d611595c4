"""API of the app for the whole service and for transactions in doubt; requests of customers cannot reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import Reason
from authguard.errors import ReportRefusedError, SettingsError

if TYPE_CHECKING:
    from authguard.runtime.enforcer import Enforcer


class Control:
    """Reports on the service and settles transactions: for jobs and health checks, never for an agent's tools.

    Create one together with the app, and pass it to the guard: ``AuthGuard(app, policy, control=control)`` or
    ``app.add_middleware(AuthGuard, policy=policy, control=control)``. Otherwise use ``AuthGuard(...).control``.
    """

    __slots__ = ("_enforcer",)

    def __init__(self) -> None:
        """Create a control that is not bound to a guard yet."""
        self._enforcer: Enforcer | None = None

    def bind(self, enforcer: Enforcer) -> None:
        """Bind it to a guard; `AuthGuard` calls this.

        Raises:
            SettingsError: it is bound to another guard.
        """
        if self._enforcer not in {None, enforcer}:
            raise SettingsError("this Control belongs to another AuthGuard: create one for each")
        self._enforcer = enforcer

    async def report(self, event: str, note: str = "") -> None:
        """Report that a shared dependency is down: ``service.impaired``.

        High-risk writes of all customers then wait for approval, until the policy's timer repairs the service. Report
        this from health checks, never because of the words of one customer.

        Args:
            event: ``service.impaired``.
            note: reason for the log; bounded, without personal data.

        Raises:
            ReportRefusedError: the event is another one, or this control is not bound to a guard.
            AuditError, StoreError, TimeoutError: the report could not be recorded or saved, and has no effect.
        """
        await (await self._open()).reports.report_service(event, note)

    async def settle(self, transaction: str, *, happened: bool, by: str, note: str = "") -> None:
        """Settle a transaction that is in doubt, once the app knows its result.

        If the operation did not take effect, the reserved amount is released; the caller may retry with another key.

        Args:
            transaction: id, as in `Guard.transaction` of the request that ran it.
            happened: whether the operation took effect.
            by: the job or person that settles it, for the log.
            note: evidence for the log; bounded, without personal data.

        Raises:
            ReportRefusedError: the transaction is unknown or not in doubt, or this control is not bound to a guard.
            AuditError, StoreError, TimeoutError: the result could not be recorded or saved; nothing has changed.
        """
        if not by.strip():
            raise ReportRefusedError("`by` is empty: name the job or person that settles the transaction")
        enforcer = await self._open()
        event = "transaction.committed" if happened else "transaction.failed"
        done = await enforcer.approvals.decide_as_operator(transaction, event, (by.strip(),), note)
        if isinstance(done, Reason):
            raise ReportRefusedError(f"this transaction cannot be settled: {done.public}")

    async def _open(self) -> Enforcer:
        if self._enforcer is None:
            raise ReportRefusedError("no guard has this Control: write `AuthGuard(app, policy, control=control)`")
        await self._enforcer.open()
        return self._enforcer
