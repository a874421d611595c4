"""`authguard audit schema`: what a line of the log may hold, for whoever reads it by a program."""

from __future__ import annotations

import typer

from authguard.core.record_schema import schema_text


def print_schema() -> None:
    """Print the JSON Schema of a line of the log: closed, and of one version."""
    typer.echo(schema_text(), nl=False)
