"""Cells that a policy's table decided although the proof took them for impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.table_space import policy_space

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authguard.core.policy import Policy


def find_impossible(policy: Policy, cells: Iterable[tuple[str, ...]] | None = None) -> list[dict[str, str]]:
    """Return the cells that no request can have, each with its dimensions; none if the proof is about all of them.

    Args:
        policy: compiled.
        cells: decided; by default those that its table has decided so far.
    """
    space, names = policy_space(policy), tuple(policy.table.values)
    decided = policy.table._cache if cells is None else cells
    found = [dict(zip(names, cell, strict=True)) for cell in decided]
    return [cell for cell in found if any(all(cell[name] in box[name] for name in box) for box in space.impossible)]
