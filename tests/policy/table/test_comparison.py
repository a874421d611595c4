"""Tests of the comparison of two tables: every differing cell is counted once, in its slice, with an example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authguard.core.decision_table import Rule
from authguard.policy.table.boxes import Space, Undecided, count, is_empty
from authguard.policy.table.comparison import Comparison, compare
from tests.policy.table.test_boxes import cells, first_match, holds, problems

Problem = tuple[Space, tuple[Rule, ...]]
SPACE = Space({"risk": ("low", "high"), "proof": ("none", "good")})
HIGH, LOW = SPACE.box({"risk": {"high"}}), SPACE.box({"risk": {"low"}})
OLD = [(HIGH, "deny"), (SPACE.whole, "allow")]


def require_compared(found: Comparison | Undecided) -> Comparison:
    assert isinstance(found, Comparison)
    return found


def test_a_table_does_not_differ_from_itself_whatever_its_rules() -> None:
    split = [(HIGH, "deny"), (LOW, "allow")]
    assert require_compared(compare(SPACE.whole, (OLD, split), [SPACE.whole])).changes == ()


def test_differences_are_reported_by_slice_with_a_wide_box() -> None:
    new = [(SPACE.box({"proof": {"good"}}), "allow"), *OLD]
    found = require_compared(compare(SPACE.whole, (OLD, new), [HIGH, LOW]))
    (change,) = found.changes
    assert (change.before, change.after, change.slice, change.cells) == ("deny", "allow", 0, 1)
    assert change.box == SPACE.box({"risk": {"high"}, "proof": {"good"}})


def test_a_missing_answer_is_empty() -> None:
    found = require_compared(compare(SPACE.whole, (OLD, [(HIGH, "deny")]), [SPACE.whole]))
    assert [(one.before, one.after, one.cells) for one in found.changes] == [("allow", "", 2)]


def test_the_cells_of_a_difference_are_found_within_a_box_and_nowhere_else() -> None:
    found = require_compared(compare(SPACE.whole, (OLD, [(SPACE.whole, "allow")]), [HIGH, LOW]))
    find = found.make_finder(found.changes[0])
    assert find(SPACE.box({"proof": {"none"}})) == SPACE.box({"risk": {"high"}, "proof": {"none"}})
    assert find(LOW) is None


def test_tables_past_the_bound_are_undecided() -> None:
    space = Space(dict.fromkeys("abcd", ("x", "y", "z")))
    rules = [(space.box({"a": {value}, other: {value}}), other + value) for other in "bcd" for value in "xyz"]
    assert isinstance(compare(space.whole, (rules, rules[::-1]), [space.whole], nodes=3), Undecided)


@given(problems(), st.data())
def test_the_changes_are_those_of_every_single_cell(problem: Problem, data: st.DataObject) -> None:
    space, rules = problem
    if is_empty(space.whole):
        return
    other = tuple(
        Rule(when=rule.when, do=rule.do, index=index) for index, rule in enumerate(data.draw(st.permutations(rules)))
    )
    tables = tuple([(space.box(rule.when), rule.do) for rule in table] for table in (rules, other))
    expected: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for cell in cells(space):
        before, after = (
            "" if (index := first_match(space, table, cell)) is None else table[index].do for table in (rules, other)
        )
        if before != after:
            expected.setdefault((before, after), set()).add(cell)
    found = require_compared(compare(space.whole, (tables[0], tables[1]), [space.whole])).changes
    assert {(one.before, one.after): one.cells for one in found} == {pair: len(own) for pair, own in expected.items()}
    for one in found:
        inside = {cell for cell in cells(space) if holds(space, one.box, cell)}
        assert inside
        assert inside <= expected[one.before, one.after]
        assert len(inside) == count(one.box)
