"""The state diagram of a machine with the traffic of a period, as inline SVG.

States are in columns by distance from the initial state. The width of an arrow shows its traffic; its label is moved
along the arrow to avoid overlaps. The number of arrows is limited, and the page states how many are not drawn.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.policy.render.html_document import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Point = tuple[float, float]
    #: left, top, right, bottom
    Area = tuple[float, float, float, float]

#: maximum number of arrows, the busiest first
MAX_ARROWS: Final = 24
#: maximum number of arrows in an outline
MAX_OUTLINED: Final = 100
#: distance of columns, distance of rows, height of a state, and margin, in pixels
COLUMN_DISTANCE: Final = 230.0
ROW_DISTANCE: Final = 88.0
STATE_HEIGHT: Final = 34.0
MARGIN: Final = 24.0
#: width of a letter in a state, width of a letter on an arrow, and height of a label line, in pixels
STATE_LETTER_WIDTH: Final = 8.0
LABEL_LETTER_WIDTH: Final = 6.5
LABEL_LINE_HEIGHT: Final = 14.0
#: positions of a label on its arrow, the best first
LABEL_POSITIONS: Final = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8)
#: maximum length of a name
MAX_NAME_LENGTH: Final = 22
#: maximum number of events on one arrow
MAX_EVENTS: Final = 3


class Arrow(Struct, frozen=True):
    """The transitions from one state to another.

    Attributes:
        source: state.
        dest: state.
        events: event -> count.
    """

    source: str
    dest: str
    events: Mapping[str, int]

    @property
    def count(self) -> int:
        """The number of transitions."""
        return sum(self.events.values())

    @property
    def words(self) -> tuple[str, ...]:
        """The lines of its label."""
        by_count = sorted(self.events.items(), key=lambda item: (-item[1], item[0]))
        label = [f"{_short(event)} {count:,}" for event, count in by_count[:MAX_EVENTS]]
        more = len(by_count) - MAX_EVENTS
        return (*label, f"and {more} more") if more > 0 else tuple(label)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def rank_states(states: Sequence[str], arrows: Sequence[Arrow], initial: str) -> dict[str, int]:
    """Return the distance of each state from the initial state, or from a state without incoming arrows."""
    found = {initial: 0} if initial in states else {}
    entered = {one.dest for one in arrows if one.source != one.dest}
    found |= {state: 0 for state in states if state not in entered}
    while len(found) < len(states):
        frontier = [one for one in arrows if one.source in found and one.dest not in found]
        if frontier:
            for one in frontier:
                found[one.dest] = min(found.get(one.dest, len(states)), found[one.source] + 1)
        else:
            found[next(state for state in states if state not in found)] = 0
    return found


def place_states(states: Sequence[str], arrows: Sequence[Arrow], initial: str) -> dict[str, Point]:
    """Return the centre of each state: columns by distance, rows in the order of their predecessors."""
    steps = rank_states(states, arrows, initial)
    most = max((list(steps.values()).count(one) for one in set(steps.values())), default=1)
    middle = MARGIN + 40 + ROW_DISTANCE * (most - 1) / 2
    where: dict[str, Point] = {}
    for step in range(max(steps.values(), default=0) + 1):
        own = [state for state in states if steps[state] == step]

        def height(state: str) -> float:
            ys = [where[one.source][1] for one in arrows if one.dest == state and one.source in where]
            return sum(ys) / len(ys) if ys else middle

        own.sort(key=height)
        # shifted by part of a row, a column is not hidden behind its neighbour
        shift = ROW_DISTANCE * 0.18 * (1 if step % 2 else -1) if len(own) == most > 1 else 0.0
        for row, state in enumerate(own):
            where[state] = (
                MARGIN + 85 + COLUMN_DISTANCE * step,
                middle + ROW_DISTANCE * (row - (len(own) - 1) / 2) + shift,
            )
    return where


def draw_machine(number: int, title: str, arrows: Sequence[Arrow], initial: str) -> str:
    """Draw one machine.

    Args:
        number: number of the diagram in its page, for unique ids.
        title: title of the diagram.
        arrows: arrows with their traffic.
        initial: initial state.
    """
    busiest = sorted(arrows, key=lambda one: (-one.count, one.source, one.dest))[:MAX_ARROWS]
    states = list(dict.fromkeys([state for one in busiest for state in (one.source, one.dest)]))
    if initial in states:
        states.insert(0, states.pop(states.index(initial)))
    where = place_states(states, busiest, initial)
    boxes = {state: _box(state, point) for state, point in where.items()}
    most = max(one.count for one in busiest)
    taken: list[Area] = list(boxes.values())
    paths, words = [], []
    for one in busiest:
        curve = _curve(boxes, one)
        thick = 1.0 + 3.5 * sqrt(one.count / most)
        data = f"M{_at(curve[0])}C{_at(curve[1])} {_at(curve[2])} {_at(curve[3])}"
        paths.append(f'<path class="arrow" d="{data}" stroke-width="{thick:.1f}" marker-end="url(#tip-{number})"/>')
        spot = _choose_label_position(curve, one.words, taken)
        taken.append(_label_area(spot, one.words))
        words.append(_text(spot, one.words))
    drawn = "".join(_state(state, boxes[state], first=state == initial) for state in states)
    left, top, right, low = _extent(taken)
    description = "; ".join(f"{one.source} to {one.dest}: {', '.join(one.words)}" for one in busiest)
    return (
        f'<div class="scroll machine">'
        f'<svg viewBox="{left:.0f} {top:.0f} {right - left:.0f} {low - top:.0f}" width="{right - left:.0f}"'
        f' role="img" aria-labelledby="machine-{number}"><title id="machine-{number}">{escape_text(title)}</title>'
        f"<desc>{escape_text(description)}</desc>"
        f'<defs><marker id="tip-{number}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" markerHeight="11"'
        ' markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0L10 5L0 10z"/></marker></defs>'
        f"{''.join(paths)}{drawn}{''.join(words)}</svg></div>"
    )


def outline_machine(title: str, arrows: Sequence[Arrow]) -> str:
    """Render a machine as a list of states with their transitions, for a screen too narrow for its drawing."""
    by_state: dict[str, list[Arrow]] = {}
    for one in sorted(arrows, key=lambda one: (-one.count, one.source, one.dest))[:MAX_OUTLINED]:
        by_state.setdefault(one.source, []).append(one)
    states = "".join(
        f'<li><span class="from">{escape_text(state)}</span><ul>{"".join(map(_outline_arrow, several))}</ul></li>'
        for state, several in by_state.items()
    )
    return f'<ul class="outline" aria-label="{escape_text(title)}, by state">{states}</ul>'


def _outline_arrow(one: Arrow) -> str:
    by_count = sorted(one.events.items(), key=lambda item: (-item[1], item[0]))
    events = "".join(f"<span>{escape_text(event)} <b>{count:,}</b></span>" for event, count in by_count)
    return (
        f'<li><span class="events">{events}</span> <span aria-label="to">→</span>'
        f' <span class="to">{escape_text(one.dest)}</span></li>'
    )


def _box(state: str, point: Point) -> Area:
    half = max(len(_short(state)) * STATE_LETTER_WIDTH / 2 + 12, 36)
    return point[0] - half, point[1] - STATE_HEIGHT / 2, point[0] + half, point[1] + STATE_HEIGHT / 2


def _curve(boxes: Mapping[str, Area], one: Arrow) -> tuple[Point, Point, Point, Point]:
    """Return the curve of an arrow: forward ones leave to the right, backward ones pass below, others at the side."""
    a, b = boxes[one.source], boxes[one.dest]
    ya, yb = (a[1] + a[3]) / 2, (b[1] + b[3]) / 2
    xa, xb = (a[0] + a[2]) / 2, (b[0] + b[2]) / 2
    if one.source == one.dest:
        return (xa - 16, a[1]), (xa - 40, a[1] - 44), (xa + 40, a[1] - 44), (xa + 16, a[1])
    if xb > xa + COLUMN_DISTANCE / 2:
        far = (xb - xa) / COLUMN_DISTANCE
        # across more than one column, the arrow passes above the states between
        lift = 0.0 if far < 1.5 else -34.0 * far  # noqa: PLR2004 - more than one column
        reach = (b[0] - a[2]) * 0.45
        return (a[2], ya - 5), (a[2] + reach, ya - 5 + lift), (b[0] - reach, yb - 5 + lift), (b[0], yb - 5)
    if xb < xa - COLUMN_DISTANCE / 2:
        sink = 40 + 16 * (xa - xb) / COLUMN_DISTANCE
        low = max(a[3], b[3]) + sink
        return (xa - 14, a[3]), (xa - 40, low), (xb + 40, low), (xb + 14, b[3])
    side = 46 + 0.2 * abs(ya - yb)
    if yb > ya:
        return (a[2], ya + 6), (a[2] + side, ya + 6), (b[2] + side, yb - 6), (b[2], yb - 6)
    return (a[0], ya - 6), (a[0] - side, ya - 6), (b[0] - side, yb + 6), (b[0], yb + 6)


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _point_on_curve(curve: tuple[Point, Point, Point, Point], part: float) -> Point:
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    return (
        sum(weight * point[0] for weight, point in zip(weights, curve, strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, curve, strict=True)),
    )


def _label_area(spot: Point, words: Sequence[str]) -> Area:
    half = max(map(len, words)) * LABEL_LETTER_WIDTH / 2 + 2
    high = LABEL_LINE_HEIGHT * len(words) / 2
    return spot[0] - half, spot[1] - high, spot[0] + half, spot[1] + high


def _choose_label_position(
    curve: tuple[Point, Point, Point, Point], words: Sequence[str], taken: Sequence[Area]
) -> Point:
    """Return the label position with the least overlap: on the arrow, or slightly above or below it."""
    spots = [
        (x, y + off)
        for off in (0.0, -12.0, 12.0, -24.0, 24.0)
        for x, y in (_point_on_curve(curve, one) for one in LABEL_POSITIONS)
    ]
    return min(spots, key=lambda spot: sum(_overlap(_label_area(spot, words), area) for area in taken))


def _overlap(one: Area, other: Area) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _text(spot: Point, words: Sequence[str]) -> str:
    top = spot[1] - LABEL_LINE_HEIGHT * (len(words) - 1) / 2 + 4
    left, high, right, low = _label_area(spot, words)
    under = f'<rect class="under" x="{left:.1f}" y="{high:.1f}" width="{right - left:.1f}" height="{low - high:.1f}"/>'
    return under + "".join(
        f'<text class="on" x="{spot[0]:.1f}" y="{top + LABEL_LINE_HEIGHT * row:.1f}">{escape_text(word)}</text>'
        for row, word in enumerate(words)
    )


def _state(state: str, box: Area, *, first: bool) -> str:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    kind = "state first" if first else "state"
    return (
        f'<rect class="{kind}" x="{box[0]:.1f}" y="{box[1]:.1f}" width="{box[2] - box[0]:.1f}" height="{STATE_HEIGHT}"'
        ' rx="9"/>'
        f'<text class="in" x="{x:.1f}" y="{y + 5:.1f}">{escape_text(_short(state))}</text>'
    )


def _extent(areas: Sequence[Area]) -> Area:
    """Return the area of the whole diagram, with room for curves."""
    return (
        min(area[0] for area in areas) - MARGIN,
        min(area[1] for area in areas) - MARGIN - 26,
        max(area[2] for area in areas) + MARGIN + 16,
        max(area[3] for area in areas) + MARGIN + 26,
    )
