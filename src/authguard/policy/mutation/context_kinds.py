"""Kinds of mutants that change what rules name besides states: flags, conditions, groups, tiers and phases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.policy.mutation.access_kinds import lengthen, shorten
from authguard.policy.mutation.mutant import Mutant, format_plain, make_mutant
from authguard.policy.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.tree import Path

#: owner or event of a flag -> the one that a mutant gives it
_OTHER_OWNER: Final = {"subject": "session", "session": "subject", "payee": "subject"}
_OTHER_EVENT: Final = {
    "started": "committed",
    "committed": "started",
    "denied": "lapsed",
    "lapsed": "denied",
    "failed": "lapsed",
}
#: lifetime of a flag that never expires
_SOME_TIME: Final = "1h"
#: end of a span of opening hours
_SPAN_END: Final = re.compile(r"-(\d\d):(\d\d)")
_LAST_HOUR: Final = 23
#: delay of a `retry` that waited until time lifts what its rule names
_FIXED_DELAY: Final = "60s"


def change_flags(tree: Node) -> Iterator[Mutant]:
    """Drop one setter or clearer of a flag, or change its lifetime, its owner or the event of a setter."""
    for name, flag in _entries(tree, "flags").items():
        path: Path = ("flags", name)
        keys = flag.entries()
        for key, kind in (("set_by", "flag-setter-dropped"), ("cleared_by", "flag-clearer-dropped")):
            for index, one in enumerate(keys[key].items() if key in keys else ()):
                change = f"{name}: {format_plain(one.to_plain())} removed"
                yield make_mutant(kind, tree, (*path, key, index), None, change)
                if key == "set_by" and "event" in one.entries():
                    event = str(one.entries()["event"].value)
                    at: Path = (*path, key, index, "event")
                    other = _OTHER_EVENT.get(event, "started")
                    yield make_mutant("flag-event-changed", tree, at, other, f"{name}: {event} -> {other}")
        if "expires" in keys:
            if keys["expires"].value == "never":
                change = f"{name}: never -> {_SOME_TIME}"
                yield make_mutant("flag-shortened", tree, (*path, "expires"), _SOME_TIME, change)
            else:
                yield from lengthen("flag-lengthened", tree, (*path, "expires"), f"{name}: ")
                yield from shorten("flag-shortened", tree, (*path, "expires"))
        owner = keys["by"].value if "by" in keys else ""
        if isinstance(owner, str) and owner in _OTHER_OWNER:
            other = _OTHER_OWNER[owner]
            yield make_mutant("flag-owner-changed", tree, (*path, "by"), other, f"{name}: {owner} -> {other}")


def change_conditions(tree: Node) -> Iterator[Mutant]:
    """Let one text or value of a condition be the default, change the default, or drop an exception of hours."""
    for name, condition in _entries(tree, "conditions").items():
        path: Path = ("conditions", name)
        keys = condition.entries()
        for index, one in enumerate(keys["except"].items() if "except" in keys else ()):
            change = f"{name}: {one.value} removed"
            yield make_mutant("exception-dropped", tree, (*path, "except", index), None, change)
        values = keys.get("values")
        if values is None:
            continue
        names = [str(one.value) for one in values.items()] or list(values.entries())
        for index, one in enumerate(values.items()):
            yield make_mutant(
                "condition-value-dropped", tree, (*path, "values", index), None, f"{name}: {one.value} removed"
            )
        for value, texts in values.entries().items():
            yield from _change_texts(tree, (*path, "values", value), f"{name}.{value}", texts)
        default = keys.get("default")
        if default is not None and names:
            change = f"{name}: {default.value} -> {names[0]}"
            yield make_mutant("condition-default-changed", tree, (*path, "default"), names[0], change)


def _change_texts(tree: Node, path: Path, where: str, texts: Node) -> Iterator[Mutant]:
    """Yield mutants of one value: without one of its texts, or with its hours an hour longer."""
    for index, one in enumerate(texts.items()):
        change = f"{where}: {format_plain(one.to_plain())} removed"
        yield make_mutant("condition-value-dropped", tree, (*path, index), None, change)
    if isinstance(texts.value, str):
        for found in _SPAN_END.finditer(texts.value):
            hour = int(found[1])
            if hour < _LAST_HOUR:
                moved = f"-{hour + 1:02}:{found[2]}"
                shifted = texts.value[: found.start()] + moved + texts.value[found.end() :]
                change = f"{where}: {found[0]} -> {moved}"
                yield make_mutant("span-shifted", tree, path, shifted, change)


def drop_groups(tree: Node) -> Iterator[Mutant]:
    """Take one operation out of one group."""
    for index, operation in enumerate(_items(tree, "operations")):
        groups = operation.entries().get("groups")
        for place, group in enumerate(groups.items() if groups else ()):
            change = f"{operation.entries()['name'].value}: {group.value} removed"
            yield make_mutant("group-dropped", tree, ("operations", index, "groups", place), None, change)


def change_tiers(tree: Node) -> Iterator[Mutant]:
    """Exchange one named limit with the next limit, or give it the answer of another one."""
    operations = _items(tree, "operations")
    limits = [
        (("operations", index, "limits"), one.entries()["limits"].items())
        for index, one in enumerate(operations)
        if "limits" in one.entries()
    ]
    named = [one.entries().get("then") for _, some in limits for one in some]
    answers = sorted({str(one.value) for one in named if one is not None})
    for path, some in limits:
        for place, limit in enumerate(some):
            then = limit.entries().get("then")
            if then is None:
                continue
            other = next((one for one in answers if one != then.value), None)
            if other is not None:
                yield make_mutant("limit-answer-changed", tree, (*path, place, "then"), other)
            following = some[place + 1].entries().get("then") if place + 1 < len(some) else then
            if following is None or following.value != then.value:  # equal answers have no order
                moved = (*some[:place], some[place + 1], limit, *some[place + 2 :])
                yield Mutant(
                    kind="limits-reordered",
                    path=path,
                    place=limit.place,
                    change=f"{_title(limit)} after {_title(some[place + 1])}",
                    replacement=Node(moved, limit.place),
                )


def _title(limit: Node) -> str:
    keys = limit.entries()
    return str(keys["name"].value) if "name" in keys else format_plain(limit.to_plain())


def change_phases(tree: Node) -> Iterator[Mutant]:
    """Let one rule decide in the default phase instead of its own."""
    for index, rule in enumerate(_items(tree, "decisions")):
        phase = rule.entries().get("phase")
        if phase is not None and phase.value != "account":
            change = f"{format_plain(rule.entries()['when'].to_plain())}: phase {phase.value} removed"
            yield make_mutant("phase-changed", tree, ("decisions", index, "phase"), None, change)


def fix_expiry(tree: Node) -> Iterator[Mutant]:
    """Let one `retry` name a fixed delay instead of the time at which its reason ends."""
    for name, fallback in _entries(tree, "fallbacks").items():
        after = fallback.entries().get("after")
        if after is not None and after.value == "expiry":
            yield make_mutant("expiry-fixed", tree, ("fallbacks", name, "after"), _FIXED_DELAY)


def _items(node: Node, key: str) -> tuple[Node, ...]:
    return node.entries()[key].items() if key in node.entries() else ()


def _entries(node: Node, key: str) -> dict[str, Node]:
    return node.entries()[key].entries() if key in node.entries() else {}
