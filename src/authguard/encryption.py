"""What is kept of a customer's request and of the app's answer is kept sealed: AES-256-GCM under the deployment's keys.

Rules: a fresh random nonce for each seal (NIST SP 800-38D 8.2.2); what it is about is authenticated with it, so that
nothing sealed can be moved elsewhere; whoever lacks the key is told so and gets nothing.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b, sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authguard.ports import DecryptionFailure

#: bytes of a key, of a nonce, and of the name that a key has in what it sealed
KEY: Final = 32
NONCE: Final = 12
NAME: Final = 8
#: bytes of a keyed digest
MARK: Final = 16


class PayloadCipher:
    """Implements `authguard.ports.Cipher`; the first key seals, all of them open, so that keys can be rotated."""

    __slots__ = ("_ciphers", "_first", "_marks")

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """Keep the keys.

        Args:
            keys: 32 bytes each, the newest first; at least one.
        """
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._first = _name(keys[0])
        self._marks = sha256(b"authguard marks\n" + keys[0]).digest()

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Cipher."""
        nonce = secrets.token_bytes(NONCE)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, content, self._first + about)

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest of something that is shown to nobody."""
        return blake2b(content, digest_size=MARK, key=self._marks, person=b"authguard mark").hexdigest()

    def decrypt(self, sealed: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Open what was sealed about the same thing, with whichever key sealed it."""
        name, nonce, rest = sealed[:NAME], sealed[NAME : NAME + NONCE], sealed[NAME + NONCE :]
        cipher = self._ciphers.get(name)
        if cipher is None or len(nonce) < NONCE:
            return DecryptionFailure("key")
        try:
            return cipher.decrypt(nonce, rest, name + about)
        except InvalidTag:
            return DecryptionFailure("changed")


def _name(key: bytes) -> bytes:
    """Name a key without telling anything of it."""
    return sha256(b"authguard seal\n" + key).digest()[:NAME]
