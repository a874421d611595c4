"""Phases and skips: look-up, boxes, diagrams and comparison agree on random tables, and planted faults are found."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.decision_table import DIMENSIONS, PHASES, SKIP_PHASE, Rule, Table, dimension_values
from authguard.errors import MachineFaultError
from authguard.policy.table import coverage
from authguard.policy.table.boxes import GAP, BoxCoverage, Space, count, find_skips
from authguard.policy.table.comparison import Comparison, compare
from authguard.policy.table.coverage import DiagramCoverage, compute_coverage
from tests.policy.table.test_boxes import cells, first_match, holds, spaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.policy.table.coverage import TableCoverage

Rules = tuple[Rule, ...]

SPACE = Space(dimension_values(dict.fromkeys(DIMENSIONS[:5], ("on", "off"))))
#: cells drawn for each table; each is of a rule that was drawn before it
DRAWN = 1_000


@st.composite
def phased(draw: st.DrawFn) -> tuple[Space, Rules]:
    """Generate a small space and rules in phases, some of which skip theirs."""
    space = draw(spaces())
    phases = sorted(draw(st.lists(st.sampled_from(PHASES[1:5]), max_size=8)), key=PHASES.index)
    rules = []
    for index, phase in enumerate(phases):
        named = draw(st.lists(st.sampled_from(sorted(space.values)), unique=True, max_size=2))
        when = {name: draw(st.frozensets(st.sampled_from(space.values[name]))) for name in named}
        do = SKIP_PHASE if draw(st.booleans()) else f"f{draw(st.integers(0, 2))}"
        rules.append(Rule(when=when, do=do, index=index, phase=phase))
    return space, tuple(rules)


def covered(space: Space, rules: Rules) -> Iterator[TableCoverage]:
    """Return the coverage by boxes and the coverage by a diagram."""
    coverage._prove.cache_clear()
    for boxes in (10_000, -1):
        proof = compute_coverage(rules, space, boxes=boxes)
        assert isinstance(proof, BoxCoverage if boxes > 0 or not rules else DiagramCoverage)
        yield proof


@given(phased())
def test_boxes_and_diagrams_decide_each_cell_as_the_phases_say(case: tuple[Space, Rules]) -> None:
    space, rules = case
    decided: dict[int, int] = {}
    for cell in cells(space):
        index = first_match(space, rules, cell)
        decided[GAP if index is None else index] = decided.get(GAP if index is None else index, 0) + 1
    for proof in covered(space, rules):
        assert proof.deciders(space.whole) == decided.keys()
        assert {rule: proof.cells(rule, space.whole) for rule in decided} == decided
        for rule in decided:
            example = proof.example(rule, space.whole)
            found = {first_match(space, rules, cell) for cell in cells(space) if holds(space, example, cell)}
            assert found == {None if rule == GAP else rule}


@given(phased())
def test_a_rule_that_skips_decides_its_cells_where_skips_are_not_followed(case: tuple[Space, Rules]) -> None:
    space, rules = case
    plain = tuple(replace(rule, do=f"decides{rule.index}") if rule.skips else rule for rule in rules)
    known = compute_coverage(rules, space, skips=())
    assert isinstance(known, BoxCoverage)
    for cell in cells(space):
        taken = {index for index, boxes in enumerate(known.reaches) if any(holds(space, box, cell) for box in boxes)}
        assert taken == {first_match(space, plain, cell)} - {None}


@given(phased(), st.data())
def test_a_comparison_of_tables_with_phases_counts_every_differing_cell(
    case: tuple[Space, Rules], data: st.DataObject
) -> None:
    space, rules = case
    moved = [replace(one, phase=data.draw(st.sampled_from(PHASES[1:5]))) for one in rules]
    moved.sort(key=lambda one: PHASES.index(one.phase))
    other = tuple(replace(one, index=index) for index, one in enumerate(moved))
    tables = [[(space.box(one.when), one.do) for one in table] for table in (rules, other)]
    expected: dict[tuple[str, str], int] = {}
    for cell in cells(space):
        old, new = (first_match(space, table, cell) for table in (rules, other))
        pair = ("" if old is None else rules[old].do, "" if new is None else other[new].do)
        if pair[0] != pair[1]:
            expected[pair] = expected.get(pair, 0) + 1
    skips = (find_skips(rules), find_skips(other))
    found = compare(space.whole, (tables[0], tables[1]), [space.whole], skips=skips)
    assert isinstance(found, Comparison)
    assert {(one.before, one.after): one.cells for one in found.changes} == expected
    assert all(count(one.box) for one in found.changes)


def random_rules(dice: random.Random) -> Rules:
    """Return a table over the real dimensions, in which rules skip the phase `account`."""
    rules = []
    for phase in PHASES[:-1]:
        for _ in range(dice.randint(2, 5)):
            named = dice.sample(DIMENSIONS, dice.randint(1, 3))
            when = {name: frozenset(dice.sample(SPACE.values[name], 1)) for name in named}
            skips = phase == "account" and dice.random() < 0.5
            rules.append(Rule(when=when, do=SKIP_PHASE if skips else f"do{len(rules)}", index=len(rules), phase=phase))
    rules.append(Rule(when={}, do="rest", index=len(rules), phase="last"))
    return tuple(rules)


def drawn(proof: BoxCoverage, dice: random.Random, number: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Draw a rule, then a cell of its reach: uniform cells would meet few of the rules."""
    deciding = [index for index, boxes in enumerate(proof.reaches) if boxes]
    for _ in range(number):
        index = dice.choice(deciding)
        box = dice.choice(proof.reaches[index])
        yield (
            index,
            tuple(
                dice.choice([value for place, value in enumerate(known) if mask >> place & 1])
                for mask, known in zip(box, SPACE.values.values(), strict=True)
            ),
        )


def differs(looked_up: Rules, proved: Rules, dice: random.Random) -> bool:
    """Return whether a look-up in one table, and the boxes and the diagram of another, disagree on a drawn cell."""
    table = Table(SPACE.values, looked_up)
    boxes, diagram = covered(SPACE, proved)
    assert isinstance(boxes, BoxCoverage)
    for number, (index, cell) in enumerate(drawn(boxes, dice, DRAWN)):
        if number < DRAWN // 10:
            point = SPACE.box({name: (value,) for name, value in zip(DIMENSIONS, cell, strict=True)})
            assert boxes.deciders(point) == diagram.deciders(point) == {index}
        try:
            if table.decide(cell).name != proved[index].name:
                return True
        except MachineFaultError:
            return True
    return False


@pytest.mark.parametrize("seed", range(4))
def test_look_up_boxes_and_diagram_agree_over_the_real_dimensions(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a choice of examples, the same each time
    rules = random_rules(dice)
    assert any(rule.skips for rule in rules)
    assert not differs(rules, rules, dice)


def drop_skip(rules: Rules, index: int) -> Rules:
    """Leave a skip without effect."""
    return tuple(replace(one, when={"service": frozenset()}) if one.index == index else one for one in rules)


def skip_further(rules: Rules, index: int) -> Rules:
    """Let a skip leave out the next phase too."""
    return tuple(
        replace(one, phase="account") if one.index > index and one.phase == "identity" else one for one in rules
    )


def widen(rules: Rules, index: int) -> Rules:
    """Let a skip meet what one of its conditions excludes."""
    (name, *_) = rules[index].when
    when = {key: values for key, values in rules[index].when.items() if key != name}
    return tuple(replace(one, when=when) if one.index == index else one for one in rules)


@pytest.mark.parametrize("fault", [drop_skip, skip_further, widen])
def test_a_fault_planted_in_the_phases_is_found(fault: Callable[[Rules, int], Rules]) -> None:
    found = planted = 0
    for seed in range(4):
        dice = random.Random(seed)  # noqa: S311 - a choice of examples, the same each time
        rules = random_rules(dice)
        for rule in rules:
            if rule.skips:
                wrong = fault(rules, rule.index)
                tables = [[(SPACE.box(one.when), one.name) for one in some] for some in (rules, wrong)]
                skips = (find_skips(rules), find_skips(wrong))
                compared = compare(SPACE.whole, (tables[0], tables[1]), [SPACE.whole], skips=skips)
                assert isinstance(compared, Comparison)
                planted += bool(compared.changes)
                found += differs(wrong, rules, dice)
    assert planted == found > 3
