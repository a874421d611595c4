"""The decision table as a text or Markdown table, with one row per rule and one column per dimension.

A dimension that no rule restricts has no column; the heading lists these dimensions.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.core.policy import Policy

#: text of a cell if the rule matches any value
ANY: Final = "any"


class Row(Struct, frozen=True, kw_only=True):
    """One rule of the table.

    Attributes:
        number: index in the merged table, from 0, as in ``rule`` of the log.
        when: dimension -> matching values, in the order of the dimension; empty for any value.
        phase: of the rule.
        do: ``allow``, the name of a fallback, or ``skip_phase``.
        outcome: outcome of the rule; empty if it skips its phase.
        origin: source position, ``file:line``.
    """

    number: int
    when: dict[str, tuple[str, ...]]
    phase: str
    do: str
    outcome: str
    origin: str


def build_rows(policy: Policy) -> tuple[Row, ...]:
    """Return the rules of the table, in order of evaluation."""
    return tuple(
        Row(
            number=rule.index,
            when={
                name: tuple(value for value in known if value in rule.when[name]) if name in rule.when else ()
                for name, known in policy.table.values.items()
            },
            phase=rule.phase,
            do=rule.do,
            outcome="" if rule.skips else policy.fallbacks[rule.do].kind.value,
            origin=rule.origin,
        )
        for rule in policy.table.rules
    )


def abbreviate(values: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the shorter of the matching values and the negated missing values."""
    if len(values) in (0, len(known)):
        return (ANY,)
    missing = [value for value in known if value not in values]
    if len(missing) + 1 < len(values):
        return tuple(f"{'not' if place == 0 else 'nor'} {value}" for place, value in enumerate(missing))
    return tuple(values)


def render_text(policy: Policy) -> str:
    """Render the matrix as text, with one line for each value of a cell."""
    table = build_rows(policy)
    used = _used(policy, table)
    heads = ["#", "phase", *used, "do", "outcome", "origin"]
    body = [
        [
            (str(row.number),),
            (row.phase,),
            *(abbreviate(row.when[name], policy.table.values[name]) for name in used),
            (row.do,),
            (row.outcome,),
            (row.origin,),
        ]
        for row in table
    ]
    widths = [
        max(len(head), *(len(line) for cells in body for line in cells[place])) for place, head in enumerate(heads)
    ]
    rule = "-+-".join("-" * width for width in widths)
    lines = [_line(heads, widths)]
    for cells in body:
        lines.append(rule)
        lines += (
            _line(["" if part == ANY else part for part in parts], widths)
            for parts in zip_longest(*cells, fillvalue="")
        )
    return "\n".join([_format_heading(policy, used), "", *lines]) + "\n"


def _line(parts: Iterable[str], widths: Sequence[int]) -> str:
    return " | ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def list_cells(policy: Policy) -> tuple[str, list[str], list[list[str]]]:
    """Return the heading, the titles of the columns and the cells of each row; a cell for any value is empty."""
    table = build_rows(policy)
    used = _used(policy, table)
    rows = []
    for row in table:
        values = (", ".join(abbreviate(row.when[name], policy.table.values[name])) for name in used)
        cells = ("" if cell == ANY else cell for cell in values)
        rows.append([str(row.number), row.phase, *cells, row.do, row.outcome, row.origin])
    return _format_heading(policy, used), ["#", "phase", *used, "do", "outcome", "origin"], rows


def render_markdown(policy: Policy) -> str:
    """Render the matrix as a Markdown table."""
    table = build_rows(policy)
    used = _used(policy, table)
    lines = [
        ["#", "phase", *used, "do", "outcome", "origin"],
        ["--:", *("---" for _ in range(len(used) + 4))],
    ]
    for row in table:
        values = ("<br>".join(map(_code, abbreviate(row.when[name], policy.table.values[name]))) for name in used)
        cells = ("" if cell == _code(ANY) else cell for cell in values)
        lines.append([str(row.number), row.phase, *cells, _code(row.do), row.outcome, _code(row.origin)])
    grid = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return f"{_format_heading(policy, used)}\n\n{grid}\n"


def _code(words: str) -> str:
    """Format text as Markdown code, so that no character of a name is markup."""
    plain = "".join(char if char.isprintable() and char not in "`|" else "?" for char in words)
    for word in ("not ", "nor "):
        if plain.startswith(word):
            return f"{word}`{plain.removeprefix(word)}`"
    return f"`{plain}`"


def _used(policy: Policy, table: Iterable[Row]) -> list[str]:
    named = {name for row in table for name, values in row.when.items() if values}
    return [name for name in policy.table.values if name in named]


def _format_heading(policy: Policy, used: Sequence[str]) -> str:
    left = [name for name in policy.table.values if name not in used]
    idle = f" No rule restricts {', '.join(left)}." if left else ""
    return f"Policy {policy.name}: the first matching rule decides; an empty cell matches any value.{idle}"
