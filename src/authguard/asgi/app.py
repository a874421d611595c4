"""Inspection of the guarded app by the attributes of its objects; no framework is imported for it."""

from __future__ import annotations

import re
from typing import Any, Final

#: maximum number of middleware layers around an app
MAX_WRAPPER_DEPTH: Final = 32
#: maximum number of routes and apps that are visited
MAX_ROUTES: Final = 100_000


def get_inner_app(app: Any) -> Any:  # noqa: ANN401 - any object can be an ASGI app
    """Return the app that a middleware wraps, from the usual attribute names; ``None`` if it wraps none."""
    for name in ("app", "_app", "_base_app", "asgi"):
        found = getattr(app, name, None)
        if callable(found):
            return found
    return None


def find_root_path(app: Any) -> str:  # noqa: ANN401 - any object can be an ASGI app
    """Return the root path that an app sets for itself, as ``FastAPI(root_path="/api")`` does; empty for none.

    The router of such an app strips that path, whatever root path the server sets.
    """
    for _ in range(MAX_WRAPPER_DEPTH):
        root = getattr(app, "root_path", "")
        if isinstance(root, str) and root.strip("/"):
            return root.rstrip("/")
        if hasattr(app, "routes") or (app := get_inner_app(app)) is None:
            return ""
    return ""


def find_host_patterns(app: Any) -> list[re.Pattern[str]]:  # noqa: ANN401 - any object can be an ASGI app
    """Return the patterns of the hosts that the app routes, as Starlette's ``Host`` does, at any depth."""
    found: list[re.Pattern[str]] = []
    pending, seen = [app], set[int]()
    while pending and len(seen) < MAX_ROUTES:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        pattern = getattr(one, "host_regex", None)
        if isinstance(pattern, re.Pattern):
            found.append(pattern)
        wrapped = get_inner_app(one)
        pending += [*(getattr(one, "routes", None) or ()), *([] if wrapped is None else [wrapped])]
    return found


def list_routes(app: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, str, bool]]:  # noqa: ANN401 - any app
    """Return the routes of an app and its mounts: template, method (empty for any), whether it is a WebSocket."""
    found: list[tuple[str, str, bool]] = []
    for _ in range(MAX_WRAPPER_DEPTH):
        wrapped = None if hasattr(app, "routes") else get_inner_app(app)
        if wrapped is None:
            break
        app = wrapped
    for route in (getattr(app, "routes", None) or ()) if depth < MAX_WRAPPER_DEPTH else ():
        contexts = getattr(route, "effective_route_contexts", None)  # FastAPI includes routers by reference
        for one in contexts() if callable(contexts) else (route,):
            known = getattr(one, "starlette_route", None) or one
            path = f"{prefix}{getattr(known, 'path', '') or ''}"
            methods = getattr(known, "methods", None)
            if getattr(known, "endpoint", None) is None:
                found += list_routes(getattr(known, "app", None), path, depth + 1)
            elif methods is None and "websocket" in type(getattr(known, "original_route", known)).__name__.lower():
                found.append((path, "", True))
            else:
                found += [(path, method, False) for method in sorted(methods or ("",))]
    return found
