"""Nonces for proofs of possession (RFC 9449 8 and 9): derived from the time and a key, so that nothing is kept of them.

All processes that share the key give out and take the same ones. A nonce says no more than that a proof that names it
was made within the last ten minutes.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

#: seconds for which one is given out; it is taken for as long again
NONCE_STEP_S: Final = 300.0
_BYTES: Final = 18


class NonceGenerator:
    """Gives out nonces, and knows its own.

    Args:
        key: secret, shared by all processes of the deployment.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: float) -> str:
        """Give the nonce of this moment.

        Args:
            now: epoch seconds UTC.
        """
        return self._derive(int(now // NONCE_STEP_S))

    def validate(self, nonce: str, now: float) -> tuple[bool, str]:
        """Tell whether a nonce is one of ours that still counts, and which to use next where that is another one.

        Args:
            nonce: as the proof names it.
            now: epoch seconds UTC.

        Returns:
            Whether it counts; and the nonce of this moment, empty where it is the same.
        """
        step = int(now // NONCE_STEP_S)
        if hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._derive(step).encode()):
            return True, ""
        known = hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._derive(step - 1).encode())
        return known, self._derive(step)

    def _derive(self, step: int) -> str:
        raw = step.to_bytes(8, "big", signed=True)
        return urlsafe_b64encode(blake2b(raw, digest_size=_BYTES, key=self._key, person=b"nonce").digest()).decode()
