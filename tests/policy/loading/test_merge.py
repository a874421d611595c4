"""Merging: what joins, what replaces, what nobody inherits; every value keeps the place where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.loading.merge import merge
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from authguard.policy.tree import Node


def tree(text: str, file: str) -> Node:
    got = parse_yaml(text.encode(), file)
    assert got.problems == ()
    return got.tree


def merged(parent: str, child: str) -> dict[str, object]:
    value = merge(tree(parent, "parent"), tree(child, "child")).to_plain()
    assert isinstance(value, dict)
    return value


def test_what_a_file_says_of_itself_is_not_inherited() -> None:
    assert merged("authguard: 1\nname: p\nextends: q\nbase: true\non_fault: a\n", "name: c\n") == {
        "name": "c",
        "on_fault": "a",
    }


def test_scalars_lists_and_mappings_are_replaced_whole() -> None:
    parent = "on_fault: a\nagents: [x]\nbudget: {request: 1s, body: 1KiB}\n"
    assert merged(parent, "on_fault: b\nagents: [z]\nbudget: {request: 2s}\n") == {
        "on_fault": "b",
        "agents": ["z"],
        "budget": {"request": "2s"},
    }


def test_decisions_come_before_and_invariants_after() -> None:
    parent = "decisions: [{do: a}, {do: b}]\ninvariants: [{name: a}]\n"
    got = merged(parent, "decisions: [{do: c}, {do: d}]\ninvariants: [{name: b}]\n")
    assert got["decisions"] == [{"do": "c"}, {"do": "d"}, {"do": "a"}, {"do": "b"}]
    assert got["invariants"] == [{"name": "a"}, {"name": "b"}]


def test_a_fallback_of_the_same_name_is_replaced_whole() -> None:
    parent = "fallbacks: {a: {kind: deny, message: x}, b: {kind: deny}}\n"
    got = merged(parent, "fallbacks: {a: {kind: terminate}, c: {kind: repeat}}\n")
    assert got["fallbacks"] == {"a": {"kind": "terminate"}, "b": {"kind": "deny"}, "c": {"kind": "repeat"}}


def test_all_timers_of_an_event_are_replaced_and_others_stay() -> None:
    parent = "timers: [{event: a, after: 1s}, {event: b, after: 2s}, {event: a, after: 3s}]\n"
    got = merged(parent, "timers: [{event: a, after: 9s}]\n")
    assert got["timers"] == [{"event": "b", "after": "2s"}, {"event": "a", "after": "9s"}]


def test_a_machine_gains_states_and_the_childs_transitions_answer_first() -> None:
    parent = "machines: {m: {initial: a, states: [a, b], transitions: [{trigger: t}]}, k: {initial: x}}\n"
    got = merged(parent, "machines: {m: {states: [c, b], transitions: [{trigger: u}]}, o: {initial: z}}\n")
    assert got["machines"] == {
        "m": {"initial": "a", "states": ["a", "b", "c"], "transitions": [{"trigger": "u"}, {"trigger": "t"}]},
        "k": {"initial": "x"},
        "o": {"initial": "z"},
    }


def test_a_child_that_repeats_all_states_sets_their_order() -> None:
    got = merged("machines: {m: {states: [a, b]}}\n", "machines: {m: {states: [b, c, a], initial: b}}\n")
    assert got["machines"] == {"m": {"states": ["b", "c", "a"], "initial": "b"}}


def test_what_has_the_wrong_shape_stays_so_that_it_is_reported() -> None:
    assert merged("decisions: [{do: a}]\n", "decisions: none\n")["decisions"] == "none"
    assert merged("decisions: none\n", "decisions: [{do: a}]\n")["decisions"] == "none"
    assert merged("machines: {m: []}\n", "machines: {m: {states: [a]}}\n")["machines"] == {"m": []}
    assert merged("machines: {m: {states: [a]}}\n", "machines: {m: {states: a}}\n")["machines"] == {
        "m": {"states": "a"}
    }
    assert merged("timers: x\n", "timers: [{event: a}]\n")["timers"] == "x"
    assert merged("fallbacks: {a: {kind: deny}}\n", "fallbacks: []\n")["fallbacks"] == []


def test_every_value_keeps_the_file_and_line_where_it_was_written() -> None:
    both = merge(
        tree("decisions:\n  - {do: a}\nfallbacks:\n  x: {kind: deny}\n", "parent"),
        tree("# one\n# two\ndecisions:\n  - {do: b}\n", "child"),
    )
    assert str(both.find(("decisions", 0)).place) == "child:4:5"
    assert str(both.find(("decisions", 1)).place) == "parent:2:5"
    assert str(both.find(("fallbacks", "x")).place) == "parent:4:3"
