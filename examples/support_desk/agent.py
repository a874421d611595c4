"""The example agent: its answers to messages, and what it reports about the customer.

Pure and offline: keywords replace the model, so that demo and tests are deterministic. With a model, the guard's
prompt summary would be part of its prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.asgi.guard import NextStep

#: question of the back office -> question to the customer
QUIZ: Final = {
    "maiden_name": re.compile(r"maiden name (?:is|was) (\w{1,64})", re.IGNORECASE),
    "first_pet": re.compile(r"first pet (?:is|was) (\w{1,64})", re.IGNORECASE),
}
CODE: Final = re.compile(r"\bcode is (\d{6})\b", re.IGNORECASE)
#: a parcel for which the carrier's service never answers
LOST_PARCEL: Final = "P-503"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the conversation.

    Attributes:
        say: text for the customer.
        report: event to report to the guard, ``machine.trigger``; empty for none.
        note: reason for the log, without personal data.
        ends: whether the customer wants to leave.
        method: method by which the customer proves their identity; empty for none.
        answers: verifier -> question -> answer of the customer; empty to send a code.
        outage: service that did not answer the agent; empty for none.
    """

    say: str
    report: str = ""
    note: str = ""
    ends: bool = False
    method: str = ""
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    outage: str = ""


def answer(message: str, prompt_summary: str) -> Turn:
    """Answer one message.

    Args:
        message: the customer's message.
        prompt_summary: what this customer may do now, from the guard.
    """
    text = message.casefold()
    if proof := _proof(message):
        return proof
    if LOST_PARCEL.casefold() in text:
        return Turn("The carrier does not answer; I will look again later.", outage="carrier")
    if "hacked" in text:
        return Turn("Thank you for telling us. We take care of it.", "account.compromised", "the customer says so")
    if "sign me out" in text:
        return Turn("You are signed out. Goodbye.", ends=True)
    return Turn(f"How can I help? {prompt_summary}")


def _proof(message: str) -> Turn | None:
    """Return the turn for a proof of identity; whether it proves anything is decided by the verifier."""
    quiz = {question: found.group(1) for question, pattern in QUIZ.items() if (found := pattern.search(message))}
    if quiz:
        return Turn("", method="default", answers={"quiz": quiz})
    if code := CODE.search(message):
        return Turn("", method="alternate", answers={"code": {"answer": code.group(1)}})
    return Turn("", method="alternate") if "send me a code" in message.casefold() else None


def after(step: NextStep, method: str) -> str:
    """Return the text after an attempt to prove identity.

    Args:
        step: the next step, from the guard.
        method: the method of the attempt.
    """
    if step.action == "continue":
        return "Thank you. I know now that it is you."
    if step.action == "answer":
        return "I have sent you a code. Please tell me: the code is ..."
    if method in step.methods:
        return f"I am afraid that is not what we have on file. {step.message}"
    return step.message
