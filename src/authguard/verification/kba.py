"""Questions that only the customer can answer, held against the app's own records.

Rules: every question of the policy is answered and right; answers are compared as keyed hashes, in constant time; a
question or an account that is unknown fails after the same work. Such knowledge proves little by itself (NIST
SP 800-63A-4 takes none): combine it with another verifier.
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

    from authguard.core.verification import VerifierVerdict
    from authguard.policy.deployment import Verifier
    from authguard.ports import Question

#: characters of what the app's records may say
MAX_ANSWER_LENGTH: Final = 2_000


class KbaService:
    """Compares answers with ``function(issuer, subject)``, a mapping of question to answer, or ``None`` for nobody."""

    def __init__(self, declared: Verifier, function: Callable[[str, str], Any], key: bytes) -> None:
        """Keep the parts.

        Args:
            declared: with the questions that have to be answered.
            function: of the app; sync or async.
            key: secret, so that no hash can be made outside.
        """
        self._questions = declared.questions
        self._records = AppFunction(function, declared.max_concurrency)
        self._key = key

    async def open(self) -> None:
        """Do nothing: it is the app's."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> VerifierVerdict:
        """Compare every answer, whatever the first ones were.

        Raises:
            ServiceError: the app's records make no sense.
        """
        known = await self._records(question.issuer, question.subject)
        if known is not None and not isinstance(known, Mapping):
            raise ServiceError("nonsense")
        wrong = 0
        for name in self._questions:
            right = "" if known is None else known.get(name, "")
            if not isinstance(right, str) or len(right) > MAX_ANSWER_LENGTH:
                raise ServiceError("nonsense")
            said = question.answers.get(name, question.answers.get("answer", "") if len(self._questions) == 1 else "")
            same = hmac.compare_digest(self._digest(said), self._digest(right))
            wrong += not (same & bool(normalize_answer(right)))
        return Failed() if wrong else Passed()

    def _digest(self, answer: str) -> bytes:
        return blake2b(
            normalize_answer(answer).encode("utf-8", "surrogatepass"), digest_size=32, key=self._key
        ).digest()


def normalize_answer(answer: str) -> str:
    """Write an answer as it is compared: compatibility forms (NFKC), case and spaces make no difference."""
    folded = unicodedata.normalize("NFKC", answer).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
