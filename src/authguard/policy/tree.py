"""The parsed tree of a policy file: values with their places.

A path in a tree is a tuple of keys and indexes. `format_path` writes it as ``machines.session.transitions[3]``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.problem import Place

Path = tuple[str | int, ...]

#: longest quotation of user input in a message
MAX_QUOTE_CHARS: Final = 60
#: most characters of an input that are considered for a quotation
MAX_INPUT_CHARS: Final = 2_000
_USER_INFO: Final = re.compile(r"//[^/?#@\s]*@")


class Node(Struct, frozen=True):
    """One value.

    Attributes:
        value: a scalar, or the nodes of a list or a mapping.
        place: place in the file; for an entry of a mapping, the place of its key.
        is_valid: False if the parser already reported a problem of this value.
    """

    value: str | int | float | bool | tuple[Node, ...] | dict[str, Node]
    place: Place
    is_valid: bool = True

    def entries(self) -> dict[str, Node]:
        """Return the entries of a mapping; empty for other values."""
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> tuple[Node, ...]:
        """Return the items of a list; empty for other values."""
        return self.value if isinstance(self.value, tuple) else ()

    def to_plain(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return the value without places, as JSON values."""
        if isinstance(self.value, dict):
            return {key: node.to_plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.to_plain() for node in self.value]
        return self.value

    def iter_nodes(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Yield this node and all nodes below it in the order of the file, each with its path."""
        pending: list[tuple[Path, Node]] = [(path, self)]
        while pending:  # nested generators would pass each node through every level above it
            path, node = pending.pop()
            yield path, node
            value = node.value
            if isinstance(value, dict):
                pending += [((*path, key), one) for key, one in reversed(value.items())]
            elif isinstance(value, tuple):
                pending += [((*path, index), value[index]) for index in reversed(range(len(value)))]

    def find(self, path: Sequence[str | int]) -> Node:
        """Return the last existing node on a path."""
        node = self
        for step in path:
            if isinstance(step, str) and step in node.entries():
                node = node.entries()[step]
            elif isinstance(step, int) and step < len(node.items()):
                node = node.items()[step]
            else:
                break
        return node


def format_path(path: Sequence[str | int]) -> str:
    """Format a path: ``machines.session.transitions[3]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def quote(typed: object, most: int = MAX_QUOTE_CHARS) -> str:
    """Quote user input for a message: one line, of limited length, without the user and password of an address."""
    text = _USER_INFO.sub("//...@", " ".join(str(typed)[:MAX_INPUT_CHARS].split()))
    return f"`{text[:most]}...`" if len(text) > most else f"`{text}`"
