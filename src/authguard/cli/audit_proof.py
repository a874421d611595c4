"""`authguard audit prove` and `check-proof`: inclusion proofs that disclose one record and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from authguard import signing_key
from authguard.audit.verify import inclusion_proof
from authguard.cli.audit_trust import MAX_FILE_BYTES, NO_KEY, KeyOption, LogKeys, find_log, load_keys
from authguard.cli.options import LogOption, OutputOption, StoreOption
from authguard.cli.output import FAILED, UNVERIFIED, print_error, write_output
from authguard.cli.terminal import escape, format_time_ms, resolve_log_path
from authguard.errors import AuditError, SettingsError
from authguard.file_access import Access, explain_failure


def prove(
    record: Annotated[str, typer.Argument(help="Id of the record: `instance` in a reply.")],
    log: LogOption = None,
    output: OutputOption = None,
    key: KeyOption = None,
    store: StoreOption = "",
) -> None:
    """Write a proof for a third party that the signed log contains a record; it discloses no other record.

    Exit 4 if the checkpoint that covers the record is not signed by the key, or does not match the log.
    """
    path = find_log(log, store)
    keys = _require_keys(load_keys(key, store, path))
    try:
        proof = inclusion_proof.create_proof(path, record, keys.keys, signing_key.verify_signature)
    except inclusion_proof.ProofError as error:
        print_error(str(error))
        raise typer.Exit(UNVERIFIED) from None
    write_output(proof, output)


def check_proof(
    proof: Annotated[Path, typer.Argument(help="A proof from `authguard audit prove`.")],
    key: KeyOption = None,
    store: StoreOption = "",
) -> None:
    """Verify a proof with the public key, without the log. Exit 4 if it is not valid."""
    keys = _require_keys(load_keys(key, store, resolve_log_path(None)))
    try:
        with proof.open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode()
    except (OSError, ValueError) as error:
        print_error(f"`{proof}` cannot be read: {explain_failure(proof, Access.READ, error)}")
        raise typer.Exit(FAILED) from None
    try:
        found = inclusion_proof.verify_proof(text, keys.keys, signing_key.verify_signature)
    except AuditError as error:
        print_error(str(error))
        raise typer.Exit(UNVERIFIED) from None
    typer.echo(escape(found.line.decode().rstrip("\n")))
    typer.echo(f"line {found.index + 1} of {found.size} of {escape(found.origin)}, signed {format_time_ms(found.at)}")
    if keys.note:
        print_error(f"note: {keys.note}")


def _require_keys(keys: LogKeys) -> LogKeys:
    if not keys.keys:
        raise SettingsError(NO_KEY)
    return keys
