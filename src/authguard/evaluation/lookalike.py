"""Detection of unnamed paths that a more lenient router would treat as a named path.

Rules of this file:
- It is used only if the policy admits unnamed paths, and only for them. A path that resembles a named one is refused,
  and never decided as that operation, since that could loosen the decision.
- It covers the known leniencies of routers: repeated slashes, dot segments (RFC 3986 5.2.4), single or repeated
  percent-encoding, case, parameters after `;`, compatibility characters of Unicode, backslashes, a trailing file
  extension, and any prefix. Methods are ignored: a route accepts more methods than a policy names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import normalize
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: longer paths count as lookalikes: no path of a policy is so long
MAX_SEGMENTS: Final = 32
MAX_PATH_CHARS: Final = 1_024
#: maximum number of non-ASCII characters in one interpretation: case folding can turn one into 18, and must take < 2 ms
MAX_NON_ASCII_CHARS: Final = 128
#: maximum number of times that proxies, servers and frameworks decode a path
MAX_DECODINGS: Final = 4
_EXTENSION: Final = re.compile(r"(?<=.)\.[a-z0-9]{1,8}$")


class _Node:
    """One segment of the tree of folded templates."""

    __slots__ = ("any", "ends", "literal", "rest")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        #: whether a template ends here, and whether it has a literal segment; likewise for ``{name:path}`` parameters
        self.ends: set[bool] = set()
        self.rest: set[bool] = set()


class LookalikeIndex:
    """An immutable tree of the folded named paths, against which folded paths are compared."""

    __slots__ = ("_root",)

    def __init__(self, templates: Iterable[str]) -> None:
        """Fold and insert the templates.

        Args:
            templates: of operations, for HTTP or for WebSockets.
        """
        self._root = _Node()
        for template in templates:
            self._insert(template)

    def _insert(self, template: str) -> None:
        node, has_literal = self._root, False
        for segment in filter(None, template.split("/")):
            if segment.startswith("{") and segment.endswith(":path}"):
                node.rest.add(has_literal)
                return
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                has_literal = True
                node = node.literal.setdefault(_fold(segment), _Node())
        node.ends.add(has_literal)

    def resembles(self, path: str) -> bool:
        """Return whether a path resembles a named one.

        Args:
            path: as the app's router sees it; no template matches it exactly.
        """
        if path and not path.startswith("/"):
            path = f"//{path}"
        if len(path) > MAX_PATH_CHARS or path.count("/") > MAX_SEGMENTS:
            return True
        plain = tuple(path.split("/")[1:])
        interpretations = _interpretations(path)
        if not interpretations:
            return True
        return any(self._matches(one, is_lenient=one != plain) for one in interpretations)

    def _matches(self, path: tuple[str, ...], *, is_lenient: bool) -> bool:
        """Return whether a template matches an interpretation, or the rest of it after any prefix."""
        # after a prefix, only a template with a literal segment counts
        whole, after = [self._root] if is_lenient else [], list[_Node]()
        for place, segment in enumerate(path):
            if _ends(whole, after, rest=True):
                return True
            whole = _advance(whole, segment)
            after = _advance([*after, self._root] if place else after, segment)
        return _ends(whole, after, rest=True) or _ends(whole, after, rest=False)


def _advance(nodes: Sequence[_Node], segment: str) -> list[_Node]:
    literal = [node.literal[segment] for node in nodes if segment in node.literal]
    return [*literal, *(node.any for node in nodes if node.any is not None)]


def _ends(whole: Sequence[_Node], after: Sequence[_Node], *, rest: bool) -> bool:
    if any(node.rest if rest else node.ends for node in whole):
        return True
    return any(True in (node.rest if rest else node.ends) for node in after)


def _fold(text: str) -> str:
    return normalize("NFKC", normalize("NFKC", text).casefold())


def _interpretations(path: str) -> set[tuple[str, ...]]:
    """Return the segments of a path in each way that a router may read it; an empty set if that would take too long."""
    found = set()
    text = path
    for _ in range(MAX_DECODINGS + 1):
        if not text.isascii() and sum(character > "\x7f" for character in text) > MAX_NON_ASCII_CHARS:
            return set()
        segments = [segment.partition(";")[0].strip() for segment in _fold(text).replace("\\", "/").split("/")]
        resolved = _resolve(segments)
        found |= {resolved, tuple(segment for segment in segments if segment not in {"", "."})}
        if resolved:
            found.add((*resolved[:-1], _EXTENSION.sub("", resolved[-1])))
        decoded = unquote(text)
        if decoded == text:
            return found
        text = decoded
    return set()


def _resolve(segments: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return tuple(kept)
