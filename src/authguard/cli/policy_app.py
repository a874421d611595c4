"""An app, imported and walked: every route, WebSocket, mounted app and MCP server, as the guard would see them.

Importing an app runs the user's own code, which is why nothing but `--app` does it. Starlette is known by the shape of
its objects, so that FastAPI, FastMCP and what else builds on it is walked alike.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from authguard.asgi.app import MAX_WRAPPER_DEPTH, find_root_path, get_inner_app
from authguard.errors import SettingsError
from authguard.middleware import AuthGuard
from authguard.policy.checks.route_coverage import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def list_endpoints(app: Any) -> tuple[Endpoint, ...]:  # noqa: ANN401 - as above
    """Find every way into an app.

    Args:
        app: an ASGI app, guarded or not yet. Where it holds an AuthGuard, what lies outside of that is not guarded.
    """
    found = list(_walk(app, "", guarded=False, depth=0))
    if not any(endpoint.guarded for endpoint in found):
        found = list(_walk(app, "", guarded=True, depth=0))
    return tuple(dict.fromkeys(found))


def _walk(app: Any, prefix: str, *, guarded: bool, depth: int, host: str = "") -> Iterator[Endpoint]:  # noqa: ANN401 - as above
    for _ in range(MAX_WRAPPER_DEPTH):
        layers = tuple(getattr(app, "user_middleware", ()))
        at = next((place for place, layer in enumerate(layers) if _is_guard(layer)), -1)
        if isinstance(app, AuthGuard):
            app, guarded, prefix = app.app, True, prefix if guarded else ""
        elif at >= 0 or hasattr(app, "routes"):
            prefix = prefix if guarded or at < 0 else ""
            if guarded and at < 0 and (root := find_root_path(app)):
                yield Endpoint(kind="prefix", path=root)
            guarded = guarded or at >= 0
            if guarded and any(_is_cors(getattr(layer, "cls", None)) for layer in layers[at + 1 :]):
                yield Endpoint(kind="cors", path=prefix or "/")
            break
        elif (wrapped := get_inner_app(app)) is not None:
            if guarded and _is_cors(type(app)):
                yield Endpoint(kind="cors", path=prefix or "/")
            app = wrapped
        else:
            break
    routes = getattr(app, "routes", None)
    if routes is None or depth >= MAX_WRAPPER_DEPTH:
        known = f"{type(app).__module__}.{type(app).__qualname__}"
        yield Endpoint(kind="mount", path=f"{prefix}/{{path:path}}", host=host, framework=known, guarded=guarded)
        return
    server = getattr(getattr(app, "state", None), "fastmcp_server", None)
    for route in routes:
        yield from _of_route(route, prefix, server, guarded=guarded, depth=depth, host=host)


def _is_cors(kind: object) -> bool:
    """Whether a class is CORS middleware, by its name: there are several."""
    return "cors" in getattr(kind, "__name__", "").lower()


def _is_guard(layer: Any) -> bool:  # noqa: ANN401 - Starlette's `Middleware`, or what stands for it
    kind = getattr(layer, "cls", None)
    return isinstance(kind, type) and issubclass(kind, AuthGuard)


def _of_route(
    route: Any,  # noqa: ANN401 - as above
    prefix: str,
    server: Any,  # noqa: ANN401 - as above
    *,
    guarded: bool,
    depth: int,
    host: str,
) -> Iterator[Endpoint]:
    included = getattr(route, "effective_route_contexts", None)  # FastAPI includes routers by reference
    if callable(included):
        for context in included():
            one = getattr(context, "starlette_route", None) or context
            yield from _of_route(one, prefix, server, guarded=guarded, depth=depth, host=host)
        return
    path = f"{prefix}{getattr(route, 'path', '') or ''}"
    endpoint = getattr(route, "endpoint", None)
    if endpoint is None:  # a Mount or a Host, whose app is walked in turn
        mounted = getattr(route, "_base_app", None) or getattr(route, "app", None)
        host = str(route.host) if hasattr(route, "host_regex") else host
        yield from _walk(mounted, path, guarded=guarded, depth=depth + 1, host=host)
    elif getattr(route, "methods", None) is None and "websocket" in _kind(route):
        yield Endpoint(kind="websocket", path=path, host=host, guarded=guarded)
    else:
        methods = tuple(sorted(getattr(route, "methods", None) or ()))
        tools = _tools(endpoint, server)
        yield Endpoint(kind="http", path=path, methods=methods, tools=tools, host=host, guarded=guarded)


def _kind(route: Any) -> str:  # noqa: ANN401 - as above
    return type(getattr(route, "original_route", route)).__name__.lower()


def _tools(endpoint: Any, server: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """Name the tools of the MCP server that an endpoint serves; none where it serves none."""
    for _ in range(MAX_WRAPPER_DEPTH):  # an authentication layer may stand before it
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
