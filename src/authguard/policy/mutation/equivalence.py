"""Equivalence of two compiled policies by what can change an answer: machines, timers, table and settings.

Names of rules, places in files and lines without effect do not count. Cells that no events reach and cells that the
driver never derives do not count either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES
from authguard.policy.checks.reachability import Reachability, Unreachable
from authguard.policy.table.boxes import Box, Space, Undecided, find_skips, is_empty
from authguard.policy.table.comparison import compare
from authguard.policy.table_space import policy_space
from authguard.policy.testing.coverage import find_underived_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.machine import Machine
    from authguard.core.policy import Policy

#: fields of a policy that name it or its places
_NAMES: Final = frozenset({"name", "digest", "origins", "file", "changes"})
#: fields that are compared by effect
_BY_EFFECT: Final = frozenset({"machines", "timers", "table"})


def are_equivalent(old: Policy, new: Policy) -> bool:
    """Return whether no request and no clock can show a difference of two policies.

    Args:
        old: compiled and total.
        new: the same policy with one change.
    """
    others = [name for name in old.__struct_fields__ if name not in _NAMES | _BY_EFFECT]
    if any(getattr(old, name) != getattr(new, name) for name in others):
        return False
    if any(_edges(old.machines[name]) != _edges(new.machines[name]) for name in MACHINES):
        return False
    if _timers(old) != _timers(new):
        return False
    return old.table.values == new.table.values and not find_differing_cells(old, new)


def find_differing_cells(old: Policy, new: Policy) -> list[tuple[str, ...]] | None:
    """Return a reachable cell of each kind of difference of two tables over the same values.

    Returns:
        The cells, with the names of the states and conditions; empty if no events lead to a difference; ``None`` if
        the tables are too complex to compare.
    """
    space = policy_space(old)
    idle = (*space.impossible_boxes, *find_underived_boxes(old, space))
    ignored = [(box, "") for box in idle if not is_empty(box)]
    tables = ([*ignored, *_boxes(old.table.rules, space)], [*ignored, *_boxes(new.table.rules, space)])
    skips = (find_skips(old.table.rules, len(ignored)), find_skips(new.table.rules, len(ignored)))
    compared = compare(space.whole, tables, [space.whole], skips=skips)
    if isinstance(compared, Undecided):
        return None
    search = Reachability.of(old)
    found = []
    for change in compared.changes:
        cell = search.find_cell(compared.make_finder(change))
        if not isinstance(cell, Unreachable):
            found.append(cell[0])
    return found


def _boxes(rules: Sequence[Rule], space: Space) -> list[tuple[Box, str]]:
    return [(space.box(rule.when), rule.do) for rule in rules]


def _edges(machine: Machine) -> Mapping[tuple[str, str], tuple[str, bool, tuple[str, ...]]]:
    return {key: (edge.dest, edge.moves, edge.raises) for key, edge in machine.table.items()}


def _timers(policy: Policy) -> Mapping[tuple[str, str], tuple[object, ...]]:
    return {key: tuple(sorted(map(repr, armed))) for key, armed in policy.timers.armed.items()}
