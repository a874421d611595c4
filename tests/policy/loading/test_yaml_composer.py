"""Nodes are composed from the events of the parser: each with its place, and none beyond the bounds."""

from __future__ import annotations

from authguard.policy.loading.yaml_composer import Composer, parse_events
from authguard.policy.loading.yaml_scalar import MAX_DEPTH, MAX_PROBLEMS
from authguard.policy.problem import Place
from authguard.policy.tree import Node

NOTHING = Node({}, Place("x", 1, 1), is_valid=False)


def compose(text: str, max_nodes: int = 1_000) -> tuple[Node, list[str]]:
    composer = Composer("x", parse_events(text), max_nodes)
    tree = composer.document(NOTHING)
    return tree, [problem.code for problem in composer.problems]


def test_a_value_of_a_mapping_has_the_place_of_its_key() -> None:
    tree, problems = compose("a: 1\nb: [true, x]\n")
    assert problems == []
    assert tree.to_plain() == {"a": 1, "b": [True, "x"]}
    assert tree.entries()["b"].place == Place("x", 2, 1)
    assert tree.entries()["b"].items()[1].place == Place("x", 2, 11)


def test_a_refused_value_is_not_valid_and_the_rest_is_read() -> None:
    tree, problems = compose("a: &x 1\nb: *x\nc: 3\n")
    assert problems == ["anchor", "alias"]
    assert [node.is_valid for node in tree.entries().values()] == [False, False, True]


def test_an_error_of_the_parser_is_a_problem() -> None:
    assert compose("a: [1") == (NOTHING, ["syntax"])


def test_too_many_nodes_end_the_file() -> None:
    assert compose("a: [1, 2, 3]", max_nodes=3) == (NOTHING, ["too-many-nodes"])


def test_deep_nesting_ends_the_file() -> None:
    assert compose(f"a: {'[' * MAX_DEPTH}{']' * MAX_DEPTH}") == (NOTHING, ["too-deep"])


def test_problems_are_bounded() -> None:
    tree, problems = compose("".join(f"k{number}:\n" for number in range(MAX_PROBLEMS + 10)))
    assert (tree, problems) == (NOTHING, ["blank"] * MAX_PROBLEMS)
