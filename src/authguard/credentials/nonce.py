"""Nonces for DPoP proofs (RFC 9449 8 and 9), derived from the time and a key, so that none is stored.

All processes with the same key issue and accept the same nonces. A valid nonce shows that the proof was made within the
last ten minutes, and nothing else.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds for which a nonce is issued; it is accepted for one more step
NONCE_STEP_S: Final = 300.0
_BYTES: Final = 18


class NonceGenerator:
    """Issues and validates nonces.

    Args:
        key: returns the secret that all processes of the deployment share.
    """

    __slots__ = ("_key",)

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def current(self, now: float) -> str:
        """Return the nonce to issue now.

        Args:
            now: epoch seconds UTC.
        """
        return self._derive(int(now // NONCE_STEP_S))

    def validate(self, nonce: str, now: float) -> tuple[bool, str]:
        """Return whether a nonce is valid, and the nonce to use next.

        Args:
            nonce: the nonce in the proof.
            now: epoch seconds UTC.

        Returns:
            Whether it is valid; and the current nonce, empty if the proof has it already.
        """
        step = int(now // NONCE_STEP_S)
        if hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._derive(step).encode()):
            return True, ""
        known = hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._derive(step - 1).encode())
        return known, self._derive(step)

    @staticmethod
    def valid_until(now: float) -> float:
        """Return the time in epoch seconds UTC at which every nonce that is valid now has expired.

        Args:
            now: epoch seconds UTC.
        """
        return (now // NONCE_STEP_S + 2) * NONCE_STEP_S

    def _derive(self, step: int) -> str:
        raw = step.to_bytes(8, "big", signed=True)
        return urlsafe_b64encode(blake2b(raw, digest_size=_BYTES, key=self._key(), person=b"nonce").digest()).decode()
