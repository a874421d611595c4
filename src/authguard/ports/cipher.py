"""The port of the encryption of stored content."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class DecryptionFailure(Struct, frozen=True):
    """Stored content that cannot be decrypted.

    Attributes:
        cause: ``key``: encrypted under a key that this deployment does not have; ``changed``: altered, or of another
            context.
    """

    cause: str


class Cipher(Protocol):
    """Encryption of stored requests and responses, so that readers of the store learn nothing from them."""

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Return the content encrypted.

        Args:
            content: plaintext.
            about: context of the content; decryption needs the same one.
        """
        ...

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest, hex: equal for equal contents; without the key, it helps no guess of the content."""
        ...

    def decrypt(self, ciphertext: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Return the content, or a failure; never content that was encrypted for another context."""
        ...
