"""What a policy of the campaign calls: verifiers and a source of account states, as functions of the app.

A verifier's verdict is in the customer's answer, so that a walk says what each service answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.verification import Doubted, Failed, Passed, Unavailable

if TYPE_CHECKING:
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question

#: answer -> what the service says of it; any other answer is wrong
VERDICTS: Final[dict[str, VerifierVerdict]] = {
    "right": Passed(),
    "doubt": Doubted(0.6),
    "down": Unavailable("error"),
}
#: subject -> word of the source; `ok` for others
STATUSES: Final[dict[str, str]] = {}


async def otp(question: Question) -> VerifierVerdict:
    """Verify a code."""
    return VERDICTS.get(question.answers.get("answer", ""), Failed())


document = passkey = otp


async def account_status(issuer: str, subject: str) -> str:
    """Return the status of an account."""
    del issuer
    return STATUSES.get(subject, "ok")
