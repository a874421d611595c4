"""One machine as a picture: Mermaid for pages and READMEs, DOT for Graphviz, both from the same arrows.

Rules of this file:
- Drawn from the compiled table, so the picture shows what runs; an event that changes nothing is not drawn.
- Events that lead from one place to another share an arrow; an event that most states answer alike leaves one place
  that stands for them.
- Every name is data: no text of a policy is ever syntax of a drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.machine import Machine
    from authguard.core.timers import Timers
    from authguard.policy.compiled_policy import Policy

#: a machine with more states is drawn from left to right, so that its arrows' words stay legible in a page's width
WIDE: Final = 9
#: an event that so many states answer alike leaves one place that stands for all of them
MANY: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where arrows begin or end.

    Attributes:
        words: what stands in it: a state's name, or which states it stands for.
        many: whether it stands for many states, all but those named and the one that an arrow leads to.
    """

    words: str
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """One arrow.

    Attributes:
        source: a state, or a place that stands for many.
        dest: the state that is entered.
        events: what leads along it, one line each, with its timer and what it raises.
    """

    source: Place
    dest: Place
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What a picture of one machine shows.

    Attributes:
        machine: its name.
        initial: the state in which it begins.
        places: the states in their order, then the places that stand for many.
        arrows: by source, then by destination.
    """

    machine: str
    initial: str
    places: tuple[Place, ...]
    arrows: tuple[Arrow, ...]


def build_drawing(policy: Policy, machine: str) -> Drawing:
    """Find the arrows of one machine.

    Args:
        policy: whose machine and timers are drawn.
        machine: one of the five.

    Raises:
        KeyError: there is no such machine.
    """
    compiled = policy.machines[machine]
    states = compiled.spec.states
    single = {state: Place(words=state) for state in states}
    answers: dict[tuple[str, str], list[str]] = {}
    for event in compiled.spec.triggers:
        for state in states:
            edge = compiled.table[state, event]
            if edge.moves:
                words = _event(policy.timers, compiled, state, event, edge.raises)
                answers.setdefault((words, edge.dest), []).append(state)
    told: dict[tuple[Place, str], list[str]] = {}
    for (words, dest), sources in answers.items():
        for place in _sources(sources, dest, states, single):
            told.setdefault((place, dest), []).append(words)
    many = tuple(dict.fromkeys(place for place, _ in told if place.many))
    places = (*single.values(), *many)
    order = {place: index for index, place in enumerate(places)}
    arrows = (Arrow(source=place, dest=single[dest], events=tuple(words)) for (place, dest), words in told.items())
    return Drawing(
        machine=machine,
        initial=compiled.spec.initial,
        places=places,
        arrows=tuple(sorted(arrows, key=lambda arrow: (order[arrow.source], order[arrow.dest]))),
    )


def _event(timers: Timers, machine: Machine, state: str, event: str, raises: Sequence[str]) -> str:
    """Tell one event in one state: its name, when a timer raises it, and what it raises in turn."""
    named = f"{machine.spec.name}.{event}"
    due = [
        f"{format_duration(timer.after)} since {timer.since}"
        for timer in timers.declared
        if timer.event == named and (not timer.states or state in timer.states)
    ]
    return event + (f" ({', '.join(due)})" if due else "") + "".join(f" / raises {name}" for name in raises)


def _sources(sources: Sequence[str], dest: str, states: Sequence[str], single: dict[str, Place]) -> tuple[Place, ...]:
    """Choose where an event's arrows begin: its states, or one place where these are most of the others."""
    others = [state for state in states if state != dest]
    missing = [state for state in others if state not in sources]
    if len(sources) < MANY or len(missing) >= len(sources):
        return tuple(single[state] for state in sources)
    words = "any state" if dest in sources else "any other state"
    # the destination is not named, so that arrows to several destinations share the place
    return (Place(words=words + (f" but {', '.join(missing)}" if missing else ""), many=True),)


def render_mermaid(policy: Policy, machine: str) -> str:
    """Draw one machine as a Mermaid state diagram.

    Args:
        policy: whose machine and timers are drawn.
        machine: one of the five.

    Returns:
        The diagram's text, which ends with a line break; put it between fences of the language ``mermaid``.

    Raises:
        KeyError: there is no such machine.
    """
    drawing = build_drawing(policy, machine)
    names = {place: f"s{index}" for index, place in enumerate(drawing.places)}
    lines = [
        "stateDiagram-v2",
        *(["    direction LR"] if len(drawing.places) > WIDE + 1 else []),
        f"    accTitle: {_plain(f'machine {machine} of {policy.name}')}",
        *(f'    state "{_plain(place.words)}" as {name}' for place, name in names.items()),
        f"    [*] --> {names[Place(words=drawing.initial)]}",
    ]
    for arrow in drawing.arrows:
        words = "<br>".join(_plain(event) for event in arrow.events)
        lines.append(f"    {names[arrow.source]} --> {names[arrow.dest]}: {words}")
    if many := [name for place, name in names.items() if place.many]:
        lines += ["    classDef many stroke-dasharray: 4 3", f"    class {','.join(many)} many"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Write text so that Mermaid takes every character for itself: its own entity codes, ``#60;`` for ``<``."""
    return "".join(char if char.isalnum() or char in " _-.,()/" else f"#{ord(char)};" for char in text)


def render_dot(policy: Policy, machine: str) -> str:
    """Draw one machine for Graphviz.

    Args:
        policy: whose machine and timers are drawn.
        machine: one of the five.

    Returns:
        A ``digraph``, which ends with a line break.

    Raises:
        KeyError: there is no such machine.
    """
    drawing = build_drawing(policy, machine)
    names = {place: f"s{index}" for index, place in enumerate(drawing.places)}
    lines = [
        f"digraph {_quoted(machine)} {{",
        f"  label={_quoted(f'machine {machine} of {policy.name}')}; labelloc=t; rankdir=LR; fontname=sans;",
        "  node [shape=box, style=rounded, fontname=sans]; edge [fontname=sans, fontsize=10];",
        '  begin [shape=point, width=0.15, label=""];',
    ]
    for place, name in names.items():
        dashed = ', style="rounded,dashed"' if place.many else ""
        lines.append(f"  {name} [label={_quoted(place.words)}{dashed}];")
    lines.append(f"  begin -> {names[Place(words=drawing.initial)]};")
    for arrow in drawing.arrows:
        words = _quoted("\n".join(arrow.events))
        lines.append(f"  {names[arrow.source]} -> {names[arrow.dest]} [label={words}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    """Quote text for DOT: no escape of Graphviz's own is left in it, and no control character."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(char for char in escaped if char.isprintable()) + '"'


def render_all_mermaid(policy: Policy) -> str:
    """Draw all five machines for a page of Markdown: a heading and a fenced diagram each."""
    return "\n".join(f"### `{name}`\n\n```mermaid\n{render_mermaid(policy, name)}```\n" for name in MACHINES)
