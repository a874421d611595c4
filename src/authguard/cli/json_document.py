"""JSON of the operator's commands: one object, one array, or one object a line; times are ISO 8601 in UTC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence


def json_time(at: float) -> str | None:
    """Return a time as `2026-11-30T13:03:11.123Z`; null for a time that was never reached.

    Args:
        at: epoch seconds UTC; 0 or infinity for none.
    """
    if not at or not isfinite(at):
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a store of another program may hold anything
        return None


def print_object(document: dict[str, Any]) -> None:
    """Print one JSON object."""
    typer.echo(json.dumps(document, indent=2))


def print_array(documents: Sequence[dict[str, Any]]) -> None:
    """Print one JSON array; `[]` if there is nothing."""
    typer.echo(json.dumps(documents, indent=2))


def print_json_line(document: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    typer.echo(json.dumps(document))
