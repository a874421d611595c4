"""An attempt begins only with a method that the table offers, and its result moves the session once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from authguard.core.owners import TOGETHER
from authguard.core.verification import Failed, Passed
from authguard.evaluation.driver import Evaluation
from authguard.evaluation.verification import Claim, RetryLater, apply_result, claim_attempt, offered_methods
from tests.support.harness import CountingIds, EnforcerHarness, policy_of

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import Verdict

POLICY = policy_of()
DEFAULT = POLICY.methods["default"]


async def verdict_of(acr: str = "aal1") -> tuple[Verdict, Evaluation]:
    desk = EnforcerHarness()
    verdict = await desk.ask("balance", desk.login(acr=acr), method="GET")
    return verdict, Evaluation(POLICY, verdict.snapshot, verdict.at + 1, TOGETHER, [], [])


def settle(evaluation: Evaluation, verdict: Verdict, claimed: Any, amount: Any) -> bool:
    assert isinstance(claimed, Claim)
    assert verdict.principal is not None
    result = {"otp": Passed() if amount == "passed" else Failed()}
    return apply_result(
        evaluation, DEFAULT, claimed.attempt, results=result, amount=amount, principal=verdict.principal, channel=""
    )


async def test_a_right_answer_verifies_and_gives_the_attempt_back() -> None:
    verdict, evaluation = await verdict_of()
    assert set(offered_methods(POLICY, verdict)) == {"default"}
    claimed = claim_attempt(evaluation, verdict, DEFAULT, CountingIds())
    assert evaluation.snapshot.session.verification == "pending"
    assert settle(evaluation, verdict, claimed, "passed")
    assert evaluation.snapshot.session.verification == "verified"
    assert evaluation.snapshot.account.tallies is None


async def test_an_answer_to_another_attempt_moves_nothing() -> None:
    verdict, evaluation = await verdict_of()
    claimed = claim_attempt(evaluation, verdict, DEFAULT, CountingIds())
    evaluation.update_record("session", attempt=None)
    assert not settle(evaluation, verdict, claimed, "passed")
    assert evaluation.snapshot.session.verification == "pending"


async def test_spent_attempts_and_methods_that_are_not_offered_begin_nothing() -> None:
    verdict, evaluation = await verdict_of()
    assert isinstance(claim_attempt(evaluation, verdict, POLICY.methods["alternate"], CountingIds()), RetryLater)
    for _ in range(3):
        settle(evaluation, verdict, claim_attempt(evaluation, verdict, DEFAULT, CountingIds()), "failed")
    assert isinstance(claim_attempt(evaluation, verdict, DEFAULT, CountingIds()), RetryLater)
    assert evaluation.snapshot.session.verification == "exhausted"


async def test_whoever_is_verified_is_offered_nothing() -> None:
    verdict, evaluation = await verdict_of("aal2")
    stored: Snapshot = replace(evaluation.snapshot)
    assert offered_methods(POLICY, verdict.with_snapshot(stored)) == {}
