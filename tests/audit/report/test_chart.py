"""Plots: whole SVG, axes that end in round numbers, and nothing drawn outside."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.audit.report.chart import LABEL_WIDTH, SIZES, draw_columns, draw_lines, round_up_axis

AT = 1_800_000_000.0


def plots(text: str) -> list[ET.Element]:
    found = ET.fromstring(f"<x>{text}</x>").findall("div/svg")  # noqa: S314 - our own
    assert len(found) == len(SIZES)
    return found


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=60))
def test_columns_are_stacked_inside_the_plot(stacks: list[tuple[int, int]]) -> None:
    times = [AT + 60 * place for place in range(len(stacks) + 1)]
    series = {"one": [one for one, _ in stacks], "two": [two for _, two in stacks]}
    for size, drawn in zip(SIZES, plots(draw_columns("a <plot>", "words", times, series)), strict=True):
        rects = list(drawn.iter("rect"))
        assert len(rects) == sum(bool(one) + bool(two) for one, two in stacks)
        for rect in rects:
            x, y, width, height = (float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))
            assert 0 <= x <= x + width <= size.width
            assert 0 <= y <= y + height <= size.height + 0.1


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=60))
def test_a_line_has_a_point_for_each_share_and_gaps_where_there_is_none(shares: list[float | None]) -> None:
    times = [AT + 86_400 * place for place in range(len(shares) + 1)]
    for drawn in plots(draw_lines("shares", "words", times, {"one": shares})):
        assert len(list(drawn.iter("circle"))) == sum(one is not None for one in shares)
        for line in drawn.iter("polyline"):
            assert len(line.get("points", "").split()) > 1


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 16, 17, 58, 59, 60])
def test_the_labels_of_the_time_axis_are_inside_the_plot(columns: int) -> None:
    times = [AT + 3_600 * place for place in range(columns + 1)]
    for size, drawn in zip(SIZES, plots(draw_columns("a", "words", times, {"one": [1] * columns})), strict=True):
        labels = [one for one in drawn.iter("text") if one.get("class") == "tick"]
        assert labels
        assert len(labels) <= size.labels
        for one in labels:
            assert LABEL_WIDTH / 2 <= float(one.get("x", "nan")) <= size.width - LABEL_WIDTH / 2


@pytest.mark.parametrize(
    ("value", "end"), [(0, 1), (1, 1), (3, 4), (11, 20), (401, 500), (999, 1_000), (1_000, 1_000), (1_001, 2_000)]
)
def test_an_axis_ends_in_a_round_number(value: float, end: float) -> None:
    assert round_up_axis(value) == end
