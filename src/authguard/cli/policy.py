"""`authguard policy`: one file a command, and only the file of the command that is called is loaded."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

#: command -> (module of `authguard.cli`, its function)
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "check": ("policy_check", "prove"),
    "diff": ("policy_diff", "compare"),
    "explain": ("policy_explain", "why"),
    "graph": ("policy_graph", "graph"),
    "init": ("policy_init", "begin"),
    "schema": ("policy_schema", "print_schema"),
    "show": ("policy_show", "show"),
    "test": ("policy_test", "run_tests"),
}


def build(wanted: str) -> typer.Typer:
    """Build the group with the command that is called; with all of them where it is none of them.

    Args:
        wanted: the word after the group's name; empty for none.
    """
    app = typer.Typer()
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        module, function = COMMANDS[name]
        app.command(name)(getattr(import_module(f"authguard.cli.{module}"), function))
    return app
