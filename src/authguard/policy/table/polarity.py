"""Polarity of a flag: whether the decision table answers more openly or less openly with it set, over all cells.

Exact: the table with the flag clear and the table with it set are two diagrams, compared in every cell that a request
can have. Answers are compared by how far the app runs, and two holds by the approvers that they ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from authguard.core import flags
from authguard.core.approvers import is_implied
from authguard.core.outcomes import Outcome
from authguard.policy.table.boxes import find_skips
from authguard.policy.table.coverage import IMPOSSIBLE
from authguard.policy.table.mdd import GAP, MAX_NODES, DecisionDiagrams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.outcomes import Fallback
    from authguard.policy.table.boxes import Space

#: outcome -> how far it runs the app; all others do not
OPENNESS: Final = {Outcome.ALLOW: 4, Outcome.RESTRICT: 3, Outcome.REPEAT: 2, Outcome.HOLD: 1}

#: answer with the flag clear, answer with it set -> number of cells
Changes = dict[tuple[str, str], int]


class Polarity(Struct, frozen=True, kw_only=True):
    """What setting a flag changes.

    Attributes:
        opens: changes to a more open answer.
        closes: changes to a less open answer.
        unordered: changes between two answers of which neither is more open.
    """

    opens: Changes = field(default_factory=dict)
    closes: Changes = field(default_factory=dict)
    unordered: Changes = field(default_factory=dict)

    @property
    def restricts(self) -> bool:
        """Whether no answer opens, and some closes."""
        return bool(self.closes) and not (self.opens or self.unordered)

    @property
    def permits(self) -> bool:
        """Whether no answer closes, and some opens."""
        return bool(self.opens) and not (self.closes or self.unordered)

    @property
    def is_idle(self) -> bool:
        """Whether no answer differs."""
        return not (self.opens or self.closes or self.unordered)


def compare_openness(before: Fallback, after: Fallback, rank: Callable[[str], int]) -> int | None:
    """Return 1 if the second answer is more open, -1 if it is less open, 0 for equally open ones, else ``None``.

    Args:
        before: an answer.
        after: another one.
        rank: of an assurance level.
    """
    levels = OPENNESS.get(before.kind, 0), OPENNESS.get(after.kind, 0)
    if levels[0] != levels[1]:
        return 1 if levels[1] > levels[0] else -1
    if before.kind is Outcome.HOLD:
        wider = is_implied(after.approvers, before.approvers, rank)
        narrower = is_implied(before.approvers, after.approvers, rank)
    elif before.kind is Outcome.RESTRICT:
        wider, narrower = _permits_all(after, before), _permits_all(before, after)
    else:
        return 0
    return int(wider) - int(narrower) if wider or narrower else None


def _permits_all(one: Fallback, other: Fallback) -> bool:
    """Return whether a restriction permits everything that another permits."""
    scopes = not one.scopes or (bool(other.scopes) and other.scopes <= one.scopes)
    return scopes and other.effects <= one.effects


class PolarityProof:
    """The diagram of a table, from which the polarity of each flag is read.

    Args:
        space: the cells of the table.
        rules: in order.
        answers: name of a fallback -> the fallback, ``allow`` among them.
        rank: of an assurance level.
        nodes: largest number of nodes.

    Raises:
        NodeLimitError: the rules need more nodes.
    """

    def __init__(
        self,
        space: Space,
        rules: Sequence[Rule],
        answers: Mapping[str, Fallback],
        rank: Callable[[str], int],
        nodes: int = MAX_NODES,
    ) -> None:
        self._space = space
        self._answers = answers
        self._rank = rank
        self._places = {name: place for place, name in enumerate(space.values)}
        self._names: list[str] = []
        impossible = space.impossible_boxes
        leaves = [(box, IMPOSSIBLE) for box in impossible]
        leaves += [(space.box(rule.when), IMPOSSIBLE if rule.skips else self._leaf(rule.do)) for rule in rules]
        self._diagrams = DecisionDiagrams(space.whole, [box for box, _ in leaves], nodes, len(impossible))
        self._root = self._diagrams.build_table(leaves, find_skips(rules, len(impossible)))

    def _leaf(self, do: str) -> int:
        """Return the leaf of an answer; answers that are equally open share one."""
        answer = self._answers[do]
        for index, name in enumerate(self._names):
            if compare_openness(self._answers[name], answer, self._rank) == 0:
                return IMPOSSIBLE - 1 - index
        self._names.append(do)
        return IMPOSSIBLE - len(self._names)

    def find(self, flag: str) -> Polarity:
        """Return the polarity of a flag that the table names."""
        place = self._places[flag]
        values = self._space.values[flag]
        roots = tuple([self._diagrams.restrict(self._root, place, values.index(one)) for one in flags.VALUES])
        one_value = (*self._space.whole[:place], 1, *self._space.whole[place + 1 :])
        found: dict[int | None, Changes] = {1: {}, -1: {}, None: {}}
        for leaves, cells in self._diagrams.count_cells(roots, one_value, differing=True).items():
            if not {GAP, IMPOSSIBLE}.isdisjoint(leaves):
                continue
            before, after = (self._names[IMPOSSIBLE - 1 - leaf] for leaf in leaves)
            order = compare_openness(self._answers[before], self._answers[after], self._rank)
            found[order][before, after] = cells
        return Polarity(opens=found[1], closes=found[-1], unordered=found[None])
