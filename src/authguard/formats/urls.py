"""URL normalisation (RFC 3986 6.2.2 and 6.2.3), to compare the address in a DPoP proof with the request's.

Rule: query and fragment are ignored (RFC 9449 4.3, 9); any other remaining difference makes another address.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

#: longest accepted URL in characters
MAX_URL_CHARS: Final = 2_048

_PORTS: Final = {"https": 443, "http": 80}
#: a WebSocket handshake is an HTTP request, whichever scheme its address has (RFC 6455 3)
_SCHEMES: Final = {"wss": "https", "ws": "http", "https": "https", "http": "http"}
_WRITTEN: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_URL_CHARS}}}")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalize(address: str) -> str:
    """Return the normal form of a URL: ``https://host/path``, with the port unless it is the scheme's default.

    Raises:
        ValueError: it is no absolute HTTP URL, is too long, or has user information.
    """
    if not _WRITTEN.fullmatch(address) or _STRAY.search(address):
        raise ValueError("not a URL")
    parts = urlsplit(address)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an absolute HTTP URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    where = host if port is None or port == _PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{where}{_ENCODED.sub(_plain, parts.path) or '/'}"


def origin_of(address: str) -> str:
    """Return the origin of a URL as browsers send it (RFC 6454 6.2); empty if it is no absolute HTTP URL."""
    try:
        scheme, _, rest = normalize(address).partition("://")
    except ValueError:
        return ""
    return f"{scheme}://{rest.partition('/')[0]}"


def _plain(found: re.Match[str]) -> str:
    """Decode unreserved characters; write the other escapes in capitals (RFC 3986 6.2.2.1 and 6.2.2.2)."""
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def is_secure(address: str) -> bool:
    """Return whether requests to a URL use TLS or stay on this machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False
