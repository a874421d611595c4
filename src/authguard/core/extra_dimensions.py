"""Dimensions that a policy adds to its decision table, after those that every table has: the operation, the channel.

A table has only those of them that a rule or an invariant names, so that a policy without them pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.core.flags import VALUES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from authguard.core.content import Content
    from authguard.core.request import Operation

#: dimension of the requested operation, by its name
OPERATION: Final = "operation"
#: dimension of the customer's channel, by its name
CHANNEL: Final = "channel"
#: the value for a request whose channel is not named, or not by whom the policy trusts
UNKNOWN_CHANNEL: Final = "unknown"
#: the one value of a policy that declares no channels
NO_CHANNELS: Final = "default"
#: names that no channel may have, since rules mean something else by them
RESERVED_CHANNELS: Final = frozenset({"same", "switched", UNKNOWN_CHANNEL, NO_CHANNELS})
#: dimensions that a record states in a field of their own
RECORDED: Final = frozenset({OPERATION, CHANNEL})
#: the value for an operation that no rule can name: one that is described only, or that matches no other
OTHERWISE: Final = "otherwise"
#: (risk, effect) of the guard's own endpoints -> the value for all of them
OWN_OPERATIONS: Final = {
    ("public", "read"): "authguard.public.read",
    ("self", "read"): "authguard.self.read",
    ("self", "write"): "authguard.self.write",
    ("staff", "read"): "authguard.staff.read",
    ("staff", "write"): "authguard.staff.write",
}


def extra_names(policy: Content) -> tuple[str, ...]:
    """Return the names of all dimensions that a policy may add, in the order in which a cell has them."""
    return tuple(_all_values(policy))


def find_extra(policy: Content, named: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the dimensions that a policy adds to its table -> their values.

    Args:
        policy: declares them.
        named: the dimensions that its rules and invariants name.
    """
    wanted = set(named)
    return {name: values for name, values in _all_values(policy).items() if name in wanted}


def _all_values(policy: Content) -> dict[str, tuple[str, ...]]:
    operations = dict.fromkeys(operation.name for operation in policy.operations)
    channels = (*policy.channels.trusts, UNKNOWN_CHANNEL) if policy.channels.declared else (NO_CHANNELS,)
    # a name that is taken is a problem of its own, and does not change the dimension
    taken = {*DIMENSIONS, OPERATION, CHANNEL}
    conditions = {one.name: one.values for one in policy.conditions if one.name not in taken}
    flags = {one.name: VALUES for one in policy.flags if one.name not in taken | conditions.keys()}
    return {OPERATION: (*operations, OTHERWISE, *OWN_OPERATIONS.values()), CHANNEL: channels, **conditions, **flags}


def operation_value(operation: Operation, declared: Container[str]) -> str:
    """Return the value of the dimension `operation` for a request.

    Args:
        operation: of the request.
        declared: names of the policy's operations.
    """
    if operation.name in declared:
        return operation.name
    if operation.name.startswith("authguard."):
        return OWN_OPERATIONS.get((operation.risk, operation.effect), OTHERWISE)
    return OTHERWISE


def channel_value(policy: Content, channel: str) -> str:
    """Return the value of the dimension `channel` for a request.

    Args:
        policy: declares the channels.
        channel: the trusted channel; empty for none, and for an unproven caller.
    """
    if not policy.channels.declared:
        return NO_CHANNELS
    return channel if channel in policy.channels.trusts else UNKNOWN_CHANNEL


def named_dimensions(conditions: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """Return the dimensions that some conditions name.

    Args:
        conditions: of rules and invariants.
    """
    return frozenset(name for one in conditions for name in one)


def expand_groups(groups: Mapping[str, frozenset[str]], values: Iterable[str]) -> frozenset[str]:
    """Return the operations that some names stand for; a name that is no group stands for itself.

    Args:
        groups: group -> the names of its operations.
        values: of a condition.
    """
    return frozenset(name for value in values for name in groups.get(value, (value,)))
