"""Compressed segments: gzip in blocks that say their own length, so that one line is read without all before it.

The form is BGZF (SAM specification 4.1, over RFC 1952): members of at most 64 KiB whose extra field ``BC`` holds the
member's length; ``zcat`` reads it. Rule: nothing is inflated beyond what its block may hold and says that it holds,
and no file beyond `MAX_SEGMENT_BYTES`, so that no file can exhaust whoever reads it.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from typing import Any

#: bytes of the log in one block: so many that even what cannot be compressed fits a 16-bit length
BLOCK_BYTES: Final = 0xFF00
#: most bytes that a block may inflate to
_MAX_INFLATED_BYTES: Final = 0x10000
#: most bytes of a segment, inflated
MAX_SEGMENT_BYTES: Final = 2 * 1024 * 1024 * 1024
#: before the length, which is the last member of the header, and the whole header
_HEADER_PREFIX: Final = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0"
_HEADER_BYTES: Final = len(_HEADER_PREFIX) + 2
#: checksum and inflated length, which end a block
_TRAILER: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<H")


def _damaged_error() -> OSError:
    return OSError(errno.EBADMSG, "it is no compressed segment of a log, or was damaged")


def _compress_block(data: bytes, level: int = 6) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    length = _HEADER_BYTES + len(body) + _TRAILER.size
    if length > _MAX_INFLATED_BYTES:
        return _compress_block(data, 0)
    return _HEADER_PREFIX + _LENGTH.pack(length - 1) + body + _TRAILER.pack(zlib.crc32(data), len(data))


def compress(source: BinaryIO, target: BinaryIO) -> None:
    """Compress a file into another.

    Raises:
        OSError: one cannot be read or written.
    """
    while data := source.read(BLOCK_BYTES):
        target.write(_compress_block(data))
    target.write(_compress_block(b""))  # the mark of the end, which BGZF asks for


class BgzfReader(io.RawIOBase):
    """A compressed segment, read as if it were not.

    Args:
        file: the compressed file, which this owns.

    Raises:
        OSError: it is none of ours.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._place = 0
        #: of each block: where it begins inflated, and in the file
        self._starts: list[int] = []
        self._offsets: list[int] = []
        self._length = 0
        self._at = -1
        self._data = b""
        try:
            self._index_blocks()
        except OSError:
            file.close()
            raise

    def _index_blocks(self) -> None:
        """Walk over the headers."""
        fd = self._file.fileno()
        whole = os.fstat(fd).st_size
        offset, header = 0, os.pread(fd, _HEADER_BYTES, 0)
        while offset < whole:
            if len(header) != _HEADER_BYTES or not header.startswith(_HEADER_PREFIX):
                raise _damaged_error()
            after = offset + _LENGTH.unpack_from(header, len(_HEADER_PREFIX))[0] + 1
            # the end of this block and the header of the next in one call
            seen = os.pread(fd, 4 + _HEADER_BYTES, after - 4)
            inflated = int.from_bytes(seen[:4], "little")
            if after > whole or after < offset + _HEADER_BYTES + _TRAILER.size or inflated > _MAX_INFLATED_BYTES:
                raise _damaged_error()
            self._starts.append(self._length)
            self._offsets.append(offset)
            self._length += inflated
            if self._length > MAX_SEGMENT_BYTES:
                raise _damaged_error()
            offset, header = after, seen[4:]
        self._offsets.append(offset)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place of what is inflated."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever the caller can write to
        """Read what is there up to the end of a block.

        Raises:
            OSError: the block is damaged.
        """
        if self._place >= self._length:
            return 0
        block = bisect_right(self._starts, self._place) - 1
        if block != self._at:
            self._data, self._at = self._inflate(block), block
        begin = self._place - self._starts[block]
        piece = self._data[begin : begin + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def _inflate(self, block: int) -> bytes:
        begin, end = self._offsets[block], self._offsets[block + 1]
        raw = os.pread(self._file.fileno(), end - begin, begin)
        checksum, length = _TRAILER.unpack_from(raw, len(raw) - _TRAILER.size)
        inflate = zlib.decompressobj(-15)
        try:
            data = inflate.decompress(raw[_HEADER_BYTES : -_TRAILER.size], length + 1)
        except zlib.error:
            raise _damaged_error() from None
        # a block may end in an empty one: of those that begin alike the last is the one that was found
        if len(data) != length or not inflate.eof or zlib.crc32(data) != checksum:
            raise _damaged_error()
        return data


def open_decompressed(file: BinaryIO) -> BinaryIO:
    """Read a compressed file as what was compressed.

    Args:
        file: which what is given back owns.

    Raises:
        OSError: it is none of ours.
    """
    return io.BufferedReader(BgzfReader(file), _MAX_INFLATED_BYTES)
