"""A mutant: one change of the merged document of a policy, with its place and its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.policy.tree import Node, Path, format_path

if TYPE_CHECKING:
    from authguard.policy.problem import Place

#: a plain JSON value of a policy document
Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"]


class Mutant(Struct, frozen=True, kw_only=True):
    """One change of a merged document.

    Attributes:
        kind: name of the kind of change, such as ``scopes-emptied``.
        path: of the changed value; of the removed value if `replacement` is ``None``.
        place: of the value in its file.
        change: the change in words, such as ``calls: 6 -> 60``.
        replacement: the new value; ``None`` removes the old one.
    """

    kind: str
    path: Path
    place: Place
    change: str
    replacement: Node | None

    @property
    def where(self) -> str:
        """Return the path as text."""
        return format_path(self.path)

    @property
    def name(self) -> str:
        """Return a name that is unique in its policy and does not depend on lines of the file."""
        return f"{self.kind} {self.where}: {self.change}"

    def apply(self, tree: Node) -> Node:
        """Return the merged document with this change.

        Args:
            tree: the merged document for which the mutant was made.
        """
        return _edit(tree, self.path, self.replacement)


def make_mutant(kind: str, tree: Node, path: Path, new: Plain | None, change: str = "") -> Mutant:
    """Return a mutant that replaces a value, or removes it if `new` is ``None``.

    Args:
        kind: name of the kind.
        tree: the merged document.
        path: of an existing value; a last key that does not exist adds the value.
        new: the new value.
        change: the change in words; by default the old value and the new one.
    """
    old = tree.find(path)
    before = format_plain(old.to_plain())
    words = change or (f"{before} removed" if new is None else f"{before} -> {format_plain(new)}")
    replacement = None if new is None else to_node(new, old.place)
    return Mutant(kind=kind, path=path, place=old.place, change=words, replacement=replacement)


def to_node(value: Plain, place: Place) -> Node:
    """Return a plain value as a node; all its parts have one place."""
    if isinstance(value, dict):
        return Node({key: to_node(one, place) for key, one in value.items()}, place)
    if isinstance(value, list):
        return Node(tuple(to_node(one, place) for one in value), place)
    return Node(value, place)


def format_plain(value: Plain) -> str:
    """Format a plain value on one line, in the flow style of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {format_plain(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(format_plain, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _edit(node: Node, path: Path, replacement: Node | None) -> Node:
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        entries = dict(node.entries())
        if rest:
            entries[step] = _edit(entries[step], rest, replacement)
        elif replacement is None:
            del entries[step]
        else:
            entries[step] = replacement
        return Node(entries, node.place, node.is_valid)
    items = list(node.items())
    new = _edit(items[step], rest, replacement) if rest else replacement
    items[step : step + 1] = [] if new is None else [new]
    return Node(tuple(items), node.place, node.is_valid)
