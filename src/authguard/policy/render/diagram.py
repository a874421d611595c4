"""State diagrams of machines, as Mermaid for Markdown and as DOT for Graphviz.

Rules of this file:
- A diagram is built from the compiled table, so that it shows the actual behaviour; events without effect are omitted.
- Events with the same source and destination share an arrow. An event with the same result in most states starts at
  one node for all these states.
- Names are data: text of a policy is always escaped, and never becomes syntax of a diagram.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.events import MACHINES
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.machine import Machine
    from authguard.core.policy import Policy
    from authguard.core.timers import Timers

#: a machine with more states is drawn from left to right, so that labels stay legible on a page
MAX_VERTICAL_STATES: Final = 9
#: fewest states with the same result that share one node
MIN_SHARED_STATES: Final = 4


class Node(Struct, frozen=True, kw_only=True):
    """A node of a diagram: one state, or many states.

    Attributes:
        label: name of the state, or a description of the states.
        many: whether the node is all states except those in the label and the destination of the arrow.
    """

    label: str
    many: bool = False


class Arrow(Struct, frozen=True, kw_only=True):
    """An arrow of a diagram.

    Attributes:
        source: node of one state or of many states.
        dest: node of the next state.
        events: lines of the label: one for each event, with its timer and the events that it raises.
    """

    source: Node
    dest: Node
    events: tuple[str, ...]


class Drawing(Struct, frozen=True, kw_only=True):
    """The diagram of one machine.

    Attributes:
        machine: name of the machine.
        initial: initial state.
        nodes: nodes of single states in order, then nodes of many states.
        arrows: arrows, ordered by source and destination.
    """

    machine: str
    initial: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def build_drawing(policy: Policy, machine: str) -> Drawing:
    """Build the diagram of one machine.

    Args:
        policy: policy with the machine and its timers.
        machine: name of the machine.

    Raises:
        KeyError: there is no such machine.
    """
    compiled = policy.machines[machine]
    states = compiled.spec.states
    single = {state: Node(label=state) for state in states}
    sources_of: dict[tuple[str, str], list[str]] = {}
    for event in compiled.spec.triggers:
        for state in states:
            edge = compiled.table[state, event]
            if edge.moves:
                words = _format_event(policy.timers, compiled, state, event, edge.raises)
                sources_of.setdefault((words, edge.dest), []).append(state)
    labels: dict[tuple[Node, str], list[str]] = {}
    for (words, dest), sources in sources_of.items():
        for node in _sources(sources, dest, states, single):
            labels.setdefault((node, dest), []).append(words)
    many = tuple(dict.fromkeys(node for node, _ in labels if node.many))
    nodes = (*single.values(), *many)
    order = {node: index for index, node in enumerate(nodes)}
    arrows = (Arrow(source=node, dest=single[dest], events=tuple(words)) for (node, dest), words in labels.items())
    return Drawing(
        machine=machine,
        initial=compiled.spec.initial,
        nodes=nodes,
        arrows=tuple(sorted(arrows, key=lambda arrow: (order[arrow.source], order[arrow.dest]))),
    )


def _format_event(timers: Timers, machine: Machine, state: str, event: str, raises: Sequence[str]) -> str:
    """Format one event in one state: its name, its timers and the events that it raises."""
    named = f"{machine.spec.name}.{event}"
    due = [
        f"{format_duration(timer.after)} since {timer.since}"
        for timer in timers.declared
        if timer.event == named and (not timer.states or state in timer.states)
    ]
    return event + (f" ({', '.join(due)})" if due else "") + "".join(f" / raises {name}" for name in raises)


def _sources(sources: Sequence[str], dest: str, states: Sequence[str], single: dict[str, Node]) -> tuple[Node, ...]:
    """Return the source nodes of an event: its states, or one shared node if these are most other states."""
    others = [state for state in states if state != dest]
    missing = [state for state in others if state not in sources]
    if len(sources) < MIN_SHARED_STATES or len(missing) >= len(sources):
        return tuple(single[state] for state in sources)
    words = "any state" if dest in sources else "any other state"
    # the label omits the destination, so that arrows to several destinations share the node
    return (Node(label=words + (f" but {', '.join(missing)}" if missing else ""), many=True),)


def render_mermaid(policy: Policy, machine: str) -> str:
    """Render one machine as a Mermaid state diagram.

    Args:
        policy: policy with the machine and its timers.
        machine: name of the machine.

    Returns:
        The diagram, with a final line break, for a fenced block of the language ``mermaid``.

    Raises:
        KeyError: there is no such machine.
    """
    drawing = build_drawing(policy, machine)
    names = {node: f"s{index}" for index, node in enumerate(drawing.nodes)}
    lines = [
        "stateDiagram-v2",
        *(["    direction LR"] if len(drawing.nodes) > MAX_VERTICAL_STATES + 1 else []),
        f"    accTitle: {_escape_mermaid(f'machine {machine} of {policy.name}')}",
        *(f'    state "{_escape_mermaid(node.label)}" as {name}' for node, name in names.items()),
        f"    [*] --> {names[Node(label=drawing.initial)]}",
    ]
    for arrow in drawing.arrows:
        words = "<br>".join(_escape_mermaid(event) for event in arrow.events)
        lines.append(f"    {names[arrow.source]} --> {names[arrow.dest]}: {words}")
    if many := [name for node, name in names.items() if node.many]:
        lines += ["    classDef many stroke-dasharray: 4 3", f"    class {','.join(many)} many"]
    return "\n".join(lines) + "\n"


def _escape_mermaid(text: str) -> str:
    """Escape text with the entity codes of Mermaid, such as ``#60;`` for ``<``."""
    return "".join(char if char.isalnum() or char in " _-.,()/" else f"#{ord(char)};" for char in text)


def render_dot(policy: Policy, machine: str) -> str:
    """Render one machine as a Graphviz graph.

    Args:
        policy: policy with the machine and its timers.
        machine: name of the machine.

    Returns:
        A ``digraph`` with a final line break.

    Raises:
        KeyError: there is no such machine.
    """
    drawing = build_drawing(policy, machine)
    names = {node: f"s{index}" for index, node in enumerate(drawing.nodes)}
    lines = [
        f"digraph {_quote_dot(machine)} {{",
        f"  label={_quote_dot(f'machine {machine} of {policy.name}')}; labelloc=t; rankdir=LR; fontname=sans;",
        "  node [shape=box, style=rounded, fontname=sans]; edge [fontname=sans, fontsize=10];",
        '  begin [shape=point, width=0.15, label=""];',
    ]
    for node, name in names.items():
        dashed = ', style="rounded,dashed"' if node.many else ""
        lines.append(f"  {name} [label={_quote_dot(node.label)}{dashed}];")
    lines.append(f"  begin -> {names[Node(label=drawing.initial)]};")
    for arrow in drawing.arrows:
        words = _quote_dot("\n".join(arrow.events))
        lines.append(f"  {names[arrow.source]} -> {names[arrow.dest]} [label={words}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quote_dot(text: str) -> str:
    """Quote text for DOT; escape backslashes and remove control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(char for char in escaped if char.isprintable()) + '"'


def render_all_mermaid(policy: Policy) -> str:
    """Render all machines as Markdown: a heading and a fenced diagram for each."""
    return "\n".join(f"### `{name}`\n\n```mermaid\n{render_mermaid(policy, name)}```\n" for name in MACHINES)
