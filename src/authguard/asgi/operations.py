"""Which operation a request is: the first that matches by path and method, found without asking them all.

The path is the one that the app's router will see (decoded, without the root path), so that guard and app cannot
disagree; where they could (control characters), the request is refused before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.core.facts import Match, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WEBSOCKET: Final = "WEBSOCKET"
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:path)?\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _Node:
    """One segment of the tree of templates."""

    __slots__ = ("any", "here", "literal", "tail")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.here: list[tuple[int, str]] = []
        self.tail: list[tuple[int, str]] = []


class OperationIndex:
    """Finds the operation of a method and a path; built once, never changed."""

    def __init__(self, operations: Sequence[Operation], otherwise: Operation) -> None:
        """Index operations; the first that matches wins.

        Args:
            operations: in the policy's order.
            otherwise: for what none of them takes.
        """
        self._operations = tuple(operations)
        self._otherwise = otherwise
        self._root = _Node()
        literal: set[str] = set()
        for index, operation in enumerate(self._operations):
            method, template = _key(operation.match)
            self._plant(template, index, method)
            if "{" not in template:
                literal.add(template)
        methods = {_key(operation.match)[0] for operation in self._operations} | {"HEAD"}
        self._exact = {
            (method, template): self._search(method, template) for template in literal for method in methods if method
        }

    def find(self, method: str, path: str) -> Operation | None:
        """Find the operation; ``None`` for a path that a router may read differently, which is no request at all.

        Args:
            method: HTTP method as sent, or `WEBSOCKET`.
            path: as the app's router sees it.
        """
        found = self._exact.get((method, path))
        if found is None and is_plain(path):
            return self._search(method, path)
        return found

    def _plant(self, template: str, index: int, method: str) -> None:
        node = self._root
        for segment in template.split("/"):
            parameter = _PARAMETER.fullmatch(segment)
            if parameter and parameter.group(1):
                node.tail.append((index, method))
                return
            if parameter:
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.literal.setdefault(segment, _Node())
        node.here.append((index, method))

    def _search(self, method: str, path: str) -> Operation:
        segments = path.split("/")
        best = len(self._operations)
        nodes = [self._root]
        for place, segment in enumerate(segments):
            onward: list[_Node] = []
            for node in nodes:
                best = _first(node.tail, method, best)
                if segment in node.literal:
                    onward.append(node.literal[segment])
                if node.any is not None and segment:
                    onward.append(node.any)
            nodes = onward
            if not nodes:
                break
            if place == len(segments) - 1:
                for node in nodes:
                    best = _first(node.here, method, best)
        return self._operations[best] if best < len(self._operations) else self._otherwise


def channel_finder(paths: Sequence[tuple[str, str]]) -> Callable[[str], str] | None:
    """Make what finds the channel of a path; none where the policy names no channel by paths.

    Args:
        paths: path template and channel; the first that matches wins, for HTTP and WebSockets alike.
    """
    if not paths:
        return None
    named = [Operation(name=channel, match=Match(path=template)) for template, channel in paths]
    index = OperationIndex(named, Operation(name=""))

    def find(path: str) -> str:
        operation = index.find("GET", path)
        return operation.name if operation else ""

    return find


def _key(match: Match) -> tuple[str, str]:
    return (WEBSOCKET, match.websocket) if match.websocket else (match.method, match.path)


def _first(candidates: Iterable[tuple[int, str]], method: str, best: int) -> int:
    """Find the earliest candidate for a method; a template without one takes any but a WebSocket."""
    for index, wanted in candidates:
        if index >= best:
            break
        takes_any = not wanted and method != WEBSOCKET
        if wanted == method or takes_any or (wanted == "GET" and method == "HEAD"):
            return index
    return best


def route_path(scope: dict[str, Any]) -> str:
    """Give the path that the app's router sees: decoded, without the root path under which the app is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


def is_plain(path: str) -> bool:
    """Whether a path holds no control character: a router's ``$`` also matches before a line feed."""
    return not _CONTROL.search(path)
