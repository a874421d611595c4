"""Synthetic tables of any size in the shape of real policies, for the proofs and comparisons; reproducible by seed.

A real table follows a request. It decides one dimension after another (credential, account, assurance, operation), each
with a series of special cases, each of which decides cells that no earlier one does, and a broad line at the end that
refuses the rest. Two dimensions occur everywhere (risk and service). So a table here has a section per dimension; a
rule names its section's dimension and up to three more, out of the two common ones and those of neighbouring sections.
The last rule decides the rest.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import Rule
from authguard.policy.table.boxes import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

#: dimensions that every section asks of
HUBS: Final = 2
#: sections within this distance share dimensions
NEAR: Final = 2
#: share of a dimension's values that are well; its section ends by refusing the others
WELL: Final = 0.4
#: cells tried before a section is full
TRIES: Final = 400
#: how many values a rule names of one dimension, and how often
WIDTHS: Final = ((1, 2, 3, 5), (14, 5, 2, 1))
#: how many more dimensions a rule names, and how often
MORE: Final = ((1, 2, 3), (1, 4, 5))
#: what the rules do; the first admits
ANSWERS: Final = ("allow", "restrict", "sign_in", "step_up", "prove", "hold", "person", "refuse")

Cell = tuple[int, ...]
Masks = dict[int, int]


def space(dimensions: int = 12, values: int = 10) -> Space:
    """Return a space: 12 dimensions of 10 values are 10^12 cells."""
    return Space({f"d{place}": tuple(f"v{value}" for value in range(values)) for place in range(dimensions)})


def table(seed: int, rules: int = 500, dimensions: int = 12, values: int = 10) -> tuple[Rule, ...]:
    """Return a table without a gap and without a shadowed rule.

    Args:
        seed: the same seed gives the same table.
        rules: number of rules.
        dimensions: number of dimensions.
        values: number of values per dimension.
    """
    chance = Random(seed)  # noqa: S311 - a measurement is repeated, not guessed
    well = max(1, round(values * WELL))
    size = (dimensions, values, well)
    made: list[Masks] = []
    sections = range(HUBS, dimensions)
    for number, main in enumerate(sections, 1):
        pool = [*range(HUBS), *(other for other in sections if other != main and abs(other - main) <= NEAR)]
        until = round((rules - 1) * number / len(sections))
        while len(made) < until - 1 and (cell := _open(chance, made, main, size)):
            made.append(_case(chance, cell, main, pool, values))
        made.append({main: (1 << values) - (1 << well)})
    while len(made) < rules - 1:  # sections that were full left some over
        main = chance.choice(sections)
        cell = _open(chance, made, dimensions, size)
        if cell is None:
            break
        made.append(_case(chance, cell, main, [place for place in range(dimensions) if place != main], values))
    made.append({})
    return tuple(
        Rule(
            when={f"d{place}": frozenset(_named(mask, values)) for place, mask in masks.items()},
            do=chance.choices(ANSWERS, (4, 1, 1, 1, 1, 1, 2, 3))[0],
            index=index,
        )
        for index, masks in enumerate(made)
    )


def edited(rules: Sequence[Rule], seed: int, edits: int = 20, values: int = 10) -> tuple[Rule, ...]:
    """Return an edited table: some rules have another answer or another value, some are removed."""
    chance = Random(seed)  # noqa: S311 - see above
    changed = list(rules)
    for place in sorted(chance.sample(range(len(rules) - 1), edits), reverse=True):
        rule = changed[place]
        match chance.randrange(3):
            case 0:
                changed[place] = Rule(when=rule.when, do=chance.choice(ANSWERS), index=place)
            case 1:
                dimension = min(rule.when)
                more = rule.when[dimension] | {f"v{chance.randrange(values)}"}
                changed[place] = Rule(when={**rule.when, dimension: more}, do=rule.do, index=place)
            case _:
                del changed[place]
    return tuple(Rule(when=rule.when, do=rule.do, index=index) for index, rule in enumerate(changed))


def _open(chance: Random, made: Sequence[Masks], main: int, size: tuple[int, int, int]) -> Cell | None:
    """Find a cell that no rule decides yet; what earlier sections settled is well."""
    dimensions, values, well = size
    for _ in range(TRIES):
        cell = tuple(chance.randrange(well if HUBS <= place < main else values) for place in range(dimensions))
        if not any(all(mask >> cell[place] & 1 for place, mask in masks.items()) for masks in made):
            return cell
    return None


def _case(chance: Random, cell: Cell, main: int, pool: Sequence[int], values: int) -> Masks:
    """Return a special case that includes a cell."""
    named = {main}
    weights = [3 if place < HUBS else 1 for place in pool]
    more = chance.choices(*MORE)[0]
    while len(named) < 1 + min(more, len(pool)):
        named.add(chance.choices(pool, weights)[0])
    return {place: _around(chance, cell[place], values) for place in sorted(named)}


def _around(chance: Random, value: int, values: int) -> int:
    width = min(chance.choices(*WIDTHS)[0], values)
    return sum(1 << one for one in {value, *chance.sample(range(values), width - 1)})


def _named(mask: int, values: int) -> list[str]:
    return [f"v{value}" for value in range(values) if mask >> value & 1]
