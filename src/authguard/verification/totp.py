"""Codes of an authenticator app (TOTP, RFC 6238), checked against the secret that the app stores.

Rules: each code counts once for an account, in all processes (RFC 6238, section 5.2). Steps are compared in constant
time, without an early exit. An account without a secret fails after the same work. A secret below 128 bits is invalid
(RFC 4226, section 4, R6).
"""

from __future__ import annotations

import binascii
import hmac
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import pyotp

from authguard.core.verification import Failed, Passed
from authguard.outbound.error import ServiceError
from authguard.verification.app_function import AppFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.deployment import Verifier
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question, Store

#: duration of one step (RFC 6238, section 5.2, recommends 30)
STEP_S: Final = 30
#: minimum size (RFC 4226, section 4, R6) and maximum length of a secret
MIN_SECRET_BYTES: Final = 16
MAX_SECRET_LENGTH: Final = 512
#: used for the same work for an account without a secret; no code passes by it
_DUMMY_SECRET: Final = "A" * 32


class TotpService:
    """Checks a code; ``function(issuer, subject)`` returns the secret in base32, ``None`` if there is none."""

    def __init__(
        self, declared: Verifier, function: Callable[[str, str], Any], store: Store, key: Callable[[], bytes]
    ) -> None:
        """Store the parts.

        Args:
            declared: digits, and the window: number of steps that a clock may differ, in each direction.
            function: of the app; sync or async.
            store: of used steps, for all processes.
            key: returns the secret that all processes share; it pseudonymizes the stored steps.
        """
        self._declared = declared
        self._secret = AppFunction(function, declared.max_concurrency)
        self._store = store
        self._key = key

    async def open(self) -> None:
        """Do nothing: the store is opened by the guard."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> VerifierVerdict:
        """Check one code.

        Raises:
            NoAnswerError: the app returned an invalid secret.
            StoreError: the used step could not be stored, so it must not count as unused.
        """
        secret = await self._secret(question.issuer, question.subject)
        otp = _generator(_DUMMY_SECRET if secret is None else secret, self._declared.digits)
        code = question.answers.get("answer", "").replace(" ", "").encode("utf-8", "surrogatepass")
        now, window = int(question.at // STEP_S), self._declared.window
        found = -1
        for step in range(max(0, now - window), now + window + 1):
            if hmac.compare_digest(otp.generate_otp(step).encode(), code):
                found = step
        if found < 0 or secret is None:
            return Failed()
        until = (found + window + 1) * STEP_S
        return Passed() if await self._store.claim(self._name(question, found), until, question.at) else Failed()

    def _name(self, question: Question, step: int) -> bytes:
        """Return the storage key of an account's used step."""
        digest = blake2b(digest_size=32, key=self._key(), person=b"totp step")
        for part in (self._declared.name, question.issuer, question.subject, str(step)):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
        return digest.digest()


def _generator(secret: object, digits: int) -> pyotp.TOTP:
    """Return the code generator of a secret, or raise `NoAnswerError` if it is not base32 of at least 128 bits."""
    if not isinstance(secret, str) or len(secret) > MAX_SECRET_LENGTH:
        raise ServiceError("nonsense")
    try:
        otp = pyotp.TOTP(secret.replace(" ", ""), digits=digits, interval=STEP_S)
        raw = otp.byte_secret()  # base32: RFC 4648, section 6
    except (binascii.Error, ValueError) as error:
        raise ServiceError("nonsense") from error
    if len(raw) < MIN_SECRET_BYTES:
        raise ServiceError("nonsense")
    return otp
