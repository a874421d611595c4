"""`authguard policy init`: create a policy with scenarios and a README from a few answers."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.output import FAILED, USAGE, open_private, print_error
from authguard.core.strict_json import parse_object
from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES, MAX_RESPONSE_NODES
from authguard.credentials.jwk_set import load_jwks
from authguard.file_access import Access, explain_failure
from authguard.paths import make_folder
from authguard.policy.checks.deployment import ASYMMETRIC
from authguard.policy.loading import locator
from authguard.policy.loading.preset import list_presets, load_preset
from authguard.policy.problem import did_you_mean
from authguard.policy.scaffold import LEVELS, NONE, Answers, build_files

if TYPE_CHECKING:
    from collections.abc import Mapping

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Target folder; created if missing.")]
#: default provider for `--yes`; the issuer of its example has a reserved host name (RFC 2606)
DEFAULT_PROVIDER: Final = "generic"


def init(
    folder: Folder,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the policy; default: the name of the folder.")
    ] = None,
    extends: Annotated[str, typer.Option("--from", help="The shipped policy to extend.")] = "standard",
    provider: Annotated[
        str | None, typer.Option("--provider", help=f"Identity provider: {', '.join(list_presets())}.")
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
        str | None, typer.Option("--level", help=f"Assurance level that proves the identity: {', '.join(LEVELS)}.")
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Use the defaults without questions.")] = False,
) -> None:
    """Create a valid policy with passing scenarios and a README; ask for values that no option gives.

    Existing files are never changed. Exit 3 if an answer is not valid in a policy; then no file is written.
    """
    if extends not in locator.shipped_policies():
        message = (
            f"no policy named `{extends}` ships with authguard; {did_you_mean(extends, locator.shipped_policies())}"
        )
        raise typer.BadParameter(message, param_hint="--from")
    if level is not None and level not in LEVELS:
        raise typer.BadParameter(f"`{level}` is not a level; {did_you_mean(level, LEVELS)}", param_hint="--level")
    if provider is not None and provider not in list_presets():
        message = f"there is no preset of `{provider}`; {did_you_mean(provider, list_presets())}"
        raise typer.BadParameter(message, param_hint="--provider")
    key_set = "" if keys is None else _read_keys(keys)
    _refuse_existing_files(folder)

    def ask(given: str | None, question: str, default: str) -> str:
        if given is not None:
            return given
        return default if yes else str(typer.prompt(question, default=default))

    chosen_name = ask(name, "Name of the policy", _derive_name(folder))
    chosen_provider = ask(provider, f"Identity provider ({', '.join(list_presets())})", DEFAULT_PROVIDER)
    if chosen_provider not in list_presets():
        print_error(f"there is no preset of `{chosen_provider}`; {did_you_mean(chosen_provider, list_presets())}")
        raise typer.Exit(USAGE)
    chosen_issuer = ask(issuer, "Issuer of the tokens (URL)", load_preset(chosen_provider).example["issuer"])
    chosen_audience = ask(audience, "Audience of the tokens", chosen_name)
    answers = Answers(
        name=chosen_name,
        provider=chosen_provider,
        issuer=chosen_issuer,
        audience=chosen_audience,
        keys=key_set,
        extends=extends,
    )
    if extends == "standard":
        pays = payments
        if pays is None:
            pays = yes or typer.confirm("Does the app have an operation of high risk, such as a payment?", default=True)
        answers = replace(
            answers,
            accounts=ask(accounts, "Claim with the status of an account (`none` for none)", NONE),
            level=ask(level, f"Assurance level that proves the identity ({', '.join(LEVELS)})", "aal2"),
            payments=pays,
            approver=ask(approver, "Role that approves payments", "supervisor") if pays else "supervisor",
            agent=ask(agent, "Agent that may act for customers (empty for none)", ""),
        )
    _write(folder, build_files(answers))
    typer.echo(f"wrote {folder}/: authguard policy check {folder} && authguard policy test {folder}")


def _read_keys(path: Path) -> str:
    """Return the text of a JWK Set that has a key that can verify a signature."""
    try:
        with path.open("rb") as file:
            return _check_keys(file.read(MAX_RESPONSE_BYTES + 1))
    except OSError as error:
        print_error(f"`{path}` cannot be read: {error.strerror or type(error).__name__}")
    except ValueError as error:
        print_error(f"`{path}` is not a usable JWK Set (RFC 7517 5): {error}")
    raise typer.Exit(USAGE)


def _check_keys(text: bytes) -> str:
    if len(text) > MAX_RESPONSE_BYTES:
        raise ValueError("it is larger than 256 KiB")
    if not load_jwks(parse_object(text, nodes=MAX_RESPONSE_NODES), frozenset(ASYMMETRIC)).keys:
        raise ValueError("it has no key that can verify a signature")
    return text.decode()


def _derive_name(folder: Path) -> str:
    """Derive the name of a policy from the name of its folder."""
    words = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return words[:64] if re.fullmatch(r"[a-z].*", words) else "my-agent"


def _refuse_existing_files(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        print_error(f"`{folder}` is not a folder")
        raise typer.Exit(USAGE)
    for name in (locator.POLICY_FILENAME, "scenarios", "README.md", "authguard.schema.json", "scenarios.schema.json"):
        if (folder / name).exists() or (folder / name).is_symlink():
            print_error(f"`{folder / name}` already exists; nothing was written")
            raise typer.Exit(USAGE)


def _write(folder: Path, made: Mapping[str, str]) -> None:
    """Write new files; if one cannot be written, remove those already written."""
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
        print_error(f"`{folder}` cannot be written: {explain_failure(folder, Access.FOLDER, error)}: name another DIR")
        raise typer.Exit(FAILED) from None
