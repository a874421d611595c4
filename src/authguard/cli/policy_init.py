"""`authguard policy init`: create a policy with scenarios and a README from a few answers."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import msgspec
import typer

from authguard.cli.completion import complete
from authguard.cli.line_wrap import print_lines
from authguard.cli.options import JsonOption, parse_file
from authguard.cli.output import FAILED, USAGE, open_private, print_error
from authguard.cli.terminal import escape
from authguard.file_access import Access, explain_failure, find_obstacle
from authguard.paths import make_folder
from authguard.policy.loading.locator import shipped_policies
from authguard.policy.loading.preset import LEVELS, list_presets, load_preset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.policy.operation_proposal import Proposals
    from authguard.policy.scaffold import Answers

#: name of the policy's file
POLICY_FILENAME: Final = "policy.yaml"

Folder = Annotated[Path, typer.Argument(metavar="DIR", callback=parse_file, help="Target folder; created if missing.")]


def init(
    folder: Folder,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the policy; default: the name of the folder.")
    ] = None,
    extends: Annotated[
        str, typer.Option("--from", autocompletion=complete(shipped_policies), help="The shipped policy to extend.")
    ] = "standard",
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider", autocompletion=complete(list_presets), help=f"Identity provider: {', '.join(list_presets())}."
        ),
    ] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", help="URL of the issuer of the tokens.")] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", help="Audience of the tokens; default: the name.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="File with the issuer's keys (a JWK Set); default: discovery.")
    ] = None,
    accounts: Annotated[
        str | None, typer.Option("--accounts", help="Claim with the status of an account, or `none`.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            autocompletion=complete(lambda: LEVELS),
            help=f"Assurance level that proves the identity: {', '.join(LEVELS)}.",
        ),
    ] = None,
    payments: Annotated[
        bool | None,
        typer.Option("--payments/--no-payments", help="Whether to include a payment operation of high risk."),
    ] = None,
    approver: Annotated[str | None, typer.Option("--approver", help="Role that approves payments.")] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="Agent that may act for customers (`act.sub` or `client_id`); '' for none."),
    ] = None,
    approvals: Annotated[str | None, typer.Option("--approvals", help="How many persons approve; default: 1.")] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="Channels that a gateway names, separated by commas, or `none`.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option("--verifier", help="URL of the service that verifies identity, or `none`.")
    ] = None,
    staff: Annotated[str | None, typer.Option("--staff", help="Claim with the roles of staff, or `none`.")] = None,
    app: Annotated[
        str | None, typer.Option("--app", metavar="MODULE:APP", help="Propose operations for the routes of this app.")
    ] = None,
    openapi: Annotated[
        Path | None, typer.Option("--openapi", metavar="FILE", help="Propose operations for an OpenAPI document.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Use the defaults without questions.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a valid policy with passing scenarios and a README; ask for values that no option gives.

    With --app or --openapi, each endpoint gets an operation with a risk, an effect and the reason; review each of them.
    Existing files are never changed. Each answer is checked as it is given. Exit 2 if an option is wrong, or if there
    is no terminal for a question; then no file is written.

    Examples:

        authguard policy init my-shop --yes

        authguard policy init my-desk --yes --from support-desk --json

        authguard policy init my-api --yes --openapi openapi.yaml
    """
    from authguard.cli.policy_answers import Given, resolve_answers  # noqa: PLC0415 - help does not need it
    from authguard.policy.scaffold import build_files  # noqa: PLC0415

    _refuse_unusable_folder(folder)
    proposals = _propose(app, openapi)
    given = Given(
        app=app,
        openapi=openapi,
        operations=proposals.operations,
        approvals=approvals,
        channels=channels,
        verifier=verifier,
        staff=staff,
        name=name,
        extends=extends,
        provider=provider,
        issuer=issuer,
        audience=audience,
        keys=keys,
        payments=payments,
        accounts=accounts,
        level=level,
        approver=approver,
        agent=agent,
    )
    answers = resolve_answers(given, folder, yes=yes)
    files = build_files(answers)
    _write(folder, files)
    if as_json:
        built = _to_json(folder, answers, files) | {"skipped": list(proposals.skipped)}
        typer.echo(msgspec.json.format(msgspec.json.encode(built), indent=2).decode())
    else:
        print_lines(_summarize(folder, answers, files, proposals.skipped))


def _propose(app: str | None, openapi: Path | None) -> Proposals:
    """Return the operations that are proposed for an app or a document; none without either.

    Raises:
        typer.Exit: no endpoint gets an operation.
    """
    from authguard.policy.operation_proposal import Proposals, propose_operations  # noqa: PLC0415

    if app is None and openapi is None:
        return Proposals(operations=(), skipped=())
    if app is not None:
        from authguard.cli.policy_app import describe_endpoints, list_endpoints, load_app  # noqa: PLC0415

        described, unknown = describe_endpoints(list_endpoints(load_app(app)))
    else:
        from authguard.cli.openapi_document import read_openapi  # noqa: PLC0415 - only --openapi reads one

        described, unknown = read_openapi(openapi or Path()), ()
    found = propose_operations(described)
    if not found.operations:
        print_error(f"no endpoint was found in `{app or openapi}`; nothing was written")
        raise typer.Exit(USAGE)
    return Proposals(operations=found.operations, skipped=(*unknown, *found.skipped))


def _summarize(folder: Path, answers: Answers, files: Mapping[str, str], skipped: tuple[str, ...]) -> Iterator[str]:
    """Yield the verdict, what was written, and the commands to type next."""
    yield f"created the policy {answers.name}, which passes its checks"
    yield f"  extends: {answers.extends}"
    yield f"  trusts: {answers.issuer} ({answers.provider}), for the audience {answers.audience}"
    yield from (f"  wrote: {folder / name}" for name in sorted(files))
    if answers.operations:
        yield "  proposed operations, to be reviewed:"
    for one in answers.operations:
        yield escape(f"    {one.name} ({one.risk} {one.effect}), {one.method or 'any method'} {one.path}: {one.why}")
    yield from (f"  no operation was proposed for {escape(one)}" for one in skipped)
    if _is_example(answers):
        yield f"  the issuer is an example: write yours in {folder / POLICY_FILENAME}"
    yield from (f"next: {command}" for command in _next_commands(folder, answers))


def _is_example(answers: Answers) -> bool:
    return answers.issuer == load_preset(answers.provider).example["issuer"]


def _next_commands(folder: Path, answers: Answers) -> Iterator[str]:
    where = shlex.quote(str(folder))
    yield f"authguard policy check {where}"
    yield f"authguard policy test {where}"
    if not answers.keys and not _is_example(answers):
        yield f"authguard issuer check {shlex.quote(answers.issuer)} --audience {shlex.quote(answers.audience)}"


def _to_json(folder: Path, answers: Answers, files: Mapping[str, str]) -> dict[str, object]:
    return {
        "name": answers.name,
        "folder": str(folder),
        "files": [str(folder / name) for name in sorted(files)],
        "extends": answers.extends,
        "provider": answers.provider,
        "issuer": answers.issuer,
        "audience": answers.audience,
        "operations": [msgspec.to_builtins(one) for one in answers.operations],
        "next": list(_next_commands(folder, answers)),
    }


def _refuse_unusable_folder(folder: Path) -> None:
    """Refuse a folder with files of a policy, or in which no file can be created, before the first question."""
    for name in (POLICY_FILENAME, "scenarios", "README.md", "authguard.schema.json", "scenarios.schema.json"):
        if os.path.lexists(folder / name):
            print_error(escape(f"`{folder / name}` already exists; nothing was written: name another DIR"))
            raise typer.Exit(USAGE)
    if obstacle := find_obstacle(folder, Access.FOLDER):
        _fail(folder, obstacle)


def _fail(folder: Path, why: str) -> NoReturn:
    print_error(escape(f"`{folder}` cannot be written: {why}: name another DIR"))
    raise typer.Exit(USAGE if folder.exists() and not folder.is_dir() else FAILED)


def _write(folder: Path, made: Mapping[str, str]) -> None:
    """Write new files; if one cannot be written, or the command is interrupted, remove those already written."""
    written: list[Path] = []
    try:
        for name, text in made.items():
            path = folder / name
            make_folder(path.parent)
            with open_private(path, os.O_EXCL) as file:
                written.append(path)
                file.write(text)
    except (OSError, KeyboardInterrupt) as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            _fail(folder, explain_failure(folder, Access.FOLDER, error))
        raise
