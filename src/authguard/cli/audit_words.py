"""A record told in one printable line: what it is known by, bounded, and nothing that a terminal would obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.cli.terminal import escape, format_time_ms

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
