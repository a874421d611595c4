"""`authguard audit prove` and `check-proof`: inclusion proofs that disclose one record and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from authguard import signing_key
from authguard.audit.verify import inclusion_proof
from authguard.audit.verify.log_reader import decode_line, find_records
from authguard.cli.audit_trust import MAX_FILE_BYTES, NO_KEY, KeyOption, LogKeys, find_log, load_keys
from authguard.cli.line_wrap import print_line
from authguard.cli.options import JsonOption, LogOption, OutputOption, StoreOption
from authguard.cli.output import FAILED, UNVERIFIED, print_error, write_output
from authguard.cli.terminal import escape, format_record_line, format_time_ms, resolve_log_path
from authguard.errors import AuditError, SettingsError
from authguard.file_access import Access, explain_failure

if TYPE_CHECKING:
    from authguard.audit.verify.inclusion_proof import VerifiedRecord


def prove(
    record: Annotated[
        str,
        typer.Argument(metavar="ID", help="A record: its id, the first characters of it, or `instance` in a reply."),
    ],
    log: LogOption = None,
    output: OutputOption = None,
    key: KeyOption = None,
    store: StoreOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Write a proof for a third party that the signed log contains a record; it discloses no other record.

    Exit 1 if the log has no such record. Exit 4 if the checkpoint that covers the record is not signed by the key, or
    does not match the log.

    Examples:

        authguard audit prove ID -o record.proof

        authguard audit prove ID --json
    """
    path = find_log(log, store)
    keys = _require_keys(load_keys(key, store, path))
    whole = _complete_id(path, record)
    try:
        proof = inclusion_proof.create_proof(path, whole, keys.keys, signing_key.verify_signature)
        found = inclusion_proof.verify_proof(proof, keys.keys, signing_key.verify_signature) if as_json else None
    except inclusion_proof.ProofError as error:
        print_error(str(error))
        raise typer.Exit(UNVERIFIED) from None
    if found is None:
        write_output(proof, output)
    else:
        write_output(json.dumps({"proof": proof, **_to_builtins(found, keys)}, indent=2) + "\n", output)


def _complete_id(path: Path, typed: str) -> str:
    """Return the whole id of a record; print what is near and exit if there is none."""
    wanted = typed.rpartition(":")[2]
    found = find_records(path, wanted) if wanted else ()
    if len(found) == 1:
        return str(found[0]["id"])
    from authguard.cli.audit_options import open_log_index  # noqa: PLC0415 - only an unknown id needs the index
    from authguard.cli.audit_selection import find_record  # noqa: PLC0415

    with open_log_index(path) as index:
        return str(find_record(index, typed)[0].record.get("id", wanted))


def check_proof(
    proof: Annotated[Path, typer.Argument(help="A proof from `authguard audit prove`, or its JSON.")],
    key: KeyOption = None,
    store: StoreOption = "",
    log: LogOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify a proof with the public key, without the log. Exit 4 if it is not valid.

    Examples:

        authguard audit check-proof record.proof --key log.pub

        authguard audit check-proof record.proof --json
    """
    keys = _require_keys(load_keys(key, store, resolve_log_path(log)))
    try:
        with proof.open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode()
    except (OSError, ValueError) as error:
        print_error(f"`{proof}` cannot be read: {explain_failure(proof, Access.READ, error)}")
        raise typer.Exit(FAILED) from None
    try:
        found = inclusion_proof.verify_proof(_unwrap(text), keys.keys, signing_key.verify_signature)
    except AuditError as error:
        print_error(str(error))
        raise typer.Exit(UNVERIFIED) from None
    if as_json:
        typer.echo(json.dumps(_to_builtins(found, keys), indent=2))
        return
    print_line(
        f"verified: line {found.index + 1} of {found.size} of {escape(found.origin)},"
        f" signed {format_time_ms(found.at)} by {escape(found.key.name)}"
    )
    print_line(format_record_line(decode_line(found.line), found.line))
    typer.echo(escape(found.line.decode().rstrip("\n")))
    if keys.note:
        print_error(f"note: {keys.note}")


def _unwrap(text: str) -> str:
    """Return the proof of a JSON object of `prove --json`; any other text is returned as it is."""
    if not text.startswith("{"):
        return text
    try:
        return str(json.loads(text)["proof"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def _to_builtins(found: VerifiedRecord, keys: LogKeys) -> dict[str, Any]:
    """Return the facts of a proof as JSON values."""
    from authguard.audit.query.export import format_utc  # noqa: PLC0415 - only JSON needs it

    record = decode_line(found.line)
    return {
        "verdict": "verified",
        "id": str(record.get("id", "")),
        "record": {**record, "at": format_utc(record.get("at"))},
        "line_text": found.line.decode(),
        "line": found.index + 1,
        "lines": found.size,
        "origin": found.origin,
        "signed_at": format_utc(found.at),
        "key": found.key.text(),
        "note": keys.note,
    }


def _require_keys(keys: LogKeys) -> LogKeys:
    if not keys.keys:
        raise SettingsError(NO_KEY)
    return keys
