"""`authguard policy graph`: draw the machines as diagrams, and the decision table as a matrix."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from authguard.cli.completion import complete
from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PolicyArgument, is_json, pick_policy
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import USAGE, print_error, write_output
from authguard.cli.table import format_table, window_width
from authguard.core.events import MACHINES
from authguard.policy.compiler import load
from authguard.policy.problem import did_you_mean
from authguard.policy.render import diagram, matrix

if TYPE_CHECKING:
    from authguard.core.policy import Policy


class Picture(StrEnum):
    """Output formats."""

    MERMAID = "mermaid"
    DOT = "dot"
    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


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
    context: typer.Context,
    source: PolicyArgument = "",
    *,
    policy: PolicyOption = "",
    form: Annotated[Picture, typer.Option("--format", help=_KINDS)] = Picture.MERMAID,
    as_json: JsonOption = False,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            "--machine", autocompletion=complete(lambda: MACHINES), help="This machine only; may be repeated."
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Draw the machines of a policy, or show its decision table as a matrix.

    Examples:

        authguard policy graph policy.yaml --machine session

        authguard policy graph policy.yaml --format markdown -o table.md
    """
    form = Picture.JSON if is_json(form, Picture.MERMAID, as_json=as_json) else form
    chosen = tuple(machine or MACHINES)
    if unknown := [name for name in chosen if name not in MACHINES]:
        message = f"`{unknown[0]}` is not a machine; {did_you_mean(unknown[0], MACHINES)}"
        raise typer.BadParameter(message, param_hint="--machine")
    if machine and form in _WRITTEN:
        print_error(f"--machine needs `mermaid`, `dot` or `json`; `{form}` shows the decision table")
        raise typer.Exit(USAGE)
    loaded = load(pick_policy(context, source, policy))
    if form is Picture.JSON:
        shown = msgspec.json.format(msgspec.json.encode(_to_json(loaded, chosen)), indent=2).decode() + "\n"
    elif form in _DRAWN:
        shown = "\n".join(_DRAWN[form](loaded, name) for name in chosen)
    elif form is Picture.TEXT and output is None and (width := window_width()):
        heading, heads, rows = matrix.list_cells(loaded)
        print_lines([heading, "", *format_table(heads, rows, width)])
        return
    else:
        shown = _WRITTEN[form](loaded)
    write_output(shown, output)


def _to_json(policy: Policy, chosen: tuple[str, ...]) -> dict[str, Any]:
    drawings = [diagram.build_drawing(policy, name) for name in chosen]
    return {
        "name": policy.name,
        "digest": policy.digest,
        "machines": [
            {
                "machine": one.machine,
                "initial": one.initial,
                "states": list(policy.machines[one.machine].spec.states),
                "arrows": [
                    {"source": arrow.source.label, "dest": arrow.dest.label, "events": list(arrow.events)}
                    for arrow in one.arrows
                ],
            }
            for one in drawings
        ],
    }
