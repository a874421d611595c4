"""The cells of a policy's decision table: its dimensions with their values, and the cells that no request can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import PROVEN_CREDENTIALS, dimension_values
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import (
    CHANNEL,
    NO_CHANNELS,
    OPERATION,
    OTHERWISE,
    OWN_OPERATIONS,
    UNKNOWN_CHANNEL,
    find_extra,
    named_dimensions,
)
from authguard.core.flags import PAYEE_DIMENSIONS, SET
from authguard.core.possible_values import find_possible
from authguard.core.tiers import LIMIT, impossible_tiers, limit_values
from authguard.policy.table.boxes import Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.content import Content
    from authguard.core.decision_table import Table
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

    #: dimension -> values
    Conditions = Mapping[str, frozenset[str]]


def draft_values(draft: Draft) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of a draft's table with their values; a missing machine has no values."""
    states = {name: draft.machines[name].states if name in draft.machines else () for name in MACHINES}
    conditions = [rule.when for rule in draft.rules] + [one.never for one in draft.invariants]
    return dimension_values(states, find_extra(draft, named_dimensions(conditions))) | {LIMIT: limit_values(draft)}


def table_space(draft: Draft) -> Space:
    """Return the cells of a draft's table."""
    return _space(draft, draft_values(draft))


def policy_space(policy: Policy) -> Space:
    """Return the cells of a compiled policy's table."""
    return _space(policy, policy.table.values)


def any_space(policy: Draft | Policy) -> Space:
    """Return the cells of a policy's table, compiled or not."""
    table: Table | None = getattr(policy, "table", None)
    return _space(policy, draft_values(policy) if table is None else table.values)  # type: ignore[arg-type]


def of_operation(space: Space, operation: Operation) -> dict[str, set[str]]:
    """Return the condition that a request is one for an operation; empty if no rule distinguishes operations."""
    return {OPERATION: {operation.name}} if OPERATION in space.values else {}


def _space(policy: Content, values: Mapping[str, tuple[str, ...]]) -> Space:
    return Space(values, tuple(impossible_conditions(policy, values)))


def impossible_conditions(policy: Content, values: Mapping[str, tuple[str, ...]]) -> Iterator[Conditions]:
    """Yield conditions of cells that no request can have: nothing is proved about them, and nothing is missing there.

    Args:
        policy: declares operations and what they need.
        values: of its dimensions.
    """
    yield from impossible_tiers(policy, values)
    if OPERATION in values:
        yield from _impossible_for_operations(policy, values)
    if CHANNEL in values:
        yield from _impossible_channels(policy, values)
    for flag in policy.flags:
        if flag.name in values:
            # the guard knows nobody without a proven credential
            yield {"credential": frozenset(values["credential"]) - set(PROVEN_CREDENTIALS), flag.name: frozenset({SET})}


def _impossible_channels(policy: Content, values: Mapping[str, tuple[str, ...]]) -> Iterator[Conditions]:
    """Yield that a channel is unknown by its name and not by its change, or the reverse: it is one fact."""
    known, unknown = frozenset(policy.channels.trusts), frozenset({UNKNOWN_CHANNEL})
    if policy.channels.declared:
        yield {CHANNEL: unknown, "channel_change": frozenset(values["channel_change"]) - unknown}
        yield {CHANNEL: known, "channel_change": unknown}
    else:
        yield {CHANNEL: frozenset({NO_CHANNELS}), "channel_change": frozenset(values["channel_change"]) - {"same"}}


def _impossible_for_operations(policy: Content, values: Mapping[str, tuple[str, ...]]) -> Iterator[Conditions]:
    """Yield what an operation cannot bring; operations with the same needs share their conditions."""
    known = {name: one for one in reversed(policy.operations) for name in (one.name,)}
    if policy.admits_unnamed:
        known[OTHERWISE] = policy.otherwise
    elif known:
        yield {OPERATION: frozenset({OTHERWISE})}
    alike: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for operation in known.values():
        for name, possible in find_possible(policy, operation).items():
            alike.setdefault((name, possible), set()).add(operation.name)
    payeeless = {*OWN_OPERATIONS.values(), *(name for name, operation in known.items() if not operation.has_payee)}
    for flag in policy.flags:
        if flag.by in PAYEE_DIMENSIONS and flag.name in values:
            yield {OPERATION: frozenset(payeeless), flag.name: frozenset({SET})}
    for (risk, effect), name in OWN_OPERATIONS.items():
        alike.setdefault(("risk", (risk,)), set()).add(name)
        alike.setdefault(("effect", (effect,)), set()).add(name)
    for (name, possible), operations in alike.items():
        yield {OPERATION: frozenset(operations), name: frozenset(values[name]) - set(possible)}
