"""Reserved keys: keys of the policy language that this release does not enforce, and refuses by name.

A change that implements a key removes its row here and adds a field to `authguard.policy.schema.document`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.problem import Problem
from authguard.policy.tree import Node, Path, format_path, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: path (``*``: any key or index; ``/``: any key that begins with a slash); reserved values, empty for all values; and
#: the number of parents to remove with the key, so that the rest of the policy can be checked
RESERVED_KEYS: Final[tuple[tuple[Path, frozenset[str], int], ...]] = (
    (("accounts", "*", "from"), frozenset({"signals"}), 1),
    (("operations", "*", "match", "mcp_tool"), frozenset(), 2),
    (("operations", "*", "match", "/"), frozenset(), 2),
    (("signals",), frozenset(), 0),
    (("streams",), frozenset(), 0),
    (("rollback", "criteria"), frozenset(), 0),
    (("rollback", "drilled"), frozenset(), 0),
)


def report_reserved_keys(tree: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Report reserved keys, one problem each, and return the tree without them."""
    problems: list[Problem] = []
    dropped: set[Path] = set()
    for pattern, waiting, up in RESERVED_KEYS:
        for path, node in find_matches(tree, pattern, ()):
            value = node.value if isinstance(node.value, str) else ""
            if waiting and value not in waiting:
                continue
            dropped.add(path[: len(path) - up])
            written = quote(f"{format_path(path)}: {value}" if waiting else format_path(path))
            problems.append(
                Problem(
                    code="not-in-this-release",
                    place=node.place,
                    message=f"{written} is not enforced by this release",
                    advice="remove it: a policy must not promise what is not enforced",
                )
            )
    return (remove_paths(tree, dropped, ()) if dropped else tree), tuple(problems)


def find_matches(node: Node, pattern: Path, path: Path) -> Iterator[tuple[Path, Node]]:
    """Yield the paths below a node that match a pattern, with their nodes."""
    if not pattern:
        yield path, node
        return
    steps: list[tuple[str | int, Node]] = [*node.entries().items(), *enumerate(node.items())]
    for key, inner in steps:
        if pattern[0] in ("*", key) or (pattern[0] == "/" and str(key).startswith("/")):
            yield from find_matches(inner, pattern[1:], (*path, key))


def remove_paths(node: Node, dropped: Collection[Path], path: Path) -> Node:
    """Return a tree without some of its paths."""
    value = node.value
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if (*path, key) not in dropped}
        value = {key: remove_paths(inner, dropped, (*path, key)) for key, inner in kept.items()}
    elif isinstance(value, tuple):
        value = tuple(
            remove_paths(inner, dropped, (*path, index))
            for index, inner in enumerate(value)
            if (*path, index) not in dropped
        )
    return Node(value, node.place, node.is_valid)
