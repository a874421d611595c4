"""How lines of a log are made safe to show, and where the log is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from authguard.settings import DEFAULT_LOG


def resolve_log_path(given: Path | None) -> Path:
    """Choose the log: as typed, else the variable, else the default."""
    return given or Path(os.environ.get("AUTHGUARD_LOG") or DEFAULT_LOG)


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
