"""Tests of `authguard.cli.table`: columns are aligned where they fit, and each entry is a block where they do not."""

from __future__ import annotations

import pytest

from authguard.cli.table import UNLIMITED, display_width, format_fields, format_table

HEADS = ("id", "amount", "note")
ROWS = (("t-1", "900.00 EUR", ""), ("t-22", "5.00 EUR", "called back twice, and nobody answered"))


def test_columns_are_aligned_under_their_titles_where_they_fit() -> None:
    assert list(format_table(HEADS, ROWS, 80)) == [
        "ID    AMOUNT      NOTE",
        "t-1   900.00 EUR  -",
        "t-22  5.00 EUR    called back twice, and nobody answered",
    ]


def test_a_pipe_gets_aligned_columns_without_titles() -> None:
    assert next(format_table(HEADS, ROWS, UNLIMITED)) == "t-1   900.00 EUR  -"


def test_each_entry_is_a_block_where_columns_do_not_fit() -> None:
    lines = list(format_table(HEADS, ROWS, 40))
    assert lines == [
        "t-1",
        "  amount  900.00 EUR",
        "t-22",
        "  amount  5.00 EUR",
        "  note    called back twice, and nobody",
        "          answered",
    ]
    assert max(map(len, lines)) <= 40


def test_a_column_without_any_value_is_left_out_and_no_entry_is_no_line() -> None:
    assert list(format_table(HEADS, [("t-1", "", "x")], 80)) == ["ID   NOTE", "t-1  x"]
    assert list(format_table(HEADS, [], 80)) == []


def test_control_characters_are_escaped_and_wide_ones_counted_as_two() -> None:
    assert list(format_table(("a", "b"), [("x\n\x1b[2J", "y")], UNLIMITED)) == ["x\\u000a\\u001b[2J  y"]
    assert display_width("日本e\u0301") == 5


@pytest.mark.parametrize("width", [UNLIMITED, 10])
def test_a_value_that_cannot_be_wrapped_stays_whole(width: int) -> None:
    assert list(format_fields([("id", "a" * 30), ("none", "")], width)) == ["  id  " + "a" * 30]
