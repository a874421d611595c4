"""`authguard policy graph`: draw the machines as diagrams, and the decision table as a matrix."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from authguard.cli.output import USAGE, print_error, write_output
from authguard.core.events import MACHINES
from authguard.policy.compiler import load
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.render import diagram, matrix

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
PolicyArgument = Annotated[
    str, typer.Argument(metavar="POLICY", help="A policy file, a folder with one, or a shipped name.")
]


class Picture(StrEnum):
    """Output formats."""

    MERMAID = "mermaid"
    DOT = "dot"
    TEXT = "text"
    MARKDOWN = "markdown"


_DRAWN: Final = {Picture.MERMAID: diagram.render_mermaid, Picture.DOT: diagram.render_dot}
_WRITTEN: Final = {
    Picture.TEXT: matrix.render_text,
    Picture.MARKDOWN: matrix.render_markdown,
}
_KINDS: Final = (
    "`mermaid` and `dot` draw machines; `text` and `markdown` show the decision table. `policy show --format html` has"
    " both on one page, with filters."
)


def graph(
    policy: PolicyArgument,
    form: Annotated[Picture, typer.Option("--format", "-f", help=_KINDS)] = Picture.MERMAID,
    machine: Annotated[
        list[str] | None, typer.Option("--machine", "-m", help="Draw this machine only; may be repeated.")
    ] = None,
    output: Output = None,
) -> None:
    """Draw the machines of a policy, or show its decision table as a matrix."""
    chosen = tuple(machine or MACHINES)
    if unknown := [name for name in chosen if name not in MACHINES]:
        raise typer.BadParameter(
            f"`{unknown[0]}` is not a machine; known: {', '.join(MACHINES)}", param_hint="--machine"
        )
    loaded = load(resolve_folder(policy))
    if form in _DRAWN:
        shown = "\n".join(_DRAWN[form](loaded, name) for name in chosen)
    elif machine:
        print_error(f"--machine needs `mermaid` or `dot`; `{form}` shows the decision table")
        raise typer.Exit(USAGE)
    else:
        shown = _WRITTEN[form](loaded)
    write_output(shown, output)
