"""Counterexamples: the shortest events that lead to a cell with a problem."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.events import MACHINES
from authguard.core.machine import expand
from authguard.policy.checks import demands, machine, raised_events
from authguard.policy.checks.reachability import Reachability, Unreachable
from authguard.policy.checks.state_space import SearchLimitError
from authguard.policy.table.mdd import NodeLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authguard.core.decision_table import Cell
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem
    from authguard.policy.table.boxes import Box


#: checks of machines without which the driver cannot run on them
_REQUIRED: Final[tuple[Callable[[Draft], Iterable[Problem]], ...]] = (
    machine.check_names,
    machine.check_raised_events,
    raised_events.check_raise_owners,
    machine.check_timers,
    machine.check_timer_cycles,
    demands.check_needed_states,
    demands.check_initial_states,
    demands.check_needed_events,
)


class DraftKey(Struct, frozen=True, eq=False):
    """Hashable key of a draft, by identity, for the caches of this package."""

    draft: Draft

    def __eq__(self, other: object) -> bool:
        """Compare by identity: a draft is large, and its mappings cannot be hashed."""
        return isinstance(other, DraftKey) and other.draft is self.draft

    def __hash__(self) -> int:
        """Hash by identity."""
        return id(self.draft)


@lru_cache(maxsize=2)  # a policy with one problem often has several
def _reach(key: DraftKey) -> Reachability:
    return Reachability.of(key.draft)


def has_valid_machines(draft: Draft) -> bool:
    """Return whether the machines can be searched: complete, total, and without unresolved names."""
    return _has_valid_machines(DraftKey(draft))


@lru_cache(maxsize=2)
def _has_valid_machines(key: DraftKey) -> bool:
    draft = key.draft
    if not all(name in draft.machines for name in MACHINES):
        return False
    if any(expand(draft.machines[name]).holes for name in MACHINES):
        return False
    return not any(problem.severity == "error" for check in _REQUIRED for problem in check(draft))


def find_counterexample(draft: Draft, find: Callable[[Box], Box | None]) -> tuple[Cell, tuple[str, ...]] | None:
    """Find the cell that a request reaches after the fewest events, and these events.

    Args:
        draft: the policy.
        find: returns a cell of a box with the problem, or None.

    Returns:
        The cell and the events; None if no request reaches such a cell, or if the machines have problems, which must be
        fixed first.
    """
    if not has_valid_machines(draft):
        return None
    try:
        found = _reach(DraftKey(draft)).find_cell(find)
    except (SearchLimitError, NodeLimitError):
        return None  # the check of liveness reports it
    if isinstance(found, Unreachable):
        return None
    cell, path = found
    return cell, tuple(map(str, path.steps))
