"""Knowledge-based verification: answers of the customer, compared with the app's records.

Rules: all questions of the policy must be answered correctly. Answers are compared as keyed hashes, in constant time.
An unknown question or account fails after the same work. This method alone proves little (NIST SP 800-63A-4 does not
accept it): combine it with another verifier.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from authguard.core.verification import Failed, Passed
from authguard.outbound.error import ServiceError
from authguard.verification.app_function import AppFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.deployment import Verifier
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question

#: maximum length of an answer in the app's records
MAX_ANSWER_LENGTH: Final = 2_000


class KbaService:
    """Compares answers with ``function(issuer, subject)``: a mapping of question to answer, ``None`` for no account."""

    def __init__(self, declared: Verifier, function: Callable[[str, str], Any], key: Callable[[], bytes]) -> None:
        """Store the parts.

        Args:
            declared: with the questions that must be answered.
            function: of the app; sync or async.
            key: returns a secret, so that the hashes cannot be computed outside.
        """
        self._questions = declared.questions
        self._records = AppFunction(function, declared.max_concurrency)
        self._key = key

    async def open(self) -> None:
        """Do nothing: the function belongs to the app."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> VerifierVerdict:
        """Compare all answers, even after a wrong one.

        Raises:
            NoAnswerError: the app's records are invalid.
        """
        records = await self._records(question.issuer, question.subject)
        if records is not None and not isinstance(records, Mapping):
            raise ServiceError("nonsense")
        wrong = 0
        for name in self._questions:
            expected = "" if records is None else records.get(name, "")
            if not isinstance(expected, str) or len(expected) > MAX_ANSWER_LENGTH:
                raise ServiceError("nonsense")
            given = question.answers.get(name, question.answers.get("answer", "") if len(self._questions) == 1 else "")
            same = hmac.compare_digest(self._digest(given), self._digest(expected))
            wrong += not (same & bool(normalize_answer(expected)))
        return Failed() if wrong else Passed()

    def _digest(self, answer: str) -> bytes:
        return blake2b(
            normalize_answer(answer).encode("utf-8", "surrogatepass"), digest_size=32, key=self._key()
        ).digest()


def normalize_answer(answer: str) -> str:
    """Return an answer in the compared form: compatibility forms (NFKC), case and spaces make no difference."""
    folded = unicodedata.normalize("NFKC", answer).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
