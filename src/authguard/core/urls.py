"""One way to write the address of a request, so that what a proof names can be compared (RFC 3986 6.2.2 and 6.2.3).

Rule: query and fragment do not count (RFC 9449 4.3, 9); whatever else differs after this is another address.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

#: characters of an address at the most
MAX_URL_CHARS: Final = 2_048

_PORTS: Final = {"https": 443, "http": 80}
#: a handshake is an HTTP request, by whichever scheme its address is named (RFC 6455 3)
_SCHEMES: Final = {"wss": "https", "ws": "http", "https": "https", "http": "http"}
_WRITTEN: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_URL_CHARS}}}")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalize(address: str) -> str:
    """Write an address in its normal form: ``https://host/path``, the port where it is not the scheme's own.

    Raises:
        ValueError: it is no absolute address of HTTP, too long, or names a user.
    """
    if not _WRITTEN.fullmatch(address) or _STRAY.search(address):
        raise ValueError("not an address")
    parts = urlsplit(address)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an absolute address of HTTP")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    where = host if port is None or port == _PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{where}{_ENCODED.sub(_plain, parts.path) or '/'}"


def _plain(found: re.Match[str]) -> str:
    """Write what needs no encoding plainly, and the rest in capitals (RFC 3986 6.2.2.1 and 6.2.2.2)."""
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def is_secure(address: str) -> bool:
    """Whether what is asked at an address goes over TLS, or stays on this very machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False
