"""Tiers: named limits that decide what happens when they are exceeded, as values of the dimension `limit`.

The first exceeded limit of an operation decides. If it has a name and a `then`, its name is the value of `limit`;
otherwise the value is ``exceeded``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.content import Content
    from authguard.core.request import Limit, Operation

LIMIT: Final = "limit"
WITHIN: Final = "within"
EXCEEDED: Final = "exceeded"
UNMEASURED: Final = "unmeasured"


def find_tiers(operations: Iterable[Operation]) -> dict[str, tuple[Operation, Limit]]:
    """Return tier -> its operation and its limit, in order of declaration; the first of a name counts."""
    found: dict[str, tuple[Operation, Limit]] = {}
    for operation in operations:
        for limit in operation.limits:
            if limit.tier:
                found.setdefault(limit.tier, (operation, limit))
    return found


def limit_values(policy: Content) -> tuple[str, ...]:
    """Return the values of `limit` in a policy."""
    return (*CONDITIONS[LIMIT], *find_tiers(policy.operations))


def operation_values(operation: Operation) -> tuple[str, ...]:
    """Return the values of `limit` that a request for an operation can have."""
    if not operation.limits:
        return (WITHIN, UNMEASURED) if operation.has_amount else (WITHIN,)
    tiers = tuple(limit.tier for limit in operation.limits if limit.tier)
    return (WITHIN, *((EXCEEDED,) if len(tiers) < len(operation.limits) else ()), UNMEASURED, *tiers)


def classify_exceeded(operation: Operation, exceeded: Iterable[str]) -> str:
    """Return the value of `limit` for a request.

    Args:
        operation: of the request.
        exceeded: names of the limits that it exceeds.
    """
    names = set(exceeded)
    for limit in operation.limits:
        if limit.name in names:
            return limit.tier or EXCEEDED
    return EXCEEDED if names else WITHIN  # a limit that the operation no longer has


def expand_exceeded(values: Iterable[str], tiers: Iterable[str]) -> frozenset[str]:
    """Return the values of a condition on `limit`: ``exceeded`` stands for every exceeded limit.

    Args:
        values: as written.
        tiers: of the policy.
    """
    written = frozenset(values)
    return written.union(tiers) if EXCEEDED in written else written


def impossible_tiers(policy: Content, values: Mapping[str, tuple[str, ...]]) -> Iterable[dict[str, frozenset[str]]]:
    """Yield conditions that no request meets: a tier with another risk or effect than that of its operation.

    Args:
        policy: declares operations.
        values: of its dimensions.
    """
    for tier, (operation, _) in find_tiers(policy.operations).items():
        for name, value in (("risk", operation.risk), ("effect", operation.effect)):
            others = frozenset(values[name]) - {value}
            if others:
                yield {LIMIT: frozenset({tier}), name: others}


def translate_tiers(operations: Iterable[Operation], others: Iterable[Operation]) -> dict[str, str]:
    """Return tier that only another policy has -> the value of `limit` in this one for what exceeds it.

    Args:
        operations: of this policy.
        others: of the other policy.
    """
    known = tuple(operations)
    own = find_tiers(known)
    found: dict[str, str] = {}
    for tier, (operation, limit) in find_tiers(others).items():
        if tier not in own:
            same = next((one for one in known if one.name == operation.name), None)
            exceeded = (one for one in (same.limits if same else ()) if implies(one, limit))
            found[tier] = next((one.tier or EXCEEDED for one in exceeded), WITHIN)
    return found


def implies(limit: Limit, other: Limit) -> bool:
    """Return whether every sequence of calls that keeps a limit keeps another: at most as much, at least as long."""
    counts_alike = limit.currency == other.currency and bool(limit.calls) == bool(other.calls)
    same_counter = limit.by == other.by or not other.per
    return counts_alike and same_counter and limit.per >= other.per and _most(limit) <= _most(other)


def _most(limit: Limit) -> Decimal:
    return Decimal(limit.amount) if limit.amount else Decimal(limit.calls)
