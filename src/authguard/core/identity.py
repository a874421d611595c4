"""Encoding of issuer and subject as one text, without collisions between pairs."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

#: separates issuer and subject; percent-encoding removes it from both (RFC 3986 2.3)
SEPARATOR: Final = ":"


def encode_identity(issuer: str, subject: str) -> str:
    """Return the percent-encoded issuer, a colon and the percent-encoded subject.

    A subject is unique only within its issuer (RFC 7519 4.1.2, OpenID Connect Core 2), so data about a person must be
    keyed by both. The form is stable, has only URL-safe characters and can be decoded.

    Args:
        issuer: ``iss``.
        subject: ``sub``.
    """
    return SEPARATOR.join(quote(part, safe="", errors="surrogatepass") for part in (issuer, subject))
