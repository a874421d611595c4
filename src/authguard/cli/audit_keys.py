"""`authguard audit keys`: show, generate and rotate the keys that sign the audit log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from authguard import signing_key
from authguard.cli.audit_trust import file_prefix
from authguard.cli.options import StoreOption, parse_file
from authguard.cli.terminal import resolve_log_path
from authguard.errors import SettingsError

KeyFile = Annotated[
    Path | None, typer.Option("--file", callback=parse_file, help="The key file; default: the file next to the store.")
]


def _file(given: Path | None, store: str) -> Path:
    if given:
        return given
    named = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    if named.startswith("PRIVATE+KEY+"):
        raise SettingsError("AUTHGUARD_SIGNING_KEY holds the key itself: name a file with --file")
    return Path(named) if named else signing_key.key_file_path(file_prefix(store, resolve_log_path(None)))


def show(file: KeyFile = None, store: StoreOption = "") -> None:
    """Print the public keys of the log, the signing key last; a verifier needs them."""
    for one in signing_key.load_key_file(_file(file, store)):
        typer.echo(one.key.text())


def generate(
    file: KeyFile = None,
    name: Annotated[str, typer.Option("--name", help="Name of the key; default: a generated name.")] = "",
    store: StoreOption = "",
) -> None:
    """Generate the key that signs the log in a file with mode 0600, and print the public key."""
    path = _file(file, store)
    if name and (set(name) & set("+ \t\n") or not name.isprintable()):
        raise SettingsError("the name of a key must not contain spaces or plus signs")
    made = signing_key.generate_key(name)
    if not signing_key.write_key_file(path, (made,)):
        raise SettingsError(f"`{path}` already exists: `authguard audit keys rotate` adds a key to it")
    typer.echo(made.key.text())


def rotate(file: KeyFile = None, store: StoreOption = "") -> None:
    """Add a new signing key to the file; both keys sign the first checkpoint. Restart the app afterwards."""
    path = _file(file, store)
    keys = signing_key.load_key_file(path)
    made = signing_key.generate_key(keys[-1].key.name)
    signing_key.write_key_file(path, (*keys, made), replace=True)
    typer.echo(made.key.text())
