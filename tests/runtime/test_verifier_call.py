"""Verifiers are called only with answers, any error of theirs is an outage, and earlier verdicts stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.snapshot import Attempt
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.ports import Question
from authguard.runtime.verifier_call import EARLIER_DOUBT_SCORE, call_verifiers
from tests.support.harness import ScriptedVerifier, policy_of

if TYPE_CHECKING:
    from authguard.core.verification import VerifierVerdict

METHOD = policy_of().methods["default"]
QUESTION = Question(issuer="i", subject="s", session="aa", attempt="a1", answers={}, channel="", at=1.0)
ATTEMPT = Attempt("a1", "default", 1.0)
RIGHT = {"otp": {"answer": "123456"}}


async def called(
    verifier: ScriptedVerifier, attempt: Attempt = ATTEMPT, *, is_fresh: bool = True, **answers: dict[str, str]
) -> dict[str, VerifierVerdict]:
    return await call_verifiers({"otp": verifier}, METHOD, attempt, QUESTION, answers, is_fresh=is_fresh)


async def test_an_answer_reaches_its_verifier_alone() -> None:
    verifier = ScriptedVerifier()
    assert await called(verifier, **RIGHT) == {"otp": Passed()}
    assert [dict(question.answers) for question in verifier.asked] == [{"answer": "123456"}]
    assert await called(ScriptedVerifier(), otp={"answer": "0"}) == {"otp": Failed()}


async def test_a_verifier_that_waits_for_an_answer_is_not_called() -> None:
    verifier = ScriptedVerifier()
    assert await called(verifier) == {}
    assert not verifier.asked


async def test_what_sends_a_code_sends_it_once_and_without_answers() -> None:
    verifier = ScriptedVerifier(sends=True)
    assert await called(verifier, **RIGHT) == {}
    assert ([dict(question.answers) for question in verifier.begun], verifier.asked) == ([{}], [])
    assert await called(verifier, is_fresh=False, **RIGHT) == {"otp": Passed()}
    assert len(verifier.begun) == 1


@pytest.mark.parametrize("answer", ["yes", None, True])
async def test_an_unknown_result_is_an_outage(answer: object) -> None:
    assert await called(ScriptedVerifier([answer]), **RIGHT) == {"otp": Unavailable("nonsense")}  # type: ignore[list-item]  # it is not one


async def test_an_error_is_an_outage_and_never_a_pass() -> None:
    assert await called(ScriptedVerifier([RuntimeError("no")]), **RIGHT) == {"otp": Unavailable("error")}


async def test_what_passed_or_was_in_doubt_before_is_not_asked_again() -> None:
    verifier = ScriptedVerifier()
    assert await called(verifier, Attempt("a1", "default", 1.0, passed=("otp",)), **RIGHT) == {"otp": Passed()}
    doubted = await called(verifier, Attempt("a1", "default", 1.0, doubted=("otp",)), **RIGHT)
    assert doubted == {"otp": Doubted(EARLIER_DOUBT_SCORE)}
    assert not verifier.asked
