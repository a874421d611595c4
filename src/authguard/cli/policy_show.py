"""`authguard policy show`: print the merged policy with the origin of each line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from authguard.cli.output import INVALID, print_error, write_output
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.render.yaml_document import as_values, as_yaml

PolicyArgument = Annotated[
    str, typer.Argument(metavar="POLICY", help="A policy file, a folder with one, or a shipped name.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]


class Form(StrEnum):
    """Output formats."""

    YAML = "yaml"
    JSON = "json"


def show(
    policy: PolicyArgument,
    form: Annotated[Form, typer.Option("--format", "-f", help="Output format.")] = Form.YAML,
    output: Output = None,
) -> None:
    """Print a policy merged with the policies that it extends, each line with its origin.

    The output has the same digest. The policy is read and merged, but not checked; use `policy check` for that.
    Exit 3 if it cannot be read.
    """
    reading = load_draft(resolve_folder(policy))
    errors = [str(problem) for problem in reading.problems if problem.severity == "error"]
    if reading.draft is None or reading.tree is None or errors:
        for error in errors:
            print_error(error)
        raise typer.Exit(INVALID)
    if form is Form.YAML:
        write_output(as_yaml(reading.tree, reading.draft.digest), output)
        return
    document = {"name": reading.draft.name, "digest": reading.draft.digest, **as_values(reading.tree)}
    write_output(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n", output)
