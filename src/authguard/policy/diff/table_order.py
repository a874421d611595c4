"""The order of values of one dimension: which of two values the decision table admits more with, over all other cells.

Whether a change of a condition or of a state is looser is read from the table, and not from a list of names: a value is
at most as permissive as another if no cell runs the app, or repeats its response, with the first value only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.extra_dimensions import OPERATION, OTHERWISE
from authguard.core.outcomes import ALLOW, Outcome
from authguard.core.tiers import EXCEEDED, LIMIT
from authguard.policy.table.boxes import Space, find_skips
from authguard.policy.table.mdd import DecisionDiagrams, NodeLimitError
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.outcomes import Fallback
    from authguard.policy.draft import Draft

#: nodes of the diagrams of one policy; past it no order is known
MAX_ORDER_NODES: Final = 50_000
#: leaf of the outcomes that do not run the app
REFUSED: Final = -2


class TableOrder:
    """Compares values of dimensions by the cells that the table admits."""

    def __init__(self, draft: Draft, nodes: int = MAX_ORDER_NODES) -> None:
        """Build the diagram of the table, with one leaf for all outcomes of the same effect.

        Args:
            draft: without errors.
            nodes: largest number of nodes; past it nothing is in order.
        """
        self._space = Space(draft_values(draft))
        self._places = {name: place for place, name in enumerate(self._space.values)}
        self._known = {ALLOW.name: ALLOW} | dict(draft.fallbacks)
        self._leaves: dict[str, int] = {}
        self._fallbacks: dict[int, Fallback] = {}
        self._restricted: dict[tuple[tuple[str, str], ...], int] = {}
        self._below: dict[tuple[int, ...], bool] = {}
        self._without_offer: dict[tuple[int, ...], bool] = {}
        rules = [(self._space.box(rule.when), self._leaf(rule.do)) for rule in draft.rules]
        before = []
        if not draft.base and not any(source.delegations_at for source in draft.accounts):
            before = [(self._space.box({"actor": {"representative"}}), REFUSED)]  # nobody is one
        rules = before + rules
        self._diagrams = DecisionDiagrams(self._space.whole, [box for box, _ in rules], nodes)
        try:
            self._root = self._diagrams.build_table(rules, find_skips(draft.rules, len(before)))
            self.is_decided = True
        except NodeLimitError:
            self.is_decided = False

    def is_below(self, lower: Mapping[str, str], upper: Mapping[str, str]) -> bool:
        """Return whether the table admits nothing with the lower values that it refuses with the upper ones.

        Args:
            lower: dimension -> value.
            upper: dimension -> value, of the same dimensions.
        """
        return self._relate(lower, upper, self._is_at_most, self._below)

    def offers_more(self, lower: Mapping[str, str], upper: Mapping[str, str]) -> bool:
        """Return whether a cell offers a proof of identity or an approval with the upper values only.

        An offer counts where the lower values neither run the app nor make the same offer.
        """
        return not self._relate(lower, upper, self._offers_no_more, self._without_offer)

    def _relate(
        self,
        lower: Mapping[str, str],
        upper: Mapping[str, str],
        holds: Callable[[int, int], bool],
        memo: dict[tuple[int, ...], bool],
    ) -> bool:
        """Return whether a relation holds between the answers of all equal cells; not if nothing is known."""
        if lower == upper:
            return True
        if not self.is_decided or lower.keys() != upper.keys():
            return False
        lower, upper = self._named(lower), self._named(upper)
        return self._diagrams.relate((self._restrict(lower), self._restrict(upper)), holds, memo)

    def _named(self, fixed: Mapping[str, str]) -> Mapping[str, str]:
        """Return the values as this table knows them: the operation, or nothing of it, and a limit's name."""
        if fixed.get(LIMIT, EXCEEDED) not in self._space.values[LIMIT]:
            fixed = {**fixed, LIMIT: EXCEEDED}
        if OPERATION not in fixed:
            return fixed
        operations = self._space.values.get(OPERATION, ())
        name = fixed[OPERATION] if fixed[OPERATION] in operations else OTHERWISE
        others = {key: value for key, value in fixed.items() if key != OPERATION}
        return {**others, OPERATION: name} if operations else others

    def _restrict(self, fixed: Mapping[str, str]) -> int:
        key = tuple(sorted(fixed.items()))
        if key not in self._restricted:
            root = self._root
            for name, value in key:
                root = self._diagrams.restrict(root, self._places[name], self._space.values[name].index(value))
            self._restricted[key] = root
        return self._restricted[key]

    def _leaf(self, do: str) -> int:
        """Return the leaf of an answer: outcomes that neither run the app nor offer a way to that share one."""
        item = self._known.get(do)
        if item is None or not _has_effect(item):  # of a rule that skips its phase, the leaf is not used
            return REFUSED
        if do not in self._leaves:
            leaf = self._leaves[do] = REFUSED - 1 - len(self._leaves)
            self._fallbacks[leaf] = item
        return self._leaves[do]

    def _offers_no_more(self, one: int, other: int) -> bool:
        return one == other or self._kind(other) not in _OFFERS or self._kind(one) is Outcome.ALLOW

    def _kind(self, leaf: int) -> Outcome:
        return self._fallbacks[leaf].kind if leaf in self._fallbacks else Outcome.DENY

    def _is_at_most(self, one: int, other: int) -> bool:
        """Return whether one answer runs the app at most as far as another; an offer alone runs nothing."""
        if one == other or self._kind(one) in {Outcome.DENY, *_OFFERS} or self._kind(other) is Outcome.ALLOW:
            return True
        if self._kind(one) is Outcome.REPEAT:
            return self._kind(other) in {Outcome.REPEAT, Outcome.RESTRICT}
        if self._kind(one) is self._kind(other) is Outcome.RESTRICT:
            lower, upper = self._fallbacks[one], self._fallbacks[other]
            keeps = not upper.scopes or (bool(lower.scopes) and lower.scopes <= upper.scopes)
            return keeps and lower.effects <= upper.effects
        return False


_OFFERS: Final = frozenset({Outcome.VERIFY, Outcome.HOLD})


def _has_effect(item: Fallback) -> bool:
    return item.kind in {Outcome.ALLOW, Outcome.RESTRICT, Outcome.REPEAT, *_OFFERS}
