"""Multi-valued decision diagrams: a whole decision table as one shared graph, for exact proofs and comparisons.

A diagram branches on one dimension per level, always in the same order, and ends in a leaf, which is a negative number.
Equal parts are one node (hash-consing). A node with equal branches is omitted, and values that no rule distinguishes
share one branch. So two diagrams of one instance are the same function exactly if they are the same number, and each
part is visited once, where box subtraction would split it (Bryant 1986; with many values: Srinivasan 1990).

Rules of this file:
- Pure and exact: counts are over the real values, an example is a box of real cells.
- The number of nodes is bounded; past the bound `NodeLimitError` is raised, and nothing is assumed.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import TYPE_CHECKING, Final

from authguard.policy.table.boxes import unite

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from authguard.policy.table.boxes import Box, Skips, Slabs

#: leaf of the cells that no rule decides
GAP: Final = -1
#: nodes before the rules count as too complex (some 250 MB); the standard policy needs under a thousand
MAX_NODES: Final = 500_000

#: one node or leaf of each diagram that is traversed
Nodes = tuple[int, ...]

#: bits of all the bit sets of one projection (256 MB)
MAX_PROJECTED_BITS: Final = 2_147_483_648

#: most branches that are kept for the searches of one space
MAX_KNOWN_BRANCHES: Final = 100_000


class NodeLimitError(Exception):
    """The diagrams reached their bound of nodes.

    Attributes:
        rule: index of the rule that was being applied.
    """

    def __init__(self, rule: int) -> None:
        """Store the rule's index."""
        super().__init__("the rules need too many nodes")
        self.rule = rule


class DecisionDiagrams:
    """Diagrams over one space with shared nodes; nodes count from 0, leaves are negative.

    Attributes:
        order: for each level, the index of its dimension in a box.
        classes: for each level, the masks of the values that no rule distinguishes: disjoint, and together all values.
    """

    __slots__ = ("_bound", "_branches", "_ids", "_known", "_levels", "classes", "order", "whole")

    def __init__(self, whole: Box, boxes: Iterable[Box], bound: int = MAX_NODES, unordered: int = 0) -> None:
        """Choose the order of dimensions and the value classes; create no node yet.

        Dimensions are ordered by the first rule that names them. A table that follows the steps of a request decides
        one dimension after another, so a decided one need not be tested again.

        Args:
            whole: the box of all cells.
            boxes: of all rules that will be applied to these diagrams, in order.
            bound: largest number of nodes.
            unordered: number of leading boxes that only split values and have no influence on the order.
        """
        self._known: dict[tuple[Nodes, int], dict[Nodes, int]] = {}
        listed = list(boxes)
        given, ordering = list(dict.fromkeys(listed)), list(dict.fromkeys(listed[unordered:]))
        first = [
            next((index for index, box in enumerate(ordering) if box[place] != full), len(ordering))
            for place, full in enumerate(whole)
        ]
        self.whole = whole
        self.order = tuple(sorted(range(len(whole)), key=first.__getitem__))
        self.classes = tuple(_partition(whole[place], (box[place] for box in given)) for place in self.order)
        self._bound = bound
        self._ids: dict[tuple[int, ...], int] = {}
        self._levels: list[int] = []
        self._branches: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._levels)

    def build_table(self, rules: Sequence[tuple[Box, int]], skips: Skips = ()) -> int:
        """Build the diagram of a table; return its root.

        Args:
            rules: box and leaf of each, first match wins.
            skips: index of a rule whose cells go on elsewhere, and of the rule where they do; its leaf is not used.

        Raises:
            NodeLimitError: the bound was reached.
        """
        root = GAP
        onward = dict(skips)
        joined = dict.fromkeys(onward.values(), GAP)
        for index in range(len(rules) - 1, -1, -1):
            box, leaf = rules[index]
            if all(box):
                root = self._apply(root, box, joined[onward[index]] if index in onward else leaf)
                if len(self._levels) > self._bound:
                    raise NodeLimitError(index)
            if index in joined:
                joined[index] = root
        return root

    def _apply(self, root: int, box: Box, inner: int) -> int:
        """Overlay one box on a diagram; `inner` is the diagram of the box, usually a leaf."""
        inside = [
            [bool(mask & box[place]) for mask in masks] for place, masks in zip(self.order, self.classes, strict=True)
        ]
        cuts = [level for level, taken in enumerate(inside) if not all(taken)]
        last = cuts[-1] if cuts else -1
        levels, branches, bottom = self._levels, self._branches, len(inside)
        memo: dict[tuple[int, int, int], int] = {}
        following = [next((cut for cut in cuts if cut >= level), bottom) for level in range(bottom + 1)]

        def go(node: int, within: int, level: int) -> int:
            if level > last or node == within:
                return within
            asked = levels[node] if node >= 0 else bottom
            parted = levels[within] if within >= 0 else bottom
            level = min(following[level], asked, parted)
            key = (node, within, level)
            done = memo.get(key)
            if done is not None:
                return done
            taken = inside[level]
            if level in {asked, parted}:
                outer = branches[node] if asked == level else (node,) * len(taken)
                inners = branches[within] if parted == level else (within,) * len(taken)
                answers = [
                    go(branch, below, level + 1) if hit else branch
                    for hit, branch, below in zip(taken, outer, inners, strict=True)
                ]
            else:
                below = go(node, within, level + 1)
                answers = [below if hit else node for hit in taken]
            done = memo[key] = self._node(level, answers)
            return done

        return go(root, inner, 0)

    def _node(self, level: int, answers: list[int]) -> int:
        first = answers[0]
        if answers.count(first) == len(answers):
            return first
        key = (level, *answers)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._levels)
            self._levels.append(level)
            self._branches.append(tuple(answers))
        return found

    def restrict(self, root: int, place: int, value: int) -> int:
        """Return the diagram with one dimension fixed to a value.

        Args:
            root: of a diagram of this instance.
            place: index of the dimension in a box.
            value: index of the value in its dimension.
        """
        fixed = self.order.index(place)
        branch = next(index for index, mask in enumerate(self.classes[fixed]) if mask >> value & 1)
        memo: dict[int, int] = {}

        def go(node: int) -> int:
            if node < 0 or self._levels[node] > fixed:
                return node
            if self._levels[node] == fixed:
                return self._branches[node][branch]
            if node not in memo:
                memo[node] = self._node(self._levels[node], [go(below) for below in self._branches[node]])
            return memo[node]

        return go(root)

    def _level(self, nodes: Nodes) -> int:
        """Return the first level that any of the nodes tests; the number of levels for leaves."""
        return min(self._levels[node] if node >= 0 else len(self.order) for node in nodes)

    def _children(self, nodes: Nodes, level: int, branch: int) -> Nodes:
        levels, branches = self._levels, self._branches
        return tuple(branches[node][branch] if node >= 0 and levels[node] == level else node for node in nodes)

    def count_cells(self, roots: Nodes, box: Box, *, differing: bool = False) -> dict[Nodes, int]:
        """Count the cells of a box by the leaves that they reach in each diagram.

        Args:
            roots: of diagrams of this instance.
            box: the cells to count.
            differing: skip the cells in which all diagrams agree.

        Returns:
            One leaf per diagram -> number of cells, without zeros.
        """
        if not all(box):
            return {}
        bottom = len(self.order)
        sizes = [box[place].bit_count() for place in self.order]
        start = self._level(roots)
        pending: list[dict[Nodes, int]] = [{} for _ in range(bottom + 1)]
        pending[start][roots] = prod(sizes[:start])
        for level in range(bottom):
            mask = box[self.order[level]]
            for nodes, cells in pending[level].items():
                for below, values in self._branches_of(nodes, level, mask).items():
                    if differing and below.count(below[0]) == len(below):
                        continue
                    after = self._level(below)
                    counted = cells * values.bit_count() * prod(sizes[level + 1 : after])
                    pending[after][below] = pending[after].get(below, 0) + counted
            pending[level] = {}
        return {
            leaves: cells
            for leaves, cells in pending[bottom].items()
            if not differing or leaves.count(leaves[0]) != len(leaves)
        }

    def leaves(self, roots: Nodes, box: Box) -> frozenset[Nodes]:
        """Return the leaves that the cells of a box reach, one per diagram."""
        if not all(box):
            return frozenset()
        seen = {roots}
        pending = [roots]
        found = set()
        while pending:
            nodes = pending.pop()
            level = self._level(nodes)
            if level == len(self.order):
                found.add(nodes)
                continue
            fresh = self._branches_of(nodes, level, box[self.order[level]]).keys() - seen
            seen |= fresh
            pending.extend(fresh)
        return frozenset(found)

    def project(self, root: int, box: Box, wanted: Collection[int], slabs: Slabs) -> int:
        """Return the cells of a box that reach wanted leaves, without the last dimensions, as a bit set.

        Args:
            root: of a diagram of this instance.
            box: the cells to consider.
            wanted: leaves.
            slabs: for each of the first dimensions, the bit set of each value; their intersections are the cells.

        Raises:
            NodeLimitError: the bit sets of all nodes exceed `MAX_PROJECTED_BITS`.
        """
        if not all(box):
            return 0
        whole = -1
        for values, mask in zip(slabs, box, strict=False):
            whole &= unite(values, mask)
        bound = MAX_PROJECTED_BITS // max(1, whole.bit_length())
        known = dict.fromkeys(wanted, whole)

        @cache
        def cut(place: int, mask: int) -> int:
            return unite(slabs[place], mask) if place < len(slabs) else whole

        def go(node: int) -> int:
            if node < 0 or node in known:
                return known.get(node, 0)
            if len(known) >= bound:
                raise NodeLimitError(0)
            level = self._levels[node]
            place, found = self.order[level], 0
            for values, below in zip(self.classes[level], self._branches[node], strict=True):
                if both := values & box[place]:
                    found |= go(below) & cut(place, both)
            known[node] = found
            return found

        return go(root)

    def relate(self, nodes: tuple[int, int], holds: Callable[[int, int], bool], memo: dict[Nodes, bool]) -> bool:
        """Return whether a relation holds between the leaves of two diagrams in every cell.

        Args:
            nodes: roots of two diagrams of this instance.
            holds: relation of two different leaves; equal ones are always related.
            memo: results of this relation so far, which all its questions share.
        """
        one, other = nodes
        if one == other:
            return True
        known = memo.get(nodes)
        if known is None:
            level = self._level(nodes)
            if level == len(self.order):
                known = holds(one, other)
            else:
                below = (self._children(nodes, level, branch) for branch in range(len(self.classes[level])))
                known = all(self.relate((after[0], after[1]), holds, memo) for after in below)
            memo[nodes] = known
        return known

    def example(self, roots: Nodes, box: Box, wanted: Collection[Nodes]) -> Box | None:
        """Return a box of cells within `box` that reach one of the wanted leaves; ``None`` if no cell does."""
        way = self._find_path(roots, box, wanted, set()) if all(box) else None
        if way is None:
            return None
        found = list(box)
        for place, values in way:
            found[place] = values
        return tuple(found)

    def _find_path(
        self, nodes: Nodes, box: Box, wanted: Collection[Nodes], dead: set[Nodes]
    ) -> list[tuple[int, int]] | None:
        """Return a path to a wanted leaf; `dead` caches the nodes without one."""
        level = self._level(nodes)
        if level == len(self.order):
            return [] if nodes in wanted else None
        if nodes in dead:
            return None
        place = self.order[level]
        for below, values in self._known_branches(nodes, level, box[place]).items():
            way = self._find_path(below, box, wanted, dead)
            if way is not None:
                return [(place, values), *way]
        dead.add(nodes)
        return None

    def _known_branches(self, nodes: Nodes, level: int, mask: int) -> dict[Nodes, int]:
        """Return `_branches_of`, which the searches for examples ask for again and again with few different masks."""
        found = self._known.get((nodes, mask))
        if found is None:
            if len(self._known) >= MAX_KNOWN_BRANCHES:
                self._known.clear()
            found = self._known[nodes, mask] = self._branches_of(nodes, level, mask)
        return found

    def _branches_of(self, nodes: Nodes, level: int, mask: int) -> dict[Nodes, int]:
        """Return the successors at one level, each with its values among those of a mask."""
        answers: dict[Nodes, int] = {}
        for branch, values in enumerate(self.classes[level]):
            if both := values & mask:
                below = self._children(nodes, level, branch)
                answers[below] = answers.get(below, 0) | both
        return answers

    def generalize(self, roots: Nodes, box: Box, within: Box, wanted: Collection[Nodes]) -> Box:
        """Widen a box while all its cells reach wanted leaves, so that its description is short.

        Args:
            roots: of diagrams of this instance.
            box: cells that reach wanted leaves.
            within: largest result.
            wanted: leaves.
        """
        for place, limit in enumerate(within):
            for values in self.classes[self.order.index(place)]:
                more = values & limit & ~box[place]
                if more and self.leaves(roots, (*box[:place], more, *box[place + 1 :])) <= set(wanted):
                    box = (*box[:place], box[place] | more, *box[place + 1 :])
        return box


def _partition(full: int, masks: Iterable[int]) -> tuple[int, ...]:
    """Split the values of one dimension by the masks that contain them."""
    parts = [full]
    for mask in dict.fromkeys(masks):
        parts = [part for whole in parts for part in (whole & mask, whole & ~mask) if part]
    return tuple(parts)
