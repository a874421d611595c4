"""`authguard audit schema`: the JSON Schema of a line of the audit log."""

from __future__ import annotations

import typer

from authguard.core.record_schema import schema_text


def print_schema() -> None:
    """Print the versioned JSON Schema of a line of the log; it allows no other members."""
    typer.echo(schema_text(), nl=False)
