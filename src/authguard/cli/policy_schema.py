"""`authguard policy schema`: JSON Schemas for editors of policies and scenarios."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from authguard.cli.options import JsonOption, OutputOption
from authguard.cli.output import write_output
from authguard.policy.schema.json_schema import policy_schema, scenario_schema


def print_schema(
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Print the schema of scenario files.")] = False,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Print the JSON Schema. Refer to it in the first line of a file: `# yaml-language-server: $schema=FILE`.

    The output is JSON with and without `--json`.

    Examples:

        authguard policy schema -o authguard.schema.json

        authguard policy schema --scenarios -o scenarios.schema.json
    """
    del as_json
    schema = scenario_schema() if scenarios else policy_schema()
    write_output(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n", output)
