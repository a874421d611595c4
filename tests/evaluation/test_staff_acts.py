"""An act of a person lifts only what the machine lets a person lift."""

from __future__ import annotations

from msgspec.structs import replace

from authguard.core.owners import TOGETHER
from authguard.core.snapshot import AttemptCount, blank
from authguard.evaluation import staff_acts
from authguard.evaluation.driver import Evaluation
from tests.support.harness import policy_of


def evaluation_of(**account: object) -> Evaluation:
    before = blank(policy_of().initial)
    return Evaluation(policy_of(), replace(before, account=replace(before.account, **account)), 5.0, TOGETHER, [], [])


def test_a_reinstated_account_forgets_earlier_reports() -> None:
    evaluation = evaluation_of(state="deceased", entered=1.0)
    staff_acts.reinstate_account(evaluation)
    account = evaluation.snapshot.account
    assert (account.state, account.decided, account.reported) == ("normal", 5.0, 5.0)


def test_a_reset_clears_the_attempts() -> None:
    evaluation = evaluation_of(tallies={"verification": AttemptCount(1.0, 3)})
    staff_acts.reset_verification(evaluation)
    assert evaluation.snapshot.account.tallies is None


def test_a_revoked_session_and_a_signed_out_account_void_earlier_sign_ins() -> None:
    evaluation = evaluation_of()
    evaluation.update_record("session", state="active", entered=1.0, version=1)
    staff_acts.revoke_session(evaluation)
    staff_acts.sign_out_account(evaluation)
    assert evaluation.snapshot.session.state == "revoked"
    assert (evaluation.snapshot.session.ended, evaluation.snapshot.account.not_before) == (5.0, 5.0)
