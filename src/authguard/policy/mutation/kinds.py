"""All kinds of mutants, and the mutants of a policy: those of its own file, or those of what it inherits too."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.policy.mutation import access_kinds, behaviour_kinds, context_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node

KINDS: Final[tuple[Callable[[Node], Iterator[Mutant]], ...]] = (
    access_kinds.mutate_account_maps,
    access_kinds.empty_scopes,
    access_kinds.empty_roles,
    access_kinds.lower_levels,
    access_kinds.lengthen_ages,
    access_kinds.raise_limits,
    access_kinds.shorten_windows,
    access_kinds.drop_limits,
    access_kinds.drop_limit_answers,
    access_kinds.lower_risks,
    access_kinds.make_writes_reads,
    access_kinds.drop_operation_needs,
    access_kinds.raise_mapped_levels,
    access_kinds.lower_identity,
    access_kinds.change_agents,
    access_kinds.add_audiences,
    access_kinds.widen_trust,
    access_kinds.weaken_methods,
    access_kinds.drop_app_reports,
    behaviour_kinds.drop_transitions,
    behaviour_kinds.ignore_events,
    behaviour_kinds.drop_raised_events,
    behaviour_kinds.drop_timers,
    behaviour_kinds.lengthen_timers,
    behaviour_kinds.drop_rules,
    behaviour_kinds.loosen_rules,
    behaviour_kinds.change_approvers,
    behaviour_kinds.raise_attempts,
    behaviour_kinds.drop_demands,
    behaviour_kinds.swap_methods,
    behaviour_kinds.change_queues,
    behaviour_kinds.change_on_fault,
    behaviour_kinds.weaken_rollback,
    context_kinds.change_flags,
    context_kinds.change_conditions,
    context_kinds.drop_groups,
    context_kinds.change_tiers,
    context_kinds.change_phases,
    context_kinds.fix_expiry,
)


def find_mutants(tree: Node, file: str = "") -> tuple[Mutant, ...]:
    """Return all mutants of a policy, in the order of the kinds.

    Args:
        tree: the merged document.
        file: name of a file in places; only what this file contains is changed. Empty for everything.
    """
    return tuple(mutant for kind in KINDS for mutant in kind(tree) if file in ("", mutant.place.file))


def pick_mutants(mutants: Sequence[Mutant], *, most: int, seed: int) -> tuple[Mutant, ...]:
    """Return a seeded choice of mutants, in the given order.

    Each kind has its turn before a kind has a second one, so that a small choice contains every kind.

    Args:
        mutants: to choose from.
        most: largest number to return.
        seed: equal seeds make equal choices.
    """
    shuffled = sorted(mutants, key=lambda mutant: sha256(f"{seed}:{mutant.name}".encode()).digest())
    turns: dict[str, int] = {}
    ranked = []
    for place, mutant in enumerate(shuffled):
        turns[mutant.kind] = turns.get(mutant.kind, 0) + 1
        ranked.append((turns[mutant.kind], place, mutant))
    chosen = {mutant.name for _, _, mutant in sorted(ranked, key=lambda one: one[:2])[:most]}
    return tuple(mutant for mutant in mutants if mutant.name in chosen)
