"""The agent itself: what it answers to a message, and what it learned of the customer on the way.

Pure and offline: keywords stand in for the model, so that the demo and the tests know what will happen. Where a model
stood here, the guard's prompt summary would be part of its prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.asgi.guard import NextStep

#: what the back office asks -> how a customer says it
QUIZ: Final = {
    "maiden_name": re.compile(r"maiden name (?:is|was) (\w{1,64})", re.IGNORECASE),
    "first_pet": re.compile(r"first pet (?:is|was) (\w{1,64})", re.IGNORECASE),
}
CODE: Final = re.compile(r"\bcode is (\d{6})\b", re.IGNORECASE)
#: a parcel about which the carrier's service never answers
LOST_PARCEL: Final = "P-503"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the talk.

    Attributes:
        say: to the customer.
        report: what the guard should know, ``machine.trigger``; empty for nothing.
        note: why, for the log; no personal data.
        ends: whether the customer wants to leave.
        method: by which the customer proves who they are; empty where they do not.
        answers: verifier -> question -> what they said; empty has a code sent.
        outage: a service that gave the agent no answer; empty where all did.
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
        message: the customer's.
        prompt_summary: what this customer may do now, from the guard.
    """
    said = message.casefold()
    if proof := _proof(message):
        return proof
    if LOST_PARCEL.casefold() in said:
        return Turn("The carrier does not answer; I will look again later.", outage="carrier")
    if "hacked" in said:
        return Turn("Thank you for telling us. We take care of it.", "account.compromised", "the customer says so")
    if "sign me out" in said:
        return Turn("You are signed out. Goodbye.", ends=True)
    return Turn(f"How can I help? {prompt_summary}")


def _proof(message: str) -> Turn | None:
    """Find what proves who the customer is, or is meant to; what it proves is not for the agent to say."""
    quiz = {question: found.group(1) for question, pattern in QUIZ.items() if (found := pattern.search(message))}
    if quiz:
        return Turn("", method="default", answers={"quiz": quiz})
    if code := CODE.search(message):
        return Turn("", method="alternate", answers={"code": {"answer": code.group(1)}})
    return Turn("", method="alternate") if "send me a code" in message.casefold() else None


def after(step: NextStep, method: str) -> str:
    """Say what comes next for a customer who proved who they are, or tried to.

    Args:
        step: as the guard says.
        method: that was tried.
    """
    if step.action == "continue":
        return "Thank you. I know now that it is you."
    if step.action == "answer":
        return "I have sent you a code. Please tell me: the code is ..."
    if method in step.methods:
        return f"I am afraid that is not what we have on file. {step.message}"
    return step.message
