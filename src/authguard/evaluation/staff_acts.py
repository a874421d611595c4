"""Acts of staff and operators on accounts and sessions, as changes of an evaluation.

The policy's machine defines which states a person can lift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.evaluation.driver import end_session

if TYPE_CHECKING:
    from authguard.evaluation.driver import Evaluation

#: cause of transitions by a person
PERSON_CAUSE: Final = "person"


def reinstate_account(evaluation: Evaluation) -> None:
    """Reinstate an account: earlier reports no longer count, later ones do."""
    table = evaluation.policy.machines["account"].table
    lifted = table[evaluation.policy.initial["account"], "reinstated"].dest
    evaluation.send("account.reinstated", PERSON_CAUSE, (("reported", evaluation.now),))
    if evaluation.snapshot.account.state == lifted:
        evaluation.update_record("account", decided=evaluation.now)


def reset_verification(evaluation: Evaluation) -> None:
    """Reset a session's verification, and clear the attempts counted for its account, if that is loaded."""
    evaluation.send("verification.reset", PERSON_CAUSE)
    evaluation.update_record("session", attempt=None)  # the pending attempt no longer applies
    if evaluation.snapshot.account.tallies:
        evaluation.update_record("account", tallies=None)


def revoke_session(evaluation: Evaluation) -> None:
    """End a session: only a later sign-in opens it again (ASVS 7.4.5)."""
    end_session(evaluation, "session.revoked", PERSON_CAUSE)


def sign_out_account(evaluation: Evaluation) -> None:
    """Sign an account out of all sessions, including unknown ones: no earlier sign-in is accepted again."""
    evaluation.update_record("account", not_before=max(evaluation.snapshot.account.not_before, evaluation.now))
