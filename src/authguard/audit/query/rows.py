"""Templates of log records: the members that many lines share, and the few values that only one line has.

A log of a million decisions has some hundreds of templates. A query for an outcome, a state or a rule therefore
compares hundreds of templates; only a query for a person, a session or an id compares lines. For the same reason a
decision's cell is decoded once per template, not once per line: until then it is the raw bytes of the line.

Which members these are is declared in the classes of the entries (`authguard.records.fields`).
"""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import attrgetter, or_
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from authguard.core.decision_table import DIMENSIONS
from authguard.records.fields import COLUMNS, KINDS, SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authguard.records.fields import Field

    #: identity of a template: the kind, and its members, texts first
    Key = tuple[str | bytes, ...]
    #: values of one line in the order of `COLUMNS`
    LineValues = tuple[str | float | None, ...]
    #: key of the template, values of the line, and the ids of records that it withdraws
    Row = tuple[Key, LineValues, tuple[str, ...]]


#: templates that are built once while lines are compared with an index
MAX_CACHED_TEMPLATES: Final = 4_096
#: member of a refusal's template that no line has: how many requests it counts besides the first one, in decimal
#: digits; empty if it counts none
COVERED: Final = "covered"
_AT: Final = COLUMNS.index("at")
#: columns by which a query finds the lines of one person, session or transaction
_NAMED: Final = tuple(COLUMNS.index(name) for name in ("subject", "actor", "session", "transaction"))


class RecordTemplate(msgspec.Struct, frozen=True, array_like=True):
    """The members that many lines share: an attribute for each name in `authguard.records.fields.SHARED`.

    Attributes:
        kind: kind of the record.
        members: those that the kind has, by name; as an attribute, a member that it does not have is empty.
    """

    kind: str
    members: dict[str, str | tuple[str, ...]] = {}

    def __getattr__(self, name: str) -> str:
        """Return a member that is a text."""
        if name not in SHARED:
            raise AttributeError(f"no kind of record shares a member `{name}`")
        return str(self.members.get(name, ""))

    @property
    def cell(self) -> tuple[str, ...]:
        """The cell of a decision."""
        return tuple(self.members.get("cell", ()))

    @property
    def events(self) -> tuple[str, ...]:
        """The events of a decision."""
        return tuple(self.members.get("events", ()))

    @property
    def requests(self) -> int:
        """The number of requests that a record of this template counts."""
        covered = str(self.members.get(COVERED, ""))
        return int(covered) if covered.isdecimal() else 1

    def states(self) -> Mapping[str, str]:
        """Return the cell by dimension; empty if there is none."""
        return dict(zip(DIMENSIONS, self.cell, strict=False))


def _line_type(kind: str, fields: Sequence[Field]) -> type[msgspec.Struct]:
    """Make the class that reads of a line what the index stores, and checks that what every line has is there."""
    read: list[tuple[str, Any, Any]] = []
    for one in fields:
        if one.indexed == "shared" and one.is_list:
            read.append((one.name, Raw, msgspec.NODEFAULT if one.required else Raw(b"[]")))
        elif one.indexed == "column" and not one.required:
            read.append((one.name, one.type | None, None))
        elif one.indexed or one.required or one.name in {"window", "count"}:
            read.append((one.name, one.type, one.default))
    given = {name for name, _, _ in read}
    further: dict[str, Any] = {name: None for name in COLUMNS if name not in given}
    if "window" in given:
        # the first request of a window has a separate record, to which this one belongs
        further["decision"] = property(lambda line: line.window or None)
        further[COVERED] = property(lambda line: str(line.count - 1) if line.window else "")
    further |= {} if "records" in given else {"records": ()}
    return msgspec.defstruct(
        kind, read, tag=kind, tag_field="kind", frozen=True, gc=False, kw_only=True, namespace=further
    )


class _Kind:
    """How the lines of a kind are read: the class, and its members that lines share."""

    def __init__(self, kind: str, fields: Sequence[Field]) -> None:
        shared = [one for one in fields if one.indexed == "shared"]
        covered = [COVERED] if any(one.name == "window" for one in fields) else []
        self._texts: Final = [*(one.name for one in shared if not one.is_list), *covered]
        self._lists: Final = [one.name for one in shared if one.is_list]
        self._kind: Final = kind
        self.type: Final = _line_type(kind, fields)
        #: members in the order of the key
        self.names: Final = (*self._texts, *self._lists)

    def key_reader(self) -> Callable[[Any], Key]:
        """Return the function that reads the key of a line's template; it runs for each line of a log."""
        kind, lists = (self._kind,), self._lists
        # with a second name at least, it returns a tuple
        texts = attrgetter(*self._texts, "records")

        def read(line: Any) -> Key:  # noqa: ANN401 - a class made above
            return kind + texts(line)[:-1]

        def read_lists(line: Any) -> Key:  # noqa: ANN401 - the same
            return (*kind, *texts(line)[:-1], *[bytes(getattr(line, name)) for name in lists])

        return read_lists if lists else read


_KINDS: Final = {kind: _Kind(kind, fields) for kind, fields in KINDS.items()}
_KEY_READERS: Final = {one.type: one.key_reader() for one in _KINDS.values()}
_columns: Final[Callable[[Any], LineValues]] = attrgetter(*COLUMNS)
_Record: Final[Any] = reduce(or_, _KEY_READERS)
_decode: Final = msgspec.json.Decoder(_Record).decode
_decode_all: Final = msgspec.json.Decoder(_Record).decode_lines
_decode_words: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def parse_rows(data: bytes, lines: Sequence[bytes]) -> list[Row | None]:
    """Parse lines; return None for each line that is not a record.

    Args:
        data: the lines in one piece.
        lines: each with its newline. Neither their hashes nor their places in the chain are checked.
    """
    try:
        found = _decode_all(data)
    except (ValueError, RecursionError):
        return [_read_row(line) for line in lines]
    # the decoder skips blank lines silently
    return [_row(one) for one in found] if len(found) == len(lines) else [_read_row(line) for line in lines]


@lru_cache(maxsize=MAX_CACHED_TEMPLATES)
def _template_of(key: Key) -> RecordTemplate | None:
    return parse_template(key)


def is_line_of(line: bytes, template: RecordTemplate, at: float, names: frozenset[str]) -> bool:
    """Return whether a line says what an index says about it, so that it is still the line that was indexed.

    Args:
        line: the line of the log.
        template: its members by the index.
        at: its time by the index.
        names: its subject, actor, session or transaction by the index, one of which it must have; empty for any.
    """
    row = _read_row(line)
    return (
        row is not None
        and row[1][_AT] == at
        and (not names or not names.isdisjoint(row[1][place] for place in _NAMED))
        and _template_of(row[0]) == template
    )


def _read_row(line: bytes) -> Row | None:
    try:
        return _row(_decode(line))
    except (ValueError, RecursionError):
        return None


def _row(line: Any) -> Row:  # noqa: ANN401 - one of the classes made above
    return _KEY_READERS[type(line)](line), _columns(line), line.records


def parse_template(key: Key) -> RecordTemplate | None:
    """Build the template of a key, or return None if a cell or events are no lists of strings: then it is no record."""
    kind, *members = key
    try:
        values = [one if isinstance(one, str) else _decode_words(one) for one in members]
    except (ValueError, RecursionError):
        return None
    return RecordTemplate(str(kind), dict(zip(_KINDS[str(kind)].names, values, strict=True)))
