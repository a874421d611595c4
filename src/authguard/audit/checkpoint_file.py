"""The checkpoints beside a chain, and the writer's own memory of the newest: names, forms, reading and writing.

``audit.jsonl`` has ``audit.checkpoints`` beside it: one line ``{"v":1,"note":"..."}`` per checkpoint, oldest first.
The writer's memory is a file per chain in a folder beside the signing key: whoever can write the log alone cannot make
a cut log look whole by cutting its checkpoints too.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.signed_note import MAX_NOTE_CHARS, parse_checkpoint
from authguard.paths import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

#: version of the form of checkpoint lines and heads
VERSION: Final = 1
#: most bytes of a checkpoint's line, of a head, and most heads that are read
MAX_LINE_BYTES: Final = 2 * MAX_NOTE_CHARS
MAX_HEAD_BYTES: Final = 32_768
MAX_HEADS: Final = 10_000
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class CheckpointLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the checkpoints' file.

    Attributes:
        v: version of the form.
        note: the signed note.
    """

    v: int
    note: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a writer remembers of a chain: enough to go on signing it without reading it again.

    Attributes:
        v: version of the form.
        file: name of the chain's file.
        note: the newest checkpoint.
        offset: bytes of the lines under it.
        last: hash of the last of them.
        edge: of the tree over them, in hexadecimal.
        base: number of the first line of the file that the offset is in.
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
    """Name the checkpoints' file of a chain."""
    return chain.with_name(f"{chain.stem}.checkpoints")


def chain_origin(name: str, first: str) -> str:
    """Name a chain: the key's name, and the hash of its first line, so that no two chains share one.

    Args:
        name: of the signing key.
        first: hash of the first line, hexadecimal.
    """
    return f"{name}/{first[:32]}"


def read_notes(path: Path) -> Iterator[str]:
    """Read the checkpoints that a file holds now, in their order; what is no checkpoint is an empty text.

    A last line without its end is left out: its writer died at it. Where the writer remembers it, or an anchor has it,
    it is missed all the same.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        # those that come meanwhile sign lines that the reader may not have seen
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (line := file.readline(MAX_LINE_BYTES + 1)):
            left -= len(line)
            if left <= 0 and not line.endswith(b"\n"):
                return
            try:
                yield _decode_note(line) if line.endswith(b"\n") else ""
            except msgspec.DecodeError:
                yield ""


def parse_notes(data: bytes) -> Iterator[str]:
    """Read checkpoints that were kept elsewhere: lines as `notes` reads them, or one bare note."""
    if not data.lstrip().startswith(b"{"):
        text = data.decode("utf-8", "replace")
        yield text if parse_checkpoint(text) is not None else ""
        return
    for line in data.splitlines():
        if line:
            try:
                yield _decode_note(line) if len(line) <= MAX_LINE_BYTES else ""
            except msgspec.DecodeError:
                yield ""


def _decode_note(line: bytes) -> str:
    found = _line(line)
    return found.note if found.v == VERSION else ""


def encode_line(note: str) -> bytes:
    """Write one line of the checkpoints' file."""
    return msgspec.json.encode(CheckpointLine(VERSION, note)) + b"\n"


def append_note(path: Path, note: str) -> None:
    """Add a checkpoint to a file, cutting off what a crash tore, and bring it to the disk.

    Raises:
        OSError: it cannot be written whole.
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
            raise OSError(28, "only a part was written")
        os.fsync(fd)
    finally:
        os.close(fd)


def save_head(folder: Path, head: Head, chain: str) -> None:
    """Replace the memory of a chain, whole or not at all.

    Raises:
        OSError: it cannot be written.
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
    """Read the memory of a chain; ``None`` where there is none.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    try:
        return _decode_head_file(_head_path(folder, chain))
    except FileNotFoundError:
        return None


def load_heads(folder: Path) -> Iterator[Head]:
    """Read every memory in a folder.

    Raises:
        OSError: one cannot be read.
        ValueError: one is damaged.
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
    """Read one memory by its file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    return _decode_head_file(Path(path))


def _decode_head_file(path: Path) -> Head:
    with path.open("rb") as file:
        head = _head(file.read(MAX_HEAD_BYTES))
    if head.v != VERSION:
        raise ValueError("the head was written by another version of authguard")
    return head
