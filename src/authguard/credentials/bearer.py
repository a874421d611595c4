"""Reads a bearer token out of an ``Authorization`` header (RFC 6750 2.1); nothing in it is believed yet."""

from __future__ import annotations

import re
from typing import Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven

#: bytes of a token at the most (WIRE 1)
MAX_TOKEN_BYTES: Final = 16_384
#: bytes of a header at the most: the token, and room for a scheme's name and blanks
MAX_HEADER_BYTES: Final = MAX_TOKEN_BYTES + 64

#: the scheme of tokens that come with a proof of possession (RFC 9449 7.1)
DPOP: Final = b"dpop"

MISSING: Final = NotProven("missing", Reason.CREDENTIAL_MISSING)
_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
TOO_LARGE: Final = NotProven("rejected", Reason.TOKEN_TOO_LARGE)
#: RFC 6750 3.1 and RFC 9110 11.6.2: a scheme that is not taken here is as if nothing was sent
_OTHER_SCHEME: Final = NotProven("missing", Reason.SCHEME_UNKNOWN)
#: how every header begins in the one form in which a credential is remembered
_BEARER: Final = b"Bearer "
_BLANKS: Final = b" \t"

#: RFC 9110 11.2
_TOKEN68: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")


def read(header: bytes, wanted: bytes = b"bearer") -> bytes | NotProven:
    """Take the token out of a header.

    Args:
        header: the raw value; empty where none was sent.
        wanted: the scheme that it has to be of, lower-case.

    Returns:
        The token, which is of the form ``token68`` (RFC 9110 11.2) and not too long, or why there is none.
    """
    if len(header) > MAX_HEADER_BYTES:
        return TOO_LARGE
    scheme, _, rest = header.strip(b" \t").partition(b" ")
    if not scheme:
        return MISSING
    if scheme.lower() != wanted:
        return _OTHER_SCHEME
    token = rest.lstrip(b" ")
    if len(token) > MAX_TOKEN_BYTES:
        return TOO_LARGE
    return token if _TOKEN68.fullmatch(token) else _MALFORMED


def canonical(header: bytes) -> bytes:
    """Return a bearer credential in the one spelling in which it is remembered.

    Args:
        header: the raw value, of any scheme.

    Returns:
        The scheme as RFC 6750 writes it, one blank and the token; the header itself where it holds no bearer token.
    """
    if header[:7] == _BEARER and header[7:8] not in _BLANKS and header[-1:] not in _BLANKS:
        return header
    token = read(header)
    return header if isinstance(token, NotProven) else _BEARER + token
