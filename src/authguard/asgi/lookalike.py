"""Whether a path that no operation names reads as a named one to a router that forgives more than the guard does.

Rules of this file:
- It is asked only where the policy admits what nobody named, and only for what nobody named. What resembles a named
  path is refused; it is never judged as that operation, since judging could loosen.
- It knows what routers are known to forgive: repeated slashes, dot segments (RFC 3986 5.2.4), percent-encoding, once
  or more often, case, parameters after `;`, compatible characters of Unicode, backslashes, a file extension at the end,
  and any prefix. Methods are not looked at: a route answers by more methods than a policy names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import normalize
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: longer paths resemble everything: nothing that a policy names is so long
MAX_SEGMENTS: Final = 32
MAX_PATH_CHARS: Final = 1_024
#: characters beyond ASCII in one reading: some become 18 when they are folded, and folding has to stay under 2 ms
MAX_NON_ASCII_CHARS: Final = 128
#: how often a path is decoded at the most: by proxies, servers, frameworks
MAX_DECODINGS: Final = 4
_EXTENSION: Final = re.compile(r"(?<=.)\.[a-z0-9]{1,8}$")


class _Node:
    """One segment of the tree of folded templates."""

    __slots__ = ("any", "ends", "literal", "rest")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        #: whether a template ends here, and whether one that ends here or in a rest spells something out
        self.ends: set[bool] = set()
        self.rest: set[bool] = set()


class LookalikeIndex:
    """A tree of named paths, folded, to which folded paths are compared; nothing changes after it was built."""

    __slots__ = ("_root",)

    def __init__(self, templates: Iterable[str]) -> None:
        """Fold the templates.

        Args:
            templates: of operations, for HTTP or for WebSockets.
        """
        self._root = _Node()
        for template in templates:
            self._insert(template)

    def _insert(self, template: str) -> None:
        node, spelt = self._root, False
        for segment in filter(None, template.split("/")):
            if segment.startswith("{") and segment.endswith(":path}"):
                node.rest.add(spelt)
                return
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                spelt = True
                node = node.literal.setdefault(_fold(segment), _Node())
        node.ends.add(spelt)

    def resembles(self, path: str) -> bool:
        """Whether a path reads as a named one.

        Args:
            path: as the app's router sees it; no template takes it as it is.
        """
        if path and not path.startswith("/"):
            path = f"//{path}"
        if len(path) > MAX_PATH_CHARS or path.count("/") > MAX_SEGMENTS:
            return True
        plain = tuple(path.split("/")[1:])
        readings = _interpretations(path)
        return not readings or any(self._matches(reading, forgiven=reading != plain) for reading in readings)

    def _matches(self, path: tuple[str, ...], *, forgiven: bool) -> bool:
        """Whether a template takes a reading, or what is left of it after a prefix.

        After a prefix, only a template that spells something out is a name.
        """
        whole, after = [self._root] if forgiven else [], list[_Node]()
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
    """Give the segments of a path in each way in which a router may read it; none where that would take too long."""
    found = set()
    text = path
    for _ in range(MAX_DECODINGS):
        if not text.isascii() and sum(character > "\x7f" for character in text) > MAX_NON_ASCII_CHARS:
            return set()
        segments = [segment.partition(";")[0].strip() for segment in _fold(text).replace("\\", "/").split("/")]
        resolved = _resolve(segments)
        found |= {resolved, tuple(segment for segment in segments if segment not in {"", "."})}
        if resolved:
            found.add((*resolved[:-1], _EXTENSION.sub("", resolved[-1])))
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    return found


def _resolve(segments: Sequence[str]) -> tuple[str, ...]:
    """Remove empty segments and resolve those of dots."""
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return tuple(kept)
