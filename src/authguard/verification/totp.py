"""Codes of an authenticator app (TOTP, RFC 6238), checked against the secret that the app keeps.

Rules: each code counts once for an account, in whichever process (RFC 6238 5.2); steps are compared in constant time
and never left early; an account without a secret fails after the same work; a secret below 128 bits is none
(RFC 4226 4, R6).
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

    from authguard.core.verification import VerifierVerdict
    from authguard.policy.deployment import Verifier
    from authguard.ports import Question, Store

#: seconds of one step (RFC 6238 5.2 recommends 30)
STEP_S: Final = 30
#: bytes of a secret at the least (RFC 4226 4, R6), and characters of it at the most
MIN_SECRET_BYTES: Final = 16
MAX_SECRET_LENGTH: Final = 512
#: what an account without a secret is checked against, for the same work; nothing ever passes by it
_DUMMY_SECRET: Final = "A" * 32


class TotpService:
    """Checks a code; ``function(issuer, subject)`` gives the secret in base32, ``None`` where there is none."""

    def __init__(self, declared: Verifier, function: Callable[[str, str], Any], store: Store, key: bytes) -> None:
        """Keep the parts.

        Args:
            declared: digits, and the window: how many steps a clock may be off, each way.
            function: of the app; sync or async.
            store: where used steps are kept, for all processes.
            key: secret, shared by all processes; names what is kept, so that it tells nobody who proved what.
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
            ServiceError: the app gave a secret that is none.
            StoreError: the used step could not be kept, so nobody may take it for unused.
        """
        secret = await self._secret(question.issuer, question.subject)
        otp = _generator(_DUMMY_SECRET if secret is None else secret, self._declared.digits)
        said = question.answers.get("answer", "").replace(" ", "").encode("utf-8", "surrogatepass")
        now, window = int(question.at // STEP_S), self._declared.window
        found = -1
        for step in range(max(0, now - window), now + window + 1):
            if hmac.compare_digest(otp.generate_otp(step).encode(), said):
                found = step
        if found < 0 or secret is None:
            return Failed()
        until = (found + window + 1) * STEP_S
        return Passed() if await self._store.claim(self._name(question, found), until, question.at) else Failed()

    def _name(self, question: Question, step: int) -> bytes:
        """Name a used step of an account."""
        digest = blake2b(digest_size=32, key=self._key, person=b"totp step")
        for part in (self._declared.name, question.issuer, question.subject, str(step)):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
        return digest.digest()


def _generator(secret: object, digits: int) -> pyotp.TOTP:
    """Make what gives the codes of a secret.

    Raises:
        ServiceError: it is no base32 (RFC 4648 6) of at least 128 bits.
    """
    if not isinstance(secret, str) or len(secret) > MAX_SECRET_LENGTH:
        raise ServiceError("nonsense")
    try:
        otp = pyotp.TOTP(secret.replace(" ", ""), digits=digits, interval=STEP_S)
        raw = otp.byte_secret()
    except (binascii.Error, ValueError) as error:
        raise ServiceError("nonsense") from error
    if len(raw) < MIN_SECRET_BYTES:
        raise ServiceError("nonsense")
    return otp
