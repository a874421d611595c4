"""Takes a signed token apart, unverified, as far as it takes to know which key should have signed it.

Nothing here is believed: the header and ``iss`` only choose among the issuers and keys that the policy names. ``jku``,
``x5u``, ``jwk`` and ``x5c`` are never looked at (RFC 8725 3.10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.core.strict_json import decode_base64url, parse_object

#: characters of a ``kid`` or an ``alg`` at the most
MAX_NAME_CHARS: Final = 255

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
#: three parts, none empty; five parts would be encrypted, which nobody here asked for (8725bis 3.14)
_PARTS: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Header:
    """What a token's header says of its signature.

    Attributes:
        algorithm: ``alg``.
        key: ``kid``; ``None`` where it names no key.
        kind: ``typ``, lower-case, without ``application/``; empty where it has none.
    """

    algorithm: str
    key: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says of itself.

    Attributes:
        token: all of it.
        header: of its signature.
        issuer: ``iss``; empty where it is missing or no text.
        claims: all of them, unverified as they are.
        signature: over the header and the payload.
    """

    token: bytes = field(repr=False)
    header: Header
    issuer: str
    claims: dict[str, Any] = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """Give what the signature is over (RFC 7515 5.2): both parts as they were sent, never encoded anew."""
        return self.token[: self.token.rindex(b".")]


def parse_compact(token: bytes) -> UnverifiedToken | NotProven:
    """Read the header, the claims and the signature (RFC 7515 7.1), strictly, and each of them once.

    Args:
        token: bounded in length.
    """
    parts = _PARTS.fullmatch(token)
    if parts is None:
        return _MALFORMED
    try:
        header = _header(parts[1])
        claims = parse_object(decode_base64url(parts[2]))
        signature = decode_base64url(parts[3])
    except ValueError:
        return _MALFORMED
    issuer = claims.get("iss")
    return UnverifiedToken(token, header, issuer if isinstance(issuer, str) else "", claims, signature)


@lru_cache(maxsize=64)  # all tokens that one key signs have the same header
def _header(segment: bytes) -> Header:
    """Read a header.

    Raises:
        ValueError: it is none that we understand. No extension is (``crit``, RFC 7515 4.1.11), and ``b64`` is one (RFC
            7797 6).
    """
    header = parse_object(decode_base64url(segment))
    algorithm, key, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(key, str) or not isinstance(kind, str):
        raise ValueError("a member is not a text")  # noqa: TRY004 - it is the token that is malformed
    if "crit" in header or "b64" in header or max(len(algorithm), len(key)) > MAX_NAME_CHARS:
        raise ValueError("an extension, or a name without end")
    return Header(algorithm, key if "kid" in header else None, kind.lower().removeprefix("application/"))
