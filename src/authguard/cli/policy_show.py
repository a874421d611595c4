"""`authguard policy show`: the merged policy, with where each line came from."""

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
    str, typer.Argument(metavar="POLICY", help="A policy file, a folder that holds one, or a shipped policy's name.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]


class Form(StrEnum):
    """How the merged policy is written."""

    YAML = "yaml"
    JSON = "json"


def show(
    policy: PolicyArgument,
    form: Annotated[Form, typer.Option("--format", "-f", help="How it is written.")] = Form.YAML,
    output: Output = None,
) -> None:
    """Print a policy merged with all that it extends, each line with its origin; it loads to the same digest.

    It is read and merged, not proved: `check` does that. Exit 3 when it cannot be read.
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
    told = {"name": reading.draft.name, "digest": reading.draft.digest, **as_values(reading.tree)}
    write_output(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n", output)
