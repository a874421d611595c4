"""Files of signed checkpoints, and of the writers' heads.

``audit.jsonl`` has a file ``audit.checkpoints`` with one line ``{"v":1,"note":"..."}`` per checkpoint, the oldest
first. The head of each chain is in a separate folder, next to the signing key. An attacker who can only write the
log cannot hide a truncated log by truncating its checkpoints, because the head still has the newest checkpoint.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.paths import make_folder
from authguard.records.signed_note import MAX_NOTE_CHARS, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

#: format version of checkpoint lines and heads
VERSION: Final = 1
#: maximum of bytes in a checkpoint line and in a head, and of heads that are read
MAX_LINE_BYTES: Final = 2 * MAX_NOTE_CHARS
MAX_HEAD_BYTES: Final = 32_768
MAX_HEADS: Final = 10_000
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class CheckpointLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a checkpoint file.

    Attributes:
        v: format version.
        note: the signed note.
    """

    v: int
    note: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A writer's memory of a chain; with it the writer continues to sign without reading the chain again.

    Attributes:
        v: format version.
        file: name of the chain's file.
        note: the newest checkpoint.
        offset: bytes of the file that the checkpoint covers.
        last: hash of the last line that the checkpoint covers.
        edge: right edge of the Merkle tree over these lines, in hexadecimal.
        base: number of the first line of the file to which the offset belongs.
    """

    v: int
    file: str
    note: str
    offset: int
    last: str
    edge: tuple[str, ...]
    base: int = 0


_line: Final = msgspec.json.Decoder(CheckpointLine).decode
_head: Final = msgspec.json.Decoder(Head).decode


def checkpoint_path(chain: Path) -> Path:
    """Return the path of a chain's checkpoint file."""
    return chain.with_name(f"{chain.stem}.checkpoints")


def chain_origin(name: str, first: str) -> str:
    """Return the origin of a chain: the name of the key and the hash of the first line, which makes it unique.

    Args:
        name: name of the signing key.
        first: hash of the first line, in hexadecimal.
    """
    return f"{name}/{first[:32]}"


def read_notes(path: Path) -> Iterator[str]:
    """Yield the checkpoints of a file in order; an empty text for a line that is not a checkpoint.

    An incomplete last line is skipped, because its writer crashed. If a head or an anchor has that checkpoint,
    verification still reports it as missing.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        # do not read checkpoints that are added from now on: they cover lines that the caller may not have read
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (line := file.readline(MAX_LINE_BYTES + 1)):
            left -= len(line)
            if left <= 0 and not line.endswith(b"\n"):
                return
            try:
                yield _decode_note(line) if line.endswith(b"\n") else ""
            except ValueError:
                yield ""


def parse_notes(data: bytes) -> Iterator[str]:
    """Parse checkpoints from another place: lines as in `read_notes`, or one note without JSON."""
    if not data.lstrip().startswith(b"{"):
        text = data.decode("utf-8", "replace")
        yield text if parse_checkpoint(text) is not None else ""
        return
    for line in data.splitlines():
        if line:
            try:
                yield _decode_note(line) if len(line) <= MAX_LINE_BYTES else ""
            except ValueError:
                yield ""


def _decode_note(line: bytes) -> str:
    found = _line(line)
    return found.note if found.v == VERSION else ""


def encode_line(note: str) -> bytes:
    """Encode a line of a checkpoint file."""
    return msgspec.json.encode(CheckpointLine(VERSION, note)) + b"\n"


def append_note(path: Path, note: str) -> None:
    """Append a checkpoint durably, after removing an incomplete last line.

    Raises:
        OSError: the line cannot be written completely.
    """
    line = encode_line(note)
    fd = os.open(path, (_FLAGS & ~os.O_WRONLY) | os.O_RDWR, 0o600)
    try:
        end = os.fstat(fd).st_size
        tail = os.pread(fd, MAX_LINE_BYTES + 1, max(0, end - MAX_LINE_BYTES - 1))
        end -= len(tail) - (tail.rfind(b"\n") + 1)
        os.ftruncate(fd, end)
        if tail.endswith(line):
            return
        if os.pwrite(fd, line, end) != len(line):
            raise OSError(28, "the line was written only in part")
        os.fsync(fd)
    finally:
        os.close(fd)


def save_head(folder: Path, head: Head, chain: str) -> None:
    """Replace the head of a chain atomically.

    Raises:
        OSError: the head cannot be written.
    """
    make_folder(folder)
    path = _head_path(folder, chain)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(new, _FLAGS | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(head))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def load_head(folder: Path, chain: str) -> Head | None:
    """Load the head of a chain; ``None`` if there is none.

    Raises:
        OSError: the head cannot be read.
        ValueError: the head is damaged or of another version.
    """
    try:
        return _decode_head_file(_head_path(folder, chain))
    except FileNotFoundError:
        return None


def load_heads(folder: Path) -> Iterator[Head]:
    """Yield all heads of a folder.

    Raises:
        OSError: a head cannot be read.
        ValueError: a head is damaged or of another version.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return
    for path in paths[:MAX_HEADS]:
        yield _decode_head_file(path)


def _head_path(folder: Path, chain: str) -> Path:
    return folder / f"{chain.rpartition('/')[2]}.json"


def read_head(path: str) -> Head:
    """Read a head from a path.

    Raises:
        OSError: the head cannot be read.
        ValueError: the head is damaged or of another version.
    """
    return _decode_head_file(Path(path))


def _decode_head_file(path: Path) -> Head:
    with path.open("rb") as file:
        head = _head(file.read(MAX_HEAD_BYTES))
    if head.v != VERSION:
        raise ValueError("the head was written by another version of authguard")
    return head
