"""Values of the dimensions that a policy adds to its table, for one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.core.extra_dimensions import CHANNEL, OPERATION, RECORDED, channel_value, operation_value
from authguard.core.flags import CLEAR
from authguard.core.own_conditions import read_conditions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.own_conditions import OwnCondition
    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal


class Given(Struct, frozen=True, kw_only=True):
    """What a request brings, besides its operation.

    Attributes:
        principal: proven; ``None`` for a caller who proved nothing.
        channel: trusted channel of a proven caller; empty for none.
        conditions: condition -> value, of those that the runtime finds.
        flags: flag -> value, from `authguard.evaluation.flags`; a flag that is left out is clear.
        now: epoch seconds UTC.
    """

    principal: Principal | None = None
    channel: str = ""
    conditions: Mapping[str, str] = {}
    flags: Mapping[str, str] = {}
    now: float = 0.0


def read_extra(policy: Policy, operation: Operation, given: Given) -> tuple[str, ...]:
    """Return the values of `Table.extra`, in its order.

    Args:
        policy: checked.
        operation: of the request.
        given: what the request brings.
    """
    found = {
        OPERATION: operation_value(operation, policy.operation_limits),
        CHANNEL: channel_value(policy, given.channel),
    }
    if policy.own_conditions:
        claims = None if given.principal is None else given.principal.claims
        found |= read_conditions(policy.own_conditions, claims, given.conditions, given.now)
    for flag in policy.flags:
        found[flag.name] = given.flags.get(flag.name, CLEAR)
    return tuple([found[name] for name in policy.table.extra])


def describe_context(policy: Policy, operation: Operation, values: tuple[str, ...]) -> dict[str, str]:
    """Return the values that a record states as its context.

    Left out is what has a field of its own, and a condition that was not asked, since no answer depends on it.

    Args:
        policy: checked.
        operation: of the request.
        values: from `read_extra`.
    """
    found = {name: value for name, value in zip(policy.table.extra, values, strict=True) if name not in RECORDED}
    asked = asked_conditions(policy, operation)
    for condition in policy.own_conditions:
        if condition.call and condition not in asked:
            del found[condition.name]
    return found


def asked_conditions(policy: Policy, operation: Operation) -> tuple[OwnCondition, ...]:
    """Return the conditions with a ``call`` that an operation's answers depend on.

    Args:
        policy: checked.
        operation: of the request.
    """
    if not policy.asked_conditions:
        return ()
    return policy.asked_conditions[operation_value(operation, policy.operation_limits)]
