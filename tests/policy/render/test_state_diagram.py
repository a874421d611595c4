"""Tests of the inline state diagrams: all that moves is drawn, names are text, and the size is bounded."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.core.machine import Line, compile_machine
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.diagram import build_drawing
from authguard.policy.render.state_diagram import MAX_ARROWS, draw_machine

EVIL = "</text></svg><script>x</script>\"'&\u202e"


def words(drawn: Element, kind: str) -> str:
    return " ".join(one.text or "" for one in drawn.iter("text") if kind in (one.get("class") or "").split())


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_all_that_moves_is_drawn(name: str, machine: str) -> None:
    policy = load(name)
    drawing, drawn = build_drawing(policy, machine), fromstring(draw_machine(policy, machine))  # noqa: S314 - our own
    names, labels = words(drawn, "in"), words(drawn, "on")
    for node in drawing.nodes:
        assert node.label in names
    for arrow in drawing.arrows:
        for event in arrow.events:
            assert event in labels or event in labels.replace(", ", " ")
    assert len([one for one in drawn.iter("circle") if one.get("class") == "start"]) == 1
    title, description = drawn.find("title"), drawn.find("desc")
    assert title is not None
    assert title.text == f"State diagram of the machine {machine}"
    assert description is not None
    told = description.text or ""
    assert told.startswith(f"Initial state {drawing.initial}. ")
    assert told.count(" on ") == len(drawing.arrows)


def test_no_name_is_markup() -> None:
    policy = load("standard")
    spec = replace(policy.machines["service"].spec, initial=EVIL)
    spec = replace(
        spec,
        states=tuple(EVIL if state == "live" else state for state in spec.states),
        lines=tuple(
            replace(
                line,
                sources=tuple(EVIL if state == "live" else state for state in line.sources),
                dest=EVIL if line.dest == "live" else line.dest,
            )
            for line in spec.lines
        ),
    )
    text = draw_machine(replace(policy, machines={**policy.machines, "service": compile_machine(spec)}), "service")
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\\u202e" in text
    fromstring(text)  # noqa: S314 - our own


def test_a_machine_with_too_many_arrows_is_not_drawn() -> None:
    policy = load("standard")
    spec = policy.machines["account"].spec
    more = tuple(f"state_{number}" for number in range(MAX_ARROWS + 1))
    lines = (*(Line(triggers=(state,), sources=("normal",), dest=state) for state in more), *spec.lines)
    everything = (*lines, Line(triggers=("*",), sources=("*",), dest="="))
    machine = compile_machine(replace(spec, states=(*spec.states, *more), lines=everything))
    assert draw_machine(replace(policy, machines={**policy.machines, "account": machine}), "account") == ""
