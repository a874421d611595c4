"""Export of records: CSV without spreadsheet formulas, JSON Lines, and JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.records.fields import FIELDS, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.audit.query.search import Match

#: columns of a CSV file: every field of a record; a field that a kind of record does not have is empty
COLUMNS: Final = (
    *("time", "at", "kind", "id", "void"),
    *(name for name in NAMES if name not in {"at", "id", "policy"}),
    *("policy", "seq", "hash", "intact"),
)
#: characters at the start of a cell that spreadsheets read as a formula (OWASP, "CSV Injection"), full-width forms too
_FORMULA_PREFIXES: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: columns whose values are numbers or lists in a record of the log
_NOT_TEXT: Final = (
    *(COLUMNS.index(name) for name in NAMES if any(name == one.name and one.type is not str for one in FIELDS)),
    COLUMNS.index("seq"),
)
_TIME, _VOID, _INTACT = (COLUMNS.index(name) for name in ("time", "void", "intact"))
_NO_VALUES: Final = ("",) * len(COLUMNS)
#: rows that are formatted at once
_BATCH_ROWS: Final = 512


def format_utc(at: object) -> str:
    """Format epoch seconds as UTC to the millisecond."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"  # type: ignore[arg-type]  # a forged line may hold anything here
    except (TypeError, ValueError, OverflowError, OSError):
        return "(no time)"


def format_csv(found: Iterable[Match]) -> Iterator[str]:
    """Write a header and a line per record (RFC 4180), several lines at a time.

    A cell that could be a formula begins with an apostrophe.
    """
    yield _row(COLUMNS)
    rest = iter(found)
    while rows := "".join([_format_match(one) for one in islice(rest, _BATCH_ROWS)]):
        yield rows


def _row(cells: Sequence[str]) -> str:
    text = ",".join(cells)
    # no cell has to be quoted, as in nearly every line
    if text.count(",") == len(COLUMNS) - 1 and '"' not in text and "\n" not in text and "\r" not in text:
        return text + "\r\n"
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()


def _format_match(one: Match) -> str:
    record = one.record
    cells = list(map(record.get, COLUMNS, _NO_VALUES))
    for place in _NOT_TEXT if _is_plain(one.line) else range(len(COLUMNS)):
        if cells[place] != "":
            cells[place] = _cell(cells[place])
    # what the index and the bytes say goes before what a forged line says about itself
    cells[_TIME] = format_utc(record.get("at"))
    cells[_VOID] = "void" if one.void else ""
    cells[_INTACT] = "yes" if one.intact else "no"
    try:
        return _row(cells)
    except TypeError:  # a forged line has another type where others have a text
        return _row(list(map(_cell, cells)))


def _is_plain(line: bytes) -> bool:
    """Return whether each text in a line of JSON is printable ASCII and starts with no formula.

    Such a line has no escape, no DEL and no formula after a quote. One search for a byte replaces a check of each text.
    """
    return (
        line.isascii()
        and b"\\" not in line
        and b"\x7f" not in line
        and b"=" not in line
        and b"+" not in line
        and b"@" not in line
        and (b"-" not in line or b'"-' not in line)
    )


def _cell(value: object) -> str:
    match value:
        case str():
            text = value
        case list():
            text = " ".join(map(str, value))
        case dict():
            text = _encode(value)
        case _:
            text = str(value)
    mark = "'" if text[:1] in _FORMULA_PREFIXES else ""
    return mark + (text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text))


def format_jsonl(found: Iterable[Match]) -> Iterator[str]:
    """Write the JSON object of each record, as `to_dict` builds it, one per line."""
    for one in found:
        yield _encode(to_dict(one)) + "\n"


def format_json(found: Iterable[Match]) -> Iterator[str]:
    """Write one JSON array, one record per line."""
    before = "[\n"
    for one in found:
        yield before + _encode(to_dict(one))
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _encode(members: dict[str, Any]) -> str:
    data = msgspec.json.encode(members)
    if data.isascii() and b"\x7f" not in data:  # the delete character is ASCII, but not printable
        return data.decode("ascii")
    return json.dumps(members, ensure_ascii=True, separators=(",", ":"))


def to_dict(one: Match) -> dict[str, Any]:
    """Return the members of a record for JSON.

    They are the line's own members with `at` in ISO 8601 UTC, and always `void` (withdrawn) and `intact` (the line has
    the hash that it contains). A line that is no longer a record has only `at` and these two.
    """
    record = one.record
    return {**record, "at": format_utc(record.get("at", one.at)), "void": one.void, "intact": one.intact}
