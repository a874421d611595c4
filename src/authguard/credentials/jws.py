"""Parser for the JWS compact serialization (RFC 7515 7.1); the result is unverified.

The header and ``iss`` only select among the issuers and keys of the policy. ``jku``, ``x5u``, ``jwk`` and ``x5c`` are
ignored (RFC 8725 3.10).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.formats.strict_json import TooComplexError, decode_base64url, parse_object

#: maximum length of ``kid`` and ``alg``
MAX_NAME_CHARS: Final = 255

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_TOO_COMPLEX: Final = NotProven("rejected", Reason.TOKEN_TOO_COMPLEX)
#: the signing input of two non-empty parts, and the signature; five parts would be an encrypted token, which is not
#: supported (8725bis 3.14)
_PARTS: Final = re.compile(rb"(([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+))\.([A-Za-z0-9_-]+)")


class Header(Struct, frozen=True):
    """The members of a header that select the key.

    Attributes:
        algorithm: ``alg``.
        key: ``kid``; ``None`` if the header has none.
        kind: ``typ``, lower-case, without ``application/``; empty if the header has none.
    """

    algorithm: str
    key: str | None
    kind: str


class UnverifiedToken(msgspec.Struct, frozen=True, gc=False):
    """The parts of a token, unverified.

    Attributes:
        token: the whole token.
        signed: the signing input (RFC 7515 5.2): header and payload exactly as sent, never re-encoded.
        header: of the signature.
        issuer: ``iss``; empty if it is missing or not a string.
        claims: all claims, unverified.
        content: the claims as they were sent: strict JSON.
        signature: of the header and the payload.
    """

    token: bytes
    signed: bytes
    header: Header
    issuer: str
    claims: dict[str, Any]
    content: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Hide all parts but those that select the key."""
        return f"UnverifiedToken(header={self.header!r}, issuer={self.issuer!r})"


def parse_compact(token: bytes) -> UnverifiedToken | NotProven:
    """Parse the header, the claims and the signature strictly (RFC 7515 7.1), each only once.

    Args:
        token: of bounded length.
    """
    parts = _PARTS.fullmatch(token)
    if parts is None:
        return _MALFORMED
    try:
        header = _header(parts[2])
        content = decode_base64url(parts[3])
        claims = parse_object(content)
        signature = decode_base64url(parts[4])
    except TooComplexError:
        return _TOO_COMPLEX
    except ValueError:
        return _MALFORMED
    issuer = claims.get("iss")
    return UnverifiedToken(
        token, parts[1], header, issuer if isinstance(issuer, str) else "", claims, content, signature
    )


@lru_cache(maxsize=64)  # all tokens of one key have the same header
def _header(segment: bytes) -> Header:
    """Parse a header; raise `ValueError` if it is not supported."""
    # No extension is supported (``crit``, RFC 7515 4.1.11), and ``b64`` is one (RFC 7797 6).
    header = parse_object(decode_base64url(segment))
    algorithm, key, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(key, str) or not isinstance(kind, str):
        raise ValueError("a header member is not a string")  # noqa: TRY004 - it is the token that is malformed
    if "crit" in header or "b64" in header or max(len(algorithm), len(key)) > MAX_NAME_CHARS:
        raise ValueError("an extension, or a name that is too long")
    return Header(algorithm, key if "kid" in header else None, kind.lower().removeprefix("application/"))
