"""Nodes of a tree have paths; they are listed in the order of the file."""

from __future__ import annotations

import pytest

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.tree import format_path, quote

TREE = parse_yaml(b"a: 1\nb:\n  - {c: 2, d: [3, 4]}\n  - 5\ne: {}\n", "x.yaml").tree


def test_nodes_are_listed_in_the_order_of_the_file() -> None:
    listed = [format_path(path) for path, _ in TREE.iter_nodes()]
    assert listed == ["", "a", "b", "b[0]", "b[0].c", "b[0].d", "b[0].d[0]", "b[0].d[1]", "b[1]", "e"]


def test_each_path_leads_to_its_node() -> None:
    for path, node in TREE.iter_nodes():
        assert TREE.find(path) is node


def test_a_path_that_ends_early_leads_to_the_last_node() -> None:
    assert TREE.find(("b", 7)) is TREE.entries()["b"]


def test_values_are_plain_without_places() -> None:
    assert TREE.to_plain() == {"a": 1, "b": [{"c": 2, "d": [3, 4]}, 5], "e": {}}


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        ("a\n b", "`a b`"),
        ("x" * 61, f"`{'x' * 60}...`"),
        (1, "`1`"),
        ("https://joe:pw@a.example/b@c", "`https://...@a.example/b@c`"),
    ],
    ids=["lines", "long", "number", "password"],
)
def test_input_is_quoted_on_one_line(typed: object, quoted: str) -> None:
    assert quote(typed) == quoted
