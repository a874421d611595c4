"""Which conditions a request has to bring: those that its operation's answers depend on, computed once per policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from authguard.core.extra_dimensions import OPERATION, OTHERWISE, OWN_OPERATIONS, operation_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Rule, Table
    from authguard.core.own_conditions import OwnCondition
    from authguard.core.request import Operation


class Declared(Protocol):
    """What a compiled policy declares."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations; the first match wins."""

    @property
    def otherwise(self) -> Operation:
        """The operation for requests that match no other."""

    @property
    def conditions(self) -> tuple[OwnCondition, ...]:
        """The policy's own conditions."""

    @property
    def table(self) -> Table:
        """The decision table."""


def used_conditions(policy: Declared) -> tuple[OwnCondition, ...]:
    """Return the conditions that are dimensions of the table, in order."""
    return tuple(one for one in policy.conditions if one.name in policy.table.extra)


def find_asked(policy: Declared) -> Mapping[str, tuple[OwnCondition, ...]]:
    """Return value of the dimension `operation` -> the conditions with a ``call`` that its answers depend on.

    An answer does not depend on a condition if no rule that can decide the operation names it.
    """
    calls = [one for one in used_conditions(policy) if one.call]
    if not calls:
        return {}
    naming = {one.name: [rule for rule in policy.table.rules if one.name in rule.when] for one in calls}
    return {
        name: tuple(one for one in calls if any(_decides(rule, name, kind) for rule in naming[one.name]))
        for name, kind in _kinds(policy)
    }


def _kinds(policy: Declared) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each value of the dimension `operation` with its risk and effect."""
    declared = {one.name for one in policy.operations}
    yield OTHERWISE, (policy.otherwise.risk, policy.otherwise.effect)
    for one in reversed(policy.operations):
        yield operation_value(one, declared), (one.risk, one.effect)
    for kind, name in OWN_OPERATIONS.items():
        yield name, kind


def _decides(rule: Rule, operation: str, kind: tuple[str, str]) -> bool:
    values = {OPERATION: operation, "risk": kind[0], "effect": kind[1]}
    return all(values[name] in rule.when[name] for name in values if name in rule.when)
