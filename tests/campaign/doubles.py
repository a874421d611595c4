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
#: subject -> what a screening finds, `down` for a failure; `clean` for others
SCREENED: Final[dict[str, str]] = {}
#: subject -> tier of the account; `gold` for others
TIERS: Final[dict[str, str]] = {}
#: kind of a walk's step -> the answers that it changes
ANSWERS: Final = {"status": STATUSES, "screened": SCREENED, "tier": TIERS}


async def otp(question: Question) -> VerifierVerdict:
    """Verify a code."""
    return VERDICTS.get(question.answers.get("answer", ""), Failed())


document = passkey = otp


async def account_status(issuer: str, subject: str) -> str:
    """Return the status of an account."""
    del issuer
    return STATUSES.get(subject, "ok")


async def account_document(issuer: str, subject: str) -> dict[str, str]:
    """Return the status of an account, with its tier."""
    return {"status": await account_status(issuer, subject), "tier": TIERS.get(subject, "gold")}


async def screen(issuer: str, subject: str) -> str:
    """Return what a screening of a subject found, or fail."""
    del issuer
    found = SCREENED.get(subject, "clean")
    if found == "down":
        raise ConnectionError
    return found
