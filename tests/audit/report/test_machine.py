"""State diagrams: every state has a place of its own, and every arrow its words, whatever moved."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.audit.report.machine import MAX_ARROWS, Arrow, draw_machine, place_states, rank_states
from tests.support.hypothesis_profile import examples

STATES = [f"state {letter}" for letter in "abcdefg"]
arrows = st.dictionaries(
    st.tuples(st.sampled_from(STATES), st.sampled_from(STATES)),
    st.dictionaries(st.text(min_size=1, max_size=30), st.integers(1, 10**7), min_size=1, max_size=5),
    min_size=1,
    max_size=MAX_ARROWS + 4,
).map(lambda edges: [Arrow(source, dest, events) for (source, dest), events in edges.items()])


@settings(max_examples=examples(40))
@given(arrows, st.sampled_from([*STATES, "else"]))
def test_every_state_has_a_place_and_no_two_the_same(made: list[Arrow], initial: str) -> None:
    states = list(dict.fromkeys(state for one in made for state in (one.source, one.dest)))
    where = place_states(states, made, initial)
    assert set(where) == set(states)
    for state, (x, y) in where.items():
        for other, (left, top) in where.items():
            assert state == other or abs(x - left) >= 60 or abs(y - top) >= 40


@settings(max_examples=examples(40))
@given(arrows)
def test_the_drawing_is_whole_and_has_each_state_and_the_busiest_arrows(made: list[Arrow]) -> None:
    text = draw_machine(3, "Machine <x>", made, "state a")
    drawn = ET.fromstring(text)  # noqa: S314 - our own
    busiest = sorted(made, key=lambda one: (-one.count, one.source, one.dest))[:MAX_ARROWS]
    words = [one.text for one in drawn.iter("text")]
    for one in busiest:
        assert one.source in words
        assert one.dest in words
    assert len([one for one in drawn.iter("path") if one.get("class") == "arrow"]) == len(busiest)


def test_steps_are_counted_from_the_first_state_and_circles_end() -> None:
    made = [Arrow("a", "b", {"x": 1}), Arrow("b", "a", {"x": 1}), Arrow("b", "c", {"x": 1}), Arrow("d", "e", {"x": 1})]
    made += [Arrow("e", "d", {"x": 1})]
    assert rank_states(["a", "b", "c", "d", "e"], made, "a") == {"a": 0, "b": 1, "c": 2, "d": 0, "e": 1}
