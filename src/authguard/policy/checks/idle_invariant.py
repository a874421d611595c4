"""Check of invariants that hold only because nothing meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import Outcome
from authguard.policy.problem import Problem, list_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft

_OUTCOME = "outcome"


def check_idle_invariants(draft: Draft) -> Iterator[Problem]:
    """Check that the condition of each `never` can be met, and note outcomes that no fallback has."""
    possible = {Outcome.ALLOW.value, *(item.kind.value for item in draft.fallbacks.values())}
    for index, invariant in enumerate(draft.invariants):
        path = f"invariants[{index}]"
        place = draft.place(path, "invariants")
        for dimension, values in invariant.never.items():
            if not values:
                message = f"`{invariant.name}` always holds: `{dimension}` names no value, so no request meets it"
                advice = f"write its values, or leave `{dimension}` out, which means any"
                yield Problem(code="invariant-idle", place=place, message=message, advice=advice)
        forbidden = invariant.never.get(_OUTCOME, frozenset())
        known = forbidden & set(Outcome)
        # an inherited invariant may speak of outcomes that this policy has given up
        if known == forbidden and known and not known & possible and place.file == draft.place().file:
            message = f"`{invariant.name}` always holds: no fallback leads to {list_names(sorted(known), last='or')}"
            advice = "name an outcome that the policy has, or keep it for the day when it has that one"
            yield Problem(code="invariant-idle", place=place, message=message, advice=advice, severity="note")
