"""The app's functions for the built-in verifiers: secrets, records, delivery and a judge.

A policy names them as ``call: tests.verification.functions:secret``; each writes down how often it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.ports import Question

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PET = "Rex"


@dataclass
class Told:
    """What the functions were asked and what they handed over.

    Attributes:
        asked: subjects, in order, by any of the functions.
        codes: the codes that were sent, in order.
        judge: what `judge` does with a question.
    """

    asked: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    judge: Callable[[Question], Any] = lambda question: question.answers.get("answer") == "me"


#: of the test that runs now; each test puts its own here
told = Told()


def secret(_: str, subject: str) -> str | None:
    """Give a secret for `totp`; one subject has none."""
    told.asked.append(subject)
    return None if subject == "nobody" else SECRET


async def records(_: str, subject: str) -> dict[str, str] | None:
    """Give records for `kba`; one subject has none."""
    told.asked.append(subject)
    return None if subject == "nobody" else {"pet": PET}


async def send(_: str, subject: str, channel: str, code: str) -> bool:
    """Take a code for `code`."""
    del channel
    told.asked.append(subject)
    told.codes.append(code)
    return True


def judge(question: Question) -> Any:
    """Judge for `python`, as the test says."""
    told.asked.append(question.subject)
    return told.judge(question)
