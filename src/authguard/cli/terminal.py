"""Formatting of records, times and untrusted text for a terminal."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.cli.local_zone import local_zone
from authguard.errors import AuditError
from authguard.file_access import Access, FileRole, describe_failure, is_path_blocked
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo


#: most characters of one value
MAX_VALUE_CHARS: Final = 200

#: members of a record that are shown first, and last; between them are the others, in the order of the line
_FIRST: Final = ("operation", "outcome", "fallback", "reason", "rule")
_LAST: Final = ("trace_id", "id")
#: members that are shown elsewhere, or not
_NOT_SHOWN: Final = frozenset({"at", "policy", *_FIRST, *_LAST})


def resolve_log_path(given: Path | None) -> Path:
    """Return the given log path, or else that of AUTHGUARD_AUDIT_LOG, or else the default."""
    return given or Path(os.environ.get("AUTHGUARD_AUDIT_LOG") or DEFAULT_LOG)


def require_log_access(log: Path) -> Path:
    """Return the path of a log whose folder can be entered; there may be no log.

    Raises:
        AuditError: something is in the way of the path.
    """
    if is_path_blocked(log):
        raise AuditError(describe_failure(FileRole.AUDIT_LOG, log, "read", Access.READ))
    return log


def require_log(log: Path) -> None:
    """Check that there is a log.

    Raises:
        AuditError: there is none, or something is in the way of its path.
    """
    from authguard.audit.segment_file import list_chains  # noqa: PLC0415 - commands of policies read no log

    if not any(list_chains(require_log_access(log))):
        raise AuditError(f"there is no log at `{escape(str(log))}`: name one with --log, or set AUTHGUARD_AUDIT_LOG")


def escape(text: str) -> str:
    """Escape unprintable and bidirectional control characters of untrusted text.

    The escapes are those of JSON, so that an escaped line of JSON has the same value.
    """
    return "".join(char if char.isprintable() else _codes(char) for char in text)


def _codes(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def format_time(at: object, zone: tzinfo | None = None, *, ms: bool = False) -> str:
    """Format a time for a person: `2026-11-30 14:03:11 +01:00 (13:03:11Z)`, or `2026-11-30 13:03:11Z` in UTC.

    The date is repeated in the parentheses if it is another one in UTC. JSON and CSV have `format_utc` instead.

    Args:
        at: epoch seconds UTC; 0 is "the beginning". A forged line may hold anything here.
        zone: the person's zone; default: that of this machine.
        ms: whether to show milliseconds.
    """
    if at == 0 and not ms:
        return "the beginning"
    try:
        utc = datetime.fromtimestamp(at, UTC)  # type: ignore[arg-type]  # checked by the call
        local = utc.astimezone(zone or local_zone())
    except (TypeError, ValueError, OverflowError, OSError):
        return "(no time)"
    seconds = utc.strftime("%H:%M:%S") + (f".{utc.microsecond // 1_000:03}" if ms else "") + "Z"
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d} {seconds}"
    date = f"{utc:%Y-%m-%d} " if utc.date() != local.date() else ""
    shown = local.isoformat(" ", "milliseconds" if ms else "seconds")
    offset_at = 23 if ms else 19
    return f"{shown[:offset_at]} {shown[offset_at:]} ({date}{seconds})"


def format_time_ms(at: object) -> str:
    """Format a time for a person, with milliseconds."""
    return format_time(at, ms=True)


def format_record_line(record: Mapping[str, Any], line: bytes) -> str:
    """Format a record as one printable line; a line that is not a record is shown escaped."""
    if "kind" not in record:
        return f"not a record: {_bounded(line.decode('utf-8', 'backslashreplace').rstrip())}"
    values = " ".join(f"{name}={_value(record[name])}" for name in _shown(str(record["kind"])) if record.get(name))
    return f"{format_time_ms(record.get('at'))} {_bounded(str(record['kind'])):<10} {values}"


def _shown(kind: str) -> tuple[str, ...]:
    """Return the members of a kind of record in the order in which they are shown."""
    from authguard.records.fields import KINDS  # noqa: PLC0415 - commands of policies show no record

    return (*_FIRST, *(one.name for one in KINDS.get(kind, ()) if one.name not in _NOT_SHOWN), *_LAST)


def _value(value: object) -> str:
    """Format one value; quote it if it could be read as several values or as another member."""
    items = [f"{name}:{item}" for name, item in value.items()] if isinstance(value, dict) else value
    text = _bounded(",".join(str(item) for item in items) if isinstance(items, list) else str(items))
    if not set(text) & set(' ="'):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _bounded(text: str) -> str:
    return escape(text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…")
