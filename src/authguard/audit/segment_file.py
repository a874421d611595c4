"""The files of a chain: the file that is written, and the closed segments before it.

``audit.jsonl`` is written. ``audit.jsonl.000000004096`` is a closed segment that starts with line 4096.
A segment ends in ``.gz`` if it is compressed, and in ``.tombstone`` if it was retired. The hash chain and the Merkle
tree continue from one segment to the next. File names are not trusted: they only tell which file to open.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

from authguard.audit.bgzf import open_decompressed
from authguard.audit.chain_file import chain_paths, read_tail
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, VERSION_VIOLATIONS, ChainedLine, Violation, parse_line
from authguard.records.tombstone import Tombstone, parse_tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: digits of a segment's number in its name; fixed, so that names sort by number
NAME_DIGITS: Final = 12
GZIP_SUFFIX: Final = ".gz"
TOMBSTONE_SUFFIX: Final = ".tombstone"
#: suffix of tombstones of version 1 of the format, which are refused
_OLD_TOMBSTONE_SUFFIX: Final = ".stub"
#: maximum of bytes in a tombstone
MAX_TOMBSTONE_BYTES: Final = 524_288
#: attempts to list a folder that changes at the same time
MAX_LIST_ATTEMPTS: Final = 5
#: maximum of segments of a chain
MAX_SEGMENTS: Final = 1_000_000

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
#: forms of a segment in order of preference; a crash may leave two of them
_FORMS: Final = ("", GZIP_SUFFIX, TOMBSTONE_SUFFIX, _OLD_TOMBSTONE_SUFFIX)
_NAME: Final = re.compile(r"\.([0-9]{12,18})(\.gz|\.tombstone|\.stub)?$")


class Segment(Struct, frozen=True):
    """One file of a chain.

    Attributes:
        path: path of the file.
        base: number of its first line in the chain, from 0; -1 if the written file has no line to tell it.
        form: suffix: empty, ``.gz`` or ``.tombstone``.
        live: whether this is the file that is written.
        inode: inode of the written file; 0 for any.
    """

    path: Path
    base: int
    form: str = ""
    live: bool = False
    inode: int = 0

    @property
    def is_tombstone(self) -> bool:
        """Return whether the segment is a tombstone, so its lines are gone."""
        return self.form in {TOMBSTONE_SUFFIX, _OLD_TOMBSTONE_SUFFIX}

    @property
    def key(self) -> str:
        """Return the identifier of the lines, which is the same in every form of the segment."""
        chain = self.path.name if self.live else _NAME.sub("", self.path.name)
        return f"{chain}:{self.base + 1}" if self.base > 0 else chain


def segment_path(chain: Path, base: int, form: str = "") -> Path:
    """Return the path of a segment."""
    return chain.with_name(f"{chain.name}.{base:0{NAME_DIGITS}}{form}")


def list_closed(chain: Path) -> tuple[Segment, ...]:
    """List the closed segments of a chain, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[int, set[str]] = {}
    begins = f"{chain.name}."
    with os.scandir(chain.parent) as entries:
        for entry in entries:
            if entry.name.startswith(begins) and (match := _NAME.fullmatch(entry.name[len(begins) - 1 :])):
                if len(found) >= MAX_SEGMENTS:
                    raise OSError(errno.EFBIG, "the chain has too many segments")
                found.setdefault(int(match[1]), set()).add(match[2] or "")
    segments = []
    for base, forms in sorted(found.items()):
        form = next(form for form in _FORMS if form in forms)
        path = segment_path(chain, base, form)
        # a crash during rotation leaves the written file with both names
        if form or not _is_same_file(path, chain):
            segments.append(Segment(path, base, form))
    return tuple(segments)


def make_version_error(violation: Violation) -> OSError:
    """Build the error for a file of another format version; its errno is ``EPROTONOSUPPORT``."""
    return OSError(errno.EPROTONOSUPPORT, violation.message)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        first, second = one.lstat(), other.lstat()
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def list_segments(chain: Path) -> tuple[Segment, ...]:
    """List all files of a chain, the written file last; missing files are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    found: tuple[Segment, ...] = ()
    for _ in range(MAX_LIST_ATTEMPTS):
        try:
            before = chain.stat().st_ino
        except FileNotFoundError:
            before = 0
        try:
            found = list_closed(chain)
        except FileNotFoundError:
            return ()
        if not before:
            return found
        live = Segment(chain, _read_first_seq(chain) if found else 0, live=True, inode=before)
        # the writer may rotate the file at the same time
        if _inode(chain) == before:
            break
    return (*found, live)


def try_list_segments(chain: Path) -> tuple[Segment, ...]:
    """List all files of a chain; empty if the folder cannot be read."""
    try:
        return list_segments(chain)
    except OSError:
        return ()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def list_chains(log: Path) -> Iterator[Path]:
    """Yield the chains of a log that have a file, in the order in which writers try them."""
    try:
        names = {_NAME.sub("", entry.name) for entry in log.parent.iterdir()}
    except OSError:
        names = set()
    return (chain for chain in chain_paths(log) if chain.name in names)


def _read_first_seq(path: Path) -> int:
    try:
        with path.open("rb") as file:
            first = parse_line(file.readline(MAX_LINE_BYTES + 1))
    except OSError:
        return -1
    return first.seq if isinstance(first, ChainedLine) else -1


def open_segment(segment: Segment) -> BinaryIO:
    """Open a segment of any form for reading its lines.

    Raises:
        FileNotFoundError: the file has been renamed.
        OSError: the file cannot be read, or is not a regular file or not a valid segment.
    """
    # the caller chose the path of the written file; other files of the folder may be links of an attacker
    fd = os.open(segment.path, _FLAGS if segment.live else _FLAGS | os.O_NOFOLLOW)
    file = os.fdopen(fd, "rb")
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise OSError(errno.EINVAL, "the file is not regular")
    if segment.inode not in {0, status.st_ino}:
        file.close()
        raise FileNotFoundError(errno.ENOENT, "the file was rotated")
    return open_decompressed(file) if segment.form == GZIP_SUFFIX else file


def get_length(file: BinaryIO) -> int:
    """Return the readable length of a file in bytes; its position does not change."""
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end


def read_tombstone(segment: Segment) -> tuple[Tombstone, bytes]:
    """Read a tombstone; return it with its bytes.

    Raises:
        OSError: the file cannot be read, is not a tombstone, or is of another version.
    """
    if segment.form == _OLD_TOMBSTONE_SUFFIX:
        raise make_version_error(Violation.OLDER_VERSION)
    with open_segment(segment) as file:
        raw = file.read(MAX_TOMBSTONE_BYTES + 1)
    found = parse_tombstone(raw) if len(raw) <= MAX_TOMBSTONE_BYTES else None
    if found is None:
        raise OSError(errno.EBADMSG, "the file is not a tombstone")
    return found, raw


def index_by_key(log: Path) -> dict[str, Segment]:
    """Map the keys of a log's segments to the segments; without tombstones.

    Raises:
        OSError: a folder cannot be read.
    """
    found = (segment for chain in list_chains(log) for segment in list_segments(chain))
    # a written file without a number has no line yet, or cannot be read
    return {segment.key: segment for segment in found if not segment.is_tombstone and segment.base >= 0}


def list_retired_keys(log: Path) -> frozenset[str]:
    """Return the keys of all segments that were replaced by tombstones.

    Raises:
        OSError: a folder cannot be read.
    """
    return frozenset(
        segment.key for chain in list_chains(log) for segment in list_segments(chain) if segment.is_tombstone
    )


def list_unreadable(log: Path) -> tuple[tuple[str, str], ...]:
    """List the files of a log that cannot be read now, each with the reason.

    Raises:
        OSError: a folder cannot be read.
    """
    found = []
    for segment in (
        segment for chain in list_chains(log) for segment in list_segments(chain) if not segment.is_tombstone
    ):
        try:
            open_segment(segment).close()
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append((segment.path.name, error.strerror or type(error).__name__))
    return tuple(found)


def reopen(log: Path, key: str, segment: Segment) -> tuple[BinaryIO, Segment] | None:
    """Open a segment by its current path if the writer renamed it; ``None`` if it was retired.

    Raises:
        OSError: the file cannot be read.
    """
    for now in (segment, index_by_key(log).get(key)):
        try:
            if now is not None:
                return open_segment(now), now
        except FileNotFoundError:
            continue
    return None


def read_first_hash(chain: Path) -> str:
    """Return the hash of a chain's first line; empty if it has none.

    Raises:
        OSError: the file cannot be read.
    """
    for segment in list_segments(chain):
        if segment.is_tombstone:
            return read_tombstone(segment)[0].first
        with open_segment(segment) as file:
            line = file.readline(MAX_LINE_BYTES + 1)
        if line:
            found = parse_line(line)
            return found.hash if isinstance(found, ChainedLine) else ""
    return ""


def repair_tail(chain: Path) -> bytes:
    """Truncate an incomplete line at the end of the newest closed segment.

    Such a line is left if the power fails before any line of the next file is on the disk.

    Returns:
        The removed bytes.

    Raises:
        AuditError: another program wrote the last line.
        OSError: the file cannot be read or truncated.
    """
    torn = b""
    while (found := list_closed(chain)) and not found[-1].form:
        fd = os.open(found[-1].path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            end = read_tail(fd)
            if end.torn:
                os.ftruncate(fd, end.end)
                torn = end.torn
        finally:
            os.close(fd)
        if end.end:
            break
        found[-1].path.unlink()
    return torn


def read_closed_end(chain: Path) -> tuple[int, str]:
    """Return the number of lines in the closed segments of a chain, and the hash of the last line.

    Raises:
        OSError: the segments cannot be read, or do not end in a valid line.
    """
    found = list_closed(chain)
    if not found:
        return 0, GENESIS
    if found[-1].is_tombstone:
        tombstone, _ = read_tombstone(found[-1])
        return tombstone.base + tombstone.count, tombstone.last
    last = _read_last(found[-1])
    return last.seq + 1, last.hash


def read_last_time(segment: Segment) -> float:
    """Return the time of the last line of a segment, epoch seconds UTC.

    Raises:
        OSError: the segment cannot be read, or does not end in a valid line.
    """
    return _read_last(segment).entry.at


def _read_last(segment: Segment) -> ChainedLine:
    with open_segment(segment) as file:
        file.seek(max(0, get_length(file) - 2 * MAX_LINE_BYTES))
        data = file.read(2 * MAX_LINE_BYTES)
    last = parse_line(data[data.rfind(b"\n", 0, -1) + 1 :])
    if isinstance(last, Violation) and last in VERSION_VIOLATIONS:
        raise make_version_error(last)
    if not isinstance(last, ChainedLine):
        raise OSError(errno.EBADMSG, "the file does not end in a valid line")
    return last
