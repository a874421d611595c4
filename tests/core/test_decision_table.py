"""Decision table: first match against brute force, cached results, and an error for unknown cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core import decision_table
from authguard.core.decision_table import CONDITIONS, DIMENSIONS, Rule, Table, dimension_values
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from authguard.core.policy import Policy

STATES = dict.fromkeys(DIMENSIONS[:5], ("on", "off"))
VALUES = dimension_values(STATES)


def cells(values: dict[str, tuple[str, ...]]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(*(st.sampled_from(values[dimension]) for dimension in DIMENSIONS))


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    made = []
    for index in range(draw(st.integers(0, 8))):
        named = draw(st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True))
        when = {name: draw(st.frozensets(st.sampled_from(VALUES[name]), min_size=1)) for name in named}
        made.append(Rule(when=when, do=f"do{index}", index=index))
    return tuple(made)


@given(rules(), st.lists(cells(VALUES), min_size=1, max_size=10))
def test_the_first_match_decides_and_the_memo_changes_no_answer(
    made: tuple[Rule, ...], asked: list[tuple[str, ...]]
) -> None:
    table = Table(VALUES, made)
    for cell in [*asked, *asked]:
        named = dict(zip(DIMENSIONS, cell, strict=True))
        expected = next((r for r in made if all(named[d] in values for d, values in r.when.items())), None)
        if expected is None:
            with pytest.raises(MachineFaultError, match="no rule decides"):
                table.decide(cell)
        else:
            assert table.decide(cell) is expected


@given(st.data())
def test_the_standard_table_decides_every_cell_and_the_first_match_is_its_answer(
    standard: Policy, data: st.DataObject
) -> None:
    cell = data.draw(cells(dict(standard.table.values)))
    rule = standard.table.decide(cell)
    assert rule.matches(cell)
    assert not any(earlier.matches(cell) for earlier in standard.table.rules[: rule.index])
    assert rule.do in standard.fallbacks


def test_a_value_outside_the_closed_sets_is_a_fault_even_where_a_rule_takes_anything() -> None:
    table = Table(VALUES, (Rule(when={}, do="allow", index=0),))
    good = tuple(VALUES[dimension][0] for dimension in DIMENSIONS)
    assert table.decide(good).do == "allow"
    for place in range(len(DIMENSIONS)):
        with pytest.raises(MachineFaultError, match="is not a value of"):
            table.decide((*good[:place], "invented", *good[place + 1 :]))


def test_a_cell_of_the_wrong_length_is_never_decided() -> None:
    table = Table(VALUES, (Rule(when={}, do="allow", index=0),))
    with pytest.raises(ValueError, match="zip"):
        table.decide(("on",))


def test_the_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_table, "MAX_CACHED_CELLS", 2)
    table = Table(VALUES, (Rule(when={}, do="allow", index=0),))
    good = tuple(VALUES[dimension][0] for dimension in DIMENSIONS)
    for value in CONDITIONS["risk"]:
        assert table.decide((*good[:6], value, *good[7:])).do == "allow"
        assert len(table._cache) <= 2


def test_the_dimensions_are_the_five_machines_and_the_eight_conditions() -> None:
    assert tuple(VALUES) == DIMENSIONS
    assert len(DIMENSIONS) == 13
    assert {d: VALUES[d] for d in CONDITIONS} == CONDITIONS


def test_a_rule_is_named_by_its_place_and_its_fallback() -> None:
    assert Rule(when={}, do="refuse", index=7).name == "7:refuse"
