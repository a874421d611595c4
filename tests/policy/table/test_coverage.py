"""Boxes and diagrams against brute force: deciding rules, counts and examples."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.decision_table import Rule
from authguard.policy.table import coverage, mdd
from authguard.policy.table.boxes import GAP, Box, BoxCoverage, Space, Undecided, count
from authguard.policy.table.coverage import DiagramCoverage, TableCoverage, compute_coverage
from tests.policy.table.test_boxes import boxes_of, cells, first_match, holds, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.table.mdd import DecisionDiagrams

Problem = tuple[Space, tuple[Rule, ...]]
Case = tuple[Space, tuple[Rule, ...], Box]

CASES = problems().flatmap(lambda problem: st.tuples(st.just(problem[0]), st.just(problem[1]), boxes_of(problem[0])))


def both(space: Space, rules: tuple[Rule, ...]) -> Iterator[TableCoverage]:
    """Return the coverage by boxes and the coverage by a diagram."""
    coverage._prove.cache_clear()
    for boxes in (10_000, -1):
        proof = compute_coverage(rules, space, boxes=boxes)
        assert isinstance(proof, BoxCoverage if boxes > 0 or not rules else DiagramCoverage)
        yield proof


def faults(space: Space, rules: tuple[Rule, ...], box: Box) -> list[str]:
    """Return the cells of a box in which a coverage differs from iterating over the rules."""
    decided: dict[int, set[tuple[str, ...]]] = {}
    for cell in cells(space):
        index = first_match(space, rules, cell)
        if holds(space, box, cell):
            decided.setdefault(GAP if index is None else index, set()).add(cell)
    found = []
    for proof in both(space, rules):
        if proof.deciders(box) != frozenset(decided):
            found.append("deciders")
        found += ["cells" for rule in (GAP, *range(len(rules))) if proof.cells(rule, box) != len(decided.get(rule, ()))]
        for rule, own in decided.items():
            example = proof.example(rule, box)
            inside = {cell for cell in cells(space) if holds(space, example, cell)}
            if not inside or not inside <= own or len(inside) != count(example):
                found.append("example")
    return found


@given(CASES)
def test_boxes_and_diagrams_agree_with_walking_the_rules(case: Case) -> None:
    assert not faults(*case)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_node", lambda self, _level, answers: answers[0] if answers else self),  # merges what differs
        ("_level", lambda self, _nodes: len(self.order)),  # skips what is asked
        ("_children", lambda self, nodes, level, _branch: _first_branch(self, nodes, level)),  # takes a wrong branch
    ],
)
def test_a_fault_planted_in_the_algebra_is_caught(name: str, fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space({"a": ("x", "y", "z"), "b": ("p", "q")})
    rules = (
        Rule(when={"a": frozenset("x"), "b": frozenset("q")}, do="no", index=0),
        Rule(when={"a": frozenset("xy")}, do="yes", index=1),
    )
    assert not faults(space, rules, space.whole)
    monkeypatch.setattr(mdd.DecisionDiagrams, name, fault)
    with suppress(KeyError, ValueError):  # nonsense all the way down is caught too
        assert faults(space, rules, space.whole)


def _first_branch(diagrams: DecisionDiagrams, nodes: tuple[int, ...], level: int) -> tuple[int, ...]:
    branches, levels = diagrams._branches, diagrams._levels
    return tuple(branches[node][0] if node >= 0 and levels[node] == level else node for node in nodes)


def test_rules_past_the_bound_of_nodes_are_undecided() -> None:
    space = Space(dict.fromkeys("abcd", ("x", "y", "z")))
    rules = tuple(
        Rule(when={"a": frozenset({value}), other: frozenset({value})}, do="no", index=index)
        for index, (other, value) in enumerate((other, value) for other in "bcd" for value in "xyz")
    )
    answer = compute_coverage(rules, space, boxes=1, nodes=3)
    assert isinstance(answer, Undecided)
    assert answer.nodes > 3
    assert isinstance(compute_coverage(rules, space, boxes=1), DiagramCoverage)


def test_nobody_is_shown_an_example_of_what_a_rule_does_not_decide() -> None:
    space = Space({"a": ("x", "y")})
    rules = (Rule(when={"a": frozenset("x")}, do="no", index=0),)
    for proof in both(space, rules):
        with pytest.raises(ValueError, match=r"."):
            proof.example(0, space.box({"a": {"y"}}))
