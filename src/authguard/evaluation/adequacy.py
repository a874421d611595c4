"""Adequacy of approvals: an approved request is asked anew before it runs, so that no approval reaches further.

What was approved may need more by then: a window filled, a flag was set, the service is degraded. The table is asked as
if the transaction were new. If that is a hold whose places the given approvals do not fill, the transaction is denied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import Outcome
from authguard.evaluation import booking
from authguard.evaluation.approval import is_satisfied

if TYPE_CHECKING:
    from authguard.core.approvers import Required
    from authguard.core.decision_table import Cell
    from authguard.evaluation.driver import Evaluation
    from authguard.evaluation.request import RequestFacts

_TRANSACTION: Final = DIMENSIONS.index("transaction")


def deny_inadequate(
    evaluation: Evaluation, facts: RequestFacts, cell: Cell, extra: tuple[str, ...]
) -> tuple[Cell, Required]:
    """Deny an approved transaction that needs other approvals now.

    Args:
        evaluation: of the request.
        facts: with the approvals that still count.
        cell: of the request, without `extra`.
        extra: values of the dimensions that the policy adds.

    Returns:
        The cell to decide, and the approvers that a new request of this kind would need; empty if none.
    """
    policy, record = evaluation.policy, evaluation.snapshot.transaction
    initial = policy.initial["transaction"]
    if record.state == initial or not evaluation.can("transaction.started"):
        return cell, ()
    anew = policy.table.decide((*cell[:_TRANSACTION], initial, *cell[_TRANSACTION + 1 :], *extra))
    hold = policy.fallbacks[anew.do]
    if hold.kind is not Outcome.HOLD:
        return cell, ()
    if is_satisfied(policy, record, hold.approvers, facts.approvals):
        return cell, hold.approvers
    evaluation.send("transaction.denied", "approvers")
    booking.follow_transaction(evaluation, facts.binding.transaction)
    return (*cell[:_TRANSACTION], evaluation.snapshot.transaction.state, *cell[_TRANSACTION + 1 :]), ()
