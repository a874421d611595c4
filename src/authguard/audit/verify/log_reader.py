"""Reader of a log's lines for people: the last lines of all chains, and the lines that are added.

Nothing is verified. Lines that `log_verifier` would report are shown, too.
"""

from __future__ import annotations

from contextlib import suppress
from heapq import merge
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from authguard.audit import segment_file
from authguard.records.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from authguard.audit.segment_file import Segment

#: maximum of bytes in a read of one file, from its end or from the last position
MAX_READ_BYTES: Final = 16 * 1024 * 1024
#: bytes of the first read from the end of a file, and of the largest one
FIRST_BLOCK_BYTES: Final = 1 << 14
LAST_BLOCK_BYTES: Final = 1 << 20
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
#: most records that one beginning of an id is compared with
MAX_CANDIDATES: Final = 6


def get_time(line: bytes) -> float:
    """Return the time of a line, epoch seconds UTC; 0 if it has none."""
    at = decode_line(line).get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def decode_line(line: bytes) -> dict[str, Any]:
    """Decode a line; empty if it is not a JSON object."""
    try:
        return _decode(line)
    except (ValueError, RecursionError):
        return {}


def merge_by_time(runs: Iterable[list[bytes]]) -> list[bytes]:
    """Merge the lines of several chains by time; the order within a chain stays."""
    return list(merge(*runs, key=get_time))


def find_records(path: Path, beginning: str) -> tuple[dict[str, Any], ...]:
    """Find the records of all chains of a log whose id begins with a text.

    Args:
        path: path of the log's first chain.
        beginning: the beginning of an id, or a whole one, as in a reply's ``instance`` and in the log.

    Returns:
        At most `MAX_CANDIDATES` records with different ids; only one if it has exactly this id.
    """
    needle = beginning.encode("utf-8", "surrogatepass")
    found: dict[str, dict[str, Any]] = {}
    for chain in segment_file.list_chains(path):
        with suppress(OSError):
            for segment in segment_file.list_segments(chain):
                for record in () if segment.is_tombstone else _iter_records(segment, needle, beginning):
                    if record["id"] == beginning:
                        return (record,)
                    if len(found) < MAX_CANDIDATES:
                        found.setdefault(record["id"], record)
    return tuple(found.values())


def _iter_records(segment: Segment, needle: bytes, beginning: str) -> Iterator[dict[str, Any]]:
    with segment_file.open_segment(segment) as stream:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if needle in line and str((record := decode_line(line)).get("id", "")).startswith(beginning):
                yield {**record, "id": str(record.get("id", ""))}


class LogReader:
    """Reader of all chains of a log that keeps its position in each.

    Args:
        path: path of the log's first chain.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        #: chain -> number of the first line of the last file, its inode, and the position in it
        self._positions: dict[Path, tuple[int, int, int]] = {}

    def read_last(self, count: int, since: float = float("-inf"), until: float = float("inf")) -> list[bytes]:
        """Return the last complete lines of all chains, merged by time.

        Args:
            count: most lines.
            since: earliest time, epoch seconds UTC.
            until: latest time.
        """
        period = (since, until)
        lines = merge_by_time([self._read_last(chain, count, period) for chain in segment_file.list_chains(self._path)])
        return lines[len(lines) - min(count, len(lines)) :]

    def read_new(self) -> list[bytes]:
        """Return the complete lines since the last call, merged by time; new files are included."""
        return merge_by_time([self._read_new(chain) for chain in segment_file.list_chains(self._path)])

    def _read_last(self, chain: Path, count: int, period: tuple[float, float]) -> list[bytes]:
        """Return the last lines of a period of one chain; read no more of its files than needed."""
        runs: list[list[bytes]] = []
        wanted = count
        with suppress(OSError):
            for lines in self._read_back(chain, period):
                runs.append(lines[-wanted:] if wanted else [])
                wanted -= len(runs[-1])
                if not wanted:
                    break
        return [line for run in reversed(runs) for line in run]

    def _read_back(self, chain: Path, period: tuple[float, float]) -> Iterator[list[bytes]]:
        """Yield the lines of a period from the end of a chain, a block at a time; store the position of its end.

        Lines are written almost in the order of their times, so a block whose lines are all too early is the last one.
        """
        since, until = period
        whole = since == float("-inf") and until == float("inf")
        for number, segment in enumerate(reversed(segment_file.list_segments(chain))):
            if segment.is_tombstone:
                return
            with segment_file.open_segment(segment) as stream:
                size = segment_file.get_length(stream)
                if number == 0:
                    self._positions[chain] = max(segment.base, 0), segment.inode, _find_end(stream, size)
                # without a period, the number of lines bounds what is read; long ones of another program do not
                least = max(0, size - MAX_READ_BYTES) if whole else 0
                for lines in _read_blocks(stream, size, least):
                    if whole:
                        yield lines
                        continue
                    times = [get_time(line) for line in lines]
                    yield [line for line, at in zip(lines, times, strict=True) if since <= at <= until]
                    if max(times) < since:
                        return
                if least:
                    return

    def _read_new(self, chain: Path) -> list[bytes]:
        lines: list[bytes] = []
        base, inode, offset = self._positions.get(chain, (0, 0, 0))
        with suppress(OSError):
            for segment in segment_file.list_segments(chain):
                if segment.is_tombstone or (segment.base < base and not segment.live):
                    continue
                same = segment.base == base and (not segment.live or inode in {0, segment.inode})
                found, self._positions[chain] = _read(segment, offset if same else 0)
                lines += found
        return lines


def _find_end(stream: BinaryIO, size: int) -> int:
    """Return the position after the last complete line of a file."""
    stream.seek(max(0, size - MAX_LINE_BYTES - 1))
    data = stream.read(MAX_LINE_BYTES + 1)
    end = data.rfind(b"\n") + 1
    # do not wait for the end of a line that is too long
    return size if not end and size > MAX_LINE_BYTES else size - len(data) + end


def _read_blocks(stream: BinaryIO, size: int, least: int) -> Iterator[list[bytes]]:
    """Yield the complete lines of a file, a block at a time, the last block first; the order within a block stays.

    Args:
        stream: of the file.
        size: its readable length.
        least: position at which reading ends.
    """
    length, rest, position, is_complete = FIRST_BLOCK_BYTES, b"", size, False
    while position > least and (is_complete or size - position <= MAX_READ_BYTES):
        begin = max(least, position - length)
        stream.seek(begin)
        data = stream.read(position - begin)
        position, length = begin, min(2 * length, LAST_BLOCK_BYTES)
        if not is_complete:
            data = data[: data.rfind(b"\n") + 1]
            is_complete = bool(data)
        data += rest
        # a line that starts before this block is completed by the next one
        start = data.find(b"\n") + 1 if begin else 0
        if lines := data[start:].splitlines(keepends=True):
            yield lines
        rest = data[:start][-MAX_LINE_BYTES - 1 :]


def _read(segment: Segment, position: int) -> tuple[list[bytes], tuple[int, int, int]]:
    """Read a file from a position, at most its last `MAX_READ_BYTES`; return the lines and the new position."""
    with segment_file.open_segment(segment) as stream:
        size = segment_file.get_length(stream)
        position = position if position <= size else 0  # a truncated file is read from the start
        begin = max(position, size - MAX_READ_BYTES)
        stream.seek(begin)
        data = stream.read(MAX_READ_BYTES)
    end = data.rfind(b"\n") + 1
    # skip a line that starts before the read bytes, and do not wait for the end of a line that is too long
    start = data.find(b"\n") + 1 if begin > position else 0
    stuck = end == 0 and len(data) > MAX_LINE_BYTES
    place = begin + (len(data) if stuck else end)
    return (data[start:end].splitlines(keepends=True) if end else []), (max(segment.base, 0), segment.inode, place)
