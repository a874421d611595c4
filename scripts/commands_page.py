"""Write docs/commands.md, the table of commands and options; `--check` compares it with the code.

Rule: everything on the page comes from the command table and from the options of the commands themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from authguard.cli import build
from authguard.cli.command_table import COMMANDS, GROUPS, Output, Source
from authguard.cli.output import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.cli.command_table import Command

HOW: Final = "python scripts/commands_page.py"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
#: options with a column of their own
COLUMNS: Final = (*(f"--{source}" for source in Source), "--since", "--until", "--json", "--help")
JSON: Final = {Output.OBJECT: "object", Output.LIST: "array", Output.LINES: "lines"}
HEAD: Final = f"""\
# Commands

This page is generated from the code by `{HOW}`; do not edit it. [The reference](reference.md#commands) has the help of
each command, with every option.

## Rules

- **One deployment, three options.** A command that reads a policy, a store or a log takes `--policy`, `--store` and
  `--log`. The variables `AUTHGUARD_POLICY`, `AUTHGUARD_STORE` and `AUTHGUARD_AUDIT_LOG` replace them.
- **The argument names the object of the command**; options narrow or qualify. A command that takes a
  policy as its argument also takes it from `--policy` or its variable, and else uses `policy.yaml` of the current
  folder.
- **Ids by prefix.** A record, a transaction, a ticket, a session and a pseudonym may be given by the first digits that
  no other one has (at least six, of a pseudonym eight), or as a reply has it (`urn:authguard:record:...`).
- **A person** is `--subject NAME`, the name at the issuer or a pseudonym of the log, with `--issuer` where the
  policy has several.
- **Times** are typed in your zone (`14:03`, `yesterday`, `2h`, `2026-11-22T09:30Z`) and shown in it, with UTC.
- **`--json`** prints an object, an array (`[]` if there is nothing) or JSON Lines, as the table says. Names of members
  are stable, and times are ISO 8601 in UTC.
- **Letters**: `-o` is `--output`, `-n` is `--limit`, `-f` is `--follow`, `-y` is `--yes`. There are no others.
- **An unknown value of a filter** is an error that names the nearest known value. An empty list is reported as empty.
- **Reading changes nothing.** A command without an entry under *changes* writes no file.
- Results go to standard output; notes, progress and errors go to standard error. Colour needs a terminal, and
  `NO_COLOR` turns it off.
- `authguard --install-completion` completes commands and options in your shell.
"""


def build_page() -> str:
    """Return the page."""
    parts = [HEAD, "## Exit codes\n", "| code | meaning |\n|---|---|\n" + "".join(_exit_rows())]
    for group, summary in GROUPS.items():
        rows = [_row(command) for command in COMMANDS if command.group == group]
        parts += [f"## `authguard {group}`\n", f"{summary}\n", _HEADER + "".join(rows)]
    return "\n".join(parts)


_HEADER: Final = (
    "| command | purpose | policy | store | log | period | JSON | changes | other options |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def _exit_rows() -> Iterator[str]:
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |\n"


def _row(command: Command) -> str:
    parameters = load_parameters(command)
    names = [max(one.opts, key=len) for one in parameters if one.param_type_name == "option"]
    arguments = "".join(
        f" {name}" if one.required else f" [{name}]"
        for one in parameters
        if one.param_type_name == "argument" and (name := one.metavar or one.name.upper())
    )
    cells = [
        f"`{command.name}{arguments}`",
        command.summary,
        *("yes" if f"--{source}" in names else "" for source in Source),
        "yes" if {"--since", "--until"} <= set(names) else "",
        JSON[command.output] if "--json" in names else "",
        command.changes,
        " ".join(f"`{name}`" for name in names if name not in COLUMNS),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def load_parameters(command: Command) -> list[Any]:
    """Return the parameters of a command, as the command line has them."""
    tree: Any = typer.main.get_command(build(command.words))
    for word in command.words.split():
        tree = tree.commands[word]
    return list(tree.params)


def main(wanted: list[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    page = build_page()
    if not wanted:
        PAGE.write_text(page, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page:
        sys.stderr.write(f"docs/commands.md is not in step with the code: run `{HOW}`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
