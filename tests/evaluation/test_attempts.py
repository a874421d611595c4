"""Attempts are counted for the person, over all sessions, and no way around gains another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authguard.core.outcomes import Reason
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import Attempt, Snapshot
from authguard.evaluation import attempts
from authguard.evaluation.driver import Evaluation
from authguard.evaluation.verification import offered_methods
from tests.stores.samples import BLANK
from tests.support.harness import POLICY, EnforcerHarness, policy_of, signed_in

if TYPE_CHECKING:
    from authguard.evaluation.decision import Verdict

NOW = 1_800_000_000.0
#: three attempts in fifteen minutes, and two of the other method
POLICY_OF = policy_of(POLICY)
DEFAULT = POLICY_OF.methods["default"]
ALTERNATE = POLICY_OF.methods["alternate"]
PROVE = POLICY_OF.fallbacks["prove_identity"]
STEP_UP = POLICY_OF.fallbacks["step_up"]
WINDOW = 15 * 60.0
CHAT = next(one for one in POLICY_OF.operations if one.name == "chat")
REFUND = next(one for one in POLICY_OF.operations if one.name == "refund")


def at(now: float = NOW, before: Snapshot = BLANK) -> Evaluation:
    """Begin an evaluation of the same person, in whichever session."""
    return Evaluation(POLICY_OF, before, now, TOGETHER)


def spend(evaluation: Evaluation, token: str, operation: Any = CHAT, fallback: Any = STEP_UP) -> tuple[str, Reason]:
    principal = signed_in("anna", at=NOW, fingerprint=token).principal
    found, reason = attempts.spend_attempts(evaluation, operation, principal, fallback)
    return found.name, reason


def test_the_same_token_again_is_the_same_attempt() -> None:
    evaluation = at()

    assert {spend(evaluation, "one") for _ in range(20)} == {("step_up", Reason.DECIDED)}


def test_the_fourth_token_of_a_window_leads_to_a_person_and_an_operation_of_its_own_does_not() -> None:
    evaluation = at()
    for token in ("one", "two", "three"):
        assert spend(evaluation, token) == ("step_up", Reason.DECIDED)

    assert spend(evaluation, "four") == (STEP_UP.then, Reason.ATTEMPTS_SPENT)
    assert spend(evaluation, "three") == ("step_up", Reason.DECIDED), "the last one may be repeated"
    assert spend(evaluation, "four", REFUND) == ("step_up", Reason.DECIDED)


def test_a_window_begins_with_its_first_attempt_and_ends_as_a_whole() -> None:
    evaluation = at()
    for token in ("one", "two", "three"):
        spend(evaluation, token)

    assert spend(at(NOW + WINDOW - 0.001, evaluation.snapshot), "four")[0] == STEP_UP.then
    assert spend(at(NOW + WINDOW, evaluation.snapshot), "four")[0] == "step_up"


def test_a_verification_counts_when_it_begins_and_is_given_back_if_it_passed() -> None:
    evaluation = at()
    for _ in range(3):
        attempts.reserve_attempt(evaluation, DEFAULT)

    assert attempts.is_spent(evaluation, DEFAULT, PROVE)
    attempts.refund_attempt(evaluation, DEFAULT, NOW)
    assert not attempts.is_spent(evaluation, DEFAULT, PROVE)


def test_an_attempt_of_an_earlier_window_gives_nothing_back() -> None:
    evaluation = at()
    attempts.reserve_attempt(evaluation, DEFAULT)
    later = at(NOW + WINDOW, evaluation.snapshot)
    for _ in range(3):
        attempts.reserve_attempt(later, DEFAULT)

    attempts.refund_attempt(later, DEFAULT, NOW)

    assert attempts.is_spent(later, DEFAULT, PROVE)
    assert not attempts.is_reserved(later, DEFAULT, NOW), "an attempt that was kept open is not continued"
    assert attempts.is_reserved(later, DEFAULT, NOW + WINDOW)


def test_more_is_never_given_back_than_was_counted() -> None:
    evaluation = at()
    attempts.reserve_attempt(evaluation, DEFAULT)
    for _ in range(5):
        attempts.refund_attempt(evaluation, DEFAULT, NOW)

    for _ in range(3):
        attempts.reserve_attempt(evaluation, DEFAULT)
    assert attempts.is_spent(evaluation, DEFAULT, PROVE)


def test_a_method_with_fewer_attempts_of_its_own_is_spent_first() -> None:
    evaluation = at()
    for _ in range(2):
        attempts.reserve_attempt(evaluation, ALTERNATE)

    assert attempts.is_spent(evaluation, ALTERNATE, PROVE)
    assert not attempts.is_spent(evaluation, DEFAULT, PROVE)


def test_spent_verifications_exhaust_the_session_but_not_while_a_verifier_is_at_work() -> None:
    evaluation = at()
    for _ in range(3):
        attempts.reserve_attempt(evaluation, DEFAULT)
    attempts.mark_in_flight(evaluation)
    assert spend(evaluation, "one", fallback=PROVE) == ("prove_identity", Reason.DECIDED)

    attempts.clear_in_flight(evaluation)

    assert spend(evaluation, "one", fallback=PROVE) == (PROVE.then, Reason.ATTEMPTS_SPENT)
    assert evaluation.snapshot.session.verification == "exhausted"


def test_what_is_in_flight_is_forgotten_with_its_process_after_the_longest_method() -> None:
    evaluation = at()
    attempts.mark_in_flight(evaluation)
    longest = max(POLICY_OF.answer_timeouts.values())

    assert attempts.has_in_flight(at(NOW + longest - 0.001, evaluation.snapshot))
    assert not attempts.has_in_flight(at(NOW + longest, evaluation.snapshot))


def test_a_doubt_bars_every_other_attempt_of_the_method_in_any_session() -> None:
    evaluation = at()
    attempts.mark_in_doubt(evaluation, DEFAULT, "first")

    assert not attempts.is_doubted_elsewhere(evaluation, DEFAULT, "first")
    assert attempts.is_doubted_elsewhere(evaluation, DEFAULT, "second")
    assert attempts.is_left_in_doubt(evaluation, DEFAULT)
    assert attempts.is_spent(evaluation, DEFAULT, PROVE)
    assert not attempts.is_left_in_doubt(evaluation, ALTERNATE)


def test_of_two_doubted_attempts_none_may_pass() -> None:
    evaluation = at()
    attempts.mark_in_doubt(evaluation, DEFAULT, "first")
    attempts.mark_in_doubt(evaluation, DEFAULT, "second")

    assert attempts.is_doubted_elsewhere(evaluation, DEFAULT, "first")
    assert attempts.is_doubted_elsewhere(evaluation, DEFAULT, "second")


@pytest.mark.parametrize(("failures", "wait"), [(1, 10.0), (2, 20.0), (3, 40.0)])
def test_each_failure_doubles_the_wait(failures: int, wait: float) -> None:
    slow = msgspec.structs.replace(DEFAULT, backoff=10.0)
    evaluation = at()
    for _ in range(failures):
        attempts.reserve_attempt(evaluation, slow)
    attempts.record_failure(evaluation, slow, "it", doubted=False)

    assert attempts.backoff_remaining(evaluation, slow) == wait
    assert attempts.backoff_remaining(at(NOW + wait - 1, evaluation.snapshot), slow) == 1.0
    assert attempts.backoff_remaining(at(NOW + wait + 1, evaluation.snapshot), slow) == 0.0
    assert attempts.backoff_remaining(evaluation, DEFAULT) == 0.0, "a method without a wait"


def test_the_wait_is_bounded() -> None:
    slow = msgspec.structs.replace(DEFAULT, backoff=1.0)
    evaluation = at()
    for _ in range(60):
        attempts.reserve_attempt(evaluation, slow)
    attempts.record_failure(evaluation, slow, "it", doubted=False)

    assert attempts.backoff_remaining(evaluation, slow) == 2.0**attempts.MAX_BACKOFF_DOUBLINGS


def test_an_attempt_is_with_the_verifiers_until_its_lease_ends() -> None:
    claimed = Attempt("id", "default", NOW, claimed=True)
    lease = POLICY_OF.answer_timeouts["default"]

    assert attempts.is_being_verified(at(NOW + lease - 0.001), claimed)
    assert not attempts.is_being_verified(at(NOW + lease), claimed)
    assert not attempts.is_being_verified(at(NOW), msgspec.structs.replace(claimed, claimed=False))


def test_a_person_is_in_doubt_while_a_verdict_counts_against_them() -> None:
    evaluation = at()
    assert not attempts.is_in_doubt(evaluation)
    attempts.count_attempt(evaluation)

    assert attempts.is_in_doubt(evaluation)
    assert not attempts.is_in_doubt(at(NOW + WINDOW, evaluation.snapshot))


def test_nothing_is_stored_once_nothing_counts() -> None:
    evaluation = at()
    attempts.mark_in_flight(evaluation)
    attempts.clear_in_flight(evaluation)

    assert evaluation.snapshot.account.tallies is None


CHAINED = """
fallbacks:
  step_up: {kind: step_up, attempts: 3, per: 15m, then: step_up_again}
  step_up_again: {kind: step_up, attempts: 2, per: 15m, then: prove_identity}
"""


def test_each_fallback_of_a_chain_has_attempts_of_its_own() -> None:
    policy = policy_of(POLICY + CHAINED)
    evaluation = Evaluation(policy, BLANK, NOW, TOGETHER)
    step_up = policy.fallbacks["step_up"]

    found = [spend(evaluation, f"token {number}", fallback=step_up)[0] for number in range(8)]

    assert found == [*["step_up"] * 3, *["step_up_again"] * 2, *["prove_identity"] * 3]
    for _ in range(3):
        attempts.reserve_attempt(evaluation, DEFAULT)
    assert spend(evaluation, "token 9", fallback=step_up) == ("to_a_person", Reason.ATTEMPTS_SPENT)
    assert evaluation.events == ["verification.exhausted"]
    again = [spend(evaluation, token, fallback=step_up)[0] for token in ("token 2", "token 4")]
    assert again == ["step_up", "step_up_again"], "the last token of each may be repeated"


#: chat asks for a stronger sign-in
STRONG_CHAT = (
    POLICY.replace("effect: read, scopes: [chat]}", "effect: read, assurance: {acr: aal2}}", 1)
    + """
decisions:
  - {when: {risk: routine, credential: good, session: active, assurance: [insufficient, stale]}, do: step_up}
"""
)


async def ask_weakly(desk: EnforcerHarness) -> Verdict:
    """Ask with a new token that is too weak."""
    desk.clock.advance(1)
    return await desk.ask("chat", desk.login(acr="aal1"))


async def test_twelve_weak_tokens_reach_a_person() -> None:
    desk = EnforcerHarness(STRONG_CHAT + CHAINED.replace("prove_identity", "to_a_person"))
    found = [(await ask_weakly(desk)).fallback.name for _ in range(12)]
    assert found == [*["step_up"] * 3, *["step_up_again"] * 2, *["to_a_person"] * 7]


async def test_a_method_that_a_chain_leads_to_is_taken() -> None:
    desk = EnforcerHarness(STRONG_CHAT + CHAINED.replace("[default]", "[alternate]"))
    verdicts = [await ask_weakly(desk) for _ in range(6)]
    assert verdicts[-1].fallback.name == "prove_identity"
    assert "default" in offered_methods(desk.policy, verdicts[-1])
