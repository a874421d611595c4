"""`authguard policy schema`: JSON Schemas for editors of policies and scenarios."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from authguard.cli.options import JsonOption, OutputOption
from authguard.cli.output import write_output
from authguard.errors import PolicyError
from authguard.policy.schema.json_schema import policy_schema, scenario_schema


def print_schema(
    source: Annotated[
        str,
        typer.Option("--for", metavar="POLICY", help="Fill in the states, names and levels of this policy."),
    ] = "",
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Print the schema of scenario files.")] = False,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Print the JSON Schema. Refer to it in the first line of a file: `# yaml-language-server: $schema=FILE`.

    With --for, an editor completes the names of one policy and marks unknown ones; print it again after a new name.

    The output is JSON with and without `--json`.

    Examples:

        authguard policy schema -o authguard.schema.json

        authguard policy schema --for policy.yaml -o authguard.schema.json

        authguard policy schema --scenarios -o scenarios.schema.json
    """
    del as_json
    plain = scenario_schema if scenarios else policy_schema
    schema = _fill(source, scenarios=scenarios) if source else plain()
    write_output(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n", output)


def _fill(source: str, *, scenarios: bool) -> dict[str, Any]:
    """Return a schema with the values of a policy, which may have names that are not resolved yet."""
    from authguard.policy.loading import locator  # noqa: PLC0415 - only --for reads a policy
    from authguard.policy.loading.loader import load_draft  # noqa: PLC0415
    from authguard.policy.loading.preset import list_presets  # noqa: PLC0415
    from authguard.policy.schema.filled_schema import fill_policy_schema, fill_scenario_schema  # noqa: PLC0415

    reading = load_draft(locator.resolve_folder(source))
    if reading.draft is None:
        raise PolicyError(reading.problems)
    if scenarios:
        return fill_scenario_schema(reading.draft)
    return fill_policy_schema(reading.draft, shipped=locator.shipped_policies(), providers=list_presets())
