"""Compressed segments: BGZF, a gzip format of blocks with random access.

The format is BGZF (SAM specification 4.1, based on RFC 1952): gzip members of at most 64 KiB with an extra field
``BC``, the length of the member. ``zcat`` reads it.

Rule: a reader inflates at most the length that a block states and may have, and opens no file that inflates to more
than `MAX_SEGMENT_BYTES`, so that no file can exhaust its memory.
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

#: uncompressed bytes of a block; incompressible data of this size still fits the 16-bit length
BLOCK_BYTES: Final = 0xFF00
#: maximum of inflated bytes in a block
_MAX_INFLATED_BYTES: Final = 0x10000
#: maximum of inflated bytes in a segment
MAX_SEGMENT_BYTES: Final = 2 * 1024 * 1024 * 1024
#: a block's header up to the length, which is its last field, and the size of the whole header
_HEADER_PREFIX: Final = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0"
_HEADER_BYTES: Final = len(_HEADER_PREFIX) + 2
#: end of a block: checksum and inflated length
_TRAILER: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<H")


def _damaged_error() -> OSError:
    return OSError(errno.EBADMSG, "the file is not a compressed segment of a log, or is damaged")


def _compress_block(data: bytes, level: int = 6) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    length = _HEADER_BYTES + len(body) + _TRAILER.size
    if length > _MAX_INFLATED_BYTES:
        return _compress_block(data, 0)
    return _HEADER_PREFIX + _LENGTH.pack(length - 1) + body + _TRAILER.pack(zlib.crc32(data), len(data))


def compress(source: BinaryIO, target: BinaryIO) -> None:
    """Compress a file to another file.

    Raises:
        OSError: a file cannot be read or written.
    """
    while data := source.read(BLOCK_BYTES):
        target.write(_compress_block(data))
    target.write(_compress_block(b""))  # the end-of-file marker that BGZF requires


class BgzfReader(io.RawIOBase):
    """Seekable reader of a compressed segment.

    Args:
        file: the compressed file; `close` closes it.

    Raises:
        OSError: the file is not a compressed segment.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._place = 0
        #: for each block, its offset in the inflated data and in the file
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
        """Read the headers of all blocks."""
        fd = self._file.fileno()
        whole = os.fstat(fd).st_size
        offset, header = 0, os.pread(fd, _HEADER_BYTES, 0)
        while offset < whole:
            if len(header) != _HEADER_BYTES or not header.startswith(_HEADER_PREFIX):
                raise _damaged_error()
            after = offset + _LENGTH.unpack_from(header, len(_HEADER_PREFIX))[0] + 1
            # one read for the end of this block and the header of the next
            chunk = os.pread(fd, 4 + _HEADER_BYTES, after - 4)
            inflated = int.from_bytes(chunk[:4], "little")
            if after > whole or after < offset + _HEADER_BYTES + _TRAILER.size or inflated > _MAX_INFLATED_BYTES:
                raise _damaged_error()
            self._starts.append(self._length)
            self._offsets.append(offset)
            self._length += inflated
            if self._length > MAX_SEGMENT_BYTES:
                raise _damaged_error()
            offset, header = after, chunk[4:]
        self._offsets.append(offset)

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset of the inflated data."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever the caller can write to
        """Read up to the end of the current block.

        Raises:
            OSError: the block is damaged.
        """
        if self._place >= self._length:
            return 0
        block = bisect_right(self._starts, self._place) - 1
        if block != self._at:
            self._data, self._at = self._inflate(block), block
        begin = self._place - self._starts[block]
        part = self._data[begin : begin + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _inflate(self, block: int) -> bytes:
        begin, end = self._offsets[block], self._offsets[block + 1]
        raw = os.pread(self._file.fileno(), end - begin, begin)
        checksum, length = _TRAILER.unpack_from(raw, len(raw) - _TRAILER.size)
        inflate = zlib.decompressobj(-15)
        try:
            data = inflate.decompress(raw[_HEADER_BYTES : -_TRAILER.size], length + 1)
        except zlib.error:
            raise _damaged_error() from None
        # an empty block may share its start with the next block; bisect returns the last one
        if len(data) != length or not inflate.eof or zlib.crc32(data) != checksum:
            raise _damaged_error()
        return data


def open_decompressed(file: BinaryIO) -> BinaryIO:
    """Open a compressed file for reading its inflated data.

    Args:
        file: the compressed file; closing the result closes it.

    Raises:
        OSError: the file is not a compressed segment.
    """
    return io.BufferedReader(BgzfReader(file), _MAX_INFLATED_BYTES)
