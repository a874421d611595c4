"""Check the values of filters against what the log and the policy know: a value that nothing can match is an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.cli.identifier import refuse_filter
from authguard.core.outcomes import Reason
from authguard.records.record_types import METHOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate
    from authguard.audit.query.search import Query
    from authguard.core.policy import Policy

#: methods that the error of an unknown one suggests (RFC 9110, section 9; RFC 5789)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "websocket")


def check_filters(index: Index, asked: Query, policy: str) -> None:
    """Check the filters of a query.

    Args:
        index: of the log.
        asked: the query.
        policy: value of `--policy`, which is loaded only for a value that the log does not have; may be empty.

    Raises:
        typer.BadParameter: neither the log nor the policy knows a value.
    """
    for method in asked.methods:
        if not re.fullmatch(METHOD, method):
            refuse_filter("--method", method, [one for one in _METHODS if one == method.upper()] or _METHODS)
    shapes = tuple(index.templates().values())
    missing = {
        option: tuple(one for one in typed if one not in known)
        for option, typed, known in _filters(asked, _known_in_log(shapes))
    }
    if not shapes or not any(missing.values()):
        return
    known = _known_in_log(shapes)
    if policy:
        from authguard.policy.compiler import load  # noqa: PLC0415 - only for a value that the log does not have

        declared = _known_in_policy(load(policy))
        known = {name: known[name] | declared[name] for name in known}
    for option, typed, values in _filters(asked, known):
        for one in typed:
            if one not in values:
                refuse_filter(option, one, sorted(values))


def _filters(asked: Query, known: Mapping[str, set[str]]) -> Iterator[tuple[str, tuple[str, ...], set[str]]]:
    """Yield each filter: its option, its values, and the values that are known."""
    yield "--operation", asked.operations, known["operation"]
    yield "--channel", asked.channels, known["channel"]
    yield "--reason", asked.reasons, known["reason"]
    yield "--state", asked.states, known["state"]
    yield "--event", asked.events, known["event"]
    yield "--rule", asked.rules, known["rule"]


def _known_in_log(shapes: Iterable[RecordTemplate]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {
        "operation": set(),
        "channel": set(),
        "reason": {one.code for one in Reason},
        "state": set(),
        "event": set(),
        "rule": set(),
    }
    for shape in shapes:
        states = {shape.machine: shape.dest} if shape.machine else dict(list(shape.states().items())[:5])
        events = (f"{shape.machine}.{shape.event}",) if shape.machine else shape.events
        known["operation"].add(shape.operation)
        known["channel"].add(shape.channel)
        known["state"].update(states.values(), (f"{machine}={state}" for machine, state in states.items()))
        known["event"].update(events, (event.partition(".")[2] for event in events))
        known["rule"].update((shape.rule, *shape.rule.split(":", 1)))
    return {name: values - {""} for name, values in known.items()}


def _known_in_policy(policy: Policy) -> dict[str, set[str]]:
    states = {(name, state) for name, machine in policy.machines.items() for state, _ in machine.table}
    events = {(name, event) for name, machine in policy.machines.items() for _, event in machine.table}
    rules = [rule.name for rule in policy.table.rules]
    return {
        "operation": {one.name for one in policy.all_operations},
        "channel": {*policy.channels.trusts, *(channel for _, channel in policy.channels.paths)},
        "reason": set(),
        "state": {state for _, state in states} | {f"{machine}={state}" for machine, state in states},
        "event": {event for _, event in events} | {f"{machine}.{event}" for machine, event in events},
        "rule": {part for rule in rules for part in (rule, *rule.split(":", 1))},
    }
