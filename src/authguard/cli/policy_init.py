"""`authguard policy init`: a few questions, and the first files of somebody's own policy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.output import FAILED, USAGE, open_private, print_error
from authguard.paths import make_folder
from authguard.policy.loading import locator
from authguard.policy.problem import did_you_mean
from authguard.policy.scaffold import LEVELS, NONE, Answers, build_files

if TYPE_CHECKING:
    from collections.abc import Mapping

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")]
#: what is taken with `--yes` where nothing is said; the issuer is an address that no machine answers at
ISSUER: Final = "https://idp.example"


def begin(
    folder: Folder,
    *,
    name: Annotated[str | None, typer.Option("--name", help="Of the policy; else the folder's.")] = None,
    extends: Annotated[str, typer.Option("--from", help="A shipped policy to begin with.")] = "standard",
    issuer: Annotated[str | None, typer.Option("--issuer", help="Who signs the access tokens: an address.")] = None,
    audience: Annotated[str | None, typer.Option("--audience", help="What the tokens are for; else the name.")] = None,
    accounts: Annotated[
        str | None, typer.Option("--accounts", help="The claim that holds an account's status, or `none`.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", help=f"The sign-in that proves who it is: {', '.join(LEVELS)}.")
    ] = None,
    payments: Annotated[
        bool | None, typer.Option("--payments/--no-payments", help="With an operation of high risk, or without.")
    ] = None,
    approver: Annotated[str | None, typer.Option("--approver", help="The role that approves payments.")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", help="Who may act for customers (`act.sub` or `client_id`); '' for none.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the defaults.")] = False,
) -> None:
    """Write a policy, its scenarios and a README, all of which pass; asks for what no option says.

    Nothing that is there already is touched. Exit 3 when an answer cannot stand in a policy; then nothing is written.
    """
    if extends not in locator.shipped_policies():
        message = (
            f"no policy named `{extends}` ships with authguard; {did_you_mean(extends, locator.shipped_policies())}"
        )
        raise typer.BadParameter(message, param_hint="--from")
    if level is not None and level not in LEVELS:
        raise typer.BadParameter(f"`{level}` is no level; {did_you_mean(level, LEVELS)}", param_hint="--level")
    _refuse_what_is_there(folder)

    def ask(given: str | None, question: str, default: str) -> str:
        if given is not None:
            return given
        return default if yes else str(typer.prompt(question, default=default))

    said_name = ask(name, "Name of the policy", _named(folder))
    said_issuer = ask(issuer, "Who signs the access tokens (address of the issuer)", ISSUER)
    said_audience = ask(audience, "What the tokens are for (audience)", said_name)
    answers = Answers(name=said_name, issuer=said_issuer, audience=said_audience, extends=extends)
    if extends == "standard":
        pays = payments
        if pays is None:
            pays = yes or typer.confirm("Is there an operation of high risk, such as a payment?", default=True)
        answers = Answers(
            name=said_name,
            issuer=said_issuer,
            audience=said_audience,
            accounts=ask(accounts, "Claim that holds an account's status (`none` for none)", NONE),
            level=ask(level, f"Sign-in that proves who it is ({', '.join(LEVELS)})", "aal2"),
            payments=pays,
            approver=ask(approver, "Role that approves payments", "supervisor") if pays else "supervisor",
            agent=ask(agent, "Agent that may act for customers (empty for none)", ""),
        )
    _write(folder, build_files(answers))
    typer.echo(f"wrote {folder}/: authguard policy check {folder} && authguard policy test {folder}")


def _named(folder: Path) -> str:
    """Make a policy's name from the folder's."""
    words = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return words[:64] if re.fullmatch(r"[a-z].*", words) else "my-agent"


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        print_error(f"`{folder}` is no folder")
        raise typer.Exit(USAGE)
    for name in (locator.POLICY_FILENAME, "scenarios", "README.md", "authguard.schema.json", "scenarios.schema.json"):
        if (folder / name).exists() or (folder / name).is_symlink():
            print_error(f"`{folder / name}` is there already; nothing was written")
            raise typer.Exit(USAGE)


def _write(folder: Path, made: Mapping[str, str]) -> None:
    """Write files that are not there; what was written is taken away again where one cannot be."""
    written: list[Path] = []
    try:
        for name, text in made.items():
            path = folder / name
            make_folder(path.parent)
            with open_private(path, os.O_EXCL) as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        print_error(f"`{folder}` cannot be written: {error.strerror or type(error).__name__}")
        raise typer.Exit(FAILED) from None
