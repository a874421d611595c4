"""`authguard policy check`: report the problems of policies as text, JSON, SARIF or GitHub annotations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.cli.output import INVALID, OK, USAGE, print_error
from authguard.policy.checks.checker import check_all
from authguard.policy.problem import did_you_mean
from authguard.policy.render.check_report import as_github, as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def check(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Policy files, shipped names, folders with a `policy.yaml`, or folders of such folders."),
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="Output format: text, JSON, SARIF 2.1.0, or GitHub Actions workflow commands."),
    ] = Format.TEXT,
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
    code: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="Explain a problem code, with examples.")
    ] = None,
) -> None:
    """Check policies and report each problem with its place and a correction. Exit 3 if a policy is not valid."""
    if code is not None:
        raise typer.Exit(_explain(code))
    if not paths:
        print_error("name a policy: a file, a folder or a shipped name, or use --explain CODE")
        raise typer.Exit(USAGE)
    began = perf_counter()
    endpoints = _endpoints(app) if app else ()
    found: list[_AppCheck] = []
    skipped: list[str] = []
    for given in paths:
        for checked in check_all(given, report_skipped=skipped.append):
            one = _check_app(checked, endpoints, refuse=not allow_unnamed) if app else _AppCheck(checked)
            found.append(one)
            if form is Format.TEXT:
                _print(one, perf_counter() - began)
            began = perf_counter()
    _write(form, found, app or "")
    for place in skipped[:MAX_SKIPPED_SHOWN]:
        print_error(f"not searched: {place}")
    if len(skipped) > MAX_SKIPPED_SHOWN:
        print_error(f"not searched: {len(skipped) - MAX_SKIPPED_SHOWN} more places")
    if not all(one.checked.is_usable for one in found):
        raise typer.Exit(INVALID)


@dataclass(frozen=True, slots=True)
class _AppCheck:
    """Result of one policy, with the operations of the app's endpoints."""

    checked: CheckResult
    matches: tuple[RouteMatch, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def _endpoints(app: str) -> tuple[Endpoint, ...]:
    from authguard.cli.policy_app import list_endpoints, load_app  # noqa: PLC0415 - needed only with --app

    return list_endpoints(load_app(app))


def _check_app(checked: CheckResult, endpoints: Sequence[Endpoint], *, refuse: bool) -> _AppCheck:
    if checked.draft is None:
        return _AppCheck(checked)
    from authguard.policy.checks.route_coverage import match_routes  # noqa: PLC0415 - needed only with --app

    matches, problems = match_routes(endpoints, checked.draft, refuse=refuse)
    return _AppCheck(checked.with_problems(problems), matches, tuple(endpoints))


def _write(form: Format, found: Sequence[_AppCheck], app: str) -> None:
    checked = [one.checked for one in found]
    match form:
        case Format.TEXT:
            pass
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
            typer.echo(as_json(checked, more=more if app else ()))
        case Format.SARIF:
            typer.echo(_as_sarif(checked))
        case Format.GITHUB:
            for line in as_github(checked):
                typer.echo(line)


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


def _explain(code: str) -> int:
    from authguard.policy.catalogue import MEANINGS, explain_problem  # noqa: PLC0415 - needed only with --explain

    if code not in MEANINGS:
        print_error(f"there is no problem code `{code}`; {did_you_mean(code, MEANINGS)}")
        return USAGE
    typer.echo(explain_problem(code))
    return OK


def _print(found: _AppCheck, seconds: float) -> None:
    one = found.checked
    for match in found.matches:
        where = " or ".join(match.operations) if match.endpoint.guarded else "not guarded"
        tools = f" (tools: {', '.join(match.endpoint.tools)})" if match.endpoint.tools else ""
        typer.echo(f"{match} -> {where}{tools}")
    for name, values in _summary(found.endpoints).items():
        if values:
            typer.echo(f"{name}: {', '.join(values)}")
    for problem in one.problems:
        typer.echo(str(problem))
    if one.figures is None:
        errors = len(one.errors)
        typer.echo(f"{one.source}: {errors} problem{'' if errors == 1 else 's'}")
    else:
        typer.echo(f"{one.source}: {_format_counts(one.figures)} ({seconds * 1000:.0f} ms)")


def _format_counts(proved: ProofCounts) -> str:
    return (
        f"each of {proved.pairs:,} (state, event) pairs and {proved.cells:,} cells has one result, "
        f"by {proved.rules} rules; {proved.invariants} invariants hold"
    )
