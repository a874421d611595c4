"""Approvals of held transactions, as changes of an evaluation: which count, and what the last one books.

Each approval is by another person and fills one place of the hold (`authguard.core.approvers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.approvers import count_filled, count_places, find_fits, list_open
from authguard.core.events import NORMAL
from authguard.core.outcomes import Reason
from authguard.core.person_name import normalize_name
from authguard.evaluation import booking, transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.core.approvers import Required
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
    policy, required = evaluation.policy, record.required
    counted = {_person(one): one for one in earlier if over <= {*one.over, *record.tripped}}
    fits = {person: find_places(policy, record, required, one) for person, one in counted.items()}
    filled, needed = count_filled(required, [*fits.values()]), count_places(required)
    for one in added:
        person, found = _person(one), find_places(policy, record, required, one)
        is_new = person not in counted
        # a person counts once, by the approval that fits more places: with another role, or a stronger sign-in
        if not is_new and not fits[person] < found:
            continue
        counted[person], fits[person] = one, found
        before, filled = filled, count_filled(required, [*fits.values()])
        if is_new and before == filled < needed:
            raise ActRefusedError(Reason.TRANSACTION_OVER)
    evaluation.update_record("transaction", approvals=tuple(counted.values()))
    if filled >= needed and evaluation.send("transaction.approved", cause):
        booking.book(evaluation, transaction, over)


def find_places(policy: Policy, record: TransactionRecord, required: Required, one: Approval) -> frozenset[int]:
    """Return which kinds of places of a hold the giver of an approval can fill.

    Args:
        policy: checked.
        record: of the approved transaction.
        required: of the hold: that of the transaction, or another.
        one: the approval.
    """
    if not one.account:  # an operator has the authority of all roles
        return frozenset(range(len(required)))
    given = one if record.approvers else _with_role(one, record)
    return find_fits(required, given.roles, given.acr, policy.assurance.rank)


def count_approved(policy: Policy, record: TransactionRecord, required: Required, given: Iterable[Approval]) -> int:
    """Return how many places of a hold approvals fill; arguments as for `find_places`."""
    return count_filled(required, [find_places(policy, record, required, one) for one in given])


def is_satisfied(policy: Policy, record: TransactionRecord, required: Required, given: Iterable[Approval]) -> bool:
    """Return whether approvals fill all places of a hold; arguments as for `find_places`."""
    return count_approved(policy, record, required, given) >= count_places(required)


def open_places(policy: Policy, record: TransactionRecord) -> tuple[int, ...]:
    """Return for each kind of place of a transaction how many more persons of that role alone could approve it."""
    required = record.required
    return list_open(required, [find_places(policy, record, required, one) for one in record.approvals])


def _with_role(one: Approval, record: TransactionRecord) -> Approval:
    """Return an approval with its role and level, also one from before a hold could require several roles."""
    if record.approvers or one.roles:
        return one
    return replace(one, roles=(record.role,), acr=record.acr)


def renew_approval(policy: Policy, one: Approval, record: TransactionRecord, account: AccountRecord) -> Approval:
    """Return an approval with the roles that its giver still has; none if the account may no longer approve.

    Args:
        policy: checked.
        one: the approval of a person with an account.
        record: of the transaction.
        account: the approver's current record.
    """
    rank, given = policy.strictness, _with_role(one, record)
    is_valid = (
        rank[account.state] <= rank[NORMAL]
        and account.not_before <= one.at
        and one.account != record.account
        and one.account not in record.actors
    )
    return replace(given, roles=tuple(role for role in given.roles if is_valid and role in account.roles))


def _person(one: Approval) -> bytes | str:
    """Return the identity of an approver: the account, or an operator's folded name."""
    return one.account or normalize_name(one.by)


def is_settlement(event: str) -> bool:
    """Return whether an act settles a transaction in doubt."""
    return event in {"transaction.committed", "transaction.failed"}
