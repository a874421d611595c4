"""What the commands that vouch for a log share: the log's path, its public keys, its memory and its anchors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.chain_file import chain_paths
from authguard.audit.verify.checkpoint_verifier import Finding, Trust, group_by_origin
from authguard.audit.write.anchor import read_anchor
from authguard.cli.output import print_error
from authguard.cli.terminal import escape, resolve_log_path
from authguard.core.chain import ChainBreak, Violation
from authguard.core.signed_note import Key, parse_checkpoint, parse_key
from authguard.errors import SettingsError
from authguard.settings import DEFAULT_LOG, DEFAULT_STORE, deployment_file_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: most bytes of a proof or a key file that are read
MAX_FILE_BYTES: Final = 1_048_576
#: said where no key is at hand
NO_KEY: Final = (
    "no key is at hand, so nothing vouches for this log: whoever can write it can write it anew."
    " Name its public key with --key (`authguard audit keys show` prints it)"
)

LogArgument = Annotated[Path | None, typer.Argument(help=f"The log; else AUTHGUARD_AUDIT_LOG, else {DEFAULT_LOG}.")]
KeyOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key, or a file of them; else the deployment's own, beside the store."),
]
StoreOption = Annotated[str, typer.Option("--store", help="The app's store; else AUTHGUARD_STORE, else the default.")]
AnchorOption = Annotated[
    list[str] | None, typer.Option("--anchor", help="What was kept elsewhere: a file of checkpoints, or a URL.")
]
AlsoOption = Annotated[list[Path] | None, typer.Option("--also", help="A log that was archived, verified too.")]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys that vouch for a log, and where they were read.

    Attributes:
        keys: public keys; empty where none is at hand.
        source: the file or variable of the deployment's own key; empty where the keys were pinned with ``--key``.
    """

    keys: tuple[Key, ...]
    source: str = ""

    @property
    def note(self) -> str:
        """What the keys do not vouch against; empty where they were pinned."""
        if not self.keys or not self.source:
            return ""
        return (
            f"the key was read from {self.source}: it vouches against others only, not against whoever can write there."
            " To hold the log against a key of your own keeping, pin it with --key"
        )


def file_prefix(store: str, log: Path) -> str:
    """Return what the names of the deployment's own files begin with."""
    return deployment_file_prefix(store or os.environ.get("AUTHGUARD_STORE") or DEFAULT_STORE, str(log))


def load_keys(given: list[str] | None, store: str, log: Path) -> LogKeys:
    """Read the public keys that were named; else the deployment's own, none where it has none.

    Raises:
        SettingsError: one cannot be read.
    """
    if given:
        return LogKeys(tuple(key for one in given for key in _named(one)))
    base = file_prefix(store, log)
    variable = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    beside = signing_key.key_file_path(base)
    if not variable and not beside.exists():
        return LogKeys(())
    source = "AUTHGUARD_SIGNING_KEY" if variable else f"`{escape(str(beside))}`"
    return LogKeys(tuple(one.key for one in signing_key.load_keys(variable, base)), source)


def _named(given: str) -> tuple[Key, ...]:
    try:
        return (parse_key(given),)
    except ValueError as error:
        try:
            with Path(given).open("rb") as file:
                return tuple(parse_key(line) for line in file.read(MAX_FILE_BYTES).decode().split())
        except (OSError, ValueError):
            raise SettingsError(f"`{escape(given)}`: {error}") from None


def find_log(given: Path | None, store: str = "", *, hint: str = "path") -> Path:
    """Return the path of the log that was named, or of the default one.

    Raises:
        typer.BadParameter: there is no log there, and no sign that there was one.
    """
    log = resolve_log_path(given)
    if log.is_dir():
        raise typer.BadParameter(f"`{escape(str(log))}` is a folder: name the log's first file in it", param_hint=hint)
    there = any(segment_file.list_chains(log)) or any(
        checkpoint_file.checkpoint_path(chain).exists() for chain in chain_paths(log)
    )
    if not there and not (log.parent.is_dir() and _was_there(log, store)):
        raise typer.BadParameter(
            f"there is no log at `{escape(str(log))}`: name one, or set AUTHGUARD_AUDIT_LOG", param_hint=hint
        )
    return log


def _was_there(log: Path, store: str) -> bool:
    """Whether a writer remembers a file of this name."""
    try:
        heads = list(checkpoint_file.load_heads(signing_key.checkpoint_memory_path(file_prefix(store, log))))
    except (OSError, ValueError):
        return False
    return any(head.file == log.name for head in heads)


def load_trust(log: Path, vouching: LogKeys, anchors: Iterable[str] | None, store: str) -> Trust | None:
    """Gather what a log is held against; ``None`` where there is no key.

    Raises:
        SettingsError: an anchor cannot be read.
    """
    keys = vouching.keys
    if not keys:
        return None
    held, files, blind = _remembered(signing_key.checkpoint_memory_path(file_prefix(store, log)))
    anchored = group_by_origin(_anchored(anchors or (), {key.name for key in keys}))
    return Trust(keys, signing_key.verify_signature, held, anchored, files, blind)


def _remembered(folder: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str], tuple[Finding, ...]]:
    """Read what the writers remember: checkpoints by chain, the chains' files, and what cannot be read of it."""
    heads: list[checkpoint_file.Head] = []
    try:
        heads += checkpoint_file.load_heads(folder)
    except OSError as error:
        violation = Violation.INACCESSIBLE if isinstance(error, PermissionError) else Violation.MEMORY_UNREADABLE
        where = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        return {}, {}, (Finding(where, ChainBreak(0, violation)),)
    except ValueError:
        return {}, {}, (Finding(folder, ChainBreak(0, Violation.MEMORY_UNREADABLE)),)
    said = ((parse_checkpoint(head.note), head.file) for head in heads)
    files = {one.origin: file for one, file in said if one is not None}
    return group_by_origin(head.note for head in heads), files, ()


def _anchored(anchors: Iterable[str], names: set[str]) -> Iterator[str]:
    """Read what anchors hold, and say so where one does not vouch for this log."""
    for anchor in anchors:
        notes = list(read_anchor(anchor, os.environ.get("AUTHGUARD_ANCHOR_TOKEN", "")))
        said = [parse_checkpoint(note) for note in notes]
        if None in said:
            print_error(f"note: the anchor `{escape(anchor)}` holds {said.count(None)} lines that are no checkpoint")
        if not any(one is not None and one.origin.rpartition("/")[0] in names for one in said):
            print_error(f"note: the anchor `{escape(anchor)}` holds no checkpoint of this log's key")
        yield from notes
