"""Box algebra against brute force, and the size of the standard policy's proof."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.decision_table import PHASES, Rule
from authguard.policy.table.boxes import (
    GAP,
    BoxCoverage,
    Space,
    Undecided,
    count,
    intersect,
    is_empty,
    largest,
    reach,
    subtract,
    widen_gap,
)


def cells(space: Space) -> list[tuple[str, ...]]:
    """List every cell of a small space."""
    return list(product(*space.values.values()))


def holds(space: Space, box: tuple[int, ...], cell: tuple[str, ...]) -> bool:
    """Return whether a box contains a cell, by the definition."""
    return all(
        mask >> known.index(value) & 1 for mask, known, value in zip(box, space.values.values(), cell, strict=True)
    )


def first_match(space: Space, rules: tuple[Rule, ...], cell: tuple[str, ...]) -> int | None:
    """Decide a cell by iterating over the rules of each phase."""
    named = dict(zip(space.values, cell, strict=True))
    for phase in PHASES:
        first = next(
            (r for r in rules if r.phase == phase and all(named[d] in values for d, values in r.when.items())), None
        )
        if first is not None and not first.skips:
            return first.index
    return None


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return Space({f"d{place}": tuple(f"v{value}" for value in range(size)) for place, size in enumerate(sizes)})


@st.composite
def boxes_of(draw: st.DrawFn, space: Space) -> tuple[int, ...]:
    return tuple(draw(st.integers(0, full)) for full in space.whole)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Space, tuple[Rule, ...]]:
    space = draw(spaces())
    rules = []
    for index in range(draw(st.integers(0, 7))):
        named = draw(st.lists(st.sampled_from(sorted(space.values)), unique=True))
        when = {name: draw(st.frozensets(st.sampled_from(space.values[name]))) for name in named}
        rules.append(Rule(when=when, do=f"f{index}", index=index))
    return space, tuple(rules)


@given(problems())
def test_reach_is_what_first_match_decides_and_the_gap_is_the_rest(problem: tuple[Space, tuple[Rule, ...]]) -> None:
    space, rules = problem
    proof = reach(rules, space)
    assert isinstance(proof, BoxCoverage)
    for cell in cells(space):
        takers = [
            index for index, boxes in enumerate(proof.reaches) if sum(holds(space, box, cell) for box in boxes) == 1
        ]
        overlapping = [b for boxes in proof.reaches for b in boxes if holds(space, b, cell)]
        expected = first_match(space, rules, cell)
        assert takers == ([] if expected is None else [expected])
        assert len(overlapping) == len(takers), "boxes of a reach are disjoint"
        assert sum(holds(space, box, cell) for box in proof.gap) == (expected is None)


@given(problems())
def test_reaches_and_gap_together_count_every_cell(problem: tuple[Space, tuple[Rule, ...]]) -> None:
    space, rules = problem
    proof = reach(rules, space)
    assert isinstance(proof, BoxCoverage)
    assert sum(count(b) for boxes in (*proof.reaches, proof.gap) for b in boxes) == len(cells(space))


@given(spaces().flatmap(lambda space: st.tuples(st.just(space), boxes_of(space), boxes_of(space))))
def test_subtract_and_intersect_split_a_box_without_overlap(
    case: tuple[Space, tuple[int, ...], tuple[int, ...]],
) -> None:
    space, box, cut = case
    pieces = list(subtract(box, cut))
    both = intersect(box, cut)
    assert not any(is_empty(piece) for piece in pieces)
    for cell in cells(space):
        assert holds(space, both, cell) == (holds(space, box, cell) and holds(space, cut, cell))
        assert sum(holds(space, piece, cell) for piece in pieces) == (
            holds(space, box, cell) and not holds(space, cut, cell)
        )


@given(problems())
def test_a_gap_grows_only_over_cells_that_no_rule_decides(problem: tuple[Space, tuple[Rule, ...]]) -> None:
    space, rules = problem
    proof = reach(rules, space)
    assert isinstance(proof, BoxCoverage)
    if not proof.gap:
        return
    grown = widen_gap(largest(proof.gap), lambda box: proof.deciders(box) == {GAP}, space.whole)
    assert count(grown) >= count(largest(proof.gap))
    assert all(first_match(space, rules, cell) is None for cell in cells(space) if holds(space, grown, cell))


@given(spaces().flatmap(lambda space: st.tuples(st.just(space), boxes_of(space))))
def test_a_witness_lies_in_its_box(case: tuple[Space, tuple[int, ...]]) -> None:
    space, box = case
    if not is_empty(box):
        assert holds(space, box, space.witness(box))


SPACE = Space({"a": ("x", "y", "z", "w"), "b": ("p", "q")})


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({}, "any cell"),
        ({"a": {"x"}}, "a `x`"),
        ({"a": {"x", "y"}, "b": {"q"}}, "a `x` or `y`, b `q`"),
        ({"a": {"x", "y", "z"}}, "a not `w`"),
        ({"a": set()}, "a of no value"),
    ],
)
def test_a_box_is_told_in_the_fewest_words(when: dict[str, set[str]], words: str) -> None:
    assert SPACE.words(SPACE.box(when)) == words


def test_a_cell_is_told_whole() -> None:
    assert SPACE.describe_cell(("x", "q")) == "a `x`, b `q`"


def test_a_value_outside_its_set_matches_nothing() -> None:
    assert is_empty(SPACE.box({"a": {"elsewhere"}}))


def test_a_dimension_outside_the_space_is_never_taken_for_any() -> None:
    with pytest.raises(KeyError):
        SPACE.box({"c": {"x"}})


def test_a_machine_without_states_has_no_cells_and_no_gap() -> None:
    proof = reach((), Space({"a": (), "b": ("p",)}))
    assert proof == BoxCoverage((), (), 0)


def test_rules_too_tangled_for_the_budget_are_undecided() -> None:
    rules = tuple(Rule(when={"a": frozenset({value})}, do="no", index=i) for i, value in enumerate("xyz"))
    answer = reach(rules, SPACE, budget=2)
    assert isinstance(answer, Undecided)
    assert answer.rule == 2
    assert isinstance(reach(rules, SPACE, budget=3), BoxCoverage)


def test_the_widest_box_has_the_most_cells() -> None:
    assert largest([SPACE.box({"a": {"x"}}), SPACE.box({"b": {"p"}})]) == SPACE.box({"b": {"p"}})
