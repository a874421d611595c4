"""A mutant changes one value of a merged document, and says which."""

from __future__ import annotations

from authguard.policy.mutation.mutant import format_plain, make_mutant, to_node
from authguard.policy.problem import Place

TREE = to_node({"limits": [{"calls": 6}, {"calls": 7}], "name": "x", "open": True}, Place("p.yaml", 3, 1))


def test_a_value_is_replaced_and_nothing_else() -> None:
    mutant = make_mutant("more", TREE, ("limits", 1, "calls"), 70)
    assert mutant.apply(TREE).to_plain() == {"limits": [{"calls": 6}, {"calls": 70}], "name": "x", "open": True}
    assert TREE.to_plain()["limits"][1] == {"calls": 7}
    assert mutant.name == "more limits[1].calls: 7 -> 70"
    assert mutant.place == Place("p.yaml", 3, 1)


def test_items_and_keys_are_removed() -> None:
    assert make_mutant("less", TREE, ("limits", 0), None).apply(TREE).to_plain()["limits"] == [{"calls": 7}]
    dropped = make_mutant("less", TREE, ("name",), None)
    assert "name" not in dropped.apply(TREE).to_plain()
    assert dropped.change == "x removed"


def test_a_missing_key_is_added() -> None:
    mutant = make_mutant("more", TREE, ("limits", 0, "per"), "1d", "per -> 1d")
    assert mutant.apply(TREE).to_plain()["limits"][0] == {"calls": 6, "per": "1d"}


def test_values_are_formatted_on_one_line() -> None:
    assert format_plain({"a": [1, "b"], "c": True}) == "{a: [1, b], c: true}"
