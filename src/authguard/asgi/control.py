"""What the app does for the whole service or for its books: an object of its own, which no customer's request holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import Reason
from authguard.errors import ReportRefusedError, SettingsError

if TYPE_CHECKING:
    from authguard.runtime.enforcer import Enforcer


class Control:
    """Reports on the service and settles transactions: for jobs and health checks, never for an agent's tools.

    Make one when the app is made, and hand it to the guard: ``AuthGuard(app, policy, control=control)`` or
    ``app.add_middleware(AuthGuard, policy=policy, control=control)``. Without it, ``AuthGuard(...).control`` is one.
    """

    __slots__ = ("_enforcer",)

    def __init__(self) -> None:
        """Make one that no guard has been given yet."""
        self._enforcer: Enforcer | None = None

    def bind(self, enforcer: Enforcer) -> None:
        """Tie it to a guard; `AuthGuard` does so.

        Raises:
            SettingsError: another guard has it already.
        """
        if self._enforcer not in {None, enforcer}:
            raise SettingsError("this Control belongs to another AuthGuard: make one for each")
        self._enforcer = enforcer

    async def report(self, event: str, note: str = "") -> None:
        """Report that something which everybody depends on is down: ``service.impaired``.

        High-risk writes of all customers wait for people then, until the policy's timer repairs the service. Report it
        from checks of your own, never because of what one customer said.

        Args:
            event: ``service.impaired``.
            note: why, for the log; bounded, no personal data.

        Raises:
            ReportRefusedError: it is another event, or no guard has this object.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        await (await self._open()).reports.report_service(event, note)

    async def settle(self, transaction: str, *, happened: bool, by: str, note: str = "") -> None:
        """Say what came of a transaction that is in doubt, once the app has found out.

        Where nothing happened, the money that it holds is free again, and a caller may ask anew with another key.

        Args:
            transaction: id, as the guard named it to the request that ran it.
            happened: whether it was done; if not, nothing happened.
            by: who says so, as the log will name it: a job, a person.
            note: how it is known; bounded, no personal data.

        Raises:
            ReportRefusedError: there is no such transaction, it is not in doubt, or no guard has this object.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        if not by.strip():
            raise ReportRefusedError("say by whom a transaction is settled: `by=` is a name for the log")
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
