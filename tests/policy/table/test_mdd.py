"""Tests of decision diagrams: one node for equal functions, exact counts, examples and wide boxes, and the bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.decision_table import Rule
from authguard.policy.table.boxes import GAP, Space, is_empty
from authguard.policy.table.mdd import DecisionDiagrams, NodeLimitError
from tests.policy.table.test_boxes import cells, first_match, problems

Problem = tuple[Space, tuple[Rule, ...]]
SPACE = Space({"a": ("x", "y", "z"), "b": ("p", "q")})
X, P = SPACE.box({"a": {"x"}}), SPACE.box({"b": {"p"}})


@given(problems(), st.data())
def test_two_tables_differ_exactly_where_their_rules_decide_differently(problem: Problem, data: st.DataObject) -> None:
    space, rules = problem
    other = tuple(data.draw(st.permutations(rules)))
    other = tuple(Rule(when=rule.when, do=rule.do, index=index) for index, rule in enumerate(other))
    leaf = {rule.do: -2 - place for place, rule in enumerate(rules)}
    laid = [[(space.box(rule.when), leaf[rule.do]) for rule in table] for table in (rules, other)]
    if is_empty(space.whole):
        return
    diagrams = DecisionDiagrams(space.whole, [box for table in laid for box, _ in table])
    roots = (diagrams.build_table(laid[0]), diagrams.build_table(laid[1]))
    expected: dict[tuple[int, ...], int] = {}
    for cell in cells(space):
        answers = []
        for table in (rules, other):
            index = first_match(space, table, cell)
            answers.append(GAP if index is None else leaf[table[index].do])
        if answers[0] != answers[1]:
            expected[tuple(answers)] = expected.get(tuple(answers), 0) + 1
    assert diagrams.count_cells(roots, space.whole, differing=True) == expected


def test_equal_functions_are_one_node_however_they_are_written() -> None:
    space = Space({"a": ("x", "y"), "b": ("p", "q")})
    split = [(space.box({"a": {"x"}}), -2), (space.box({"a": {"y"}}), -2), (space.box({}), -3)]
    diagrams = DecisionDiagrams(space.whole, [box for box, _ in split])
    assert diagrams.build_table(split) == -2
    assert len(diagrams) > 0, "it was built before it was seen to be one"


def test_cells_are_counted_and_shown_by_the_leaf_that_they_reach() -> None:
    diagrams = DecisionDiagrams(SPACE.whole, [X, P])
    roots = (diagrams.build_table([(X, -2), (P, -3)]),)
    assert diagrams.count_cells(roots, SPACE.whole) == {(-2,): 2, (-3,): 2, (GAP,): 2}
    assert diagrams.leaves(roots, X) == {(-2,)}
    example = diagrams.example(roots, SPACE.whole, {(-3,)})
    assert example is not None
    assert diagrams.leaves(roots, example) == {(-3,)}
    assert diagrams.example(roots, X, {(-3,)}) is None


def test_an_empty_box_has_no_cell() -> None:
    diagrams = DecisionDiagrams(SPACE.whole, [X])
    roots = (diagrams.build_table([(X, -2)]),)
    nothing = SPACE.box({"a": set()})
    assert diagrams.count_cells(roots, nothing) == {}
    assert diagrams.leaves(roots, nothing) == frozenset()
    assert diagrams.example(roots, nothing, {(-2,)}) is None


def test_a_box_is_widened_as_far_as_its_answer_stays_and_not_past_its_limit() -> None:
    diagrams = DecisionDiagrams(SPACE.whole, [X, P])
    roots = (diagrams.build_table([(X, -2), (P, -3)]),)
    corner = SPACE.box({"a": {"y"}, "b": {"p"}})
    assert diagrams.generalize(roots, corner, SPACE.whole, {(-3,)}) == SPACE.box({"a": {"y", "z"}, "b": {"p"}})
    assert diagrams.generalize(roots, corner, corner, {(-3,)}) == corner


def test_past_the_bound_nothing_is_assumed_and_the_rule_is_named() -> None:
    space = Space(dict.fromkeys("abcd", ("x", "y", "z")))
    boxes = [space.box({"a": {value}, other: {value}}) for other in "bcd" for value in "xyz"]
    diagrams = DecisionDiagrams(space.whole, boxes, bound=3)
    with pytest.raises(NodeLimitError) as caught:
        diagrams.build_table([(box, -2 - index) for index, box in enumerate(boxes)])
    assert 0 <= caught.value.rule < len(boxes)
