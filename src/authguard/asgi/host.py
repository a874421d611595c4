"""Which hosts a request may name: those that the policy lists, compared without case and without the port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


def read_host(scope: dict[str, Any]) -> str:
    """Return the host that a request names, in small letters; empty for none, several, or no host name."""
    sent = [value for name, value in scope["headers"] if name == b"host"]
    found = _HOST.fullmatch(sent[0]) if len(sent) == 1 else None
    return found[1].decode("ascii").lower() if found else ""


def is_unambiguous(scope: dict[str, Any]) -> bool:
    """Whether every router reads the same host: none was sent, or one in a form that all parse alike.

    Of two headers routers take the first, the last or both; after an odd port they take another host or none.
    """
    return bool(read_host(scope)) or all(name != b"host" for name, _ in scope["headers"])


def is_normalized_host(scope: dict[str, Any]) -> bool:
    """Whether a host is written as every router compares it: in small letters and without a dot at its end.

    Hosts are case-insensitive, and a dot at the end names the same host (RFC 9110 4.2.3, RFC 3986 3.2.2). Some routers
    know neither.
    """
    host = read_host(scope)
    sent = (value for name, value in scope["headers"] if name == b"host")
    return not host.endswith(".") and all(value.startswith(host.encode()) for value in sent)


def matches_host(listed: Iterable[str], host: str) -> bool:
    """Whether a list names a host, by itself or as one of ``*.DOMAIN``."""
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in listed)
