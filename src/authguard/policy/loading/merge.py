"""Merge a policy with its base policy, as trees, so that each value keeps its place.

`MERGE_FUNCTIONS` lists the keys that are merged. For any other key the child's value replaces the parent's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from authguard.core.content import Changes, ReplacedTimer
from authguard.core.decision_table import DEFAULT_PHASE, PHASES
from authguard.policy.tree import Node

MergeFunction = Callable[[Node, Node], Node]

#: keys that describe the file itself and are not inherited
NOT_INHERITED: Final = frozenset({"authguard", "name", "extends", "base"})


def merge(parent: Node, child: Node) -> Node:
    """Merge a policy with its base policy.

    Args:
        parent: base policy, already merged with its base policy.
        child: policy file.
    """
    inherited = {key: node for key, node in parent.entries().items() if key not in NOT_INHERITED}
    return _merge_by_key(MERGE_FUNCTIONS)(Node(inherited, parent.place), child)


def order_by_phase(merged: Node) -> Node:
    """Put the rules of a merged document in the order of their phases; rules of one phase keep their order."""
    rules = merged.entries().get("decisions")
    if rules is None or not isinstance(rules.value, tuple):
        return merged
    ordered = tuple(sorted(rules.value, key=_phase_index))
    return Node({**merged.entries(), "decisions": Node(ordered, rules.place, rules.is_valid)}, merged.place)


def _phase_index(rule: Node) -> int:
    phase = rule.entries().get("phase")
    named = phase.value if phase is not None else DEFAULT_PHASE
    return PHASES.index(named) if named in PHASES else len(PHASES)  # validation reports it


def find_changes(parent: Node, child: Node) -> Changes:
    """Return the changes of a policy to its base policy, other than added transitions and rules.

    Args:
        parent: merged base policy.
        child: policy file.
    """
    before, after = _entries_of(parent, "fallbacks"), _entries_of(child, "fallbacks")
    inherited = _entries_of(parent, "machines")
    return Changes(
        fallbacks=frozenset(name for name in before.keys() & after.keys() if _kind(before[name]) != _kind(after[name])),
        states={
            name: frozenset(_state_names(machine) - _state_names(inherited.get(name, machine)))
            for name, machine in _entries_of(child, "machines").items()
        },
        timers=tuple(_find_replaced_timers(parent, child)),
    )


def _find_replaced_timers(parent: Node, child: Node) -> Iterator[ReplacedTimer]:
    """Yield the timers of the parent that are replaced."""
    replaced = {_event(timer) for timer in _items_of(child, "timers")}
    for timer in _items_of(parent, "timers"):
        if _event(timer) in replaced:
            after, since = (_text_of(timer, key) for key in ("after", "since"))
            states = timer.entries().get("states")
            names = tuple(str(one.value) for one in (states.items() or (states,))) if states else ()
            yield ReplacedTimer(event=_event(timer), after=after, since=since, states=names)


def _text_of(node: Node, key: str) -> str:
    entry = node.entries().get(key)
    return str(entry.value) if entry and not isinstance(entry.value, dict | tuple) else ""


def _items_of(node: Node, key: str) -> tuple[Node, ...]:
    return node.entries()[key].items() if key in node.entries() else ()


def _entries_of(node: Node, key: str) -> dict[str, Node]:
    return node.entries()[key].entries() if key in node.entries() else {}


def _kind(fallback: Node) -> object:
    return fallback.entries()["kind"].value if "kind" in fallback.entries() else ""


def _state_names(machine: Node) -> set[str]:
    states = machine.entries().get("states")
    return {node.value for node in (states.items() if states else ()) if isinstance(node.value, str)}


def _replace(_: Node, child: Node) -> Node:
    return child


def _merge_by_key(functions: Mapping[str, MergeFunction], otherwise: MergeFunction = _replace) -> MergeFunction:
    """Return a function that merges two mappings; keys in both are merged by their function."""

    def merge_entries(parent: Node, child: Node) -> Node:
        if not isinstance(parent.value, dict) or not isinstance(child.value, dict):
            return _malformed(parent, child, dict)
        merged = dict(parent.value)
        for key, node in child.value.items():
            merged[key] = functions.get(key, otherwise)(merged[key], node) if key in merged else node
        return Node(merged, child.place, child.is_valid)

    return merge_entries


def _malformed(parent: Node, child: Node, shape: type) -> Node:
    """Return the node with the wrong type, so that validation reports it at its place."""
    return parent if isinstance(child.value, shape) else child


def _prepend(parent: Node, child: Node) -> Node:
    """Return the child's items, then the parent's."""
    if not isinstance(parent.value, tuple) or not isinstance(child.value, tuple):
        return _malformed(parent, child, tuple)
    return Node((*child.value, *parent.value), child.place, child.is_valid)


def _append(parent: Node, child: Node) -> Node:
    """Return the parent's items, then the child's."""
    if not isinstance(parent.value, tuple) or not isinstance(child.value, tuple):
        return _malformed(parent, child, tuple)
    return Node((*parent.value, *child.value), child.place, child.is_valid)


def _merge_states(parent: Node, child: Node) -> Node:
    """Append the child's new states; a child that repeats all states of the parent sets their order."""
    inherited = {node.value for node in parent.items() if isinstance(node.value, str)}
    if inherited <= {node.value for node in child.items() if isinstance(node.value, str)}:
        return child
    added = tuple(node for node in child.items() if not (isinstance(node.value, str) and node.value in inherited))
    return _append(parent, Node(added, child.place, child.is_valid) if isinstance(child.value, tuple) else child)


def _merge_timers(parent: Node, child: Node) -> Node:
    """Replace the parent's timers of each event for which the child has a timer."""
    with_timer = {_event(node) for node in child.items()}
    kept = tuple(node for node in parent.items() if _event(node) not in with_timer)
    return _append(Node(kept, parent.place, parent.is_valid) if isinstance(parent.value, tuple) else parent, child)


def _event(timer: Node) -> str:
    return _text_of(timer, "event")


MERGE_FUNCTIONS: Final[Mapping[str, MergeFunction]] = {
    "machines": _merge_by_key({}, otherwise=_merge_by_key({"states": _merge_states, "transitions": _prepend})),
    "conditions": _merge_by_key({}),
    "decisions": _prepend,
    "fallbacks": _merge_by_key({}),
    "flags": _merge_by_key({}),
    "invariants": _append,
    "timers": _merge_timers,
}
