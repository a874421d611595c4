"""One text that names one person: the issuer and the subject, encoded so that no two pairs are encoded alike."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

#: stands between issuer and subject; percent-encoding leaves none in either (RFC 3986 2.3)
SEPARATOR: Final = ":"


def encode_identity(issuer: str, subject: str) -> str:
    """Return the percent-encoded issuer, a colon and the percent-encoded subject.

    A subject is unique only within its issuer (RFC 7519 4.1.2, OpenID Connect Core 2), so whatever is kept for a person
    has to be keyed by both. The form is stable, holds URL-safe characters only and can be decoded.

    Args:
        issuer: ``iss``.
        subject: ``sub``.
    """
    return SEPARATOR.join(quote(part, safe="", errors="surrogatepass") for part in (issuer, subject))
