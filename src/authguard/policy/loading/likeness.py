"""States that a policy adds as alike to an inherited one: what the base policy says of that state, it says of them too.

Inherited rules, sources of transitions and timers that name the state include the added one, and its report goes where
that of the state goes. Invariants are not widened, and neither is anything in the file that adds the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from authguard.policy.problem import Problem, did_you_mean
from authguard.policy.tree import Node, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authguard.policy.problem import Place


class _Added(NamedTuple):
    name: str
    like: str
    place: Place


def expand_like(parent: Node, child: Node) -> tuple[Node, Node, tuple[Problem, ...]]:
    """Add the alike states of a policy to its base policy.

    Args:
        parent: base policy, already merged with its base policy; a mapping without entries if there is none.
        child: policy file.

    Returns:
        The base policy with the states wherever it names what they are like; the policy file with them by name; and the
            problems of those that are like nothing.
    """
    problems: list[Problem] = []
    for machine, declared in _entries(child, "machines").items():
        added = [one for item in _items(declared, "states") if (one := _read(item)) is not None]
        if not added:
            continue
        known = [str(one.value) for one in _items(_entries(parent, "machines").get(machine), "states")]
        for one in _in_order(added, known, problems):
            parent = _widen(parent, machine, one)
        child = _name_states(child, machine)
    return parent, child, tuple(problems)


def _read(item: Node) -> _Added | None:
    entries = item.entries()
    name, like = (str(entries[key].value) if key in entries else "" for key in ("name", "like"))
    return _Added(name, like, entries["like"].place) if name and like else None


def _in_order(added: Sequence[_Added], known: Sequence[str], problems: list[Problem]) -> Iterator[_Added]:
    """Yield each state after the one that it is like; report those that lead to no inherited state."""
    waiting, taken = list(added), set(known)
    while ready := [one for one in waiting if one.like in taken and one.name not in taken]:
        waiting = [one for one in waiting if one not in ready]
        taken |= {one.name for one in ready}
        yield from reversed(ready)  # each is placed just above the state, so that the first is the laxest
    names = {one.name for one in waiting}
    for one in waiting:
        if one.name in known:
            message = f"`{one.name}` is a state of the base policy, which says itself what it is like"
            advice = "name another state, or leave `like` out"
        elif one.like in names:
            message = f"{quote(one.name)} is like {quote(one.like)}, and that one leads to no inherited state"
            advice = (
                f"name a state of the base policy, such as `{known[0]}`" if known else "name a state of a base policy"
            )
        else:
            message = f"{quote(one.like)} is no state of the base policy"
            advice = did_you_mean(one.like[:64], known) if known else "name a state of a base policy (`extends`)"
        problems.append(Problem(code="state-like", place=one.place, message=message, advice=advice))


def _widen(tree: Node, machine: str, one: _Added) -> Node:
    def add(node: Node) -> Node:
        """Add the state to a list of states, or to one state, that has what it is like."""
        names = node.items() or (node,)
        if one.like not in [name.value for name in names]:
            return node
        return Node((*names, Node(one.name, one.place)), node.place, node.is_valid)

    def add_to_rule(rule: Node) -> Node:
        return _change(rule, "when", lambda when: _change(when, machine, add))

    def add_to_timer(timer: Node) -> Node:
        event = timer.entries().get("event")
        is_own = event is not None and str(event.value).partition(".")[0] == machine
        return _change(timer, "states", add) if is_own else timer

    def add_to_machine(declared: Node) -> Node:
        declared = _change(declared, "states", lambda states: _place_above(states, one))
        return _change(
            declared, "transitions", lambda lines: _each(lines, lambda line: _lines(line, one, add, machine))
        )

    tree = _change(tree, "machines", lambda machines: _change(machines, machine, add_to_machine))
    tree = _change(tree, "decisions", lambda rules: _each(rules, lambda rule: (add_to_rule(rule),)))
    return _change(tree, "timers", lambda timers: _each(timers, lambda timer: (add_to_timer(timer),)))


def _lines(line: Node, one: _Added, add: Callable[[Node], Node], machine: str) -> tuple[Node, ...]:
    """Return a transition with the state as a source, and for its report the transition of the other's report."""
    line = _change(line, "source", add)
    entries = line.entries()
    triggers = entries.get("trigger", line)
    dest = entries["dest"].value if "dest" in entries else ""
    if machine != "account" or one.like not in [name.value for name in triggers.items() or (triggers,)]:
        return (line,)
    if dest != one.like:
        return (_change(line, "trigger", add),)
    report = {"trigger": Node(one.name, one.place), "dest": Node(one.name, one.place)}
    return (line, Node({**entries, **report}, line.place, line.is_valid))


def _place_above(states: Node, one: _Added) -> Node:
    """Return the states in order of strictness, with the added one just above the one that it is like."""
    names = states.items()
    place = next((index for index, name in enumerate(names) if name.value == one.like), len(names) - 1) + 1
    return Node((*names[:place], Node(one.name, one.place), *names[place:]), states.place, states.is_valid)


def _name_states(child: Node, machine: str) -> Node:
    """Return the policy file with the added states by their names alone."""

    def name(item: Node) -> tuple[Node, ...]:
        found = _read(item)
        return (item if found is None else Node(found.name, item.place, item.is_valid),)

    def name_all(machines: Node) -> Node:
        return _change(machines, machine, lambda one: _change(one, "states", lambda states: _each(states, name)))

    return _change(child, "machines", name_all)


def _each(node: Node, change: Callable[[Node], tuple[Node, ...]]) -> Node:
    if not isinstance(node.value, tuple):
        return node
    return Node(tuple(new for one in node.value for new in change(one)), node.place, node.is_valid)


def _change(node: Node, key: str, change: Callable[[Node], Node]) -> Node:
    """Return a mapping with one entry changed; any other value, and one without the entry, as it is."""
    if not isinstance(node.value, dict) or key not in node.value:
        return node
    return Node({**node.value, key: change(node.value[key])}, node.place, node.is_valid)


def _entries(node: Node, key: str) -> dict[str, Node]:
    return node.entries()[key].entries() if key in node.entries() else {}


def _items(node: Node | None, key: str) -> tuple[Node, ...]:
    return node.entries()[key].items() if node is not None and key in node.entries() else ()
