"""Kinds of mutants that change what happens: transitions, timers, rules, fallbacks and the authority of staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.mutation.access_kinds import ADDED_ROLE, FACTOR, lengthen, shorten
from authguard.policy.mutation.mutant import format_plain, make_mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node, Path

#: kinds of fallback that `on_fault` may name
_REFUSING: Final = ("retry", "deny", "handoff")
ADDED_QUEUE: Final = "other-queue"


def drop_transitions(tree: Node) -> Iterator[Mutant]:
    """Remove one transition line; later lines then handle its events."""
    for path, line in _lines(tree):
        yield make_mutant("transition-dropped", tree, path, None, f"{_describe_line(line)} removed")


def ignore_events(tree: Node) -> Iterator[Mutant]:
    """Let the events of one transition line move nothing."""
    for path, line in _lines(tree):
        if line.entries()["dest"].value != "=":
            change = f"{_describe_line(line)}: dest -> ="
            yield make_mutant("transition-ignored", tree, (*path, "dest"), "=", change)


def drop_raised_events(tree: Node) -> Iterator[Mutant]:
    """Remove the events that one transition line raises."""
    for path, line in _lines(tree):
        if "raises" in line.entries():
            change = f"{_describe_line(line)}: raises removed"
            yield make_mutant("raises-dropped", tree, (*path, "raises"), None, change)


def drop_timers(tree: Node) -> Iterator[Mutant]:
    """Remove one timer."""
    for path, timer in _listed(tree, "timers"):
        yield make_mutant("timer-dropped", tree, path, None, f"{_describe_timer(timer)} removed")


def lengthen_timers(tree: Node) -> Iterator[Mutant]:
    """Let one timer fall due ten times as late."""
    for path, timer in _listed(tree, "timers"):
        yield from lengthen("timer-lengthened", tree, (*path, "after"), f"{_describe_timer(timer)}: ")


def drop_rules(tree: Node) -> Iterator[Mutant]:
    """Remove one rule; later rules then decide its cells."""
    for path, rule in _listed(tree, "decisions"):
        yield make_mutant("rule-dropped", tree, path, None, f"{_describe_rule(rule)} removed")


def loosen_rules(tree: Node) -> Iterator[Mutant]:
    """Let one rule allow what it does not."""
    for path, rule in _listed(tree, "decisions"):
        if "do" in rule.entries() and rule.entries()["do"].value != "allow":
            change = f"{_describe_rule(rule)} -> allow"
            yield make_mutant("rule-allows", tree, (*path, "do"), "allow", change)


def change_approvers(tree: Node) -> Iterator[Mutant]:
    """Change the role, the number or the level of one kind of approvers of a hold, or do without it."""
    for path, approvers in _approvers(tree):
        if "role" in approvers:
            yield make_mutant("approver-role-changed", tree, (*path, "role"), ADDED_ROLE)
        count = approvers["count"].value if "count" in approvers else 1
        new = 1 if isinstance(count, int) and count > 1 else FACTOR
        yield make_mutant("approver-count-changed", tree, (*path, "count"), new, f"count: {count} -> {new}")
        if "acr" in approvers:
            yield make_mutant("approver-level-dropped", tree, (*path, "acr"), None)
    for path, found in _fallbacks(tree, "approvers"):
        for index, one in enumerate(found.items() if len(found.items()) > 1 else ()):
            change = f"{format_plain(one.to_plain())} removed"
            yield make_mutant("approvers-dropped", tree, (*path, index), None, change)


def _approvers(tree: Node) -> Iterator[tuple[Path, dict[str, Node]]]:
    """Yield the path and the keys of each kind of approvers, of one mapping or of a list."""
    for path, found in _fallbacks(tree, "approvers"):
        if isinstance(found.value, dict):
            yield path, found.entries()
        for index, one in enumerate(found.items()):
            yield (*path, index), one.entries()


def raise_attempts(tree: Node) -> Iterator[Mutant]:
    """Permit ten times the attempts of one fallback, or count them in a tenth of the time."""
    for path, attempts in _fallbacks(tree, "attempts"):
        if isinstance(attempts.value, int):
            yield make_mutant("attempts-raised", tree, path, attempts.value * FACTOR)
    for path, _ in _fallbacks(tree, "per"):
        yield from shorten("attempts-window-shortened", tree, path)


def drop_demands(tree: Node) -> Iterator[Mutant]:
    """Remove the level or the age that one `step_up` demands."""
    for key in ("acr", "max_age"):
        for path, _ in _fallbacks(tree, key):
            yield make_mutant("demand-dropped", tree, path, None)


def swap_methods(tree: Node) -> Iterator[Mutant]:
    """Let one `verify` offer another method."""
    names = tuple(tree.entries()["methods"].entries()) if "methods" in tree.entries() else ()
    for path, methods in _fallbacks(tree, "methods"):
        offered = [str(node.value) for node in methods.items()]
        other = next((name for name in names if name not in offered), None)
        if other is not None:
            yield make_mutant("method-swapped", tree, path, [other])


def change_queues(tree: Node) -> Iterator[Mutant]:
    """Send the tickets of one hand-off to another queue."""
    for path, _ in _fallbacks(tree, "queue"):
        yield make_mutant("queue-changed", tree, path, ADDED_QUEUE)


def change_on_fault(tree: Node) -> Iterator[Mutant]:
    """Answer a fault of the guard with another fallback."""
    named = tree.entries().get("on_fault")
    fallbacks = tree.entries()["fallbacks"].entries() if "fallbacks" in tree.entries() else {}
    kinds = {name: one.entries()["kind"].value for name, one in fallbacks.items() if "kind" in one.entries()}
    other = next((name for name, kind in kinds.items() if kind in _REFUSING and named and name != named.value), None)
    if other is not None:
        yield make_mutant("on-fault-changed", tree, ("on_fault",), other)


def weaken_rollback(tree: Node) -> Iterator[Mutant]:
    """Change the role of one act of a rollback, or let one person perform it."""
    if "rollback" not in tree.entries():
        return
    authority = tree.entries()["rollback"].entries().get("authority")
    for act, needed in (authority.entries() if authority else {}).items():
        path = ("rollback", "authority", act)
        yield make_mutant("rollback-role-changed", tree, (*path, "role"), ADDED_ROLE)
        if "count" in needed.entries():
            yield make_mutant("rollback-count-lowered", tree, (*path, "count"), 1)


def _listed(tree: Node, key: str) -> Iterator[tuple[Path, Node]]:
    if key in tree.entries():
        for index, node in enumerate(tree.entries()[key].items()):
            yield (key, index), node


def _lines(tree: Node) -> Iterator[tuple[Path, Node]]:
    machines = tree.entries()["machines"].entries() if "machines" in tree.entries() else {}
    for name, machine in machines.items():
        lines = machine.entries().get("transitions")
        for index, line in enumerate(lines.items() if lines else ()):
            yield ("machines", name, "transitions", index), line


def _fallbacks(tree: Node, key: str) -> Iterator[tuple[Path, Node]]:
    """Yield the value of a key of every fallback that has it."""
    fallbacks = tree.entries()["fallbacks"].entries() if "fallbacks" in tree.entries() else {}
    for name, fallback in fallbacks.items():
        if key in fallback.entries():
            yield ("fallbacks", name, key), fallback.entries()[key]


def _describe_line(line: Node) -> str:
    trigger, source, dest = (line.entries()[key].to_plain() for key in ("trigger", "source", "dest"))
    return f"{format_plain(trigger)} from {format_plain(source)} to {dest}"


def _describe_timer(timer: Node) -> str:
    plain = timer.to_plain()
    states = f" in {format_plain(plain['states'])}" if "states" in plain else ""
    return f"{plain['event']}{states} after {plain['after']}"


def _describe_rule(rule: Node) -> str:
    plain = rule.to_plain()
    return f"{format_plain(plain['when'])} -> {plain['do']}"
