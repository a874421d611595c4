"""`authguard policy diff`: report what one policy permits and another does not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec.structs import asdict, replace

from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import is_json, pick_policies
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import INVALID, USAGE, print_error, write_output
from authguard.errors import PolicyError
from authguard.policy.checks.checker import check
from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.policy_diff import PolicyDiff, diff_policies
from authguard.policy.loading import locator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.draft import Draft


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class FailOn(StrEnum):
    """Differences that make the command exit with 3; what may be looser counts as looser."""

    LOOSER = "looser"
    STRICTER = "stricter"
    ANY = "any"


def compare(
    context: typer.Context,
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="The old policy: a file, a folder, or a shipped name.")
    ] = "",
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The new policy; if it is the only one, --policy is the old one.")
    ] = "",
    *,
    policy: PolicyOption = "",
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit 3 if there is such a difference.")] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Compare two policies over all cells and settings; list what is looser or stricter, the most permissive first.

    Exit 3 if a policy is not valid, if the tables are too complex to compare, or if `--fail-on` matches.

    Examples:

        authguard policy diff last-month.yaml policy.yaml

        authguard policy diff policy.yaml --policy support-desk

        authguard policy diff support-desk policy.yaml --fail-on looser
    """
    form = Format.JSON if is_json(form, Format.TEXT, as_json=as_json) else form
    if not new:
        old, new = "", old
    if not new:
        print_error("name two policies, or one and --policy or AUTHGUARD_POLICY for the old one")
        raise typer.Exit(USAGE)
    (old,) = pick_policies(context, [old] if old else None, policy)
    found = diff_policies(_draft(old), _draft(new))
    if found.old == found.new:  # two versions of one policy
        found = replace(found, old=old, new=new)
    if form is Format.TEXT and output is None:
        print_lines(as_text(found).splitlines())
    else:
        write = {Format.TEXT: as_text, Format.JSON: as_json_document, Format.MARKDOWN: as_markdown}[form]
        write_output(write(found), output)
    if found.undecided:
        print_error("the tables are too complex to compare within the limit; the result is undecided")
        raise typer.Exit(INVALID)
    failing = {
        None: (),
        FailOn.LOOSER: found.loosening,
        FailOn.STRICTER: found.of(Direction.STRICTER),
        FailOn.ANY: found.differences,
    }[fail_on]
    if failing:
        raise typer.Exit(INVALID)


def _draft(source: str) -> Draft:
    checked = check(locator.resolve_folder(source))
    errors = [problem for problem in checked.problems if problem.severity == "error"]
    if checked.draft is None or errors:
        raise PolicyError(errors)
    return checked.draft


def as_text(found: PolicyDiff) -> str:
    """Format the counts, then each difference as a line, followed by an example of its conditions."""
    return "".join(f"{line}\n" for line in _text(found))


def _text(found: PolicyDiff) -> Iterator[str]:
    yield _total(found)
    for one in found.differences:
        risk = f" {one.risk}:" if one.risk else ""
        cells = f", {one.cells:,} cells" if one.cells else ""
        yield f"{one.direction}: {one.what}:{risk} {one.message}{cells}"
        if one.box:
            yield f"    where {one.box}"
            yield f"    after {one.path}"


def _total(found: PolicyDiff) -> str:
    counts = ", ".join(f"{len(found.of(direction))} {direction}" for direction in Direction)
    return f"{found.old} -> {found.new}: {counts}"


def as_json_document(found: PolicyDiff) -> str:
    """Format one JSON object; its differences have the fields of `authguard.policy.diff.part_diff.Difference`."""
    listed = [asdict(one) for one in found.differences]
    whole = {"old": found.old, "new": found.new, "undecided": found.undecided, "differences": listed}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def as_markdown(found: PolicyDiff) -> str:
    """Format a Markdown table for a pull request."""
    lines = [f"**{_total(found)}**", ""]
    if found.differences:
        lines += ["| | what | risk | change | cells | where | after |", "| --- | --- | --- | --- | ---: | --- | --- |"]
        lines += ["| " + " | ".join(_row(one)) + " |" for one in found.differences]
    return "\n".join(lines) + "\n"


def _row(one: Difference) -> list[str]:
    columns = [one.direction.value, one.what, one.risk, one.message, f"{one.cells:,}" if one.cells else ""]
    return [column.replace("|", "\\|") for column in [*columns, one.box, one.path]]
