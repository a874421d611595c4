"""`authguard audit schema`: the JSON Schema of a line of the audit log."""

from __future__ import annotations

import typer

from authguard.cli.options import JsonOption
from authguard.records.record_schema import schema_text


def print_schema(as_json: JsonOption = False) -> None:
    """Print the versioned JSON Schema of a line of the log; it allows no other members. It is always JSON.

    Examples:

        authguard audit schema > record.schema.json
    """
    del as_json
    typer.echo(schema_text(), nl=False)
