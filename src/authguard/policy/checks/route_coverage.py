"""The ways into an app, held against a policy's operations: which fall to which, and what nobody named.

Exact over templates, not over samples: an endpoint falls to every operation that takes some of its paths, in the
policy's order, until one takes them all; what none takes falls to `otherwise`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

#: Every code that holding an app against a policy can give, and what it means; the reference is generated from it.
CODES: Final[dict[str, str]] = {
    "app-cors": "CORS middleware inside of the guard: no pre-flight reaches it, and refusals carry no CORS headers",
    "app-prefix": "the app takes a prefix off by itself that the policy does not name",
    "app-tools": "an MCP server's tools fall under its endpoint's operation: this release does not tell them apart",
    "app-unguarded": "a way into the app that does not lead through AuthGuard",
    "app-unmatched": "an operation that no way into the app leads to",
    "app-unnamed": "a way into the app that no operation names, so it falls to `otherwise`",
}
OTHERWISE: Final = "otherwise"
#: what an endpoint is asked by that takes any method
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_]\w*(?::(\w+))?\}")
#: a convertor that a policy's template does not have
_CONVERTOR: Final = re.compile(r":(?!path\})\w+\}")

Kind = Literal["http", "websocket", "mount", "prefix", "cors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One way into an app.

    Attributes:
        kind: `mount` is an app that cannot be looked into; `prefix` what an app takes off by itself, and `cors` CORS
            middleware: both are no way in, and told beside them.
        path: the template, as the guard sees it.
        methods: HTTP methods; empty for any.
        tools: of the MCP server behind it.
        host: by which the app routes to it; empty for any.
        framework: of what cannot be looked into.
        guarded: whether it lies behind AuthGuard, or the app has none yet.
    """

    kind: Kind
    path: str
    methods: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    host: str = ""
    framework: str = ""
    guarded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """What some methods of an endpoint fall to.

    Attributes:
        endpoint: see above.
        methods: those that fall to the same; empty for a WebSocket.
        operations: names, in the order of the policy; `otherwise` last, where some paths are named by none.
    """

    endpoint: Endpoint
    methods: tuple[str, ...]
    operations: tuple[str, ...]

    @property
    def is_named(self) -> bool:
        """Whether an operation names every path of it."""
        return OTHERWISE not in self.operations

    def __str__(self) -> str:
        """Write it as a person types it."""
        what = "WEBSOCKET" if self.endpoint.kind == "websocket" else "|".join(self.methods)
        return f"{what} {self.endpoint.host}{self.endpoint.path}"


def match_endpoint(endpoint: Endpoint, operations: Sequence[Operation]) -> tuple[RouteMatch, ...]:
    """Tell which operations an endpoint falls to.

    Args:
        endpoint: of the app.
        operations: in the policy's order; the first that matches wins.

    Returns:
        One value for each set of methods with the same answer.
    """
    if endpoint.kind in {"prefix", "cors"}:
        return ()
    if endpoint.host:  # the guard meets only operations that name a host which the app routes by itself
        operations = [one for one in operations if _names(one.hosts, endpoint.host)]
    sockets: tuple[RouteMatch, ...] = ()
    if endpoint.kind in {"websocket", "mount"}:
        names = _taking(endpoint.path, [(one.name, one.match.websocket) for one in operations if one.match.websocket])
        if endpoint.kind == "websocket":
            return (RouteMatch(endpoint=endpoint, methods=(), operations=names),)
        if names != (OTHERWISE,):  # an opaque app may serve WebSockets, and the policy says that it does
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
    met = (RouteMatch(endpoint=endpoint, methods=tuple(same), operations=names) for names, same in answers.items())
    return (*met, *sockets)


def _names(hosts: frozenset[str], host: str) -> bool:
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in hosts)


def _asked(endpoint: Endpoint) -> tuple[str, ...]:
    """Give the methods to ask by; a HEAD that comes with a GET is answered as that is."""
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
    """Whether an operation's template takes some path of an endpoint's.

    Args:
        template: of the policy; a parameter is one segment that is not empty, or with ``:path`` the rest.
        path: of the app, in Starlette's notation.
    """
    wide, narrow = template.split("/"), path.split("/")
    for place, segment in enumerate(wide):
        if place >= len(narrow):
            return False
        if _is_rest(segment) or _is_rest(narrow[place]):
            return True
        if not _meet(segment, narrow[place]):
            return False
    return len(wide) == len(narrow)


def covers(template: str, path: str) -> bool:
    """Whether an operation's template takes every path of an endpoint's; as `overlaps`."""
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


def _meet(segment: str, other: str) -> bool:
    """Whether a segment of a policy's template takes some text that one of an app's does."""
    if _takes_any(segment):
        return bool(other)
    pattern = "".join(
        re.escape(part) if index % 3 == 0 else ("[^/]+" if index % 3 == 1 else "")
        for index, part in enumerate(_split(other))
    )
    return re.fullmatch(pattern, segment) is not None


def _split(segment: str) -> Iterator[str]:
    """Part a segment into literal text, parameter, convertor, literal text, and so on."""
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
    """Hold an app against a policy.

    Args:
        endpoints: every way into the app.
        draft: of the policy.
        refuse: what nobody named, and what is not guarded, is an error and not a note.

    Returns:
        What each endpoint falls to, and what is worth telling, in the order of the policy's file.
    """
    met = tuple(one for endpoint in endpoints for one in match_endpoint(endpoint, draft.operations))
    severity = "error" if refuse else "note"
    found = [*_of_endpoints(met, draft, severity), *_beside(endpoints, draft, severity), *_unmatched(met, draft)]
    return met, tuple(sorted(found, key=lambda problem: (problem.place, problem.code, problem.message)))


def _of_endpoints(met: Sequence[RouteMatch], draft: Draft, severity: str) -> Iterator[Problem]:
    place = draft.place("operations")
    for one in met:
        endpoint = one.endpoint
        if not endpoint.guarded:
            advice = "wrap the outermost app: `app = AuthGuard(app, ...)`"
            message = f"`{one}` is served outside of AuthGuard"
            yield Problem(code="app-unguarded", place=place, message=message, advice=advice, severity=severity)
        elif not one.is_named:
            some = "some of " if len(one.operations) > 1 else ""
            judged = f"falls to `otherwise`: risk `{draft.otherwise.risk}`, effect `{draft.otherwise.effect}`"
            fate = judged if draft.admits_unnamed else "is refused with 404"
            message = f"{some}`{one}` is named by no operation, so it {fate}"
            yield Problem(code="app-unnamed", place=place, message=message, advice=_operation(one), severity=severity)
        if endpoint.tools and endpoint.guarded:
            tools = ", ".join(f"`{tool}`" for tool in endpoint.tools)
            message = f"the tools {tools} all fall under {_either(one.operations)}, by the path of `{one}`"
            yield Problem(code="app-tools", place=place, message=message, severity="note")


def _beside(endpoints: Sequence[Endpoint], draft: Draft, severity: str) -> Iterator[Problem]:
    """Tell of what stands between the guard and the app's routes."""
    for one in endpoints:
        if one.kind == "prefix" and one.path != draft.root_path:
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
    """Write the line that would name it."""
    path = _CONVERTOR.sub("}", one.endpoint.path)
    method = f", method: {one.methods[0]}" if len(one.methods) == 1 else ""
    match = f"websocket: '{path}'" if one.endpoint.kind == "websocket" else f"path: '{path}'{method}"
    hosts = f", hosts: ['{one.endpoint.host}']" if one.endpoint.host else ""
    return f"add `- {{name: ..., match: {{{match}}}{hosts}, risk: ..., effect: ...}}`"


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _unmatched(met: Sequence[RouteMatch], draft: Draft) -> Iterator[Problem]:
    reached = {name for one in met for name in one.operations}
    for index, operation in enumerate(draft.operations):
        if operation.name not in reached:
            yield Problem(
                code="app-unmatched",
                place=draft.place(f"operations[{index}]", "operations"),
                message=f"operation `{operation.name}` matches no way into the app",
                advice="is its path or method another, or is it left over?",
                severity="note",
            )
