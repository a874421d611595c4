"""How the machines come to where a problem shows: the shortest events, where events lead there at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from authguard.core.events import MACHINES
from authguard.core.machine import expand
from authguard.policy.checks import machine
from authguard.policy.checks.reachability import Reachability, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.boxes import Box
    from authguard.core.decision_table import Cell
    from authguard.policy.draft import Draft


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """A draft, known again by being the same one: what is asked of it twice is found once."""

    draft: Draft

    def __eq__(self, other: object) -> bool:
        """Compare by identity: a draft is large, and its mappings cannot be hashed."""
        return isinstance(other, Same) and other.draft is self.draft

    def __hash__(self) -> int:
        """Hash by identity."""
        return id(self.draft)


@lru_cache(maxsize=2)  # a policy with one problem often has several
def _reach(same: Same) -> Reachability:
    return Reachability.of(same.draft)


def is_sound(draft: Draft) -> bool:
    """Whether the machines can be walked: all there, total, and every name in them and in the timers resolves."""
    return _is_sound(Same(draft))


@lru_cache(maxsize=2)
def _is_sound(same: Same) -> bool:
    draft = same.draft
    if not all(name in draft.machines for name in MACHINES):
        return False
    if any(expand(draft.machines[name]).holes for name in MACHINES):
        return False
    return not any(
        problem.severity == "error"
        for check in (machine.names_resolve, machine.raised_events_end, machine.timers_resolve)
        for problem in check(draft)
    )


def way(draft: Draft, find: Callable[[Box], Box | None]) -> tuple[Cell, tuple[str, ...]] | None:
    """Find the cell that a request meets after the fewest events, and tell them.

    Args:
        draft: of the policy.
        find: gives cells of a box that are wanted, or nothing.

    Returns:
        The cell and the events; nothing where no request meets one, or the machines have problems of their own, which
        come first.
    """
    if not is_sound(draft):
        return None
    found = _reach(Same(draft)).meeting(find)
    if isinstance(found, Unreachable):
        return None
    cell, path = found
    return cell, tuple(map(str, path.steps))
