"""`authguard policy`: one module per command; only the module of the called command is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

#: command -> (module of `authguard.cli`, function)
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "check": ("policy_check", "check"),
    "diff": ("policy_diff", "compare"),
    "explain": ("policy_explain", "explain"),
    "graph": ("policy_graph", "graph"),
    "init": ("policy_init", "init"),
    "schema": ("policy_schema", "print_schema"),
    "show": ("policy_show", "show"),
    "test": ("policy_test", "run_tests"),
}


def build(wanted: str) -> typer.Typer:
    """Build the group with the called command, or with all commands if the word is not a command.

    Args:
        wanted: word after the name of the group; may be empty.
    """
    app = typer.Typer()
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        module, function = COMMANDS[name]
        app.command(name)(getattr(import_module(f"authguard.cli.{module}"), function))
    return app
