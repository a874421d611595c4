"""Checks of limits that lead to different answers: names, answers that refuse, and an order in which each decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.approvers import is_implied
from authguard.core.decision_table import CONDITIONS
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.core.tiers import LIMIT, implies
from authguard.policy.checks.machine import unknown_name
from authguard.policy.checks.table import follow_then
from authguard.policy.loading.limit_rule import BY_LIMIT, OF_EFFECT
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Limit, Operation
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Place

    Named = tuple[Place, Operation, Limit]


def check_limit_names(draft: Draft) -> Iterator[Problem]:
    """Check that the names of limits are unique, that `then` is a fallback, and that it does not admit."""
    seen = set[str]()
    for place, operation, limit in _all_limits(draft):
        if limit.tier and limit.tier in CONDITIONS[LIMIT]:
            message = f"limit `{limit.tier}` of `{operation.name}` has the name of a condition"
            yield Problem(code="name-reserved", place=place, message=message, advice="choose another name")
        # limits by service share a counter, and so a name, in all operations
        name = limit.tier or ("" if limit.by == "service" else limit.name)
        if name and name in seen:
            message = f"two limits have the name `{name}`"
            yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")
        seen.add(name)
        if limit.then and limit.then not in draft.fallbacks:
            yield unknown_name(place, "a fallback", limit.then, tuple(draft.fallbacks))
        for answer in follow_then(draft, limit.then) if limit.then in draft.fallbacks else ():
            if draft.fallbacks[answer].kind in ADMITTING:
                message = f"when limit `{limit.name}` is exceeded, `{answer}` lets the request through"
                yield Problem(code="then-admits", place=place, message=message)
    if BY_LIMIT in draft.fallbacks:
        message = f"`{BY_LIMIT}` is the engine's own and cannot be redefined"
        place = draft.place(f"fallbacks.{BY_LIMIT}")
        yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")


def check_limit_order(draft: Draft) -> Iterator[Problem]:
    """Check that each limit with an answer of its own decides for some request, and that the strictest is first."""
    for operation, limits in _by_operation(draft):
        for index, (place, limit) in enumerate(limits):
            for _, earlier in limits[:index]:
                if not limit.tier and not earlier.tier:
                    continue  # both have the answer of the effect
                if implies(earlier, limit):
                    yield _shadowed(place, earlier, limit)
                    break
                if words := _compare(draft, operation, earlier, limit):
                    yield Problem(
                        code="limit-order",
                        place=place,
                        message=f"both `{earlier.name}` and `{limit.name}` may be exceeded, and {words}",
                        advice="put the strictest first: the first exceeded limit decides",
                    )
                    break


def _shadowed(place: Place, earlier: Limit, limit: Limit) -> Problem:
    return Problem(
        code="limit-shadowed",
        place=place,
        message=f"`{limit.name}` never decides: what exceeds it exceeds `{earlier.name}` before it",
        advice="put the larger one first",
    )


def _compare(draft: Draft, operation: Operation, first: Limit, second: Limit) -> str:
    """Return why the answer of a limit must not come first; empty if it is at least as strict as the other."""
    names = [one.then or OF_EFFECT.get(operation.effect, "") for one in (first, second)]
    answers = [draft.fallbacks[name] for name in names if name in draft.fallbacks]
    if len(answers) < len(names) or answers[0].kind is not Outcome.HOLD or names[0] == names[1]:
        return ""  # a name that does not resolve is reported; no answer is stricter than one that approves nothing
    if answers[1].kind is not Outcome.HOLD:
        return f"`{names[0]}` may be approved still, and `{names[1]}` may not"
    rank = draft.assurance.rank
    required = [one.approvers for one in answers]
    if is_implied(required[1], required[0], rank):
        return ""
    less = "less" if is_implied(required[0], required[1], rank) else "others"
    return f"`{names[0]}` asks for {less} than `{names[1]}`"


def _all_limits(draft: Draft) -> Iterator[Named]:
    for operation, limits in _by_operation(draft):
        for place, limit in limits:
            yield place, operation, limit


def _by_operation(draft: Draft) -> Iterator[tuple[Operation, list[tuple[Place, Limit]]]]:
    for index, operation in enumerate(draft.operations):
        path = f"operations[{index}]"
        yield (
            operation,
            [(draft.place(f"{path}.limits[{at}]", path), limit) for at, limit in enumerate(operation.limits)],
        )
