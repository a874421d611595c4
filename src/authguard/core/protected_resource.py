"""The resources of one deployment (RFC 9728 1.2): the audiences that are its own address or a path below it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authguard.formats.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_address(audience: str) -> bool:
    """Return whether an audience is an HTTP URL, as clients name a resource (RFC 8707 2), and not a name."""
    return bool(origin_of(audience))


def find_resources(public_url: str, audiences: Iterable[str]) -> dict[str, str]:
    """Return the resources among some audiences.

    Args:
        public_url: URL under which callers reach the app; empty for none.
        audiences: of the policy's issuers.

    Returns:
        Path of each resource -> the audience as the policy spells it, since an issuer may compare it exactly. The path
        of the public URL has no slash at its end; the others are as spelled.
    """
    origin, root = origin_of(public_url), urlsplit(public_url).path.rstrip("/")
    found: dict[str, str] = {}
    for audience in audiences:
        if not origin or origin_of(audience) != origin or "?" in audience or "#" in audience:
            continue
        path = urlsplit(audience).path
        if path.rstrip("/") == root:
            found.setdefault(root, audience)
        elif path.startswith(f"{root}/"):
            found.setdefault(path, audience)
    return found


def contains(resource: str, path: str) -> bool:
    """Return whether a path is that of a resource or below it, segment by segment."""
    base = resource.rstrip("/")
    return path == base or path.startswith(f"{base}/")
