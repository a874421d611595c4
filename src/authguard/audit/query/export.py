"""Export of records: CSV without spreadsheet formulas, JSON Lines, and JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.search import Match

#: columns of a CSV file, in a stable order; a member that a kind of record does not have is empty
COLUMNS: Final = (
    *("time", "at", "kind", "id", "void", "operation", "outcome", "fallback", "reason", "rule", "cell", "events"),
    *("machine", "event", "source", "dest", "cause", "act", "by", "note", "where", "error", "status", "records"),
    *(
        "subject",
        "actor",
        "session",
        "credential",
        "transaction",
        "channel",
        "ticket",
        "decision",
        "peer",
        "method",
        "path",
        "trace_id",
        "policy",
    ),
    *("seq", "hash"),
)
#: prefixes that spreadsheets interpret as a formula (OWASP, "CSV Injection"), full-width forms included
_FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def format_utc(at: object) -> str:
    """Format epoch seconds as UTC to the millisecond."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"  # type: ignore[arg-type]  # a forged line may hold anything here
    except (TypeError, ValueError, OverflowError, OSError):
        return "(no time)"


def format_csv(found: Iterable[Match]) -> Iterator[str]:
    """Write a header and a line per record (RFC 4180); a cell that could be a formula begins with an apostrophe."""
    yield _row(COLUMNS)
    for one in found:
        record = one.record
        values = {**record, "time": format_utc(record.get("at")), "void": "void" if one.void else ""}
        yield _row(_cell(values.get(name, "")) for name in COLUMNS)


def _row(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()


def _cell(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    mark = "'" if text.startswith(_FORMULA_PREFIXES) else ""
    return mark + "".join(char if char.isprintable() else " " for char in text)


def format_jsonl(found: Iterable[Match]) -> Iterator[str]:
    """Write a JSON object for each record; a void one has the member `void`."""
    for one in found:
        yield json.dumps(_to_dict(one), ensure_ascii=True, separators=(",", ":")) + "\n"


def format_json(found: Iterable[Match]) -> Iterator[str]:
    """Write one JSON array, one record per line."""
    before = "[\n"
    for one in found:
        yield before + json.dumps(_to_dict(one), ensure_ascii=True)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _to_dict(one: Match) -> dict[str, Any]:
    return {**one.record, "void": True} if one.void else one.record
