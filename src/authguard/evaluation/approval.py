"""Approvals of held transactions, as changes of an evaluation: which count, and what the last one books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import NORMAL
from authguard.core.outcomes import Reason
from authguard.core.person_name import normalize_name
from authguard.evaluation import booking, transactions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.policy import Policy
    from authguard.core.snapshot import AccountRecord, Approval, TransactionRecord
    from authguard.evaluation.driver import Evaluation


class ActRefusedError(Exception):
    """The requested change is not possible; nothing is saved."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def add_approvals(
    evaluation: Evaluation, transaction: str, earlier: Sequence[Approval], added: Sequence[Approval], cause: str
) -> None:
    """Add approvals; the last required one books the transaction's costs."""
    # an approval covers the limits that its approver accepted: an approver from before a limit was exceeded
    # has to approve again
    record = evaluation.snapshot.transaction
    if transactions.is_outdated(record, evaluation.policy.digest):
        raise ActRefusedError(Reason.POLICY_CHANGED)
    if transactions.is_revoked(record, evaluation.snapshot.session, evaluation.snapshot.account):
        raise ActRefusedError(Reason.SESSION_CHANGED)
    over = booking.exceeded_limits(evaluation, transaction)
    if not all([over <= {*one.over, *record.tripped} for one in added]):  # noqa: C419 - a list is faster
        raise ActRefusedError(Reason.LIMIT_EXCEEDED)
    counted = [one for one in earlier if over <= {*one.over, *record.tripped}]
    givers = {_person(one) for one in counted}
    counted += [one for one in added if _person(one) not in givers]
    evaluation.update_record("transaction", approvals=tuple(counted))
    if len(counted) >= record.count and evaluation.send("transaction.approved", cause):
        booking.book(evaluation, transaction, over)


def is_still_valid(policy: Policy, one: Approval, record: TransactionRecord, account: AccountRecord) -> bool:
    """Return whether an approver may still approve: account in good standing, and role still held.

    Args:
        policy: checked.
        one: the approval of a person with an account.
        record: of the transaction.
        account: the approver's current record.
    """
    rank = policy.strictness
    return (
        record.role in account.roles
        and rank[account.state] <= rank[NORMAL]
        and account.not_before <= one.at
        and one.account != record.account
        and one.account not in record.actors
    )


def _person(one: Approval) -> bytes | str:
    """Return the identity of an approver: the account, or an operator's folded name."""
    return one.account or normalize_name(one.by)


def is_settlement(event: str) -> bool:
    """Return whether an act settles a transaction in doubt."""
    return event in {"transaction.committed", "transaction.failed"}
