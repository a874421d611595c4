"""A policy file as read: plain values, each with the place where it was written.

A path through a tree is a tuple of keys and indexes; written out it is dotted: ``machines.session.transitions[3]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.problem import Place

Path = tuple[str | int, ...]

#: no message quotes more of what was typed than this
MAX_QUOTE_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class Node:
    """One value.

    Attributes:
        value: a scalar, or the nodes of a list or a mapping.
        place: where it was written; for an entry of a mapping, where its key was.
        is_valid: False where the reader has already said what is wrong with it.
    """

    value: str | int | float | bool | tuple[Node, ...] | dict[str, Node]
    place: Place
    is_valid: bool = True

    def entries(self) -> dict[str, Node]:
        """Give the entries of a mapping; none where it is something else."""
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> tuple[Node, ...]:
        """Give the items of a list; none where it is something else."""
        return self.value if isinstance(self.value, tuple) else ()

    def to_plain(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Give the value without its places."""
        if isinstance(self.value, dict):
            return {key: node.to_plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.to_plain() for node in self.value]
        return self.value

    def iter_nodes(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Give every node with its path, this one first."""
        yield path, self
        for key, node in self.entries().items():
            yield from node.iter_nodes((*path, key))
        for index, node in enumerate(self.items()):
            yield from node.iter_nodes((*path, index))

    def find(self, path: Sequence[str | int]) -> Node:
        """Follow a path as far as it goes, and give the last node on it."""
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
    """Write a path out."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def quote(typed: object) -> str:
    """Quote what a person typed, on one line and bounded, for a message."""
    text = " ".join(str(typed).split())
    return f"`{text[:MAX_QUOTE_CHARS]}...`" if len(text) > MAX_QUOTE_CHARS else f"`{text}`"
