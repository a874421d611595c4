"""Keys, writer memory and anchors with which commands verify a log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import chain_paths
from authguard.audit.verify.checkpoint_verifier import Finding, Trust, group_by_origin
from authguard.audit.write.anchor import read_anchor
from authguard.cli.output import print_error
from authguard.cli.terminal import escape, require_log_access, resolve_log_path
from authguard.errors import AuditError, SettingsError
from authguard.file_access import Access, FileRole, describe_failure, is_path_blocked
from authguard.records.chain import ChainBreak, Violation
from authguard.records.signed_note import Key, parse_checkpoint, parse_key
from authguard.settings import DEFAULT_STORE, deployment_file_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: most bytes read from a proof or a key file
MAX_FILE_BYTES: Final = 1_048_576
#: message if there is no public key
NO_KEY: Final = (
    "no public key, so the log is not verified against a rewrite: anyone who can write the log can rewrite it."
    " Give its public key with --key (`authguard audit keys show` prints it)"
)

KeyOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key, or a file of keys; default: the deployment's key next to the store."),
]
AnchorOption = Annotated[
    list[str] | None, typer.Option("--anchor", help="Checkpoints kept elsewhere: a file or a URL.")
]
AlsoOption = Annotated[list[Path] | None, typer.Option("--also", help="An archived log to verify as well.")]


class LogKeys(Struct, frozen=True):
    """Public keys for the verification of a log.

    Attributes:
        keys: public keys; empty if there are none.
        source: file or variable of the deployment's key; empty for keys that were pinned with ``--key``.
    """

    keys: tuple[Key, ...]
    source: str = ""

    @property
    def note(self) -> str:
        """The limit of unpinned keys, as a message; empty for pinned keys."""
        if not self.keys or not self.source:
            return ""
        return (
            f"the key was read from {self.source}: anyone who can write there can replace the key and rewrite the log."
            " To verify against a key that you keep elsewhere, pin it with --key"
        )


def file_prefix(store: str, log: Path) -> str:
    """Return the path prefix of the deployment's key and memory files."""
    return deployment_file_prefix(store or os.environ.get("AUTHGUARD_STORE") or DEFAULT_STORE, str(log))


def load_keys(given: list[str] | None, store: str, log: Path) -> LogKeys:
    """Read the given public keys, or else those of the deployment, if it has any.

    Raises:
        SettingsError: a key cannot be read.
    """
    if given:
        return LogKeys(tuple(key for one in given for key in _read_keys(one)))
    base = file_prefix(store, log)
    variable = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    key_file = signing_key.key_file_path(base)
    if not variable and is_path_blocked(key_file):
        raise SettingsError(describe_failure(FileRole.SIGNING_KEY, key_file, "read", Access.READ))
    if not variable and not key_file.exists():
        return LogKeys(())
    source = "AUTHGUARD_SIGNING_KEY" if variable else f"`{escape(str(key_file))}`"
    return LogKeys(tuple(one.key for one in signing_key.load_keys(variable, base)), source)


def _read_keys(given: str) -> tuple[Key, ...]:
    try:
        return (parse_key(given),)
    except ValueError as error:
        try:
            with Path(given).open("rb") as file:
                return tuple(parse_key(line) for line in file.read(MAX_FILE_BYTES).decode().split())
        except (OSError, ValueError):
            raise SettingsError(f"`{escape(given)}`: {error}") from None


def find_log(given: Path | None, store: str = "", *, hint: str = "--log") -> Path:
    """Return the path of the given log, or of the default log.

    Raises:
        typer.BadParameter: the path is a folder.
        AuditError: neither a log nor a trace of a log exists there.
    """
    log = require_log_access(resolve_log_path(given))
    if log.is_dir():
        raise typer.BadParameter(f"`{escape(str(log))}` is a folder: name the first file of the log", param_hint=hint)
    there = any(segment_file.list_chains(log)) or any(
        checkpoint_file.checkpoint_path(chain).exists() for chain in chain_paths(log)
    )
    if not there and not (log.parent.is_dir() and _is_read_memory(log, store)):
        variable = ", or set AUTHGUARD_AUDIT_LOG" if hint == "--log" else ""
        raise AuditError(f"there is no log at `{escape(str(log))}`: name one with {hint}{variable}")
    return log


def _is_read_memory(log: Path, store: str) -> bool:
    """Return whether the memory of a writer names this file."""
    try:
        heads = list(checkpoint_file.load_heads(signing_key.checkpoint_memory_path(file_prefix(store, log))))
    except (OSError, ValueError):
        return False
    return any(head.file == log.name for head in heads)


def load_trust(log: Path, log_keys: LogKeys, anchors: Iterable[str] | None, store: str) -> Trust | None:
    """Load keys, writer memory and anchors for verification; return ``None`` without a key.

    Raises:
        SettingsError: an anchor cannot be read.
    """
    keys = log_keys.keys
    if not keys:
        return None
    held, files, blind = _read_memory(signing_key.checkpoint_memory_path(file_prefix(store, log)))
    anchored = group_by_origin(_read_anchors(anchors or (), {key.name for key in keys}))
    return Trust(keys, signing_key.verify_signature, held, anchored, files, blind)


def _read_memory(folder: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str], tuple[Finding, ...]]:
    """Read the writers' memory: checkpoints by chain, files by chain, and findings of unreadable entries."""
    heads: list[checkpoint_file.Head] = []
    try:
        heads += checkpoint_file.load_heads(folder)
    except OSError as error:
        violation = Violation.INACCESSIBLE if isinstance(error, PermissionError) else Violation.MEMORY_UNREADABLE
        where = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        return {}, {}, (Finding(where, ChainBreak(0, violation)),)
    except ValueError:
        return {}, {}, (Finding(folder, ChainBreak(0, Violation.MEMORY_UNREADABLE)),)
    bodies = ((parse_checkpoint(head.note), head.file) for head in heads)
    files = {one.origin: file for one, file in bodies if one is not None}
    return group_by_origin(head.note for head in heads), files, ()


def _read_anchors(anchors: Iterable[str], names: set[str]) -> Iterator[str]:
    """Yield the checkpoints of the anchors; print a note for an anchor without a checkpoint of this log."""
    for anchor in anchors:
        notes = list(read_anchor(anchor, os.environ.get("AUTHGUARD_ANCHOR_TOKEN", "")))
        bodies = [parse_checkpoint(note) for note in notes]
        if None in bodies:
            print_error(
                f"note: the anchor `{escape(anchor)}` holds {bodies.count(None)} lines that are not checkpoints"
            )
        if not any(one is not None and one.origin.rpartition("/")[0] in names for one in bodies):
            print_error(f"note: the anchor `{escape(anchor)}` holds no checkpoint of this log's key")
        yield from notes
