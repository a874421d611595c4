"""The state diagram of a machine as inline SVG, made without a network, a script or a layout program.

States stand in one column, in their declared order. Transitions with the same sources share one vertical line at the
right, with a branch into each destination; a label stands on its own branch. So no label can lie on a state or on
another label, whatever a policy declares, and the picture is narrow enough for a phone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from authguard.policy.render.diagram import build_drawing
from authguard.policy.render.html_document import escape_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.core.policy import Policy
    from authguard.policy.render.diagram import Drawing, Node

#: arrows of a diagram; past that, a picture explains nothing, and the table alone is shown
MAX_ARROWS: Final = 150
#: most letters on a line of a state's name and of a label
MAX_NAME_LETTERS: Final = 16
MAX_LABEL_LETTERS: Final = 21
#: width of a letter of a name and of a label, in pixels, for wide fonts
NAME_LETTER_WIDTH: Final = 8.6
LABEL_LETTER_WIDTH: Final = 6.9
#: height of a line of a name and of a label, and of the port of an outgoing line, in pixels
NAME_LINE_HEIGHT: Final = 15.0
LABEL_LINE_HEIGHT: Final = 13.0
PORT_HEIGHT: Final = 13.0
#: distances: around the picture, between states, between vertical lines, between a state and a label, in pixels
MARGIN: Final = 3.0
STATE_DISTANCE: Final = 12.0
LINE_DISTANCE: Final = 10.0
TIP_LENGTH: Final = 9.0
#: room for the start mark at the left, and radius of a bend, in pixels
START_WIDTH: Final = 24.0
BEND: Final = 5.0
#: colours of vertical lines, in turn, so that neighbours differ
COLOURS: Final = 4


@dataclass(slots=True)
class _Port:
    """A place on the right side of a state where a line ends: with a label if it enters."""

    label: tuple[str, ...] = ()
    y: float = 0.0


@dataclass(slots=True)
class _Line:
    """Transitions with the same sources: a vertical line with ports."""

    ports: list[_Port] = field(default_factory=list)
    lane: int = 0

    @property
    def span(self) -> tuple[float, float]:
        ys = [port.y for port in self.ports]
        return min(ys), max(ys)


@dataclass(slots=True)
class _Box:
    """A state, or several of them."""

    node: Node
    name: tuple[str, ...]
    ports: list[_Port] = field(default_factory=list)
    top: float = 0.0
    height: float = 0.0


def draw_machine(policy: Policy, machine: str) -> str:
    """Draw one machine of a policy.

    Args:
        policy: policy with the machine and its timers.
        machine: name of the machine.

    Returns:
        An ``svg`` element with a title and a description; empty if the machine has more than `MAX_ARROWS` arrows.

    Raises:
        KeyError: there is no such machine.
    """
    drawing = build_drawing(policy, machine)
    if len(drawing.arrows) > MAX_ARROWS:
        return ""
    boxes, lines = _connect(drawing)
    bottom = _stack(boxes.values())
    width = max(max(map(len, box.name)) for box in boxes.values()) * NAME_LETTER_WIDTH + 16
    labels = [len(text) for line in lines for port in line.ports for text in port.label]
    edge = MARGIN + START_WIDTH + width
    first = edge + TIP_LENGTH + 6 + max(labels, default=0) * LABEL_LETTER_WIDTH + 8
    lanes = _assign_lanes(lines)
    parts = [_draw_line(line, edge, first + line.lane * LINE_DISTANCE) for line in lines]
    parts += [_draw_box(box, width, start=box.node.label == drawing.initial) for box in boxes.values()]
    right = first + max(lanes - 1, 0) * LINE_DISTANCE + MARGIN + 2
    size = f'viewBox="0 0 {right:.0f} {bottom:.0f}" width="{right:.0f}" height="{bottom:.0f}"'
    return (
        f'<svg class="states" {size} role="img"'
        f' aria-labelledby="drawn-{machine}" aria-describedby="told-{machine}">'
        f'<title id="drawn-{machine}">{escape_whole(f"State diagram of the machine {machine}")}</title>'
        f'<desc id="told-{machine}">{_describe(drawing)}</desc>{"".join(parts)}</svg>'
    )


def _describe(drawing: Drawing) -> str:
    told = (f"{one.source.label} to {one.dest.label} on {', '.join(one.events)}" for one in drawing.arrows)
    return "".join(escape_whole(f"{one}. ") for one in (f"Initial state {drawing.initial}", *told))


def _connect(drawing: Drawing) -> tuple[dict[Node, _Box], list[_Line]]:
    """Build the states and the lines between their ports."""
    boxes = {node: _Box(node, _wrap(node.label, MAX_NAME_LETTERS)) for node in drawing.nodes}
    sources: dict[tuple[Node, tuple[str, ...]], list[Node]] = {}
    for arrow in drawing.arrows:
        sources.setdefault((arrow.dest, arrow.events), []).append(arrow.source)
    lines: dict[tuple[Node, ...], _Line] = {}
    entries: dict[Node, list[_Port]] = {}
    for (dest, events), many in sources.items():
        port = _Port(_label(events))
        lines.setdefault(tuple(many), _Line()).ports.append(port)
        entries.setdefault(dest, []).append(port)
    for node, box in boxes.items():
        box.ports += entries.get(node, [])
        for origins, line in lines.items():
            if node in origins:
                port = _Port()
                line.ports.append(port)
                box.ports.append(port)
    return boxes, list(lines.values())


def _label(events: Sequence[str]) -> tuple[str, ...]:
    """Wrap the events of an arrow: bare names share lines, and an event with a timer or an effect has its own."""
    bare = ", ".join(event for event in events if " " not in event)
    return tuple(line for text in (bare, *(event for event in events if " " in event)) for line in _wrap_label(text))


def _wrap_label(text: str) -> tuple[str, ...]:
    name, parted, rest = text.partition(" (")
    whole = (*_wrap(name, MAX_LABEL_LETTERS), *_wrap(f"({rest}", MAX_LABEL_LETTERS)) if parted else ()
    return whole or (_wrap(text, MAX_LABEL_LETTERS) if text else ())


def _wrap(text: str, letters: int) -> tuple[str, ...]:
    return tuple(wrap(text, letters, break_on_hyphens=False))


def _stack(boxes: Iterable[_Box]) -> float:
    """Place states below each other, each as high as its ports need; return the height of the picture."""
    y = MARGIN + 1
    for box in boxes:
        box.top = y
        y += 4
        for port in box.ports:
            y += len(port.label) * LABEL_LINE_HEIGHT + 5 if port.label else PORT_HEIGHT
            port.y = y - (0 if port.label else PORT_HEIGHT / 2)
        box.height = max(y + 6 - box.top, len(box.name) * NAME_LINE_HEIGHT + 10)
        y = box.top + box.height + STATE_DISTANCE
    return y - STATE_DISTANCE + MARGIN + 1


def _assign_lanes(lines: Sequence[_Line]) -> int:
    """Place vertical lines that do not meet in the same lane, the shortest nearest to the states; count the lanes."""
    lanes: list[list[tuple[float, float]]] = []
    for line in sorted(lines, key=lambda one: (one.span[1] - one.span[0], one.span)):
        low, high = line.span
        free = (place for place, taken in enumerate(lanes) if all(high + BEND < a or b + BEND < low for a, b in taken))
        line.lane = next(free, len(lanes))
        if line.lane == len(lanes):
            lanes.append([])
        lanes[line.lane].append((low, high))
    return len(lanes)


def _draw_line(line: _Line, edge: float, x: float) -> str:
    """Draw a vertical line and its branches, with a tip and a label on each that enters a state."""
    low, high = line.span
    path = [f"M{x:.1f} {low + BEND:.1f}V{high - BEND:.1f}"] if high - low > 2 * BEND else []
    marks, dots = [], []
    for port in line.ports:
        begin = edge + (TIP_LENGTH if port.label else 0)
        if port.y in (low, high):
            turn = BEND if port.y == low else -BEND
            path.append(f"M{begin:.1f} {port.y:.1f}H{x - BEND:.1f}Q{x:.1f} {port.y:.1f} {x:.1f} {port.y + turn:.1f}")
        else:
            path.append(f"M{begin:.1f} {port.y:.1f}H{x:.1f}")
            dots.append(f'<circle cx="{x:.1f}" cy="{port.y:.1f}" r="2.6"/>')
        if port.label:
            dots.append(f'<path d="M{edge:.1f} {port.y:.1f}l{TIP_LENGTH} -4.5v9z"/>')
            marks += [
                f'<text class="on" x="{edge + TIP_LENGTH + 6:.1f}"'
                f' y="{port.y - 4 - LABEL_LINE_HEIGHT * (len(port.label) - 1 - place):.1f}">{escape_whole(text)}</text>'
                for place, text in enumerate(port.label)
            ]
    return (
        f'<g class="l{line.lane % COLOURS}"><path class="wire" d="{"".join(path)}"/>{"".join(dots)}</g>{"".join(marks)}'
    )


def _draw_box(box: _Box, width: float, *, start: bool) -> str:
    left, middle = MARGIN + START_WIDTH, box.top + box.height / 2
    kind = "state many" if box.node.many else "state"
    begin = middle - NAME_LINE_HEIGHT * (len(box.name) - 1) / 2 + 4
    text_kind, x = "in all" if box.node.many else "in", left + width / 2
    names = "".join(
        f'<text class="{text_kind}" x="{x:.1f}" y="{begin + NAME_LINE_HEIGHT * place:.1f}">{escape_whole(text)}</text>'
        for place, text in enumerate(box.name)
    )
    dot = MARGIN + 5
    mark = (
        f'<circle class="start" cx="{dot}" cy="{middle:.1f}" r="5"/>'
        f'<path class="start" d="M{dot} {middle - 0.8:.1f}H{left - 8:.1f}v-3.7l8 4.5l-8 4.5v-3.7H{dot}z"/>'
        if start
        else ""
    )
    return (
        f'{mark}<rect class="{kind}" x="{left:.1f}" y="{box.top:.1f}" width="{width:.1f}" height="{box.height:.1f}"'
        f' rx="8"/>{names}'
    )
