"""A policy is merged with what it extends, as trees, so that every value keeps the place where it was written.

What is joined how is the table `MERGE_FUNCTIONS`; of every other key the child's value replaces the parent's whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from authguard.policy.compiled_policy import Changes
from authguard.policy.tree import Node

MergeFunction = Callable[[Node, Node], Node]

#: what a file says of itself, and nobody inherits
NOT_INHERITED: Final = frozenset({"authguard", "name", "extends", "base"})


def merge(parent: Node, child: Node) -> Node:
    """Merge a policy over the one that it extends.

    Args:
        parent: merged already with what it extends in turn.
        child: as written.
    """
    inherited = {key: node for key, node in parent.entries().items() if key not in NOT_INHERITED}
    return _merge_by_key(MERGE_FUNCTIONS)(Node(inherited, parent.place), child)


def find_changes(parent: Node, child: Node) -> Changes:
    """Tell what a policy makes of the one that it extends, beside the lines that it adds.

    Args:
        parent: merged.
        child: as written.
    """
    before, after = _entries_of(parent, "fallbacks"), _entries_of(child, "fallbacks")
    inherited = _entries_of(parent, "machines")
    return Changes(
        fallbacks=frozenset(name for name in before.keys() & after.keys() if _kind(before[name]) != _kind(after[name])),
        states={
            name: frozenset(_state_names(machine) - _state_names(inherited.get(name, machine)))
            for name, machine in _entries_of(child, "machines").items()
        },
    )


def _entries_of(node: Node, key: str) -> dict[str, Node]:
    return node.entries()[key].entries() if key in node.entries() else {}


def _kind(fallback: Node) -> object:
    return fallback.entries()["kind"].value if "kind" in fallback.entries() else ""


def _state_names(machine: Node) -> set[str]:
    states = machine.entries().get("states")
    return {node.value for node in (states.items() if states else ()) if isinstance(node.value, str)}


def _replace(_: Node, child: Node) -> Node:
    return child


def _merge_by_key(joins: Mapping[str, MergeFunction], otherwise: MergeFunction = _replace) -> MergeFunction:
    """Make the join of two mappings: what both have is joined by its key's join."""

    def join(parent: Node, child: Node) -> Node:
        if not isinstance(parent.value, dict) or not isinstance(child.value, dict):
            return _malformed(parent, child, dict)
        merged = dict(parent.value)
        for key, node in child.value.items():
            merged[key] = joins.get(key, otherwise)(merged[key], node) if key in merged else node
        return Node(merged, child.place, child.is_valid)

    return join


def _malformed(parent: Node, child: Node, shape: type) -> Node:
    """Give the one of two that has the wrong shape, so that the models report it where it was written."""
    return parent if isinstance(child.value, shape) else child


def _prepend(parent: Node, child: Node) -> Node:
    """Put the child's items before the parent's."""
    if not isinstance(parent.value, tuple) or not isinstance(child.value, tuple):
        return _malformed(parent, child, tuple)
    return Node((*child.value, *parent.value), child.place, child.is_valid)


def _append(parent: Node, child: Node) -> Node:
    """Put the child's items after the parent's."""
    if not isinstance(parent.value, tuple) or not isinstance(child.value, tuple):
        return _malformed(parent, child, tuple)
    return Node((*parent.value, *child.value), child.place, child.is_valid)


def _merge_states(parent: Node, child: Node) -> Node:
    """Append the child's new states, unless it repeats all of the parent's: then its order holds."""
    inherited = {node.value for node in parent.items() if isinstance(node.value, str)}
    if inherited <= {node.value for node in child.items() if isinstance(node.value, str)}:
        return child
    added = tuple(node for node in child.items() if not (isinstance(node.value, str) and node.value in inherited))
    return _append(parent, Node(added, child.place, child.is_valid) if isinstance(child.value, tuple) else child)


def _merge_timers(parent: Node, child: Node) -> Node:
    """Replace all timers of each event that the child times."""
    timed = {_event(node) for node in child.items()}
    kept = tuple(node for node in parent.items() if _event(node) not in timed)
    return _append(Node(kept, parent.place, parent.is_valid) if isinstance(parent.value, tuple) else parent, child)


def _event(timer: Node) -> str:
    event = timer.entries().get("event")
    return event.value if event and isinstance(event.value, str) else ""


MERGE_FUNCTIONS: Final[Mapping[str, MergeFunction]] = {
    "machines": _merge_by_key({}, otherwise=_merge_by_key({"states": _merge_states, "transitions": _prepend})),
    "decisions": _prepend,
    "fallbacks": _merge_by_key({}),
    "invariants": _append,
    "timers": _merge_timers,
}
