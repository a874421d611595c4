"""Import an app and list its endpoints: routes, WebSockets, mounted apps and MCP tools.

Importing an app runs the user's code, so that only `--app` does it. Starlette objects are recognised by their
attributes, so that FastAPI, FastMCP and other frameworks on Starlette work alike.
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
from authguard.policy.operation_proposal import WEBSOCKET, Described

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def load_app(named: str) -> Any:  # noqa: ANN401 - any object can be an ASGI app
    """Import an app by ``module:attribute``, with the current folder first on the path, as ASGI servers do.

    Raises:
        SettingsError: the name is malformed, or the import fails.
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
    except Exception as error:  # user code can raise any exception
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"the app `{named[:200]}` cannot be imported: {type(error).__name__}: {reason}") from error
    return found


def list_endpoints(app: Any) -> tuple[Endpoint, ...]:  # noqa: ANN401 - any object
    """Return every endpoint of an app.

    Args:
        app: an ASGI app. If it contains an AuthGuard, endpoints outside of that are reported as not guarded; without
            an AuthGuard, all endpoints are treated as guarded.
    """
    found = list(_iter_endpoints(app, "", guarded=False, depth=0))
    if not any(endpoint.guarded for endpoint in found):
        found = list(_iter_endpoints(app, "", guarded=True, depth=0))
    return tuple(dict.fromkeys(found))


def describe_endpoints(endpoints: Iterable[Endpoint]) -> tuple[tuple[Described, ...], tuple[str, ...]]:
    """Return what an app's endpoints are as operations, and those that no operation can be proposed for, with why.

    Args:
        endpoints: from `list_endpoints`.
    """
    described: list[Described] = []
    unknown: list[str] = []
    for one in endpoints:
        if one.kind == "mount":
            unknown.append(f"{one.path}: `{one.framework}` cannot be inspected")
        elif one.host:
            unknown.append(f"{one.path}: it is for the host {one.host} only")
        elif one.kind == WEBSOCKET:
            described.append(Described(path=one.path, method=WEBSOCKET))
        elif one.kind == "http":
            methods = [method for method in one.methods if not (method == "HEAD" and "GET" in one.methods)]
            described += [Described(path=one.path, method=method) for method in methods or [""]]
    return tuple(described), tuple(unknown)


def _iter_endpoints(app: Any, prefix: str, *, guarded: bool, depth: int, host: str = "") -> Iterator[Endpoint]:  # noqa: ANN401 - any object
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
        yield from _iter_route_endpoints(route, prefix, server, guarded=guarded, depth=depth, host=host)


def _is_cors(kind: object) -> bool:
    """Return whether a class is CORS middleware, by name, as frameworks have different classes."""
    return "cors" in getattr(kind, "__name__", "").lower()


def _is_guard(layer: Any) -> bool:  # noqa: ANN401 - Starlette's `Middleware` or a similar object
    kind = getattr(layer, "cls", None)
    return isinstance(kind, type) and issubclass(kind, AuthGuard)


def _iter_route_endpoints(
    route: Any,  # noqa: ANN401 - any object
    prefix: str,
    server: Any,  # noqa: ANN401 - any object
    *,
    guarded: bool,
    depth: int,
    host: str,
) -> Iterator[Endpoint]:
    included = getattr(route, "effective_route_contexts", None)  # FastAPI includes routers by reference
    if callable(included):
        for context in included():
            one = getattr(context, "starlette_route", None) or context
            yield from _iter_route_endpoints(one, prefix, server, guarded=guarded, depth=depth, host=host)
        return
    path = f"{prefix}{getattr(route, 'path', '') or ''}"
    endpoint = getattr(route, "endpoint", None)
    if endpoint is None:  # a Mount or a Host: continue with its app
        mounted = getattr(route, "_base_app", None) or getattr(route, "app", None)
        host = str(route.host) if hasattr(route, "host_regex") else host
        yield from _iter_endpoints(mounted, path, guarded=guarded, depth=depth + 1, host=host)
    elif getattr(route, "methods", None) is None and "websocket" in _kind(route):
        yield Endpoint(kind="websocket", path=path, host=host, guarded=guarded)
    else:
        methods = tuple(sorted(getattr(route, "methods", None) or ()))
        tools = _tools(endpoint, server)
        yield Endpoint(kind="http", path=path, methods=methods, tools=tools, host=host, guarded=guarded)


def _kind(route: Any) -> str:  # noqa: ANN401 - any object
    return type(getattr(route, "original_route", route)).__name__.lower()


def _tools(endpoint: Any, server: Any) -> tuple[str, ...]:  # noqa: ANN401 - any object
    """Return the tool names of the MCP server behind an endpoint; empty without a server."""
    for _ in range(MAX_WRAPPER_DEPTH):  # skip authentication layers in front
        if hasattr(endpoint, "session_manager"):
            break
        endpoint = getattr(endpoint, "app", None)
    else:
        return ()
    manager = endpoint.session_manager
    listing = getattr(server or _find_server(getattr(manager, "app", None)), "list_tools", None)
    if listing is None:
        return ()

    async def list_names() -> list[str]:
        return sorted(str(tool.name) for tool in await listing())

    return tuple(anyio.run(list_names))


def _find_server(lowlevel: Any) -> Any:  # noqa: ANN401 - the MCP SDK is not imported here
    """Return the server object that implements ``tools/list``."""
    entry = getattr(lowlevel, "get_request_handler", lambda _: None)("tools/list")
    handler = getattr(entry, "handler", entry)
    return getattr(handler, "__self__", None)
