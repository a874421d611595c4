"""What the app and the guard's own endpoints may make happen after a request was admitted.

The app's reports only tighten: nothing here lifts a restriction, whatever is asked (DESIGN 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from authguard.core.events import NOT_REPORTS, SERVICE_REPORTS, TIGHTENING
from authguard.core.outcomes import Outcome, Reason
from authguard.core.snapshot import Keys, Report
from authguard.errors import ReportRefusedError
from authguard.runtime import transactions
from authguard.runtime.attempts import count_attempt
from authguard.runtime.evaluation import APP, apply_reports, end_session
from authguard.runtime.preview import preview_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.snapshot import Snapshot
    from authguard.policy.compiled_policy import Policy
    from authguard.ports import Cipher
    from authguard.runtime.access import AppResponse, Verdict
    from authguard.runtime.evaluation import Evaluation
    from authguard.runtime.faults import Faults
    from authguard.runtime.state_repository import StateRepository

#: verdicts of a verification service that are no pass: each is an attempt (DESIGN 2, "Attempts")
FAILED_VERIFICATIONS: Final = frozenset({"verification.failed", "verification.doubted", "verification.contradicted"})
#: reports that end a session: only a later sign-in counts as fresh
ENDING_REPORTS: Final = frozenset({"session.ended", "session.revoked"})
#: outcome -> how far it lets somebody
OPENNESS: Final = {Outcome.RESTRICT: 1, Outcome.ALLOW: 2}
#: how often a task may be cancelled anew while it settles a transaction
MAX_CANCELLATIONS: Final = 8


class Reports:
    """Lets the app report what it learned of a customer, and settles what it answered."""

    __slots__ = ("_cipher", "_faults", "_repository")

    def __init__(self, repository: StateRepository, faults: Faults, cipher: Cipher) -> None:
        """Keep the standing that reports move."""
        self._repository = repository
        self._faults = faults
        self._cipher = cipher

    async def report(self, verdict: Verdict, event: str, note: str = "") -> Snapshot:
        """Let an event happen that the app reports of the customer of an admitted request.

        Args:
            verdict: of the request.
            event: ``machine.trigger``; one of `authguard.core.events.TIGHTENING`, or ``account.STATE`` where the policy
                lists it.
            note: why, for the log; bounded, no personal data.

        Returns:
            Where the machines stand now.

        Raises:
            ReportRefusedError: the event is unknown, would loosen or is not listed, or no subject is proven.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        return await self._change(verdict, self._make_change(verdict, event), note)

    async def _change(self, verdict: Verdict, make: Callable[[Evaluation], None], note: str) -> Snapshot:
        keys = Keys(verdict.keys.account, verdict.keys.session)
        principal = verdict.principal
        subject = principal.pseudonym if principal else ""
        return await self._repository.change(keys, make, subject=subject, decision=verdict.record, note=note)

    def _make_change(self, verdict: Verdict, event: str) -> Callable[[Evaluation], None]:
        machine, _, trigger = event.partition(".")
        if event in SERVICE_REPORTS:
            raise ReportRefusedError(
                f"`{event}` concerns everybody: report it by `Control.report`, from a check of your own"
            )
        if verdict.principal is None:
            raise ReportRefusedError("a report needs a signed-in customer whom it is about")
        if machine == "account":
            if trigger in {"normal", *NOT_REPORTS} or trigger not in self._repository.policy.strictness:
                raise ReportRefusedError(f"`{event}` is no report that an app may make; reports only tighten")
            if event not in self._repository.policy.app_reports:
                raise ReportRefusedError(
                    f"only a person lifts `{event}`; list it where the app may report it: `reports: {{app: [{event}]}}`"
                )
            return lambda evaluation: _apply_account_report(evaluation, verdict, trigger)
        if event not in TIGHTENING:
            raise ReportRefusedError(f"`{event}` is no report that an app may make; reports only tighten")
        return lambda evaluation: _send_report(evaluation, event)

    async def end_session(self, verdict: Verdict, *, everywhere: bool = False) -> Snapshot:
        """Sign the customer of an admitted request out.

        Args:
            verdict: of the request.
            everywhere: of every session of the account, those never seen here too (ASVS 7.4.3): no sign-in from before
                this moment is taken again.

        Raises:
            ReportRefusedError: nobody is proven.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        if not everywhere:
            return await self.report(verdict, "session.ended")
        sign_out = self._make_change(verdict, "session.ended")

        def make(evaluation: Evaluation) -> None:
            sign_out(evaluation)
            evaluation.update_record("account", not_before=max(evaluation.snapshot.account.not_before, evaluation.now))

        return await self._change(verdict, make, "signed out everywhere")

    async def report_service(self, event: str, note: str = "") -> Snapshot:
        """Let the app report of everything that all customers depend on.

        Raises:
            ReportRefusedError: the event is no such report.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        if event not in SERVICE_REPORTS:
            raise ReportRefusedError(
                f"`{event}` is no report on the service: there is {', '.join(sorted(SERVICE_REPORTS))}"
            )
        return await self._repository.change(Keys(), lambda evaluation: _send_report(evaluation, event), note=note)

    async def settle(self, verdict: Verdict, answer: AppResponse) -> None:
        """Let the app's answer settle its transaction; never fails, and survives the caller's going away.

        What cannot be settled now stays `running`, and the policy's timer makes it `in_doubt`. A cancelled scope waits;
        a task that is cancelled directly, from which nothing shields, settles first and ends then.
        """
        cancelled = anyio.get_cancelled_exc_class()
        leaving: BaseException | None = None
        with anyio.CancelScope(shield=True):
            for _ in range(MAX_CANCELLATIONS):
                try:
                    await self._settle(verdict, answer)
                    break
                except cancelled as error:
                    leaving = error
        if leaving is not None:
            raise leaving

    async def _settle(self, verdict: Verdict, answer: AppResponse) -> None:
        principal = verdict.principal
        try:
            await self._repository.change(
                verdict.keys,
                lambda evaluation: transactions.settle(
                    evaluation, verdict.transaction, answer, verdict.operation.failed_on, self._cipher
                ),
                subject=principal.pseudonym if principal else "",
                decision=verdict.record,
                last_saved=verdict.saved,
            )
        except Exception as error:  # noqa: BLE001 - the app has answered: what fails here is the guard's own
            await self._faults.record(Reason.GUARD_FAULT, error, verdict.operation.name)


def _apply_account_report(evaluation: Evaluation, verdict: Verdict, state: str) -> None:
    """Take the app's report of an account; one that would open anything is kept, and counts beside the next source's.

    What is not known yet may be treated more strictly than what the app knows a little of.
    """
    report = _stricter_report(evaluation, state)
    account = evaluation.snapshot.account
    after = msgspec.structs.replace(evaluation.snapshot, account=msgspec.structs.replace(account, state=report.state))
    before = zip(
        _openness(evaluation.policy, verdict, evaluation.snapshot),
        _openness(evaluation.policy, verdict, after),
        strict=True,
    )
    if any(now < then for now, then in before):
        evaluation.update_record("account", reports={**(account.reports or {}), APP: report})
    else:
        apply_reports(evaluation, {APP: report}, unreachable=False)


def _openness(policy: Policy, verdict: Verdict, snapshot: Snapshot) -> list[int]:
    """Tell for each operation how far the customer would get: not at all, restricted, or in."""
    told = msgspec.structs.replace(verdict, snapshot=snapshot)
    return [OPENNESS.get(preview_outcome(policy, told, operation).kind, 0) for operation in policy.all_operations]


def _stricter_report(evaluation: Evaluation, state: str) -> Report:
    """Make the app's report; a laxer one than its last keeps the stricter state."""
    last = (evaluation.snapshot.account.reports or {}).get(APP)
    if last is None or last.at <= evaluation.snapshot.account.decided:
        return Report(state, evaluation.now)
    rank = evaluation.policy.strictness
    # never before the last one: a report that came after the clock stepped back counts all the same
    return Report(max(last.state, state, key=rank.__getitem__), max(last.at, evaluation.now))


def _send_report(evaluation: Evaluation, event: str) -> None:
    if event in ENDING_REPORTS:
        end_session(evaluation, event, APP)
        return
    machine = event.partition(".")[0]
    evaluation.send(event, APP, (("faulted", evaluation.now),) if machine == "service" else ())
    if machine == "verification":
        evaluation.update_record("session", attempt=None)  # what is under way answers a question that stands no more
    if event in FAILED_VERIFICATIONS:
        count_attempt(evaluation)
