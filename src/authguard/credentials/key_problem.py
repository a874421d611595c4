"""Why a key of a JWK Set is ignored: a closed list, for logs, the health endpoint and ``authguard issuer check``."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class KeyProblem(Enum):
    """Cause for which a key is ignored: ``(code, text, whether an ordinary provider publishes such keys)``."""

    ENCRYPTION = ("encryption", "is for encryption", True)
    OTHER_USE = ("other-use", "is for another use than signatures", True)
    OTHER_ISSUER = ("other-issuer", "belongs to another issuer", True)
    ALGORITHM_UNLISTED = ("algorithm-unlisted", "is for algorithms that the policy does not list", True)
    ALGORITHM_UNKNOWN = ("algorithm-unknown", "is for an algorithm that is not supported", False)
    PRIVATE = ("private", "contains its private part, so anyone can sign with it", False)
    SYMMETRIC = ("symmetric", "is a published secret, so anyone can sign with it", False)
    WEAK = ("weak", "is weak, so others may be able to sign with it", False)
    CROWDED = ("crowded", "shares its `kid` and algorithm with too many other keys", False)
    MALFORMED = ("malformed", "is malformed", False)

    def __init__(self, code: str, text: str, is_ordinary: bool) -> None:  # noqa: FBT001 - a table
        """Unpack the row."""
        self.code = code
        self.text = text
        self.is_ordinary = is_ordinary


class IgnoredKey(Struct, frozen=True):
    """A key of a set that is not used; contains no key material.

    Attributes:
        position: position in the set, from 1.
        kid: its ``kid``; empty if it has none, or one that cannot be displayed.
        problem: why it is ignored.
        detail: further detail from a closed vocabulary, such as ``RSA of 1024 bits`` or an algorithm; empty for none.
    """

    position: int
    kid: str
    problem: KeyProblem
    detail: str = ""

    def __str__(self) -> str:
        """Return one line without key material."""
        named = f"key `{self.kid}`" if self.kid else f"key {self.position} of the set (without `kid`)"
        return f"{named} {self.problem.text}{f': {self.detail}' if self.detail else ''}"
