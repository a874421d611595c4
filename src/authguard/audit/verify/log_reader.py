"""Reading a log for people: the last lines of all its chains, and those that come after.

Nothing is verified here: lines are shown as they stand, also those that `proving.verify` would not pass.
"""

from __future__ import annotations

from contextlib import suppress
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.audit import segment_file
from authguard.core.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from authguard.audit.segment_file import Segment

#: most bytes that are read of one file at once, from its end or since the last look
MAX_READ_BYTES: Final = 16 * 1024 * 1024


def get_time(line: bytes) -> float:
    """Read a line's time, epoch seconds UTC; 0 where it has none."""
    at = decode_line(line).get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def decode_line(line: bytes) -> dict[str, Any]:
    """Decode a line; empty where it is no JSON object."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def merge_by_time(runs: Iterable[list[bytes]]) -> list[bytes]:
    """Merge the lines of several chains by their times; each chain keeps its own order."""
    return list(merge(*runs, key=get_time))


def find_record(path: Path, record: str) -> dict[str, Any]:
    """Find the record of an id in all chains of a log, however long they are; empty where there is none.

    Args:
        path: of the log's first chain.
        record: the id, as a reply's ``instance`` and the log name it.
    """
    wanted = record.encode("utf-8", "surrogatepass")
    for chain in segment_file.list_chains(path):
        with suppress(OSError):
            for segment in segment_file.list_segments(chain):
                if not segment.is_tombstone and (found := _find(segment, wanted, record)):
                    return found
    return {}


def _find(segment: Segment, wanted: bytes, record: str) -> dict[str, Any]:
    with segment_file.open_segment(segment) as stream:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if wanted in line and (found := decode_line(line)).get("id") == record:
                return found
    return {}


class LogReader:
    """Reads the chains of a log, over all their files, and remembers how far it came in each.

    Args:
        path: of the log's first chain.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        #: chain -> number of the first line of the file that was read last, its inode, and the place in it
        self._positions: dict[Path, tuple[int, int, int]] = {}

    def read_last(self, count: int) -> list[bytes]:
        """Give the last whole lines of all chains, merged by time."""
        lines = merge_by_time([self._read_last(chain, count) for chain in segment_file.list_chains(self._path)])
        return lines[len(lines) - min(count, len(lines)) :]

    def read_new(self) -> list[bytes]:
        """Give the whole lines that came since the last call, merged by time; also those of files that are new."""
        return merge_by_time([self._read_new(chain) for chain in segment_file.list_chains(self._path)])

    def _read_last(self, chain: Path, count: int) -> list[bytes]:
        """Read a chain from its end, over as many of its files as are needed."""
        lines: list[bytes] = []
        with suppress(OSError):
            for number, segment in enumerate(reversed(segment_file.list_segments(chain))):
                if segment.is_tombstone or len(lines) > count:
                    break
                found, come = _read(segment, 0)
                if number == 0:
                    self._positions[chain] = come
                lines = found[-count - 1 :] + lines
        return lines

    def _read_new(self, chain: Path) -> list[bytes]:
        """Read on from where the reader came to, over the files that were begun since."""
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


def _read(segment: Segment, come: int) -> tuple[list[bytes], tuple[int, int, int]]:
    """Read a file from a place, or from so many bytes before its end as are read at once; give where that is then."""
    with segment_file.open_segment(segment) as stream:
        size = segment_file.get_length(stream)
        come = come if come <= size else 0  # cut: from its beginning
        begin = max(come, size - MAX_READ_BYTES)
        stream.seek(begin)
        data = stream.read(MAX_READ_BYTES)
    end = data.rfind(b"\n") + 1
    # a line that began before what was read is left out, and one longer than any of ours is not waited for
    start = data.find(b"\n") + 1 if begin > come else 0
    stuck = end == 0 and len(data) > MAX_LINE_BYTES
    place = begin + (len(data) if stuck else end)
    return (data[start:end].splitlines(keepends=True) if end else []), (max(segment.base, 0), segment.inode, place)
