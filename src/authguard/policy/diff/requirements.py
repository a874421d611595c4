"""Compare the demands of two operations: levels by rank, limits by what they imply, the rest by its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.conditions import ACCEPTED_ACTORS
from authguard.core.extra_dimensions import OPERATION
from authguard.core.tiers import LIMIT, WITHIN, implies
from authguard.policy.diff import field_order
from authguard.policy.diff.difference import LOOSER, MAY_LOOSEN, STRICTER, compare_fields
from authguard.policy.diff.permissiveness import Direction, smaller_is_looser
from authguard.policy.diff.words import count
from authguard.policy.schema.units import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.request import Limit, Operation
    from authguard.policy.diff.policy_pair import PolicyPair

#: field -> the values of a dimension that a demand which is not met leads to, and the value if it is met
_UNMET: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "scopes": (("scope", "missing", "granted"),),
    "roles": (("scope", "missing", "granted"),),
    "acr": (("assurance", "insufficient", "met"),),
    "max_age": (("assurance", "stale", "met"), ("credential", "undated", "good")),
    "limits": (("limit", "exceeded", "within"), ("limit", "unmeasured", "within")),
    "actor": tuple(("actor", "stranger", accepted) for accepted in ACCEPTED_ACTORS["any"]),
}


#: owner of a counter -> its words
_BY: Final = {"subject": "for one customer", "session": "in one session", "payee": "to one payee"}


def compare_needs(pair: PolicyPair, before: Operation, after: Operation) -> Iterator[tuple[str, Direction, str]]:
    """Compare the demands of two operations; yield field, direction and text.

    A demand is stricter only if the tables admit no more where it is not met.
    """
    for field, found, text in compare_fields(before, after, field_order.OPERATION):
        direction = found
        if field == "limits":
            for one, line in _compare_limits(before.limits, after.limits):
                yield field, _by_table(pair, field, one, before, after), line
            continue
        if field in {"match", "hosts"}:
            continue
        if field == "acr":
            direction = compare_levels(pair, before.acr, after.acr)
        elif field in {"risk", "effect"}:
            direction = _by_slice(pair, found, before, after)
        elif field == "scopes" and not before.scopes and any(one.delegations_at for one in pair.new.accounts):
            direction = MAY_LOOSEN  # a delegation of scopes covers only operations that need some
        yield field, _by_table(pair, field, direction, before, after), text


def compare_levels(pair: PolicyPair, before: str, after: str) -> Direction:
    """Compare levels by their rank in the policies; no required level is the loosest."""
    ranks = pair.old.assurance.rank(before) if before else 0, pair.new.assurance.rank(after) if after else 0
    return Direction.CHANGED if ranks[0] == ranks[1] else smaller_is_looser(*ranks)


def _by_table(pair: PolicyPair, field: str, direction: Direction, before: Operation, after: Operation) -> Direction:
    """Return `MAY_LOOSEN` for a stricter demand if a table admits more where it is not met."""
    if direction is not STRICTER:
        return direction
    holds = all(
        pair.is_below(one_slice | {name: unmet}, one_slice | {name: met})
        for name, unmet, met in (*_UNMET.get(field, ()), *(_unmet_tiers(before, after) if field == "limits" else ()))
        for one_slice in (_slice(before), _slice(after))
    )
    return STRICTER if holds else MAY_LOOSEN


def _unmet_tiers(before: Operation, after: Operation) -> Iterator[tuple[str, str, str]]:
    """Yield what an exceeded limit with an answer of its own leads to."""
    for tier in dict.fromkeys(limit.tier for limit in (*before.limits, *after.limits) if limit.tier):
        yield LIMIT, tier, WITHIN


def _slice(operation: Operation) -> dict[str, str]:
    return {"risk": operation.risk, "effect": operation.effect, OPERATION: operation.name}


def _by_slice(pair: PolicyPair, direction: Direction, before: Operation, after: Operation) -> Direction:
    """Return the direction of another risk or effect: stricter only if no cell admits or offers more with it."""
    lower, upper = _slice(after), _slice(before)
    if direction is STRICTER and not (pair.is_below(lower, upper) and not pair.offers_more(upper, lower)):
        return MAY_LOOSEN
    return direction


def _compare_limits(before: tuple[Limit, ...], after: tuple[Limit, ...]) -> Iterator[tuple[Direction, str]]:
    """Compare limits by what they imply: a limit that no other implies is gone, or new."""
    for limit in before:
        if not any(implies(other, limit) for other in after):
            yield LOOSER, _describe_change(limit, after, gone=True)
    for limit in after:
        if not any(implies(other, limit) for other in before):
            yield STRICTER, _describe_change(limit, before, gone=False)
    for limit in before:
        if (renamed := _find_renamed(limit, after)) is not None:
            yield (
                MAY_LOOSEN,
                f"the limit `{limit.name}` is now `{renamed.name}`, and begins to count again",
            )


def _find_renamed(limit: Limit, others: tuple[Limit, ...]) -> Limit | None:
    """Return the same limit of a window under another name, if either name is declared; each name has a counter."""
    if not limit.per or any(one.name == limit.name for one in others):
        return None
    same = (one for one in others if implies(one, limit) and implies(limit, one) and one.by == limit.by)
    return next((one for one in same if not ("/" in one.name and "/" in limit.name)), None)


def _describe_change(limit: Limit, others: tuple[Limit, ...], *, gone: bool) -> str:
    period = (
        f"in {describe_duration(limit.per)} {_BY.get(limit.by, f'for one {limit.by}')}" if limit.per else "per call"
    )
    what = f"limit {period}"
    alike = [_most(one) for one in others if (one.currency, one.per, one.by) == (limit.currency, limit.per, limit.by)]
    if not alike:
        return f"the {what} is {'gone' if gone else 'new'}: {_amount(_most(limit), limit)}"
    was, becomes = (_most(limit), min(alike)) if gone else (min(alike), _most(limit))
    follows = "more is permitted" if becomes > was else "less is permitted"
    return f"the {what} was {_amount(was, limit)}, is now {_amount(becomes, limit)}: {follows}"


def _amount(most: float, limit: Limit) -> str:
    return f"{most:,.15g} {limit.currency}" if limit.currency else count(most, "call")


def _most(limit: Limit) -> float:
    return float(limit.amount) if limit.amount else float(limit.calls)
