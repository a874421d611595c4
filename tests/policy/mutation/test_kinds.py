"""The mutants of a policy: those of its own file or all, each named once, and a seeded choice of every kind."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.mutation.kinds import find_mutants, pick_mutants
from authguard.policy.mutation.mutant import Mutant, to_node
from authguard.policy.problem import Place
from tests.policy.mutation.desk import desk_tree

#: kind -> least number of mutants in the shipped policies together
EXPECTED: Final = {
    "status-normal": 10,
    "scopes-emptied": 10,
    "level-lowered": 9,
    "limit-raised": 15,
    "approver-role-changed": 6,
    "approver-count-changed": 6,
    "identity-lowered": 5,
}


def own_mutants(name: str) -> tuple[Mutant, ...]:
    loaded = load_draft(name)
    assert loaded.tree is not None
    assert loaded.draft is not None
    return find_mutants(loaded.tree, loaded.draft.place().file)


def test_the_shipped_policies_have_all_kinds() -> None:
    found = Counter(mutant.kind for name in shipped_policies() for mutant in own_mutants(name))
    assert sum(found.values()) >= 357
    assert {kind: found[kind] for kind in EXPECTED if found[kind] < EXPECTED[kind]} == {}


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_names_are_unique_and_do_not_depend_on_lines(name: str) -> None:
    names = [mutant.name for mutant in own_mutants(name)]
    assert len(set(names)) == len(names)


def test_inherited_parts_are_changed_only_on_demand() -> None:
    own, everything = find_mutants(desk_tree(), "desk.yaml"), find_mutants(desk_tree())
    assert {mutant.place.file for mutant in own} == {"desk.yaml"}
    assert {mutant.place.file for mutant in everything} == {"desk.yaml", "standard.yaml"}


def test_equal_seeds_make_equal_choices_in_the_order_of_the_kinds() -> None:
    everything = find_mutants(desk_tree())
    chosen = pick_mutants(everything, most=30, seed=7)
    assert chosen == pick_mutants(everything, most=30, seed=7)
    assert chosen != pick_mutants(everything, most=30, seed=8)
    assert list(chosen) == [mutant for mutant in everything if mutant in chosen]
    assert len(chosen) == 30
    assert pick_mutants(everything, most=2_000, seed=7) == everything


def test_a_small_choice_contains_every_kind() -> None:
    everything = find_mutants(desk_tree())
    kinds = {mutant.kind for mutant in everything}
    assert {mutant.kind for mutant in pick_mutants(everything, most=len(kinds), seed=1)} == kinds


def test_an_empty_document_has_no_mutants() -> None:
    assert find_mutants(to_node({"authguard": 1, "name": "empty"}, Place())) == ()
