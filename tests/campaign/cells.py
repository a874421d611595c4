"""Whole cells of recorded decisions: the fixed part, and what a record states as operation, channel, context."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.extra_dimensions import CHANNEL, NO_CHANNELS, OPERATION, OTHERWISE, OWN_OPERATIONS, UNKNOWN_CHANNEL

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.records.entries import DecisionEntry


def read_values(policy: Policy, decision: DecisionEntry) -> dict[str, str]:
    """Return dimension -> value of a recorded decision; a condition that was not asked is left out."""
    known = dict(zip(DIMENSIONS, decision.cell, strict=True))
    declared = {one.name for one in policy.operations}
    operation = decision.operation if decision.operation in declared else OTHERWISE
    if decision.operation.startswith("authguard."):
        operation = OWN_OPERATIONS.get((known["risk"], known["effect"]), OTHERWISE)
    channel = decision.channel if known["credential"] in PROVEN_CREDENTIALS else ""
    channel = channel if channel in policy.channels.trusts else UNKNOWN_CHANNEL
    if not policy.channels.trusts:
        channel = NO_CHANNELS
    found = {OPERATION: operation, CHANNEL: channel, **decision.context}
    return known | {name: found[name] for name in policy.table.extra if name in found}


def whole_cells(policy: Policy, decision: DecisionEntry) -> list[tuple[str, ...]]:
    """Return the cells that a record permits: several where a condition was not asked, which must not matter."""
    known = read_values(policy, decision)
    return list(
        product(*((known[name],) if name in known else options for name, options in policy.table.values.items()))
    )
