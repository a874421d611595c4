"""Values of the dimensions that a policy adds to its table, for one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.extra_dimensions import CHANNEL, OPERATION, RECORDED, channel_value, operation_value

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.request import Operation


def read_extra(policy: Policy, operation: Operation, channel: str = "") -> tuple[str, ...]:
    """Return the values of `Table.extra`, in its order.

    Args:
        policy: checked.
        operation: of the request.
        channel: trusted channel of a proven caller; empty for none.
    """
    found = {
        OPERATION: operation_value(operation, policy.operation_limits),
        CHANNEL: channel_value(policy, channel),
    }
    return tuple([found[name] for name in policy.table.extra])


def describe_context(policy: Policy, values: tuple[str, ...]) -> dict[str, str]:
    """Return the values that a record states as its context: all but those with a field of their own.

    Args:
        policy: checked.
        values: from `read_extra`.
    """
    return {name: value for name, value in zip(policy.table.extra, values, strict=True) if name not in RECORDED}
