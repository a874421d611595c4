"""`authguard policy show`: print the merged policy with the origin of each line, as data, or as a page."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from authguard.cli.named_policy import PolicyArgument, is_json, pick_policy
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import INVALID, print_error, write_output
from authguard.cli.terminal import escape
from authguard.policy.loading.loader import load_draft
from authguard.policy.render.yaml_document import as_values, as_yaml

if TYPE_CHECKING:
    from authguard.policy.draft import Draft
    from authguard.policy.loading.loader import LoadedDraft


class Form(StrEnum):
    """Output formats."""

    YAML = "yaml"
    JSON = "json"
    HTML = "html"


def show(
    context: typer.Context,
    source: PolicyArgument = "",
    *,
    policy: PolicyOption = "",
    form: Annotated[
        Form, typer.Option("--format", help="`html` is one page: decisions with filters, machines, issuers and more.")
    ] = Form.YAML,
    phases: Annotated[
        bool, typer.Option("--phases", help="Print what reaches each phase of the decisions, as text or `--json`.")
    ] = False,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Print a policy merged with the policies that it extends, each line with its origin, or as one HTML page.

    YAML has the same digest as the policy. JSON has the document with its origins, and its content as lists with stable
    keys: rules, machines, invariants, issuers, account_map, timers, limits and fallbacks. Both are read and merged, but
    not checked; use `policy check` for that. The page is made of a policy without errors. Exit 3 if the policy cannot
    be read.

    Examples:

        authguard policy show policy.yaml

        authguard policy show policy.yaml --format html --output policy.html

        authguard policy show policy.yaml --phases
    """
    as_json = is_json(form, Form.YAML, as_json=as_json)
    reading = load_draft(pick_policy(context, source, policy))
    if form is Form.HTML and not phases:
        write_output(_render_page(reading), output)
        return
    errors = [escape(str(problem)) for problem in reading.problems if problem.severity == "error"]
    if reading.draft is None or reading.tree is None or errors:
        for error in errors:
            print_error(error)
        raise typer.Exit(INVALID)
    if phases:
        write_output(_render_phases(reading.draft, as_json=as_json), output)
        return
    if not as_json:
        write_output(as_yaml(reading.tree, reading.draft.digest), output)
        return
    from authguard.policy.render.content import build_content  # noqa: PLC0415 - only JSON needs it

    document = {
        "name": reading.draft.name,
        "digest": reading.draft.digest,
        **as_values(reading.tree),
        **build_content(reading.draft),
    }
    write_output(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n", output)


def _render_phases(draft: Draft, *, as_json: bool) -> str:
    """Prove which rule decides each cell, and render what reaches each phase."""
    from authguard.policy.checks.table import check_decidable, check_names, prove_table  # noqa: PLC0415 - only this
    from authguard.policy.render import phases  # noqa: PLC0415 - as above
    from authguard.policy.table_space import table_space  # noqa: PLC0415 - as above

    proof, space = prove_table(draft), table_space(draft)
    if proof is None:
        for problem in (*check_names(draft), *check_decidable(draft)):
            print_error(escape(str(problem)))
        raise typer.Exit(INVALID)
    found = phases.find_reaches(draft.rules, space, proof)
    if not as_json:
        return "\n".join(phases.format_reaches(found, space)) + "\n"
    document = {"name": draft.name, "digest": draft.digest, "phases": phases.list_reaches(found, space)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _render_page(reading: LoadedDraft) -> str:
    """Check and compile a policy, and render its page."""
    from authguard.policy.compiler import compile_draft, require_sound  # noqa: PLC0415 - only the page needs it
    from authguard.policy.render.page import render_page  # noqa: PLC0415 - as above

    draft = require_sound(reading)
    return render_page(compile_draft(draft), draft.invariants)
