"""How lines of a log are made safe to show, and where the log is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping


#: characters of one value that are shown
VALUE_BOUND: Final = 200

#: what a line is known by, in the order shown; a member that is empty or absent is left out
_SHOWN: Final = (
    *("operation", "outcome", "fallback", "reason", "rule", "cell", "events"),
    *("machine", "event", "source", "dest", "cause"),
    *("act", "by", "where", "error", "status", "records", "note", "level", "message", "fields", "refused"),
    *("subject", "actor", "session", "credential", "transaction", "channel", "ticket", "decision", "trace_id", "id"),
)


def resolve_log_path(given: Path | None) -> Path:
    """Choose the log: as typed, else the variable, else the default."""
    return given or Path(os.environ.get("AUTHGUARD_AUDIT_LOG") or DEFAULT_LOG)


def escape(text: str) -> str:
    """Make text safe for a terminal: what does not print, and what turns the writing round, is shown by its code.

    The codes are JSON's, so that an escaped line of JSON is still the same JSON.
    """
    return "".join(char if char.isprintable() else _codes(char) for char in text)


def _codes(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def format_time_ms(at: object) -> str:
    """Show epoch seconds as UTC to the millisecond."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"  # type: ignore[arg-type]  # a forged line may hold anything here
    except (TypeError, ValueError, OverflowError, OSError):
        return "(no time)"


def format_time(at: float) -> str:
    """Show epoch seconds as UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "the beginning"


def format_record_line(record: Mapping[str, Any], line: bytes) -> str:
    """Tell a record in one printable line; what is no record is shown as it stands."""
    if "kind" not in record:
        return f"not a record: {_bounded(line.decode('utf-8', 'backslashreplace').rstrip())}"
    values = " ".join(f"{name}={_value(record[name])}" for name in _SHOWN if record.get(name))
    return f"{format_time_ms(record.get('at'))} {_bounded(str(record['kind'])):<10} {values}"


def _value(value: object) -> str:
    """Show one value; one that could pass for several, or for another's name, is quoted."""
    items = [f"{name}:{item}" for name, item in value.items()] if isinstance(value, dict) else value
    text = _bounded(",".join(str(item) for item in items) if isinstance(items, list) else str(items))
    if not set(text) & set(' ="'):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _bounded(text: str) -> str:
    return escape(text if len(text) <= VALUE_BOUND else text[: VALUE_BOUND - 1] + "…")
