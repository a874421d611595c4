"""`authguard audit keys`: show, generate and rotate the keys that sign the audit log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authguard import signing_key
from authguard.cli.audit_trust import file_prefix
from authguard.cli.options import JsonOption, LogOption, StoreOption, parse_file
from authguard.cli.output import print_error
from authguard.cli.terminal import resolve_log_path
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from authguard.records.signed_note import Key

KeyFile = Annotated[
    Path | None, typer.Option("--file", callback=parse_file, help="The key file; default: the file next to the store.")
]


def _file(given: Path | None, store: str, log: Path | None) -> Path:
    if given:
        return given
    named = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    if named.startswith("PRIVATE+KEY+"):
        raise SettingsError("AUTHGUARD_SIGNING_KEY holds the key itself: name a file with --file")
    return Path(named) if named else signing_key.key_file_path(file_prefix(store, resolve_log_path(log)))


def show(file: KeyFile = None, store: StoreOption = "", log: LogOption = None, *, as_json: JsonOption = False) -> None:
    """Print the public keys of the log, the signing key last; a verifier needs them.

    Examples:

        authguard audit keys show > log.pub

        authguard audit keys show --json
    """
    path = _file(file, store, log)
    keys = [one.key for one in signing_key.load_key_file(path)]
    if as_json:
        signing = keys[-1]
        typer.echo(json.dumps([_to_builtins(one, path, signs=one is signing) for one in keys], indent=2))
        return
    for one in keys:
        typer.echo(one.text())


def generate(
    file: KeyFile = None,
    name: Annotated[str, typer.Option("--name", help="Name of the key; default: a generated name.")] = "",
    store: StoreOption = "",
    log: LogOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Generate the key that signs the log in a file with mode 0600, and print the public key.

    Examples:

        authguard audit keys generate --file new.signing
    """
    path = _file(file, store, log)
    if name and (set(name) & set("+ \t\n") or not name.isprintable()):
        raise typer.BadParameter("the name of a key must not contain spaces or plus signs", param_hint="--name")
    made = signing_key.generate_key(name)
    if not signing_key.write_key_file(path, (made,)):
        raise SettingsError(f"`{path}` already exists: `authguard audit keys rotate` adds a key to it")
    _print_made(made.key, path, as_json=as_json)


def rotate(
    file: KeyFile = None, store: StoreOption = "", log: LogOption = None, *, as_json: JsonOption = False
) -> None:
    """Add a new signing key to the file; both keys sign the first checkpoint. Restart the app afterwards.

    Examples:

        authguard audit keys rotate --json
    """
    path = _file(file, store, log)
    keys = signing_key.load_key_file(path)
    made = signing_key.generate_key(keys[-1].key.name)
    signing_key.write_key_file(path, (*keys, made), replace=True)
    _print_made(made.key, path, as_json=as_json)
    print_error("next: restart the app, and give the new public key to whoever verifies the log")


def _print_made(key: Key, path: Path, *, as_json: bool) -> None:
    typer.echo(json.dumps(_to_builtins(key, path, signs=True), indent=2) if as_json else key.text())


def _to_builtins(key: Key, path: Path, *, signs: bool) -> dict[str, object]:
    return {"key": key.text(), "name": key.name, "signs": signs, "file": str(path)}
