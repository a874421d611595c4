"""Reports of the app, and its responses to transactions, after a request was admitted.

The app's reports only tighten: no report lifts a restriction (DESIGN 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from authguard.core.events import NORMAL, NOT_REPORTS, SERVICE_REPORTS, TIGHTENING
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.core.snapshot import Keys
from authguard.errors import ReportRefusedError
from authguard.evaluation import flags, transactions
from authguard.evaluation.reports import apply_account_report, send_report
from authguard.evaluation.request import AccessRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import AppResponse, Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.ports import Cipher
    from authguard.runtime.faults import Faults
    from authguard.runtime.state_repository import StateRepository

#: maximum number of cancellations of a task that settles a transaction
MAX_CANCELLATIONS: Final = 8


class Reports:
    """Applies the app's reports about a customer, and settles transactions by its responses."""

    __slots__ = ("_cipher", "_faults", "_repository")

    def __init__(self, repository: StateRepository, faults: Faults, cipher: Cipher) -> None:
        """Store the parts."""
        self._repository = repository
        self._faults = faults
        self._cipher = cipher

    async def report(self, verdict: Verdict, event: str, note: str = "") -> Snapshot:
        """Apply an event that the app reports about the customer of an admitted request.

        Args:
            verdict: of the request.
            event: ``machine.trigger``; one of `authguard.core.events.TIGHTENING`, or ``account.STATE`` if the policy
                lists it.
            note: the reason, for the log; bounded, without personal data.

        Returns:
            The snapshot after the change.

        Raises:
            ReportRefusedError: the event is unknown, would loosen or is not listed, or the request is unproven.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        return await self._change(verdict, self._build_change(verdict, event), note)

    async def _change(self, verdict: Verdict, apply: Callable[[Evaluation], None], note: str) -> Snapshot:
        keys = Keys(verdict.keys.account, verdict.keys.session, ledgers=verdict.keys.ledgers)
        principal = verdict.principal
        subject = principal.pseudonym if principal else ""
        return await self._repository.change(keys, apply, subject=subject, decision=verdict.record, note=note)

    def _build_change(self, verdict: Verdict, event: str) -> Callable[[Evaluation], None]:
        machine, _, trigger = event.partition(".")
        if event in SERVICE_REPORTS:
            raise ReportRefusedError(
                f"`{event}` affects all customers: report it with `Control.report`, from a health check of the app"
            )
        if verdict.principal is None:
            raise ReportRefusedError("a report needs the request of a signed-in customer")
        if machine == "account":
            if trigger in {NORMAL, *NOT_REPORTS} or trigger not in self._repository.policy.strictness:
                raise ReportRefusedError(f"`{event}` is not a report that an app may make; reports only tighten")
            if event not in self._repository.policy.reports.app:
                raise ReportRefusedError(
                    f"only a person can lift `{event}`; list it if the app may report it: `reports: {{app: [{event}]}}`"
                )
            return lambda evaluation: apply_account_report(evaluation, verdict, trigger)
        if event not in TIGHTENING:
            raise ReportRefusedError(f"`{event}` is not a report that an app may make; reports only tighten")
        return lambda evaluation: send_report(evaluation, event)

    async def set_flag(self, verdict: Verdict, name: str, note: str = "") -> Snapshot:
        """Set a flag that the app reports about the customer of an admitted request.

        Args:
            verdict: of the request.
            name: of a flag with the setter ``{app: report}``.
            note: the reason, for the log; bounded, without personal data.

        Raises:
            ReportRefusedError: the policy has no such flag, or the app may not set it; the request is unproven, or has
                no payee that can be read.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        found = [flag for flag in self._repository.policy.flags if flag.name == name and flag.is_set_by_app]
        if not found:
            raise ReportRefusedError(f"the app may not set `{name}`; list it: `set_by: [{{app: report}}]`")
        if verdict.principal is None:
            raise ReportRefusedError("a flag needs the request of a signed-in customer")

        def apply(evaluation: Evaluation) -> None:
            if not flags.set_flag(evaluation, found[0], "app"):
                raise ReportRefusedError(f"`{name}` is kept by payee, and this request names none")

        return await self._change(verdict, apply, note)

    async def commit_flags(self, verdict: Verdict) -> None:
        """Set the flags of an operation without a transaction that the app answered with 2xx; never fail.

        They permit something, so a flag that cannot be saved stays clear.
        """
        operation = verdict.decision.operation

        def apply(evaluation: Evaluation) -> None:
            flags.set_committed(evaluation, operation)

        with anyio.CancelScope(shield=True):
            try:
                await self._change(verdict, apply, "")
            except Exception as error:  # noqa: BLE001 - the app has responded: an error here is the guard's
                await self._faults.record(Reason.GUARD_FAULT, error, AccessRequest(operation=operation, method=""))

    async def end_session(self, verdict: Verdict, *, everywhere: bool = False) -> Snapshot:
        """Sign out the customer of an admitted request.

        Args:
            verdict: of the request.
            everywhere: whether to end all sessions of the account, including unknown ones (ASVS 7.4.3): no sign-in from
                before this time is accepted again.

        Raises:
            ReportRefusedError: the request is unproven.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        if not everywhere:
            return await self.report(verdict, "session.ended")
        sign_out = self._build_change(verdict, "session.ended")

        def apply(evaluation: Evaluation) -> None:
            sign_out(evaluation)
            evaluation.update_record("account", not_before=max(evaluation.snapshot.account.not_before, evaluation.now))

        return await self._change(verdict, apply, "signed out everywhere")

    async def report_service(self, event: str, note: str = "") -> Snapshot:
        """Apply an event that the app reports about the service, which affects all customers.

        Raises:
            ReportRefusedError: the event is no report about the service.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        if event not in SERVICE_REPORTS:
            raise ReportRefusedError(
                f"`{event}` is not a report about the service: use {', '.join(sorted(SERVICE_REPORTS))}"
            )
        return await self._repository.change(Keys(), lambda evaluation: send_report(evaluation, event), note=note)

    async def settle(self, verdict: Verdict, response: AppResponse) -> None:
        """Settle a transaction by the app's response; never fail, and complete even if the caller disconnects.

        A transaction that cannot be settled stays `running`, and the policy's timer makes it `in_doubt`. A cancelled
        scope waits; a task that is cancelled directly, which no shield prevents, settles first and ends then.
        """
        cancelled = anyio.get_cancelled_exc_class()
        cancellation: BaseException | None = None
        keys, operation = verdict.keys, verdict.decision.operation
        subject = "" if isinstance(verdict.credential, NotProven) else verdict.credential.principal.pseudonym

        def apply(evaluation: Evaluation) -> None:
            transactions.settle(evaluation, keys.transaction, response, operation.failed_on, self._cipher)

        with anyio.CancelScope(shield=True):
            for _ in range(MAX_CANCELLATIONS):
                try:
                    await self._repository.change(
                        keys, apply, subject=subject, decision=verdict.record, last_saved=verdict.saved
                    )
                    break
                except cancelled as error:
                    cancellation = error
                except Exception as error:  # noqa: BLE001 - the app has responded: an error here is the guard's
                    await self._faults.record(Reason.GUARD_FAULT, error, AccessRequest(operation=operation, method=""))
                    break
        if cancellation is not None:
            raise cancellation
