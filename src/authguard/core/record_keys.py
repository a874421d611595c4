"""Keys of the stored records of a credential: digests, so that no store's key holds personal data."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

KEY_BYTES: Final = 16
#: hash states of the keys, which are copied for each
_ACCOUNT: Final = blake2b(digest_size=KEY_BYTES, person=b"account")
_SESSION: Final = blake2b(digest_size=KEY_BYTES, person=b"session")


def account_key(issuer: str, subject: str) -> bytes:
    """Return an account's key: a digest, so that no store's key holds personal data.

    Identity is (``iss``, ``sub``) (RFC 7519 4.1.2, RFC 8725 3.8); lengths are hashed too, so no two pairs collide.
    """
    return _digest(_ACCOUNT, _part(issuer) + _part(subject))


def session_key(issuer: str, subject: str, client: str, sid: str) -> bytes:
    """Return a session's key, without token bytes, so that a refreshed token continues the session (FIELD 5.6)."""
    return identity_keys(issuer, subject, client, sid)[1]


def identity_keys(issuer: str, subject: str, client: str, sid: str) -> tuple[bytes, bytes]:
    """Return `account_key` and `session_key` of one credential."""
    account = _shared_part(issuer) + _part(subject)
    return _digest(_ACCOUNT, account), _digest(_SESSION, account + _shared_part(client) + _part(sid))


def _part(text: str) -> bytes:
    """Return a text with its length."""
    raw = text.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4, "big") + raw


#: `_part` of a text that many credentials share
_shared_part = lru_cache(maxsize=64)(_part)


def _digest(kind: blake2b, named: bytes) -> bytes:
    digest = kind.copy()
    digest.update(named)
    return digest.digest()
