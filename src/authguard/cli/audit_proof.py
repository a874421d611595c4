"""`authguard audit prove` and `check-proof`: one record, proved to somebody who must not see the others."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import Annotated

import typer

from authguard import signing
from authguard.audit.verify import inclusion_proof
from authguard.cli.audit_trust import FILE, NO_KEY, Keys, Log, Store, Vouching, find_log, keys_for
from authguard.cli.output import BROKE, UNVERIFIED, complain, deliver
from authguard.cli.showing import escaped, log_of, moment
from authguard.errors import AuditError, SettingsError


def prove(
    record: Annotated[str, typer.Argument(help="The record's id: a reply's `instance`.")],
    path: Log = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the proof to a file.")] = None,
    key: Keys = None,
    store: Store = "",
) -> None:
    """Prove to a third party that the signed log holds a record. The proof shows that record, and no other.

    Exit 4 where the checkpoint that covers the record is not signed by the key, or the log does not lead to it.
    """
    log = find_log(path, store)
    vouching = _demand(keys_for(key, store, log))
    try:
        proof = inclusion_proof.prove(log, record, vouching.keys, signing.check)
    except inclusion_proof.UnprovenError as error:
        complain(str(error))
        raise typer.Exit(UNVERIFIED) from None
    deliver(proof, output)


def check_proof(
    proof: Annotated[Path, typer.Argument(help="The proof that `authguard audit prove` made.")],
    key: Keys = None,
    store: Store = "",
) -> None:
    """Check a proof with the public key alone, without the log. Exit 4 where it proves nothing."""
    vouching = _demand(keys_for(key, store, log_of(None)))
    try:
        with proof.open("rb") as file:
            text = file.read(FILE).decode()
    except (OSError, ValueError) as error:
        complain(f"`{proof}` cannot be read: {type(error).__name__}")
        raise typer.Exit(BROKE) from None
    try:
        found = inclusion_proof.examine(text, vouching.keys, signing.check)
    except AuditError as error:
        complain(str(error))
        raise typer.Exit(UNVERIFIED) from None
    typer.echo(escaped(found.line.decode().rstrip("\n")))
    typer.echo(f"line {found.index + 1} of {found.size} of {escaped(found.origin)}, signed {moment(found.at)}")
    if vouching.note:
        complain(f"note: {vouching.note}")


def _demand(vouching: Vouching) -> Vouching:
    if not vouching.keys:
        raise SettingsError(NO_KEY)
    return vouching
