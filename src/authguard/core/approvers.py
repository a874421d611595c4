"""Approvers that a hold requires, and the matching of the persons who approved to the places that they can fill.

Each person fills one place, whatever their roles. A hold is satisfied when some assignment of persons fills all places:
a bipartite matching, so that the order of the approvals does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


class Approvers(Struct, frozen=True, array_like=True):
    """Places of one kind that a hold requires to be filled.

    Attributes:
        role: of the persons; empty for places that only an operator fills.
        count: number of persons.
        acr: level of their sign-ins; empty for any.
    """

    role: str
    count: int = 1
    acr: str = ""


#: all places of a hold, by kind
Required = tuple[Approvers, ...]


def count_places(required: Sequence[Approvers]) -> int:
    """Return the number of persons that a hold requires."""
    return sum([one.count for one in required])


def find_fits(
    required: Sequence[Approvers], roles: Collection[str], acr: str, rank: Callable[[str], int]
) -> frozenset[int]:
    """Return which kinds of places a person can fill.

    Args:
        required: of the hold.
        roles: of the person.
        acr: level of their sign-in.
        rank: of a level.
    """
    return frozenset(
        [
            index
            for index, one in enumerate(required)
            if one.role in roles and (not one.acr or rank(acr) >= rank(one.acr))
        ]
    )


def count_filled(required: Sequence[Approvers], fits: Sequence[Collection[int]]) -> int:
    """Return the maximum number of places that persons fill together, each of them one (Kuhn's algorithm).

    Args:
        required: of the hold.
        fits: for each person, the kinds of places that they can fill, from `find_fits`.
    """
    seated: list[list[int]] = [[] for _ in required]

    def seat(person: int, tried: set[int]) -> bool:
        """Seat a person, if others can move to make room; a kind of place is tried once, which bounds the depth."""
        for kind in sorted(fits[person]):
            if kind in tried:
                continue
            tried.add(kind)
            if len(seated[kind]) < required[kind].count:
                seated[kind].append(person)
                return True
            for index, other in enumerate(seated[kind]):
                if seat(other, tried):
                    seated[kind][index] = person
                    return True
        return False

    return sum([seat(person, set()) for person in range(len(fits))])


def is_filled(required: Sequence[Approvers], fits: Sequence[Collection[int]]) -> bool:
    """Return whether the persons fill all places."""
    return count_filled(required, fits) >= count_places(required)


def list_open(required: Sequence[Approvers], fits: Sequence[Collection[int]]) -> tuple[int, ...]:
    """Return for each kind how many more persons who fit nothing else would be accepted.

    A person who fits two kinds leaves either open, so the numbers may add up to more than what is missing.
    """
    filled = count_filled(required, fits)
    return tuple(count_filled(required, [*fits, *[(kind,)] * one.count]) - filled for kind, one in enumerate(required))


def is_implied(
    required: Sequence[Approvers],
    by: Sequence[Approvers],
    rank: Callable[[str], int],
    rank_by: Callable[[str], int] | None = None,
) -> bool:
    """Return whether all persons who satisfy one hold satisfy another.

    It is enough to ask it of persons with one role and no higher level than needed: they fit least.

    Args:
        required: of the hold that may be implied.
        by: of the hold that the persons satisfy.
        rank: of the levels of `required`.
        rank_by: of the levels of `by`, if another policy declares them; default: `rank`.
    """
    of_level = rank_by or rank
    fits = [
        frozenset(
            index
            for index, one in enumerate(required)
            if one.role == person.role and (not one.acr or (person.acr and of_level(person.acr) >= rank(one.acr)))
        )
        for person in by
        for _ in range(person.count)
    ]
    return is_filled(required, fits)


def format_approvers(required: Sequence[Approvers]) -> str:
    """Return the approvers in words: `1 officer (aal2) and 2 controller`."""
    parts = [f"{one.count} {one.role or 'person'}{f' ({one.acr})' if one.acr else ''}" for one in required]
    return " and ".join([*filter(None, [", ".join(parts[:-1])]), *parts[-1:]])
