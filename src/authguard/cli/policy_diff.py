"""`authguard policy diff`: report what one policy permits and another does not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

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
        yield f"{one.direction}: {_sentence(one)}"
        if one.box:
            yield f"    where {one.box}"
            yield f"    after {one.path}"
    if found.of(Direction.MAY_LOOSEN):
        yield _UNORDERED


#: what a reviewer has to know of differences that may be looser
_UNORDERED: Final = "may be looser: the two values have no order, so that a person has to judge the change"


def _sentence(one: Difference) -> str:
    """Return a difference as one sentence: the part, the risk, the change and the number of affected cells."""
    risk = f" {one.risk} risk:" if one.risk else ""
    cells = f" ({one.cells:,} {'cell' if one.cells == 1 else 'cells'} of the decision table)" if one.cells else ""
    return f"{one.what}:{risk} {one.message}{cells}"


def _total(found: PolicyDiff) -> str:
    counts = ", ".join(f"{len(found.of(direction))} {direction}" for direction in Direction)
    return f"{found.old} -> {found.new}: {counts}"


def as_json_document(found: PolicyDiff) -> str:
    """Format one JSON object; its differences have the fields of `authguard.policy.diff.part_diff.Difference`."""
    listed = [asdict(one) for one in found.differences]
    whole = {"old": found.old, "new": found.new, "undecided": found.undecided, "differences": listed}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def as_markdown(found: PolicyDiff) -> str:
    """Format a comment for a pull request: a list for each direction, the one that a reviewer reads first on top."""
    lines = [f"**{_escape(_total(found))}**"]
    for direction in Direction:
        listed = found.of(direction)
        if not listed:
            continue
        lines += ["", f"### {direction.capitalize()} ({len(listed)})", ""]
        if direction is Direction.MAY_LOOSEN:
            lines += ["The two values have no order, so that a person has to judge the change.", ""]
        for one in listed:
            lines.append(f"- {_escape(_sentence(one))}")
            if one.box:
                lines.append(f"  - where {_escape(one.box)}")
                lines.append(f"  - after {_escape(one.path)}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return text without HTML and line ends, so that a policy cannot change the comment around it."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
