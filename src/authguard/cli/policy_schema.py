"""`authguard policy schema`: JSON Schemas for editors of policies and scenarios."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from authguard.policy.schema.json_schema import policy_schema, scenario_schema


def print_schema(
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Print the schema of scenario files.")] = False,
) -> None:
    """Print the JSON Schema. Refer to it in the first line of a file: `# yaml-language-server: $schema=FILE`."""
    schema = scenario_schema() if scenarios else policy_schema()
    typer.echo(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
