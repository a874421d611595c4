"""The decision table of a policy's page, with the form that filters it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import SKIP_PHASE
from authguard.core.extra_dimensions import OPERATION
from authguard.core.outcomes import Outcome
from authguard.policy.render.html_document import escape_whole, render_table
from authguard.policy.render.matrix import ANY, abbreviate, build_rows
from authguard.policy.render.page.markup import link_fallback, render_origin, render_outcome, render_text
from authguard.policy.table.boxes import MAX_BOXES, BoxCoverage, Space, count, cover, find_skips

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.render.matrix import Row


def render_decisions(policy: Policy) -> str:
    """Render the rules in order, below a form that selects those that decide some cells."""
    space, table_rows = Space(policy.table.values), build_rows(policy)
    boxes = tuple(space.box(rule.when) for rule in policy.table.rules)
    skips = find_skips(policy.table.rules)
    deciding, skipping = (cover(boxes, space.whole, MAX_BOXES, skips=one) for one in (skips, ()))
    lines = []
    for row, box in zip(table_rows, boxes, strict=True):
        masks = " ".join(f"{mask:x}" for mask in box)
        covered = skipping if row.do == SKIP_PHASE else deciding
        decided = f"{sum(map(count, covered.reaches[row.number])):,}" if isinstance(covered, BoxCoverage) else "?"
        marks = f' data-phase="{escape_whole(row.phase)}"{" data-skips" if row.do == SKIP_PHASE else ""}'
        lines.append(
            f'<tr id="rule-{row.number}" data-box="{masks}" data-outcome="{escape_whole(row.outcome)}"{marks}>'
            f'<th scope="row" class="n">{row.number}</th><td class="when">{_conditions(policy, row)}</td>'
            f'<td class="then">{_answer(row)}</td><td>{escape_whole(row.phase)}</td>'
            f'<td class="n cells">{decided}</td><td class="origin">{render_origin(row.origin)}</td></tr>'
        )
    caption = (
        f"{len(table_rows)} rules, in the order of their phases; the first matching rule decides."
        " A condition that is not named matches any value."
    )
    return _form(policy) + render_table(
        ("rule", "if", "then", "phase", "cells", "from"), lines, caption, mark="rules", numbers=(0, 4)
    )


def _answer(row: Row) -> str:
    if row.do == SKIP_PHASE:
        return f"leaves out the rest of the phase <code>{escape_whole(row.phase)}</code>"
    return f"{render_outcome(row.outcome)} {link_fallback(row.do)}"


def _conditions(policy: Policy, row: Row) -> str:
    parts = []
    for name in policy.table.values:
        values = abbreviate(row.when[name], policy.table.values[name])
        if values != (ANY,):
            words = "<span>, </span>".join(f'<span class="v">{render_text(value)}</span>' for value in values)
            parts.append(f'<span class="c"><span class="d">{escape_whole(name)}</span> {words}</span>')
    return "".join(parts) or '<span class="c">any request</span>'


def _form(policy: Policy) -> str:
    """Render the filter form; it stays hidden without scripts, and the table is then complete."""
    values = policy.table.values
    known = {one.name: one for one in policy.all_operations}
    operations = "".join(_operation(name, known.get(name)) for name in values.get(OPERATION, known))
    fields = [] if OPERATION in values else [_select(OPERATION, operations)]
    for name in values:
        options = operations if name == OPERATION else "".join(map(_option, values[name]))
        fields.append(_select(name, options, dimension=name))
    fields.append(_select("outcome", "".join(map(_option, Outcome))))
    fields.append(
        '<label>text in the row<input type="search" name="words" maxlength="100" autocomplete="off" spellcheck="false">'
        "</label>"
    )
    fields.append('<button type="reset">Clear all</button>')
    return (
        '<form id="filters" hidden autocomplete="off" aria-label="Filter the decisions"><details id="choose">'
        "<summary>Filter the rules by request</summary>"
        f'<div class="filters">{"".join(fields)}</div></details>'
        '<p id="found" role="status"></p><p id="ignored" hidden></p></form>'
    )


def _select(name: str, options: str, dimension: str = "") -> str:
    data = f' data-dimension="{escape_whole(dimension)}"' if dimension else ""
    choices = f'<option value="">any</option>{options}'
    return f'<label>{escape_whole(name)}<select name="{escape_whole(name)}"{data}>{choices}</select></label>'


def _operation(name: str, operation: Operation | None) -> str:
    """Render the option of an operation, which selects its risk and effect, too."""
    if operation is None:
        return _option(name)
    return (
        f'<option value="{escape_whole(name)}" data-risk="{escape_whole(operation.risk)}"'
        f' data-effect="{escape_whole(operation.effect)}">{escape_whole(name)}</option>'
    )


def _option(value: str) -> str:
    return f'<option value="{escape_whole(value)}">{escape_whole(value)}</option>'
