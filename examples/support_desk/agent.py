"""The agent itself: what it answers to a message, and what it learned of the customer on the way.

Pure and offline: keywords stand in for the model, and fixed answers for the services that it would ask, so that the
demo and the tests know what will happen. Where a model stood here, the guard's briefing would be part of its prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: what the customer once told the bank, as its quiz service would compare it
QUIZ: Final = (
    (re.compile(r"maiden name (?:is|was) (\w+)", re.IGNORECASE), "okafor"),
    (re.compile(r"first pet (?:is|was) (\w+)", re.IGNORECASE), "rex"),
)
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
    """

    say: str
    report: str = ""
    note: str = ""
    ends: bool = False


def answer(message: str, briefing: str) -> Turn:
    """Answer one message.

    Args:
        message: the customer's.
        briefing: what this customer may do now, from the guard.
    """
    said = message.casefold()
    if any(pattern.search(message) for pattern, _ in QUIZ):
        return _compare(message)
    if "my voice" in said:
        return Turn("I cannot hear you well enough just now.", "verification.unavailable", "voice service: no answer")
    if LOST_PARCEL.casefold() in said:
        return Turn("The carrier does not answer; I will look again later.", "service.impaired", "carrier: no answer")
    if "hacked" in said:
        return Turn("Thank you for telling us. We take care of it.", "account.compromised", "the customer says so")
    if "sign me out" in said:
        return Turn("You are signed out. Goodbye.", ends=True)
    return Turn(f"How can I help? {briefing}")


def _compare(message: str) -> Turn:
    """Compare spoken answers as a quiz service would: all of them, some of them, none of them right."""
    given = [(pattern.search(message), right) for pattern, right in QUIZ]
    correct = sum(found is not None and found.group(1).casefold() == right for found, right in given)
    if correct == len(QUIZ):
        # Nothing is reported: an app's reports only tighten, and two words that a thief can learn prove nobody.
        return Turn("Thank you. To go on, please sign in with your second factor.")
    if correct:
        return Turn("Thank you. I am not sure yet.", "verification.doubted", f"quiz: {correct} of {len(QUIZ)} right")
    return Turn("I am afraid that is not what we have on file.", "verification.failed", "quiz: none right")
