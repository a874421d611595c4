"""Calls of the verifiers that a method combines: in parallel, each within its deadline, and only as far as needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from authguard.core.verification import Doubted, Failed, IncompleteMethod, Passed, Unavailable, combine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.snapshot import Attempt
    from authguard.core.verification import Method, VerifierVerdict
    from authguard.ports import Question, Verifier

    Answers = Mapping[str, Mapping[str, str]]

#: score of a doubt from an earlier answer to the same attempt
EARLIER_DOUBT_SCORE: Final = 0.5


async def call_verifiers(
    verifiers: Mapping[str, Verifier],
    method: Method,
    attempt: Attempt,
    question: Question,
    answers: Answers,
    *,
    is_fresh: bool,
) -> dict[str, VerifierVerdict]:
    """Call the verifiers that have answers, and begin those that send something to the customer first.

    Args:
        verifiers: name in the policy -> verifier.
        method: combines them.
        attempt: with the verifiers that passed or were in doubt so far.
        question: about the customer, without answers.
        answers: verifier -> field -> the customer's answer.
        is_fresh: whether nothing was sent for this attempt yet.

    Returns:
        Verifier -> its verdict; a verifier that waits for an answer has none.
    """
    verdicts: dict[str, VerifierVerdict] = {name: Passed() for name in attempt.passed}
    verdicts |= {name: Doubted(EARLIER_DOUBT_SCORE) for name in attempt.doubted}
    begun: set[str] = set()
    while isinstance(incomplete := combine(method, verdicts), IncompleteMethod):
        calls: dict[str, str] = {}
        for name in incomplete.verifiers:
            verifier = verifiers[name]
            if verifier.sends and (is_fresh or name not in answers):
                if name not in begun and (is_fresh or not answers):
                    calls[name] = "begin"
            elif name in answers or not verifier.interactive:
                calls[name] = "verify"
        if not calls:
            return verdicts
        results: dict[str, VerifierVerdict] = {}
        async with anyio.create_task_group() as group:
            for name, call in calls.items():
                asked = replace(question, answers=answers.get(name, {}) if call == "verify" else {})
                group.start_soon(_call, verifiers[name], name, call, asked, results)
        for name, result in results.items():
            if calls[name] == "begin" and isinstance(result, Passed):
                begun.add(name)
            else:
                verdicts[name] = result
    return verdicts


async def _call(
    verifier: Verifier, name: str, call: str, question: Question, results: dict[str, VerifierVerdict]
) -> None:
    """Call one verifier; any error is `Unavailable`, and never a pass."""
    results[name] = Unavailable("timeout")
    try:
        with anyio.move_on_after(verifier.max_duration):
            calling = verifier.begin(question) if call == "begin" else verifier.verify(question)
            result: object = await calling
            known = isinstance(result, Passed | Failed | Doubted | Unavailable)
            results[name] = result if known else Unavailable("nonsense")  # type: ignore[assignment]  # just checked
    except Exception:  # noqa: BLE001 - a verifier that fails is an event with a defined next step, never a fault
        results[name] = Unavailable("error")
