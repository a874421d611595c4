"""`authguard policy check`: report the problems of policies as text, JSON, SARIF or GitHub annotations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace

from authguard.cli.completion import complete
from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PoliciesArgument, is_json, pick_policies
from authguard.cli.options import JsonOption, OutputOption, PolicyOption
from authguard.cli.output import FAILED, INVALID, USAGE, count_problems, print_error, write_output
from authguard.policy.checks.checker import check_all
from authguard.policy.loading.locator import is_shipped_name
from authguard.policy.problem import did_you_mean
from authguard.policy.render.check_report import as_github, as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.policy.checks.checker import CheckResult
    from authguard.policy.checks.route_coverage import Endpoint, RouteMatch
    from authguard.policy.checks.table import ProofCounts


#: places below a folder that were not searched and are shown
MAX_SKIPPED_SHOWN: Final = 20


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def _list_codes() -> Iterable[str]:
    from authguard.policy.catalogue import MEANINGS  # noqa: PLC0415 - needed only for completion

    return MEANINGS


def check(
    context: typer.Context,
    paths: PoliciesArgument = None,
    *,
    policy: PolicyOption = "",
    form: Annotated[
        Format,
        typer.Option("--format", help="Output format: text, JSON, SARIF 2.1.0, or GitHub Actions workflow commands."),
    ] = Format.TEXT,
    as_json: JsonOption = False,
    output: OutputOption = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:ATTRIBUTE",
            help="Import this app, which runs its code, and check its routes, WebSockets and MCP tools.",
        ),
    ] = None,
    allow_unnamed: Annotated[
        bool,
        typer.Option("--allow-unnamed", help="With --app: unnamed or unguarded endpoints are notes, not errors."),
    ] = False,
    write_proof: Annotated[
        bool,
        typer.Option(
            "--write-proof",
            help="Write FILE.proof beside each valid policy, so that a start need not prove it again.",
        ),
    ] = False,
    code: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="CODE",
            autocompletion=complete(_list_codes),
            help="Explain a problem code, with examples.",
        ),
    ] = None,
) -> None:
    """Check policies and report each problem with its place and a correction. Exit 3 if a policy is not valid.

    Policies that are not valid come first.

    Examples:

        authguard policy check policy.yaml

        authguard policy check policies --format sarif -o found.sarif

        authguard policy check --explain machine-hole
    """
    form = Format.JSON if is_json(form, Format.TEXT, as_json=as_json) else form
    if code is not None:
        write_output(_explain(code, as_json=form is Format.JSON), output)
        return
    named = pick_policies(context, paths, policy)
    endpoints = _endpoints(app) if app else ()
    found: list[_AppCheck] = []
    skipped: list[str] = []
    for given in named:
        began = perf_counter()
        results = check_all(given, report_skipped=skipped.append)
        ones = [_check_app(one, endpoints, refuse=not allow_unnamed) if app else _AppCheck(one) for one in results]
        seconds = perf_counter() - began if len(ones) == 1 else 0.0  # of a folder of policies, only the sum is known
        found += [replace(one, seconds=seconds) for one in ones]
    if form is Format.TEXT and output is None:
        print_lines(_format_all(found))
    else:
        write_output(_write(form, found, app or ""), output)
    for place in skipped[:MAX_SKIPPED_SHOWN]:
        print_error(f"not searched: {place}")
    if len(skipped) > MAX_SKIPPED_SHOWN:
        print_error(f"not searched: {len(skipped) - MAX_SKIPPED_SHOWN} more places")
    if write_proof:
        _write_proofs([one.checked for one in found])
    if not all(one.checked.is_usable for one in found):
        raise typer.Exit(INVALID)


def _write_proofs(checked: Sequence[CheckResult]) -> None:
    from authguard.policy.checks.proof_file import write_proof  # noqa: PLC0415 - needed only with --write-proof

    for one in checked:
        if one.draft is None or not one.is_usable or is_shipped_name(one.source):
            continue
        try:
            print_error(f"proof written: {write_proof(one.draft, Path(one.source))}")
        except OSError as error:
            print_error(f"the proof of `{one.source}` cannot be written: {error.strerror or error}")
            raise typer.Exit(FAILED) from error


class _AppCheck(Struct, frozen=True):
    """Result of one policy, with the operations of the app's endpoints."""

    checked: CheckResult
    matches: tuple[RouteMatch, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    seconds: float = 0.0


def _endpoints(app: str) -> tuple[Endpoint, ...]:
    from authguard.cli.policy_app import list_endpoints, load_app  # noqa: PLC0415 - needed only with --app

    return list_endpoints(load_app(app))


def _check_app(checked: CheckResult, endpoints: Sequence[Endpoint], *, refuse: bool) -> _AppCheck:
    if checked.draft is None:
        return _AppCheck(checked)
    from authguard.policy.checks.route_coverage import match_routes  # noqa: PLC0415 - needed only with --app

    matches, problems = match_routes(endpoints, checked.draft, refuse=refuse)
    return _AppCheck(checked.with_problems(problems), matches, tuple(endpoints))


def _write(form: Format, found: Sequence[_AppCheck], app: str) -> str:
    """Return the whole output in a format."""
    checked = [one.checked for one in found]
    match form:
        case Format.TEXT:
            lines = list(_format_all(found))
        case Format.JSON:
            more = [
                {
                    "app": {
                        "name": app,
                        "endpoints": [_as_json(match) for match in one.matches],
                        **_summary(one.endpoints),
                    }
                }
                for one in found
            ]
            lines = [as_json(checked, more=more if app else ())]
        case Format.SARIF:
            lines = [_as_sarif(checked)]
        case Format.GITHUB:
            lines = list(as_github(checked))
    return "".join(f"{line}\n" for line in lines)


def _as_json(match: RouteMatch) -> dict[str, Any]:
    endpoint = match.endpoint
    return {
        "kind": endpoint.kind,
        "path": endpoint.path,
        "methods": list(match.methods),
        "operations": list(match.operations),
        "named": match.is_named,
        "guarded": endpoint.guarded,
        "tools": list(endpoint.tools),
        "host": endpoint.host,
    }


def _summary(endpoints: Sequence[Endpoint]) -> dict[str, list[str]]:
    """Return root paths, hosts, methods and mounts of an app."""
    mounts = [one for one in endpoints if one.kind == "mount"]
    return {
        "prefixes": sorted({one.path for one in endpoints if one.kind == "prefix"}),
        "hosts": sorted({one.host for one in endpoints} - {""}),
        "methods": sorted({method for one in endpoints for method in one.methods}),
        "mounted": [f"{one.framework} at {one.host}{one.path.removesuffix('/{path:path}') or '/'}" for one in mounts],
    }


def _as_sarif(checked: Sequence[CheckResult]) -> str:
    from authguard import __version__  # noqa: PLC0415 - needed only for SARIF
    from authguard.policy.catalogue import MEANINGS  # noqa: PLC0415 - needed only for SARIF
    from authguard.policy.render.sarif import as_sarif  # noqa: PLC0415 - needed only for SARIF

    return as_sarif(checked, MEANINGS, __version__)


def _explain(code: str, *, as_json: bool) -> str:
    from authguard.policy.catalogue import MEANINGS, explain_problem  # noqa: PLC0415 - needed only with --explain

    if code not in MEANINGS:
        print_error(f"there is no problem code `{code}`; {did_you_mean(code, MEANINGS)}")
        raise typer.Exit(USAGE)
    text = explain_problem(code)
    if not as_json:
        return f"{text}\n"
    explained = {"code": code, "meaning": MEANINGS[code], "text": text}
    return msgspec.json.format(msgspec.json.encode(explained), indent=2).decode() + "\n"


def _format_all(found: Sequence[_AppCheck]) -> Iterator[str]:
    """Yield the policies that are not valid, then the others, then the count and the next command."""
    refused = [one for one in found if not one.checked.is_usable]
    for one in (*refused, *(one for one in found if one.checked.is_usable)):
        yield from _format(one)
    if len(found) > 1:
        yield (
            f"{len(refused)} of {len(found)} policies {'is' if len(refused) == 1 else 'are'} not valid"
            if refused
            else f"all {len(found)} policies are valid"
        )
    if refused:
        yield f"next: authguard policy check --explain {refused[0].checked.errors[0].code}"


def _format(found: _AppCheck) -> Iterator[str]:
    """Yield the verdict on one policy, its problems, and what the endpoints of the app are."""
    one = found.checked
    if one.figures is None:
        counts = count_problems(len(one.errors), len(one.problems) - len(one.errors))
        yield f"not valid: {one.source}: {counts}"
    else:
        took = f" ({found.seconds * 1000:.0f} ms)" if found.seconds else ""
        yield f"valid: {one.source}: {_format_counts(one.figures)}{took}"
        for name, polarity in one.flags.items():
            yield f"flag `{name}` {polarity}"
    yield from map(str, sorted(one.problems, key=lambda problem: problem.severity != "error"))
    for match in found.matches:
        where = " or ".join(match.operations) if match.endpoint.guarded else "not guarded"
        tools = f" (tools: {', '.join(match.endpoint.tools)})" if match.endpoint.tools else ""
        yield f"{match} -> {where}{tools}"
    for name, values in _summary(found.endpoints).items():
        if values:
            yield f"{name}: {', '.join(values)}"


def _format_counts(proved: ProofCounts) -> str:
    return (
        f"each of {proved.pairs:,} (state, event) pairs and {proved.cells:,} cells has one result, "
        f"by {proved.rules} rules; {proved.invariants} invariants hold"
    )
