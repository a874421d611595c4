"""A difference between two policies, and the comparison of two values field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.policy.diff.permissiveness import APART, COMPARISONS, Direction
from authguard.policy.diff.words import WORDS, describe_change, describe_declared
from authguard.policy.schema.key_text import kind_of
from authguard.policy.schema.model import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Rows = Mapping[str, "Callable[[object, object], Direction]"]
LOOSER, MAY_LOOSEN = Direction.LOOSER, Direction.MAY_LOOSEN
STRICTER, CHANGED = Direction.STRICTER, Direction.CHANGED


class Difference(Struct, frozen=True, kw_only=True):
    """One difference between two policies.

    Attributes:
        direction: looser; maybe looser, if the values have no order; stricter; or changed, if the same is admitted.
        what: the part of the policy: ``decisions``, ``operations``, ``timers``, ...
        message: the old and the new value.
        risk: the risk of the affected requests; empty if there are several.
        before: the old outcome; empty for a difference outside the table.
        after: the new outcome.
        admits: whether the new policy admits requests that the old one refused.
        distance: the distance of the two outcomes in their order.
        cells: the exact number of affected table cells; 0 for a difference outside the table.
        box: some of the cells in words.
        cell: one of the cells, one value per dimension; empty for a difference outside the table.
        path: the shortest events that lead to the cell.
    """

    direction: Direction
    what: str
    message: str
    risk: str = ""
    before: str = ""
    after: str = ""
    admits: bool = False
    distance: int = 0
    cells: int = 0
    box: str = ""
    cell: tuple[str, ...] = ()
    path: str = ""


def compare_fields(before: object, after: object, rows: Rows) -> Iterator[tuple[str, Direction, str]]:
    """Compare two values of one class field by field."""
    for field in rows:
        was, becomes = getattr(before, field), getattr(after, field)
        if was != becomes and field != "name":
            yield (
                field,
                rows[field](was, becomes),
                _describe_field(type(before), field, was, becomes),
            )


def _describe_field(kind: type, field: str, was: object, becomes: object) -> str:
    """Return a sentence about a field; one without words of its own is described as its key declares it."""
    declared = {one.field: (key, one) for key, one in keys_of(kind).items() if one.declared is not None}
    if field in WORDS.get(kind.__name__, {}) or field not in declared:
        return describe_change(kind.__name__, field, was, becomes)
    key, one = declared[field]
    description = one.declared.description if one.declared is not None else ""
    return describe_declared(key, description, kind_of(one.annotation), was, becomes)


def compare_declared(before: Struct, after: Struct, prefix: str = "") -> Iterator[tuple[str, Direction]]:
    """Compare two values of one model by what its fields declare; a part of a value is compared field by field."""
    for key, one in keys_of(type(before)).items():
        was, becomes = getattr(before, one.field), getattr(after, one.field)
        if was == becomes or one.declared is None or one.declared.looser == APART:
            continue
        if not one.declared.looser:
            yield from compare_declared(was, becomes, f"{prefix}{key}.")
        else:
            text = describe_declared(f"{prefix}{key}", one.declared.description, kind_of(one.annotation), was, becomes)
            yield text, COMPARISONS[one.declared.looser](was, becomes)


def make_difference(what: str, message: str, direction: Direction, risk: str = "") -> Difference:
    """Build a difference outside the decision table."""
    return Difference(direction=direction, what=what, message=message, risk=risk)


def compare_named(
    what: str,
    kind: str,
    old: Mapping[str, object],
    new: Mapping[str, object],
    rows: Rows,
    *,
    added: Direction,
    skip: frozenset[str] = frozenset(),
) -> Iterator[Difference]:
    """Compare parts by name: added parts, removed parts, and each field of the others."""
    gone = {LOOSER: STRICTER, MAY_LOOSEN: LOOSER}.get(added, CHANGED)
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old:
            yield make_difference(what, f"{kind} `{name}` is new", added)
        elif name not in new:
            yield make_difference(what, f"{kind} `{name}` is gone", gone)
        else:
            for field, direction, message in compare_fields(old[name], new[name], rows):
                if field not in skip:
                    yield make_difference(what, f"{kind} `{name}`: {message}", direction)
