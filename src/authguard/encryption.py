"""Encryption of stored requests and responses: AES-256-GCM under the keys of the deployment.

Rules: each encryption uses a fresh random nonce (NIST SP 800-38D 8.2.2). The context of the content is authenticated
with it, so that a ciphertext cannot be moved to another record. Without the key, decryption returns a failure and no
content.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b, sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authguard.ports import DecryptionFailure

#: bytes of a key, of a nonce, and of the key id at the start of a ciphertext
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 8
#: bytes of a keyed digest
DIGEST_BYTES: Final = 16


class PayloadCipher:
    """Implements `authguard.ports.Cipher`; the first key encrypts, all of them decrypt, so that keys can be rotated."""

    __slots__ = ("_ciphers", "_digest_key", "_first")

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """Derive the key ids and the digest key.

        Args:
            keys: 32 bytes each, the newest first; at least one.
        """
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])
        self._digest_key = sha256(b"authguard marks\n" + keys[0]).digest()

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Return the content encrypted under the first key and bound to its context."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, content, self._first + about)

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest of content that is never shown, hex."""
        return blake2b(content, digest_size=DIGEST_BYTES, key=self._digest_key, person=b"authguard mark").hexdigest()

    def decrypt(self, ciphertext: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Decrypt content that was encrypted for the same context, under whichever of the keys."""
        name, nonce, rest = (
            ciphertext[:KEY_ID_BYTES],
            ciphertext[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES],
            ciphertext[KEY_ID_BYTES + NONCE_BYTES :],
        )
        cipher = self._ciphers.get(name)
        if cipher is None or len(nonce) < NONCE_BYTES:
            return DecryptionFailure("key")
        try:
            return cipher.decrypt(nonce, rest, name + about)
        except InvalidTag:
            return DecryptionFailure("changed")


def _key_id(key: bytes) -> bytes:
    """Return the id of a key, which reveals nothing about the key."""
    return sha256(b"authguard seal\n" + key).digest()[:KEY_ID_BYTES]
