"""Tests that the matrix shows each rule exactly as in the table."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.decision_table import DIMENSIONS, Rule, Table
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.matrix import ANY, abbreviate, build_rows, render_markdown, render_text

SHIPPED = sorted(locator.shipped_policies())


def test_a_value_set_is_told_by_what_is_missing_where_that_is_shorter() -> None:
    known = ("a", "b", "c", "d", "e")
    assert abbreviate((), known) == (ANY,)
    assert abbreviate(("b",), known) == ("b",)
    assert abbreviate(("a", "b", "c"), known) == ("a", "b", "c")
    assert abbreviate(("a", "b", "c", "d"), known) == ("not e",)
    assert abbreviate(("a", "b", "c", "d"), (*known, "f")) == ("not e", "nor f")


@given(st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_a_value_set_can_be_read_back(chosen: set[str]) -> None:
    told = abbreviate(tuple(sorted(chosen)), tuple("abcdefgh"))
    if told == (ANY,):
        assert chosen == set("abcdefgh")
        return
    words = {word.rpartition(" ")[2] for word in told}
    assert (set("abcdefgh") - words if told[0].startswith("not ") else words) == chosen


@pytest.mark.parametrize("name", SHIPPED)
def test_every_rule_has_its_row(name: str) -> None:
    policy = load(name)
    for row, rule in zip(build_rows(policy), policy.table.rules, strict=True):
        assert {name: frozenset(values) for name, values in row.when.items() if values} == dict(rule.when)
        assert (row.number, row.do, row.origin) == (rule.index, rule.do, rule.origin)
        assert row.outcome == ("" if rule.skips else policy.fallbacks[rule.do].kind.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_markdown_table_reads_back_as_the_rules(name: str) -> None:
    policy = load(name)
    table = [line.strip("| ").split(" | ") for line in render_markdown(policy).splitlines() if line.startswith("| ")]
    heads, body = table[0], table[2:]
    assert len(body) == len(policy.table.rules)
    for cells, rule in zip(body, policy.table.rules, strict=True):
        said = dict(zip(heads, (cell.strip() for cell in cells), strict=True))
        assert set(heads) >= set(rule.when)
        for dimension, known in policy.table.values.items():
            if dimension not in said:  # only invariants name it
                continue
            values = set(re.findall(r"`([^`]+)`", said[dimension]))
            if said[dimension].startswith("not"):
                values = set(known) - values
            assert values == set(rule.when.get(dimension, ())), (rule.index, dimension)
        assert said["do"] == f"`{rule.do}`"


def test_text_is_one_table_whose_columns_line_up() -> None:
    lines = render_text(load("standard")).splitlines()[2:]
    bars = [place for place, char in enumerate(lines[0]) if char == "|"]
    assert len(bars) == len(DIMENSIONS) + 4
    for line in lines:
        assert all(line[place] in "|+" for place in bars if place < len(line))
    assert lines[2].startswith("0  |")
    assert "standard.yaml:" in lines[2]


def test_a_dimension_that_no_rule_asks_for_is_left_out_and_said_so() -> None:
    policy = load("standard")
    rules = (Rule(when={"risk": frozenset({"public"})}, do="allow", index=0), Rule(when={}, do="refuse", index=1))
    small = replace(policy, table=Table(policy.table.values, rules))
    for shown in (render_text(small), render_markdown(small)):
        assert "No rule restricts service, account," in shown
        assert "risk" in shown.splitlines()[2]
        assert "service" not in shown.splitlines()[2]


def test_names_that_no_policy_can_have_do_not_break_the_table_either() -> None:
    policy = load("standard")
    rules = (Rule(when={}, do="refuse", index=0, origin="a|b`<img>\n.yaml:1"),)
    shown = render_markdown(replace(policy, table=Table(policy.table.values, rules)))
    assert shown.splitlines()[-1] == "| 0 | account | `refuse` | deny | `a?b?<img>?.yaml:1` |"
