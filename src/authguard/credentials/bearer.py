"""Parser for bearer tokens in an ``Authorization`` header (RFC 6750 2.1); the token is not verified here."""

from __future__ import annotations

import re
from typing import Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven

#: maximum length of a token (WIRE 1)
MAX_TOKEN_BYTES: Final = 16_384
#: maximum length of a header: the token, the scheme and blanks
MAX_HEADER_BYTES: Final = MAX_TOKEN_BYTES + 64

#: scheme of a token with a proof of possession (RFC 9449 7.1)
DPOP: Final = b"dpop"

MISSING: Final = NotProven("missing", Reason.CREDENTIAL_MISSING)
_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
TOO_LARGE: Final = NotProven("rejected", Reason.TOKEN_TOO_LARGE)
#: a scheme that is not accepted counts as no credential (RFC 6750 3.1, RFC 9110 11.6.2)
_OTHER_SCHEME: Final = NotProven("missing", Reason.SCHEME_UNKNOWN)
#: prefix of the canonical header, under which a credential is cached
BEARER: Final = b"Bearer "
_BLANKS: Final = b" \t"

#: RFC 9110 11.2
_TOKEN68: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")


def split(header: bytes, wanted: bytes = b"bearer") -> bytes | NotProven:
    """Return what a header holds after its scheme: a token of any form, for a parser that reads one form only.

    Args:
        header: the raw value; empty if the request has none.
        wanted: the required scheme, lower-case.

    Returns:
        The token, within `MAX_TOKEN_BYTES`, or the reason why there is none.
    """
    if len(header) > MAX_HEADER_BYTES:
        return TOO_LARGE
    scheme, _, rest = header.strip(b" \t").partition(b" ")
    if not scheme:
        return MISSING
    if scheme.lower() != wanted:
        return _OTHER_SCHEME
    token = rest.lstrip(b" ")
    return TOO_LARGE if len(token) > MAX_TOKEN_BYTES else token


def read(header: bytes, wanted: bytes = b"bearer") -> bytes | NotProven:
    """Parse the token in a header, as `split`; the token has the form ``token68`` (RFC 9110 11.2)."""
    token = split(header, wanted)
    return token if isinstance(token, NotProven) or _TOKEN68.fullmatch(token) else _MALFORMED


def canonicalize(header: bytes) -> bytes:
    """Return a bearer credential in the canonical form, under which it is cached.

    Args:
        header: the raw value, of any scheme.

    Returns:
        The scheme as in RFC 6750, one blank and the token; the header unchanged if it contains no bearer token.
    """
    if header[:7] == BEARER and header[7:8] not in _BLANKS and header[-1:] not in _BLANKS:
        return header
    token = read(header)
    return header if isinstance(token, NotProven) else BEARER + token
