"""Decisions of people on transactions: approve, deny, withdraw, settle, and the check that approvers still may approve.

Rules: approvers are neither the subject nor an actor of the transaction, have a role of the hold now, and signed in as
strongly as the hold requires of that role. An approval that fills no open place is refused. A reason is stored in the
record and the log. A transaction that a person may not see is reported as unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import conditions
from authguard.core.approvers import find_fits
from authguard.core.outcomes import Reason
from authguard.core.person_name import distinct_names
from authguard.core.snapshot import Approval, Keys
from authguard.core.staff import parse_roles
from authguard.evaluation import booking, transactions
from authguard.evaluation.approval import (
    ActRefusedError,
    add_approvals,
    is_satisfied,
    is_settlement,
    open_places,
    renew_approval,
)
from authguard.ports import FIRST
from authguard.runtime.journal import sanitize_text
from authguard.runtime.transaction_list import effective_record, list_transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.core.approvers import Required
    from authguard.core.request import Principal
    from authguard.core.snapshot import AccountRecord, TransactionRecord
    from authguard.evaluation.booking import LimitUsage
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.ports import Cipher
    from authguard.runtime.state_repository import StateRepository

#: event -> act in the log
ACTS: Final = {
    "transaction.approved": "transaction.approved",
    "transaction.denied": "transaction.denied",
    "transaction.committed": "transaction.settled_done",
    "transaction.failed": "transaction.settled_failed",
}


class Approvals:
    """Applies the decisions of people to held transactions and to those in doubt."""

    __slots__ = ("_cipher", "_repository")

    def __init__(self, repository: StateRepository, cipher: Cipher) -> None:
        """Store the repository, and the cipher of stored requests."""
        self._repository = repository
        self._cipher = cipher

    def render_request(self, transaction: str, record: TransactionRecord) -> tuple[str, ...]:
        """Return the bound request as text lines for an approver; empty if it cannot be decrypted."""
        return transactions.decrypt_request(record, transaction, self._cipher)

    def open_places(self, record: TransactionRecord) -> tuple[int, ...]:
        """Return for each kind of place of a transaction how many persons of that role may still approve it."""
        return open_places(self._repository.policy, record)

    def describe_tripped(self, record: TransactionRecord) -> tuple[str, ...]:
        """Return the limits that a transaction was held for, in words."""
        return booking.describe_tripped(self._repository.policy, record)

    async def get(self, principal: Principal, transaction: str) -> TransactionRecord | Reason:
        """Return a transaction with due timers applied; a reason for a person who is neither approver nor requester."""
        stored = (await self._repository.load(Keys(transaction=transaction))).snapshot.transaction
        record = effective_record(self._repository, stored)
        if record.account != principal.account_key and not self._is_approver(record, principal):
            return Reason.TRANSACTION_UNKNOWN
        return record

    async def list_decidable(
        self,
        principal: Principal,
        *,
        state: str,
        operation: str = "",
        subject: str = "",
        after: tuple[float, str] = FIRST,
        limit: int,
    ) -> tuple[tuple[str, TransactionRecord], ...]:
        """Return the transactions of a state on which a person may decide, in the order of their places.

        Args:
            principal: the person, with roles.
            state: effective state of the machine.
            operation: name; empty for any.
            subject: pseudonym of the transaction's subject; empty for any.
            after: place and id of the last transaction of the previous page.
            limit: maximum number.
        """
        found: dict[str, TransactionRecord] = {}
        for role in sorted(self._roles(principal)):
            listing = list_transactions(
                self._repository,
                state=state,
                role=role,
                operation=operation,
                subject=subject,
                after=after,
                limit=limit,
            )
            found |= {name: one for name, one in await self._repository.with_deadline(listing) if role in one.roles}
        return tuple(sorted(found.items(), key=lambda one: (one[1].place, one[0]))[:limit])

    async def limit_usages(self, transaction: str) -> tuple[LimitUsage, ...]:
        """Return the current usage of a transaction's limits, for an approver."""
        repository = self._repository
        record = (await repository.load(Keys(transaction=transaction))).snapshot.transaction
        snapshot = (await repository.load(record.keys(transaction))).snapshot
        return booking.limit_usages(repository.policy, snapshot, repository.clock.now(), transaction)

    async def approve(
        self, verdict: Verdict, transaction: str, note: str, over: tuple[str, ...] = ()
    ) -> TransactionRecord | Reason:
        """Approve a held transaction; the last required approval books its costs and lets it run once.

        Args:
            verdict: of the approver's request.
            transaction: id.
            note: the reason; bounded and stored.
            over: names of limits that it may exceed; those that it was held for need not be named.
        """
        principal = verdict.principal
        if principal is None:
            return Reason.TRANSACTION_UNKNOWN
        keys = Keys(account=principal.account_key, transaction=transaction)
        stored = (await self._repository.load(keys)).snapshot
        record, mine = stored.transaction, stored.account
        given, counting = record.approvals, await self._renew_approvals(record)

        def apply(evaluation: Evaluation) -> None:
            self._check_may_decide(evaluation, principal, mine, "transaction.approved")
            now = evaluation.snapshot.transaction
            earlier = [counting.get(one, one) for one in now.approvals if one in counting or one not in given]
            named = self._known_limits(evaluation, over)
            yes = Approval(
                principal.account_key,
                principal.pseudonym,
                evaluation.now,
                sanitize_text(note),
                named,
                tuple(sorted(self._roles_for(principal, mine))),
                principal.acr,
            )
            add_approvals(evaluation, transaction, earlier, (yes,), "approver")

        return await self._do(verdict, transaction, "transaction.approved", note, apply, record=record, over=over)

    async def deny(self, verdict: Verdict, transaction: str, note: str) -> TransactionRecord | Reason:
        """Deny a transaction that has not begun to run; arguments as for `approve`."""
        principal = verdict.principal
        if principal is None:
            return Reason.TRANSACTION_UNKNOWN
        keys = Keys(account=principal.account_key, transaction=transaction)
        stored = (await self._repository.load(keys)).snapshot
        record, mine = stored.transaction, stored.account

        def apply(evaluation: Evaluation) -> None:
            self._check_may_decide(evaluation, principal, mine, "transaction.denied")
            evaluation.send("transaction.denied", "approver")
            evaluation.update_record("transaction", by=principal.pseudonym, note=sanitize_text(note))

        return await self._do(verdict, transaction, "transaction.denied", note, apply, record=record)

    async def withdraw(self, verdict: Verdict, transaction: str, note: str) -> TransactionRecord | Reason:
        """Withdraw the requester's own transaction before it has begun to run."""
        principal = verdict.principal

        def apply(evaluation: Evaluation) -> None:
            record = evaluation.snapshot.transaction
            if not record.version or principal is None or record.account != principal.account_key:
                raise ActRefusedError(Reason.TRANSACTION_UNKNOWN)
            if not evaluation.send("transaction.denied", "caller"):
                raise ActRefusedError(Reason.TRANSACTION_OVER)
            evaluation.update_record("transaction", by=principal.pseudonym, note=sanitize_text(note))

        return await self._do(verdict, transaction, "transaction.withdrawn", note, apply)

    async def decide_as_operator(
        self, transaction: str, event: str, by: tuple[str, ...], note: str, over: tuple[str, ...] = ()
    ) -> TransactionRecord | Reason:
        """Apply the decision of operators, known by their stated names and by their write access to the store.

        Args:
            transaction: id.
            event: one of `ACTS`; ``committed`` and ``failed`` settle a transaction in doubt.
            by: their names; for an approval, one for each person.
            note: the reason; bounded and stored.
            over: as for `approve`.
        """

        def apply(evaluation: Evaluation) -> None:
            record = evaluation.snapshot.transaction
            if not record.version:
                raise ActRefusedError(Reason.TRANSACTION_UNKNOWN)
            # the app settles a running transaction; `transaction.lost` is possible only until its timer fires
            if not evaluation.can(event) or (is_settlement(event) and evaluation.can("transaction.lost")):
                raise ActRefusedError(Reason.TRANSACTION_OVER)
            if event == "transaction.approved":
                named = self._known_limits(evaluation, over)
                added = tuple(
                    Approval(b"", name, evaluation.now, sanitize_text(note), named) for name in distinct_names(by)
                )
                add_approvals(evaluation, transaction, record.approvals, added, "operator")
                return
            evaluation.send(event, "operator")
            evaluation.update_record("transaction", by=", ".join(by), note=sanitize_text(note))

        found = (await self._repository.load(Keys(transaction=transaction))).snapshot.transaction
        return await self._change(transaction, ACTS[event], ", ".join(by), note, apply, record=found, over=over)

    async def renew(self, record: TransactionRecord) -> tuple[Approval, ...]:
        """Return the approvals of a transaction that still count, with the roles that their givers still have."""
        return tuple((await self._renew_approvals(record)).values())

    def is_short(self, record: TransactionRecord, counting: Sequence[Approval], also: Required = ()) -> bool:
        """Return whether a transaction had enough approvals, and too few of the approvers may still approve it.

        Args:
            record: of the transaction.
            counting: its approvals that still count.
            also: places of another hold that they have to fill too.
        """
        policy, required = self._repository.policy, record.required
        if not required or not is_satisfied(policy, record, required, record.approvals):
            return False
        return not all(is_satisfied(policy, record, places, counting) for places in (required, also))

    async def lacks_quorum(self, record: TransactionRecord, also: Required = ()) -> bool:
        """Return `is_short` for the approvals that count now."""
        return self.is_short(record, await self.renew(record), also)

    async def recheck_before_run(self, verdict: Verdict) -> bool:
        """Check the approvers again after the commit, just before the transaction runs; return whether it must not run.

        The commit waits for the disk, so an approver may have lost the role since the first check. If too few are left,
        the transaction fails, its reservations are released, and the decision is withdrawn.
        """
        record = verdict.snapshot.transaction
        if not record.approvals:
            return False
        undone = True
        try:
            undone = await self.lacks_quorum(record, verdict.decision.required)
            if undone:
                await self._repository.change(
                    verdict.keys,
                    _abort,
                    decision=verdict.record,
                )
        finally:
            if undone:
                self._repository.journal.record_withdrawal((verdict.record,), verdict.at)
        return undone

    @staticmethod
    def _known_limits(evaluation: Evaluation, over: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names that are limits of the operation."""
        known = booking.known_limits(evaluation.policy, evaluation.snapshot.transaction)
        return tuple(sorted(known.intersection(over)))

    async def _renew_approvals(self, record: TransactionRecord) -> dict[Approval, Approval]:
        """Return the approvals that still count, each as stored -> with the roles that its giver still has."""
        found = {}
        for one in record.approvals:
            renewed = one
            if one.account:
                account = (await self._repository.load(Keys(account=one.account))).snapshot.account
                renewed = renew_approval(self._repository.policy, one, record, account)
            if renewed.roles or not one.account:
                found[one] = renewed
        return found

    def _is_approver(self, record: TransactionRecord, principal: Principal) -> bool:
        return bool(record.version and record.roles & self._roles(principal))

    def _roles_for(self, principal: Principal, mine: AccountRecord) -> frozenset[str]:
        """Return the roles of a person that holds of the policy ask for; those of their newest credential count."""
        asked = {one.role for fallback in self._repository.policy.fallbacks.values() for one in fallback.approvers}
        return self._roles(principal) & asked.intersection(mine.roles)

    def _roles(self, principal: Principal) -> frozenset[str]:
        """Return the roles that count; an agent has none of its customer's."""
        policy = self._repository.policy
        if conditions.classify_actor(principal, policy.agents) != "subject":
            return frozenset()
        return parse_roles(principal, policy.role_sources)

    def _check_may_decide(self, evaluation: Evaluation, principal: Principal, mine: AccountRecord, event: str) -> None:
        """Require that a person may decide on a transaction, and that it waits for the decision."""
        record, rank = evaluation.snapshot.transaction, evaluation.policy.assurance.rank
        roles = self._roles_for(principal, mine)
        if not self._is_approver(record, principal) or not roles & record.roles:
            raise ActRefusedError(Reason.TRANSACTION_UNKNOWN)
        involved = {record.account, *record.actors}
        if (
            conditions.classify_actor(principal, evaluation.policy.agents) != "subject"
            or principal.account_key in involved
        ):
            raise ActRefusedError(Reason.APPROVER_INVOLVED)
        if not find_fits(record.required, roles, principal.acr, rank):
            raise ActRefusedError(Reason.APPROVER_WEAK)
        if not evaluation.can(event):
            raise ActRefusedError(Reason.TRANSACTION_OVER)

    async def _do(
        self,
        verdict: Verdict,
        transaction: str,
        act: str,
        note: str,
        apply: Callable[[Evaluation], None],
        *,
        record: TransactionRecord | None = None,
        over: tuple[str, ...] = (),
    ) -> TransactionRecord | Reason:
        principal = verdict.principal
        name = principal.pseudonym if principal else ""
        record = record or (await self._repository.load(Keys(transaction=transaction))).snapshot.transaction
        return await self._change(
            transaction, act, name, note, apply, record=record, decision=verdict.record, over=over
        )

    async def _change(
        self,
        transaction: str,
        act: str,
        by: str,
        note: str,
        apply: Callable[[Evaluation], None],
        *,
        record: TransactionRecord,
        decision: str = "",
        over: tuple[str, ...] = (),
    ) -> TransactionRecord | Reason:
        """Record the act, then change the records of the requester; withdraw the act if nothing was saved."""
        repository = self._repository
        now, subject = repository.clock.now(), record.subject
        accepted = {*record.tripped, *booking.known_limits(repository.policy, record).intersection(over)}
        act_record = repository.journal.record_act(
            act,
            now,
            by=by,
            note=note,
            subject=subject,
            session=record.session.hex(),
            transaction=transaction,
            decision=decision,
            over=tuple(sorted(accepted)) if act == ACTS["transaction.approved"] else (),
        )
        try:
            after = await repository.change(
                record.keys(transaction), apply, subject=subject, decision=decision, note=note, act=act_record
            )
        except ActRefusedError as error:
            return error.reason
        return after.transaction


def _abort(evaluation: Evaluation) -> None:
    """Fail a transaction with too few approvers left, before the app runs."""
    evaluation.send("transaction.failed", "approvers")
