"""The files of a chain: the file that is written, and the closed segments before it.

``audit.jsonl`` is written. ``audit.jsonl.000000004096`` is a closed segment whose first line has the number 4096.
A segment ends in ``.gz`` if it is compressed, and in ``.tombstone`` if it was retired. The hash chain and the Merkle
tree continue from one segment to the next. File names are not trusted: they only tell which file to open.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit.bgzf import open_decompressed
from authguard.audit.chain_file import chain_paths, read_tail
from authguard.core.chain import GENESIS, MAX_LINE_BYTES, VERSION_VIOLATIONS, ChainedLine, Violation, parse_line
from authguard.core.tombstone import Tombstone, parse_tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: digits of the number of a segment's first line, so that names sort
NAME_DIGITS: Final = 12
GZIP_SUFFIX: Final = ".gz"
TOMBSTONE_SUFFIX: Final = ".tombstone"
#: suffix of tombstones in version 1 of the format, which is refused
_OLD_TOMBSTONE_SUFFIX: Final = ".stub"
#: most bytes of a stub
MAX_TOMBSTONE_BYTES: Final = 524_288
#: looks at a folder that changes meanwhile
MAX_LIST_ATTEMPTS: Final = 5
#: most segments of a chain
MAX_SEGMENTS: Final = 1_000_000

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
#: forms in which a segment is looked for, the fullest first: a crash may leave two of one
_FORMS: Final = ("", GZIP_SUFFIX, TOMBSTONE_SUFFIX, _OLD_TOMBSTONE_SUFFIX)
_NAME: Final = re.compile(r"\.([0-9]{12,18})(\.gz|\.tombstone|\.stub)?$")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a chain.

    Attributes:
        path: of the file.
        base: number of its first line in the chain, from 0; -1 where a file that is written says none.
        form: empty, ``.gz`` or ``.tombstone``.
        live: whether it is the one that is written.
        inode: of the file that is written; 0 for any.
    """

    path: Path
    base: int
    form: str = ""
    live: bool = False
    inode: int = 0

    @property
    def is_tombstone(self) -> bool:
        """Whether only what proves the lines is left of them."""
        return self.form in {TOMBSTONE_SUFFIX, _OLD_TOMBSTONE_SUFFIX}

    @property
    def key(self) -> str:
        """What the lines are known by, in whichever form they are."""
        chain = self.path.name if self.live else _NAME.sub("", self.path.name)
        return f"{chain}:{self.base + 1}" if self.base > 0 else chain


def segment_path(chain: Path, base: int, form: str = "") -> Path:
    """Name a segment of a chain."""
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
            if entry.name.startswith(begins) and (said := _NAME.fullmatch(entry.name[len(begins) - 1 :])):
                if len(found) >= MAX_SEGMENTS:
                    raise OSError(errno.EFBIG, "there are more segments than a chain has")
                found.setdefault(int(said[1]), set()).add(said[2] or "")
    segments = []
    for base, forms in sorted(found.items()):
        form = next(form for form in _FORMS if form in forms)
        path = segment_path(chain, base, form)
        # a crash between the two steps of closing a segment leaves the written file under both names
        if form or not _is_same_file(path, chain):
            segments.append(Segment(path, base, form))
    return tuple(segments)


def make_version_error(violation: Violation) -> OSError:
    """Build the error for a file of another version of the format; its errno is ``EPROTONOSUPPORT``."""
    return OSError(errno.EPROTONOSUPPORT, violation.message)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        first, second = one.lstat(), other.lstat()
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def list_segments(chain: Path) -> tuple[Segment, ...]:
    """List every file of a chain, the one that is written last; what is not there is not listed.

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
        # its writer may close it meanwhile
        if _inode(chain) == before:
            break
    return (*found, live)


def try_list_segments(chain: Path) -> tuple[Segment, ...]:
    """List every file of a chain; none where the folder cannot be read."""
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
    """Name the chains of a log of which any file is there, in the order in which writers take them."""
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
    """Open the lines of a file, in whichever form they are.

    Raises:
        FileNotFoundError: it has another name by now.
        OSError: it cannot be read, is no regular file, or no segment of ours.
    """
    # the file that is written is the reader's to name, a segment is whatever lies beside it
    fd = os.open(segment.path, _FLAGS if segment.live else _FLAGS | os.O_NOFOLLOW)
    file = os.fdopen(fd, "rb")
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file")
    if segment.inode not in {0, status.st_ino}:
        file.close()
        raise FileNotFoundError(errno.ENOENT, "it is a segment by now, and another is written")
    return open_decompressed(file) if segment.form == GZIP_SUFFIX else file


def get_length(file: BinaryIO) -> int:
    """Measure what can be read of a file, bytes; its place stays."""
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end


def read_tombstone(segment: Segment) -> tuple[Tombstone, bytes]:
    """Read a stub; give its bytes too.

    Raises:
        OSError: it cannot be read, or is none.
    """
    if segment.form == _OLD_TOMBSTONE_SUFFIX:
        raise make_version_error(Violation.OLDER_VERSION)
    with open_segment(segment) as file:
        raw = file.read(MAX_TOMBSTONE_BYTES + 1)
    found = parse_tombstone(raw) if len(raw) <= MAX_TOMBSTONE_BYTES else None
    if found is None:
        raise OSError(errno.EBADMSG, "it is no stub of a segment")
    return found, raw


def index_by_key(log: Path) -> dict[str, Segment]:
    """List the files of a log that hold lines, by what these are known by in whichever form they are.

    Raises:
        OSError: a folder cannot be read.
    """
    found = (segment for chain in list_chains(log) for segment in list_segments(chain))
    # one that is written and says no number has no line yet, or cannot be read
    return {segment.key: segment for segment in found if not segment.is_tombstone and segment.base >= 0}


def list_retired_keys(log: Path) -> frozenset[str]:
    """List what lines that gave way to stubs were known by.

    Raises:
        OSError: a folder cannot be read.
    """
    return frozenset(
        segment.key for chain in list_chains(log) for segment in list_segments(chain) if segment.is_tombstone
    )


def list_unreadable(log: Path) -> tuple[tuple[str, str], ...]:
    """Name the files of a log that cannot be read now, each with the reason.

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
    """Open a file, by the name that it has now where its writer changed that; ``None`` where its time is over.

    Raises:
        OSError: it cannot be read.
    """
    for now in (segment, index_by_key(log).get(key)):
        try:
            if now is not None:
                return open_segment(now), now
        except FileNotFoundError:
            continue
    return None


def read_first_hash(chain: Path) -> str:
    """Give the hash of a chain's first line; empty where there is none.

    Raises:
        OSError: it cannot be read.
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
    """Cut off what a power cut tore from the file that was closed last, when nothing of the next one was kept either.

    Returns:
        What was torn.

    Raises:
        AuditError: it ends in something that nobody of us wrote.
        OSError: it cannot be read or cut.
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
    """Give how many lines the closed segments of a chain hold, and the hash of the last: where the next one begins.

    Raises:
        OSError: they cannot be read, or do not end in a line of ours.
    """
    found = list_closed(chain)
    if not found:
        return 0, GENESIS
    if found[-1].is_tombstone:
        stub, _ = read_tombstone(found[-1])
        return stub.base + stub.count, stub.last
    last = _read_last(found[-1])
    return last.seq + 1, last.hash


def read_last_time(segment: Segment) -> float:
    """Give the time of a file's last line, epoch seconds UTC.

    Raises:
        OSError: it cannot be read, or does not end in a line of ours.
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
        raise OSError(errno.EBADMSG, "it does not end in a line of ours")
    return last
