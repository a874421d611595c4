"""An app, imported and walked: every route, WebSocket, mounted app and MCP server, as the guard would see them.

Importing an app runs the user's own code, which is why nothing but `--app` does it. Starlette is known by the shape of
its objects, so that FastAPI, FastMCP and what else builds on it is walked alike.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard.entry import AuthGuard
from authguard.errors import SettingsError
from authguard.policy.proving.inventory import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

#: apps are wrapped and mounted in one another so deep, and no deeper
DEPTH_BOUND: Final = 32


def load_app(named: str) -> Any:  # noqa: ANN401 - any object can be an ASGI app
    """Import an app by ``module:attribute``, the current folder first, as servers do.

    Raises:
        SettingsError: there is no such module or attribute, or importing it fails.
    """
    module, _, attribute = named.partition(":")
    if not module or not attribute:
        raise SettingsError(f"`--app {named[:200]}` is not `module:attribute`, such as `myapp.main:app`")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:  # the app's own code: whatever it raises, the app cannot be looked into
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"the app `{named[:200]}` cannot be imported: {type(error).__name__}: {reason}") from error
    return found


def walk_app(app: Any) -> tuple[Endpoint, ...]:  # noqa: ANN401 - as above
    """Find every way into an app.

    Args:
        app: an ASGI app, guarded or not yet. Where it holds an AuthGuard, what lies outside of that is not guarded.
    """
    found = list(_walk(app, "", guarded=False, depth=0))
    if not any(endpoint.guarded for endpoint in found):
        found = list(_walk(app, "", guarded=True, depth=0))
    return tuple(dict.fromkeys(found))


def _walk(app: Any, prefix: str, *, guarded: bool, depth: int) -> Iterator[Endpoint]:  # noqa: ANN401 - as above
    for _ in range(DEPTH_BOUND):
        if isinstance(app, AuthGuard):
            app, guarded, prefix = app.app, True, prefix if guarded else ""
        elif any(_is_guard(layer) for layer in getattr(app, "user_middleware", ())):
            guarded, prefix = True, prefix if guarded else ""
            break
        elif hasattr(app, "routes"):
            break
        elif (inner := _inner(app)) is not None:
            app = inner
        else:
            break
    routes = getattr(app, "routes", None)
    if routes is None or depth >= DEPTH_BOUND:
        yield Endpoint(kind="mount", path=f"{prefix}/{{path:path}}", guarded=guarded)
        return
    server = getattr(getattr(app, "state", None), "fastmcp_server", None)
    for route in routes:
        yield from _of_route(route, prefix, server, guarded=guarded, depth=depth)


def _is_guard(layer: Any) -> bool:  # noqa: ANN401 - Starlette's `Middleware`, or what stands for it
    kind = getattr(layer, "cls", None)
    return isinstance(kind, type) and issubclass(kind, AuthGuard)


def _inner(app: Any) -> Any:  # noqa: ANN401 - as above
    """Give what a middleware wraps, by the names under which middleware keeps it."""
    for name in ("app", "_app", "_base_app", "asgi"):
        inner = getattr(app, name, None)
        if callable(inner):
            return inner
    return None


def _of_route(route: Any, prefix: str, server: Any, *, guarded: bool, depth: int) -> Iterator[Endpoint]:  # noqa: ANN401
    included = getattr(route, "effective_route_contexts", None)  # FastAPI includes routers by reference
    if callable(included):
        for context in included():
            inner = getattr(context, "starlette_route", None) or context
            yield from _of_route(inner, prefix, server, guarded=guarded, depth=depth)
        return
    path = f"{prefix}{getattr(route, 'path', '') or ''}"
    endpoint = getattr(route, "endpoint", None)
    if endpoint is None:  # a Mount or a Host, whose app is walked in turn
        mounted = getattr(route, "_base_app", None) or getattr(route, "app", None)
        yield from _walk(mounted, path, guarded=guarded, depth=depth + 1)
    elif getattr(route, "methods", None) is None and "websocket" in _kind(route):
        yield Endpoint(kind="websocket", path=path, guarded=guarded)
    else:
        methods = tuple(sorted(getattr(route, "methods", None) or ()))
        yield Endpoint(kind="http", path=path, methods=methods, tools=_tools(endpoint, server), guarded=guarded)


def _kind(route: Any) -> str:  # noqa: ANN401 - as above
    return type(getattr(route, "original_route", route)).__name__.lower()


def _tools(endpoint: Any, server: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """Name the tools of the MCP server that an endpoint serves; none where it serves none."""
    for _ in range(DEPTH_BOUND):  # an authentication layer may stand before it
        if hasattr(endpoint, "session_manager"):
            break
        endpoint = getattr(endpoint, "app", None)
    else:
        return ()
    manager = endpoint.session_manager
    listing = getattr(server or _behind(getattr(manager, "app", None)), "list_tools", None)
    if listing is None:
        return ()

    async def listed() -> list[str]:
        return sorted(str(tool.name) for tool in await listing())

    return tuple(anyio.run(listed))


def _behind(lowlevel: Any) -> Any:  # noqa: ANN401 - the MCP SDK is not imported here
    """Find the server object whose method answers ``tools/list``."""
    entry = getattr(lowlevel, "get_request_handler", lambda _: None)("tools/list")
    handler = getattr(entry, "handler", entry)
    return getattr(handler, "__self__", None)
