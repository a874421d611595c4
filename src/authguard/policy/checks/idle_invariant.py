"""Check of invariants that hold only because nothing meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.extra_dimensions import OPERATION
from authguard.core.outcomes import Outcome
from authguard.policy.checks.table import prove_table
from authguard.policy.problem import Problem, list_names
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft, Invariant
    from authguard.policy.problem import Place

_OUTCOME = "outcome"


def check_idle_invariants(draft: Draft) -> Iterator[Problem]:
    """Check that the condition of each `never` can be met, and note outcomes that no fallback has."""
    possible = {Outcome.ALLOW.value, *(item.kind.value for item in draft.fallbacks.values())}
    for index, invariant in enumerate(draft.invariants):
        path = f"invariants[{index}]"
        place = draft.place(path, "invariants")
        own = place.file == draft.place().file  # an inherited one may be about what this policy does not have
        for dimension, values in invariant.never.items():
            if not values:
                message = f"`{invariant.name}` always holds: `{dimension}` names no value, so no request meets it"
                advice = f"write its values, or leave `{dimension}` out, which means any"
                yield Problem(code="invariant-idle", place=place, message=message, advice=advice)
        if own and all(invariant.never.values()):
            yield from _find_impossible(draft, invariant, place)
        forbidden = invariant.never.get(_OUTCOME, frozenset())
        known = forbidden & set(Outcome)
        if known == forbidden and known and not known & possible and own:
            message = f"`{invariant.name}` always holds: no fallback leads to {list_names(sorted(known), last='or')}"
            advice = "name an outcome that the policy has, or keep it for the day when it has that one"
            yield Problem(code="invariant-idle", place=place, message=message, advice=advice, severity="note")


def _find_impossible(draft: Draft, invariant: Invariant, place: Place) -> Iterator[Problem]:
    """Report a condition whose values contradict each other; `invariant-vacuous` reports those of an operation."""
    proof = prove_table(draft)
    conditions = {dimension: values for dimension, values in invariant.never.items() if dimension != _OUTCOME}
    if proof is None or OPERATION in conditions or not conditions or proof.deciders(table_space(draft).box(conditions)):
        return
    shown = ", ".join(
        f"{dimension}: {list_names(sorted(values), last='or')}" for dimension, values in conditions.items()
    )
    yield Problem(
        code="invariant-idle",
        place=place,
        message=f"`{invariant.name}` always holds: no request has {shown}",
        advice="name values that one request can have together",
    )
