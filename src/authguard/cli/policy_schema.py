"""`authguard policy schema`: what editors need to complete and check policies and their scenarios."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from authguard.policy.schema.json_schema import policy_schema, scenario_schema


def print_schema(
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Of scenario files, and not of policies.")] = False,
) -> None:
    """Print the JSON Schema. A file names its own in its first line: `# yaml-language-server: $schema=FILE`."""
    schema = scenario_schema() if scenarios else policy_schema()
    typer.echo(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
