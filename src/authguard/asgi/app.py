"""What the guarded app says of itself, known by the shape of its objects: no framework is imported for it."""

from __future__ import annotations

import re
from typing import Any, Final

#: middleware is wrapped so deep around an app, and no deeper
DEPTH_BOUND: Final = 32
#: routes and apps that are looked at
ROUTES_BOUND: Final = 100_000


def inner(app: Any) -> Any:  # noqa: ANN401 - any object can be an ASGI app
    """Return what a middleware wraps, by the names under which middleware keeps it; ``None`` where it wraps nothing."""
    for name in ("app", "_app", "_base_app", "asgi"):
        found = getattr(app, name, None)
        if callable(found):
            return found
    return None


def own_root_path(app: Any) -> str:  # noqa: ANN401 - as above
    """Return the root path that an app sets by itself, as ``FastAPI(root_path="/api")`` does; empty for none.

    Its router then takes that path off, whatever the server says.
    """
    for _ in range(DEPTH_BOUND):
        root = getattr(app, "root_path", "")
        if isinstance(root, str) and root.strip("/"):
            return root.rstrip("/")
        if hasattr(app, "routes") or (app := inner(app)) is None:
            return ""
    return ""


def own_hosts(app: Any) -> list[re.Pattern[str]]:  # noqa: ANN401 - as above
    """Return patterns of the hosts that an app routes by itself, as Starlette's ``Host`` does, at any depth."""
    found: list[re.Pattern[str]] = []
    pending, seen = [app], set[int]()
    while pending and len(seen) < ROUTES_BOUND:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        pattern = getattr(one, "host_regex", None)
        if isinstance(pattern, re.Pattern):
            found.append(pattern)
        wrapped = inner(one)
        pending += [*(getattr(one, "routes", None) or ()), *([] if wrapped is None else [wrapped])]
    return found
