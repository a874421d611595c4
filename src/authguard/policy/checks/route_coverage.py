"""Match an app's routes with a policy's operations: the operations of each endpoint, and the endpoints without one.

The match is exact over templates: an endpoint matches every operation that takes some of its paths, in the policy's
order, up to the first operation that takes all of them. The other paths match `otherwise`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

#: every code of a route check and its meaning; the reference is generated from this table
CODES: Final[dict[str, str]] = {
    "app-cors": "CORS middleware inside the guard: it sees no pre-flight request, and refusals have no CORS headers",
    "app-prefix": "the app strips a path prefix that the policy does not name",
    "app-tools": "an MCP server's tools share the operation of its endpoint: this release does not distinguish them",
    "app-unguarded": "an endpoint of the app that AuthGuard does not wrap",
    "app-unmatched": "an operation that matches no endpoint of the app",
    "app-unnamed": "an endpoint of the app that matches no operation, so that `otherwise` applies",
}
OTHERWISE: Final = "otherwise"
#: methods to check for an endpoint that accepts any method
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_]\w*(?::(\w+))?\}")
#: a convertor that policy templates do not support
_CONVERTOR: Final = re.compile(r":(?!path\})\w+\}")

Kind = Literal["http", "websocket", "mount", "prefix", "cors"]


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint of an app.

    Attributes:
        kind: `mount` is an app that cannot be inspected; `prefix` is a path prefix that the app strips, and `cors` is
            CORS middleware. The last two are no endpoints, but are reported with them.
        path: the template, as the guard sees it.
        methods: HTTP methods; empty for any.
        tools: tools of the MCP server at this path.
        host: the host that the app routes by; empty for any.
        framework: the framework of an app that cannot be inspected.
        guarded: whether AuthGuard wraps the endpoint, or the app has no AuthGuard yet.
    """

    kind: Kind
    path: str
    methods: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    host: str = ""
    framework: str = ""
    guarded: bool = True


class RouteMatch(Struct, frozen=True, kw_only=True):
    """The operations of some methods of an endpoint.

    Attributes:
        endpoint: the endpoint.
        methods: the methods with the same operations; empty for a WebSocket.
        operations: names, in the order of the policy; `otherwise` last if some paths match no operation.
    """

    endpoint: Endpoint
    methods: tuple[str, ...]
    operations: tuple[str, ...]

    @property
    def is_named(self) -> bool:
        """Return whether every path of the endpoint matches an operation."""
        return OTHERWISE not in self.operations

    def __str__(self) -> str:
        """Format the methods, host and path."""
        what = "WEBSOCKET" if self.endpoint.kind == "websocket" else "|".join(self.methods)
        return f"{what} {self.endpoint.host}{self.endpoint.path}"


def match_endpoint(endpoint: Endpoint, operations: Sequence[Operation]) -> tuple[RouteMatch, ...]:
    """Return the operations that an endpoint matches.

    Args:
        endpoint: an endpoint of the app.
        operations: the operations in the policy's order; the first match wins.

    Returns:
        One match per set of methods with the same operations.
    """
    if endpoint.kind in {"prefix", "cors"}:
        return ()
    if endpoint.host:  # only operations with a matching host apply to an endpoint that the app routes by host
        operations = [one for one in operations if _names(one.hosts, endpoint.host)]
    sockets: tuple[RouteMatch, ...] = ()
    if endpoint.kind in {"websocket", "mount"}:
        names = _taking(endpoint.path, [(one.name, one.match.websocket) for one in operations if one.match.websocket])
        if endpoint.kind == "websocket":
            return (RouteMatch(endpoint=endpoint, methods=(), operations=names),)
        if names != (OTHERWISE,):  # an opaque app may serve WebSockets if the policy has an operation for them
            sockets = (
                RouteMatch(endpoint=Endpoint(kind="websocket", path=endpoint.path), methods=(), operations=names),
            )
    answers: dict[tuple[str, ...], list[str]] = {}
    for method in _asked(endpoint):
        taken = [
            (one.name, one.match.path)
            for one in operations
            if one.match.path and (one.match.method in ("", method) or (one.match.method, method) == ("GET", "HEAD"))
        ]
        answers.setdefault(_taking(endpoint.path, taken), []).append(method)
    matches = (RouteMatch(endpoint=endpoint, methods=tuple(same), operations=names) for names, same in answers.items())
    return (*matches, *sockets)


def _names(hosts: frozenset[str], host: str) -> bool:
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in hosts)


def _asked(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the methods to match; a HEAD is matched with its GET."""
    if not endpoint.methods:
        return METHODS
    return tuple(one for one in sorted(endpoint.methods) if one != "HEAD" or "GET" not in endpoint.methods)


def _taking(path: str, templates: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    found = []
    for name, template in templates:
        if overlaps(template, path):
            found.append(name)
        if covers(template, path):
            return tuple(found)
    return (*found, OTHERWISE)


def overlaps(template: str, path: str) -> bool:
    """Return whether an operation's template matches some path of an endpoint.

    Args:
        template: the policy's template; a parameter is one non-empty segment, or with ``:path`` the rest.
        path: the app's template, in Starlette's notation.
    """
    wide, narrow = template.split("/"), path.split("/")
    for place, segment in enumerate(wide):
        if place >= len(narrow):
            return False
        if _is_rest(segment) or _is_rest(narrow[place]):
            return True
        if not _segment_overlaps(segment, narrow[place]):
            return False
    return len(wide) == len(narrow)


def covers(template: str, path: str) -> bool:
    """Return whether an operation's template matches every path of an endpoint; arguments as for `overlaps`."""
    wide, narrow = template.split("/"), path.split("/")
    for place, segment in enumerate(wide):
        if place >= len(narrow):
            return False
        if _is_rest(segment):
            return True
        if _is_rest(narrow[place]) or (not (_takes_any(segment) and narrow[place]) and segment != narrow[place]):
            return False
    return len(wide) == len(narrow)


def _is_rest(segment: str) -> bool:
    return any(found[1] == "path" for found in _PARAMETER.finditer(segment))


def _takes_any(segment: str) -> bool:
    return _PARAMETER.fullmatch(segment) is not None


def _segment_overlaps(segment: str, other: str) -> bool:
    """Return whether a template segment of the policy matches some text of the app's segment."""
    if _takes_any(segment):
        return bool(other)
    pattern = "".join(
        re.escape(part) if index % 3 == 0 else ("[^/]+" if index % 3 == 1 else "")
        for index, part in enumerate(_split(other))
    )
    return re.fullmatch(pattern, segment) is not None


def _split(segment: str) -> Iterator[str]:
    """Split a segment into literal text, parameter, convertor, literal text, and so on."""
    position = 0
    for found in _PARAMETER.finditer(segment):
        yield segment[position : found.start()]
        yield found[0]
        yield found[1] or ""
        position = found.end()
    yield segment[position:]


def match_routes(
    endpoints: Sequence[Endpoint], draft: Draft, *, refuse: bool = False
) -> tuple[tuple[RouteMatch, ...], tuple[Problem, ...]]:
    """Match an app's endpoints with a policy.

    Args:
        endpoints: every endpoint of the app.
        draft: the policy.
        refuse: whether an unnamed or unguarded endpoint is an error instead of a note.

    Returns:
        The match of each endpoint, and the problems in the order of the policy's file.
    """
    matches = tuple(one for endpoint in endpoints for one in match_endpoint(endpoint, draft.operations))
    severity = "error" if refuse else "note"
    found = [
        *_of_endpoints(matches, draft, severity),
        *_of_middleware(endpoints, draft, severity),
        *_unmatched(matches, draft),
    ]
    return matches, tuple(sorted(found, key=lambda problem: (problem.place, problem.code, problem.message)))


def _of_endpoints(matches: Sequence[RouteMatch], draft: Draft, severity: str) -> Iterator[Problem]:
    place = draft.place("operations")
    for one in matches:
        endpoint = one.endpoint
        if not endpoint.guarded:
            advice = "wrap the outermost app: `app = AuthGuard(app, ...)`"
            message = f"`{one}` is served outside of AuthGuard"
            yield Problem(code="app-unguarded", place=place, message=message, advice=advice, severity=severity)
        elif not one.is_named:
            some = "some of " if len(one.operations) > 1 else ""
            judged = f"falls to `otherwise`: risk `{draft.otherwise.risk}`, effect `{draft.otherwise.effect}`"
            effect_ = judged if draft.admits_unnamed else "is refused with 404"
            message = f"{some}`{one}` is named by no operation, so it {effect_}"
            yield Problem(code="app-unnamed", place=place, message=message, advice=_operation(one), severity=severity)
        if endpoint.tools and endpoint.guarded:
            tools = ", ".join(f"`{tool}`" for tool in endpoint.tools)
            message = f"the tools {tools} all fall under {_either(one.operations)}, by the path of `{one}`"
            yield Problem(code="app-tools", place=place, message=message, severity="note")


def _of_middleware(endpoints: Sequence[Endpoint], draft: Draft, severity: str) -> Iterator[Problem]:
    """Report prefixes and CORS middleware between the guard and the app's routes."""
    for one in endpoints:
        if one.kind == "prefix" and one.path != draft.settings.root_path:
            message = f"the app takes `{one.path}` off before it routes, so what begins with it is refused"
            advice = f"add `settings: {{root_path: {one.path}}}`, or take `root_path` out of the app"
            place = draft.place("settings")
            yield Problem(code="app-prefix", place=place, message=message, advice=advice, severity=severity)
        if one.kind == "cors":
            message = f"CORS middleware stands inside of the guard, at `{one.path}`"
            advice = "move it: take it out of the app, and write `cors: {allow_origins: [...]}` in the policy"
            place = draft.place("cors", "operations")
            yield Problem(code="app-cors", place=place, message=message, advice=advice, severity=severity)


def _operation(one: RouteMatch) -> str:
    """Format the operation to add for an endpoint."""
    path = _CONVERTOR.sub("}", one.endpoint.path)
    method = f", method: {one.methods[0]}" if len(one.methods) == 1 else ""
    match = f"websocket: '{path}'" if one.endpoint.kind == "websocket" else f"path: '{path}'{method}"
    hosts = f", hosts: ['{one.endpoint.host}']" if one.endpoint.host else ""
    return f"add `- {{name: ..., match: {{{match}}}{hosts}, risk: ..., effect: ...}}`"


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _unmatched(matches: Sequence[RouteMatch], draft: Draft) -> Iterator[Problem]:
    reached = {name for one in matches for name in one.operations}
    for index, operation in enumerate(draft.operations):
        if operation.name not in reached:
            yield Problem(
                code="app-unmatched",
                place=draft.place(f"operations[{index}]", "operations"),
                message=f"operation `{operation.name}` matches no way into the app",
                advice="is its path or method another, or is it left over?",
                severity="note",
            )
