"""Comparison of the `Host` header with the hosts of the policy, without case and port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


def read_host(scope: dict[str, Any]) -> str:
    """Return the host of a request in lower case; empty for none, several, or an invalid host name."""
    sent = [value for name, value in scope["headers"] if name == b"host"]
    found = _HOST.fullmatch(sent[0]) if len(sent) == 1 else None
    return found[1].decode("ascii").lower() if found else ""


def is_unambiguous(scope: dict[str, Any]) -> bool:
    """Return whether every router reads the same host: the request has none, or one in a form that all parse alike.

    With two headers routers use the first, the last or both; with an invalid port they use another host or none.
    """
    return bool(read_host(scope)) or all(name != b"host" for name, _ in scope["headers"])


def is_normalized_host(scope: dict[str, Any]) -> bool:
    """Return whether the host is in the form that every router compares: lower case, without a trailing dot.

    Hosts are case-insensitive, and a trailing dot does not change the host (RFC 9110 4.2.3, RFC 3986 3.2.2). Some
    routers ignore both rules.
    """
    host = read_host(scope)
    sent = (value for name, value in scope["headers"] if name == b"host")
    return not host.endswith(".") and all(value.startswith(host.encode()) for value in sent)


def matches_host(listed: Iterable[str], host: str) -> bool:
    """Return whether a list contains a host, either exactly or by ``*.DOMAIN``."""
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in listed)
