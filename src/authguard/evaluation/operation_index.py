"""Index of the operations by path and method: finds the first match in one search of a tree.

The path is the one that the app's router will see (decoded, without the root path), so that guard and app cannot
disagree. Requests where they could (control characters) are refused first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.core.request import Match, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: the method of a handshake; no caller can send it, since it is not upper-case
WEBSOCKET: Final = "websocket"
#: accepted methods; RFC 9110 9.1 makes methods case-sensitive, yet some frameworks convert them to upper case
_METHOD: Final = re.compile(r"[A-Z-]{1,32}")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:path)?\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _Node:
    """One segment of the tree of templates."""

    __slots__ = ("any", "leaves", "literal", "path_leaves")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.leaves: list[tuple[int, str]] = []
        self.path_leaves: list[tuple[int, str]] = []


class OperationIndex:
    """Finds the operation of a method and a path, or of a handshake; immutable.

    Attributes:
        exact: method and literal path -> the operation.
        exact_sockets: literal path of a handshake -> the operation.
    """

    def __init__(self, operations: Sequence[Operation], otherwise: Operation) -> None:
        """Index operations; the first match wins.

        Args:
            operations: in the policy's order.
            otherwise: the operation of a request that matches none of them.
        """
        self._operations = tuple(operations)
        self._otherwise = otherwise
        self._http = _Node()
        self._sockets = _Node()
        for index, operation in enumerate(self._operations):
            match = operation.match
            if match.websocket:
                _insert(self._sockets, match.websocket, index, "")
            else:
                _insert(self._http, match.path, index, match.method)
        matches = [operation.match for operation in self._operations if not operation.match.websocket]
        literal = {match.path for match in matches if "{" not in match.path}
        methods = ({match.method for match in matches} | {"HEAD"}) - {""}
        self.exact = {
            (method, template): self._search(self._http, method, template) for template in literal for method in methods
        }

        sockets = {operation.match.websocket for operation in self._operations} - {""}
        self.exact_sockets = {
            template: self._search(self._sockets, "", template)
            for template in sockets
            if "{" not in template and has_no_control(template)
        }

    def find(self, method: str, path: str) -> Operation | None:
        """Find the operation of an HTTP request.

        Args:
            method: as sent.
            path: as the app's router sees it.

        Returns:
            The operation; ``None`` if a framework or a router may read the method or the path in another way, so that
            the request must be refused.
        """
        found = self.exact.get((method, path))
        if found is None and _METHOD.fullmatch(method) and has_no_control(path):
            return self._search(self._http, method, path)
        return found

    def find_socket(self, path: str) -> Operation | None:
        """Find the operation of a WebSocket handshake; ``None`` as for `find`."""
        return self._search(self._sockets, "", path) if has_no_control(path) else None

    def has_path(self, path: str) -> bool:
        """Return whether an operation names a path, for any method or for a handshake."""
        return self.has_http_path(path) or _has_match(self._sockets, path)

    def has_http_path(self, path: str) -> bool:
        """Return whether an operation names a path for any method."""
        return _has_match(self._http, path)

    def _search(self, root: _Node, method: str, path: str) -> Operation:
        segments = path.split("/")
        best = len(self._operations)
        nodes = [root]
        for place, segment in enumerate(segments):
            following: list[_Node] = []
            for node in nodes:
                if node.path_leaves:
                    best = _first_match(node.path_leaves, method, best)
                if segment in node.literal:
                    following.append(node.literal[segment])
                if node.any is not None and segment:
                    following.append(node.any)
            nodes = following
            if not nodes:
                break
            if place == len(segments) - 1:
                for node in nodes:
                    best = _first_match(node.leaves, method, best)
        return self._operations[best] if best < len(self._operations) else self._otherwise


def _find_all(root: _Node, segments: Sequence[str]) -> Iterator[int]:
    """Return the indices of all operations with a matching template, in no particular order."""
    nodes = [root]
    for segment in segments:
        yield from (index for node in nodes for index, _ in node.path_leaves)
        following = [node.literal[segment] for node in nodes if segment in node.literal]
        nodes = [*following, *(node.any for node in nodes if node.any is not None and segment)]
    yield from (index for node in nodes for index, _ in node.leaves)


def _has_match(root: _Node, path: str) -> bool:
    return any(True for _ in _find_all(root, path.split("/")))


def _insert(root: _Node, template: str, index: int, method: str) -> None:
    node = root
    for segment in template.split("/"):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter and parameter.group(1):
            node.path_leaves.append((index, method))
            return
        if parameter:
            node.any = node.any or _Node()
            node = node.any
        else:
            node = node.literal.setdefault(segment, _Node())
    node.leaves.append((index, method))


def make_channel_finder(paths: Sequence[tuple[str, str]]) -> Callable[[str], str] | None:
    """Return a function that finds the channel of a path; ``None`` if the policy assigns no channel by path.

    Args:
        paths: path template and channel; the first match wins, both for HTTP and WebSockets.
    """
    if not paths:
        return None
    named = [Operation(name=channel, match=Match(path=template)) for template, channel in paths]
    index = OperationIndex(named, Operation(name=""))

    def find(path: str) -> str:
        operation = index.find("GET", path)
        return operation.name if operation else ""

    return find


def _first_match(candidates: Iterable[tuple[int, str]], method: str, best: int) -> int:
    """Return the earliest candidate for a method; a template without a method matches any."""
    for index, wanted in candidates:
        if index >= best:
            break
        if not wanted or wanted == method or (wanted == "GET" and method == "HEAD"):
            return index
    return best


def route_path(scope: dict[str, Any]) -> str:
    """Return the path that the app's router sees: decoded, without the root path of the app."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return strip_root(path, root) if root else path


def strip_root(path: str, root: str) -> str:
    """Remove the root path, as routers do; a path that does not begin with it is unchanged."""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


def has_consistent_root(scope: dict[str, Any]) -> bool:
    """Return whether every router removes the same root path, if any.

    Some servers do not prefix the path with the root path, and a target need not begin with a slash (RFC 9112 3.2).
    Then routers differ: Litestar cuts at the first occurrence of the root path, WSGI adapters within a segment.
    """
    root: str = scope.get("root_path", "").rstrip("/")
    if not root:
        return True
    path: str = scope["path"]
    return path[len(root) : len(root) + 1] in {"", "/"} if path.startswith(root) else root not in path


def has_no_control(path: str) -> bool:
    """Return whether a path has no control character: ``$`` in a router's pattern also matches before a line feed."""
    return not _CONTROL.search(path)
