"""A policy as one self-contained HTML page: filterable decision table, operations, fallbacks, machines and timers.

Rules of this file:
- Text of a policy passes `html.escape`, and is inserted only as text or in a quoted attribute.
- The page makes no requests: its Content-Security-Policy allows only its inline style and script, by hash.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.core.boxes import MAX_BOXES, Space, count
from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.explain.nearest import rule_regions
from authguard.policy.render.html_document import load_style, render_document, render_table
from authguard.policy.render.matrix import ANY, abbreviate, build_rows
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.outcomes import Fallback
    from authguard.core.request import Operation
    from authguard.policy.compiled_policy import Policy

_HERE: Final = Path(__file__).parent


def render_page(policy: Policy) -> str:
    """Render the page of a policy.

    Args:
        policy: compiled policy.

    Returns:
        A complete HTML document, which works from a file and from a server.
    """
    parts = (
        ("decisions", "Decisions", _decisions(policy)),
        ("operations", "Operations", _operations(policy)),
        ("fallbacks", "Fallbacks", _fallbacks(policy)),
        ("machines", "Machines", _machines(policy)),
        ("timers", "Timers", _timers(policy)),
    )
    script = _HERE.joinpath("filter.js").read_text("utf-8")
    digest = f'<p class="quiet">digest <span class="m">{escape(policy.digest)}</span></p>'
    return render_document(f"Policy {policy.name}", header=digest, sections=parts, look=load_style(), script=script)


def _decisions(policy: Policy) -> str:
    space, table_rows = Space(policy.table.values), build_rows(policy)
    boxes = tuple(space.box(rule.when) for rule in policy.table.rules)
    reaches, nodes = rule_regions(boxes, space.whole, MAX_BOXES)
    lines = []
    for row, box, reach in zip(table_rows, boxes, reaches, strict=True):
        masks = " ".join(f"{mask:x}" for mask in box)
        cells = "".join(_values(abbreviate(row.when[name], policy.table.values[name])) for name in DIMENSIONS)
        decided = f"{sum(map(count, reach)):,}" if nodes <= MAX_BOXES else "?"
        lines.append(
            f'<tr id="rule-{row.number}" data-box="{masks}" data-outcome="{escape(row.outcome)}">'
            f'<th scope="row" class="n">{row.number}</th><td>{_fallback_link(row.do)}</td>'
            f'<td>{_outcome(row.outcome)}</td>{cells}<td class="n cells">{decided}</td>'
            f'<td class="m">{escape(row.origin)}</td></tr>'
        )
    heads = ("#", "do", "outcome", *DIMENSIONS, "cells", "origin")
    caption = f"{len(table_rows)} rules; the first matching rule decides; an empty cell matches any value"
    return (
        "<p>Select values: the table shows the rules that decide these cells, and the number of cells of each rule.</p>"
        + _form(policy)
        + render_table(heads, lines, caption, mark="rules", tall=True)
    )


def _values(values: Sequence[str]) -> str:
    if values == (ANY,):
        return "<td></td>"
    return "<td>" + "".join(f'<span class="v">{escape(value)}</span>' for value in values) + "</td>"


def _form(policy: Policy) -> str:
    """Render the filter form; it stays hidden without scripts, and the table is then complete."""
    operations = "".join(
        f'<option value="{escape(one.name)}" data-risk="{escape(one.risk)}" data-effect="{escape(one.effect)}">'
        f"{escape(one.name)}</option>"
        for one in policy.all_operations
    )
    fields = [_select("operation", operations)]
    fields += [_select(name, "".join(map(_option, policy.table.values[name])), dimension=name) for name in DIMENSIONS]
    fields.append(_select("outcome", "".join(map(_option, Outcome))))
    fields.append(
        '<label>text in the row<input type="search" name="words" autocomplete="off" spellcheck="false"></label>'
    )
    fields.append('<button type="reset">Clear all</button>')
    return (
        '<form id="filters" hidden aria-label="Filter the decisions"><div class="filters">'
        f'{"".join(fields)}</div><p id="found" role="status"></p></form>'
    )


def _select(name: str, options: str, dimension: str = "") -> str:
    data = f' data-dimension="{escape(dimension)}"' if dimension else ""
    choices = f'<option value="">any</option>{options}'
    return f'<label>{escape(name)}<select name="{escape(name)}"{data}>{choices}</select></label>'


def _option(value: str) -> str:
    return f'<option value="{escape(value)}">{escape(value)}</option>'


def _outcome(outcome: str) -> str:
    return f'<span class="o {escape(outcome)}">{escape(outcome)}</span>'


def _fallback_link(name: str) -> str:
    """Link to a fallback; the id has a prefix, so that no name of a fallback collides with other ids."""
    return f'<a class="m" href="#fallback-{escape(name)}">{escape(name)}</a>'


def _operations(policy: Policy) -> str:
    lines = [
        f'<tr><th scope="row" class="m">{escape(one.name)}</th><td class="m">{escape(_request(one))}</td>'
        f"<td>{escape(one.risk)}</td><td>{escape(one.effect)}</td>"
        f'<td class="m">{escape(" ".join(sorted(one.scopes)))}</td>'
        f'<td class="m">{escape(" ".join(sorted(one.roles)))}</td><td>{escape(_need(one))}</td></tr>'
        for one in policy.all_operations
    ]
    if not policy.admits_unnamed:
        lines.append(
            '<tr><th scope="row" class="m">otherwise</th><td class="m">any other request</td>'
            "<td></td><td></td><td></td><td></td><td>refused with 404</td></tr>"
        )
    return render_table(
        ("operation", "request", "risk", "effect", "scopes", "roles", "sign-in"), lines, "operations of the app"
    )


def _request(operation: Operation) -> str:
    match = operation.match
    if match.websocket:
        return f"WebSocket {match.websocket}"
    return f"{match.method} {match.path}".strip() or "any other request"


def _need(operation: Operation) -> str:
    age = f"within {format_duration(operation.max_age)}" if operation.max_age else ""
    return " ".join(part for part in (operation.acr, age) if part)


def _fallbacks(policy: Policy) -> str:
    lines = [_fallback(policy, one) for one in policy.fallbacks.values()]
    heads = ("fallback", "outcome", "status", "attempts", "text for the customer", "origin")
    return render_table(heads, lines, "named responses and their texts")


def _fallback(policy: Policy, one: Fallback) -> str:
    texts = "".join(
        f'<span class="v"{_language(language)}>{escape(_where(language, channel))}{escape(text)}</span>'
        for (language, channel), text in sorted(one.message.texts.items())
    )
    attempts = f"{one.attempts} in {format_duration(one.per)}, then {_fallback_link(one.then)}" if one.attempts else ""
    origin = policy.origins.get(f"fallback:{one.name}", "")
    return (
        f'<tr id="fallback-{escape(one.name)}"><th scope="row" class="m">{escape(one.name)}</th>'
        f"<td>{_outcome(one.kind.value)}</td><td>{one.status or ''}</td><td>{attempts}</td>"
        f'<td class="say">{texts}</td><td class="m">{escape(origin)}</td></tr>'
    )


def _language(language: str) -> str:
    return f' lang="{escape(language)}"' if language else ""


def _where(language: str, channel: str) -> str:
    label = ", ".join(part for part in (language, "" if channel == "default" else channel) if part)
    return f"({label}) " if label else ""


def _machines(policy: Policy) -> str:
    return "".join(_machine(policy, name) for name in MACHINES)


def _machine(policy: Policy, name: str) -> str:
    machine = policy.machines[name]
    lines = []
    for event in machine.spec.triggers:
        cells = []
        for state in machine.spec.states:
            edge = machine.table[state, event]
            raised = "".join(f'<span class="v">raises {escape(one)}</span>' for one in edge.raises)
            moved = f'<td><span class="v">{escape(edge.dest)}</span>{raised}</td>'
            cells.append(moved if edge.moves else '<td class="same">stays</td>')
        lines.append(f'<tr><th scope="row" class="m">{escape(event)}</th>{"".join(cells)}</tr>')
    caption = f"{name}: result of each event in each state; initial state: {machine.spec.initial}"
    return f"<h3>{escape(name)}</h3>{render_table(('event', *machine.spec.states), lines, caption)}"


def _timers(policy: Policy) -> str:
    lines = [
        f'<tr><th scope="row" class="m">{escape(one.event)}</th><td>{format_duration(one.after)}</td>'
        f"<td>{escape(one.since)}</td><td>{escape(', '.join(one.states) or 'any')}</td></tr>"
        for one in policy.timers.declared
    ]
    return render_table(("raises", "after", "since", "in states"), lines, "events that timers raise")
