"""A report of the app tightens, and counts against attempts where it is a verdict."""

from __future__ import annotations

from msgspec.structs import replace

from authguard.core.owners import TOGETHER
from authguard.core.snapshot import blank
from authguard.evaluation.attempts import is_in_doubt
from authguard.evaluation.driver import Evaluation
from authguard.evaluation.reports import send_report
from tests.support.harness import policy_of


def test_a_report_of_a_failed_proof_counts_as_an_attempt() -> None:
    evaluation = Evaluation(policy_of(), blank(policy_of().initial), 5.0, TOGETHER, [], [])
    send_report(evaluation, "verification.failed")
    assert is_in_doubt(evaluation)


def test_a_report_that_a_session_ended_voids_earlier_sign_ins_of_one_that_had_ended() -> None:
    before = blank(policy_of().initial)
    session = replace(before.session, state="revoked", entered=1.0, ended=1.0, version=1)
    evaluation = Evaluation(policy_of(), replace(before, session=session), 5.0, TOGETHER, [], [])
    send_report(evaluation, "session.ended")
    assert evaluation.snapshot.session.ended == 5.0


def test_a_fault_of_the_service_has_its_time() -> None:
    evaluation = Evaluation(policy_of(), blank(policy_of().initial), 5.0, TOGETHER, [], [])
    send_report(evaluation, "service.impaired")
    assert (evaluation.snapshot.service.state, evaluation.snapshot.service.faulted) == ("degraded", 5.0)
