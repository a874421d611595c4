"""Persons fill the places of a hold by a matching: compared with every assignment, and with every team of persons."""

from __future__ import annotations

from itertools import combinations_with_replacement
from random import Random
from typing import TYPE_CHECKING

import pytest

from authguard.core.approvers import (
    Approvers,
    count_filled,
    count_places,
    find_fits,
    format_approvers,
    is_filled,
    is_implied,
    list_open,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = ("officer", "controller", "director")
LEVELS = ("", "aal1", "aal2")
CASES = 4_000
TWO = (Approvers("officer", 1, "aal2"), Approvers("controller"))


def rank(acr: str) -> int:
    return LEVELS.index(acr) if acr in LEVELS else 0


def pick_required(pick: Random, kinds: int, most: int = 2) -> tuple[Approvers, ...]:
    return tuple(
        Approvers(pick.choice(ROLES), pick.randint(1, most), pick.choice(LEVELS)) for _ in range(pick.randint(1, kinds))
    )


def pick_person(pick: Random, required: Sequence[Approvers]) -> frozenset[int]:
    roles = pick.sample(ROLES, pick.randint(0, 2))
    return find_fits(required, roles, pick.choice(LEVELS), rank)


def test_a_matching_fills_as_many_places_as_the_best_assignment() -> None:
    pick = Random(20)  # noqa: S311 - a seed, for the same cases in each run
    seen = set()
    for _ in range(CASES):
        required = pick_required(pick, 2)
        fits = [pick_person(pick, required) for _ in range(pick.randint(0, 4))]
        best = max_by_subsets(required, fits)
        assert count_filled(required, fits) == best, (required, fits)
        assert is_filled(required, fits) == (best >= count_places(required))
        seen.add((best, count_places(required)))
    assert len(seen) > 9, "partly filled holds and whole ones"


def max_by_subsets(required: Sequence[Approvers], fits: Sequence[frozenset[int]]) -> int:
    """Return the most places that persons fill, by trying each choice of every person: one place or none."""
    if not fits:
        return 0
    first, rest = fits[0], fits[1:]
    best = max_by_subsets(required, rest)
    for kind in first:
        if required[kind].count:
            left = [*required]
            left[kind] = Approvers(left[kind].role, left[kind].count - 1, left[kind].acr)
            best = max(best, 1 + max_by_subsets(left, rest))
    return best


def test_one_hold_implies_another_if_every_team_that_satisfies_it_satisfies_the_other() -> None:
    pick = Random(21)  # noqa: S311 - as above
    kinds = [((role,), acr) for role in ROLES[:2] for acr in LEVELS]
    kinds += [(ROLES[:2], acr) for acr in LEVELS]
    found = set()
    for _ in range(150):
        first, second = ([one for one in pick_required(pick, 2) if one.role != "director"] for _ in range(2))
        implied = True
        for size in range(count_places(second) + 1):
            for team in combinations_with_replacement(kinds, size):
                fits = [[find_fits(required, *person, rank) for person in team] for required in (first, second)]
                implied = implied and (is_filled(first, fits[0]) or not is_filled(second, fits[1]))
        assert is_implied(first, second, rank) is implied, (first, second)
        found.add(implied)
    assert found == {True, False}


def test_a_person_with_both_roles_fills_one_place() -> None:
    both = frozenset({0, 1})
    assert find_fits(TWO, ("officer", "controller", "boss"), "aal2", rank) == both
    assert find_fits(TWO, ("officer", "controller"), "aal1", rank) == {1}
    assert count_filled(TWO, [both]) == 1
    assert is_filled(TWO, [both, frozenset({0})]), "whoever has both makes room"
    assert not is_filled(TWO, [frozenset({0}), frozenset({0})])


def test_either_place_is_open_beside_a_person_with_both_roles() -> None:
    assert list_open(TWO, []) == (1, 1)
    assert list_open(TWO, [frozenset({0, 1})]) == (1, 1)
    assert list_open(TWO, [frozenset({0})]) == (0, 1)
    assert list_open(TWO, [frozenset({1}), frozenset({0, 1})]) == (0, 0)


def test_many_places_of_one_role_are_counted_without_deep_recursion() -> None:
    required = tuple(Approvers("officer", 100) for _ in range(10))
    everyone = [frozenset(range(10))] * 1_000
    assert count_filled(required, everyone) == 1_000


@pytest.mark.parametrize(
    ("required", "words"),
    [
        ((), ""),
        ((Approvers("officer", 2),), "2 officer"),
        (TWO, "1 officer (aal2) and 1 controller"),
        ((*TWO, Approvers("director")), "1 officer (aal2), 1 controller and 1 director"),
    ],
)
def test_approvers_in_words(required: tuple[Approvers, ...], words: str) -> None:
    assert format_approvers(required) == words
