"""An approval counts for what its approver accepted, and the last required one approves."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import AccountRecord, Approval, TransactionRecord, blank
from authguard.evaluation.approval import ActRefusedError, add_approvals, is_settlement, renew_approval
from authguard.evaluation.driver import Evaluation
from tests.support.harness import policy_of


def held(count: int = 2) -> Evaluation:
    policy = policy_of()
    record = TransactionRecord(state="held", entered=1.0, created=1.0, operation="refund", count=count, version=1)
    return Evaluation(policy, replace(blank(policy.initial), transaction=record), 5.0, TOGETHER, [], [])


def test_the_last_required_approval_approves_and_one_person_counts_once() -> None:
    evaluation = held()
    ann, ben = Approval(b"", "ann", 2.0), Approval(b"", "ben", 3.0)
    add_approvals(evaluation, "t", (), (ann,), "operator")
    add_approvals(evaluation, "t", evaluation.snapshot.transaction.approvals, (replace(ann, by="ANN"),), "operator")
    assert evaluation.snapshot.transaction.state == "held"
    add_approvals(evaluation, "t", evaluation.snapshot.transaction.approvals, (ben,), "operator")
    assert evaluation.snapshot.transaction.state == "approved"


def test_a_session_that_ended_since_the_request_takes_no_approval() -> None:
    evaluation = held()
    evaluation.update_record("session", ended=4.0)
    with pytest.raises(ActRefusedError) as refused:
        add_approvals(evaluation, "t", (), (Approval(b"", "ann", 5.0),), "operator")
    assert refused.value.reason is Reason.SESSION_CHANGED


def test_an_approver_needs_the_role_and_an_account_in_order_and_is_not_involved() -> None:
    policy, one = policy_of(), Approval(b"a", "ann", 2.0)
    record = TransactionRecord(state="approved", role="supervisor", account=b"c")
    account = AccountRecord(state="normal", roles=("supervisor",))
    assert renew_approval(policy, one, record, account).roles == ("supervisor",), "of a store from before several roles"
    for lost in (replace(account, roles=()), replace(account, state="locked"), replace(account, not_before=3.0)):
        assert not renew_approval(policy, one, record, lost).roles
    assert not renew_approval(policy, one, replace(record, account=b"a"), account).roles
    assert not renew_approval(policy, one, replace(record, actors=(b"a",)), account).roles


def test_what_settles_a_transaction_in_doubt() -> None:
    assert is_settlement("transaction.committed")
    assert not is_settlement("transaction.approved")
