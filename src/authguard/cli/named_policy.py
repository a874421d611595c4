"""The policy of a command: its argument, else `--policy` or its variable, else `policy.yaml`; and its output format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authguard.cli.output import USAGE, print_error
from authguard.policy.loading.locator import POLICY_FILENAME, resolve_folder

if TYPE_CHECKING:
    from enum import StrEnum

PolicyArgument = Annotated[
    str,
    typer.Argument(
        metavar="POLICY",
        help=f"A policy file, a folder with one, or a shipped name; default: --policy, or else ./{POLICY_FILENAME}.",
    ),
]
PoliciesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="POLICY",
        help=(
            "Policy files, scenario files, shipped names, or folders with policies; default: --policy, or else"
            f" ./{POLICY_FILENAME}."
        ),
    ),
]


def pick_policy(context: typer.Context, given: str, option: str) -> str:
    """Return the path or the shipped name of the policy.

    Args:
        context: context of the command.
        given: the argument; may be empty.
        option: value of `--policy` or its variable; may be empty.

    Raises:
        typer.Exit: there is neither, and the current folder has no policy; the code is `USAGE`.
        typer.BadParameter: argument and option name different policies.
    """
    return resolve_folder(pick_policies(context, [given] if given else None, option)[0])


def pick_policies(context: typer.Context, given: list[str] | None, option: str) -> list[str]:
    """Return the policies as typed; parameters and exceptions as of `pick_policy`."""
    if not given:
        if not option and Path(POLICY_FILENAME).is_file():
            return [POLICY_FILENAME]
        if not option:
            elsewhere = f"set AUTHGUARD_POLICY, or change to a folder with a `{POLICY_FILENAME}`"
            print_error(f"no policy is given: name one, or use --policy, {elsewhere}")
            raise typer.Exit(USAGE)
        return [option]
    is_typed = getattr(context.get_parameter_source("policy"), "name", "") == "COMMANDLINE"
    if is_typed and [resolve_folder(one) for one in given] != [resolve_folder(option)]:
        message = f"it names `{option}`, and the argument names `{' '.join(given)}`; leave out one of the two"
        raise typer.BadParameter(message, param_hint="--policy")
    return given


def is_json(form: StrEnum, default: StrEnum, *, as_json: bool) -> bool:
    """Return whether JSON is wanted, by `--json` or `--format json`.

    Raises:
        typer.BadParameter: `--format` names another format besides `--json`.
    """
    if as_json and form.value not in (default.value, "json"):
        raise typer.BadParameter(f"leave out --json or `--format {form.value}`", param_hint="--json")
    return as_json or form.value == "json"
