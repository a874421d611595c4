"""Compressed segments: gzip that anybody reads, any place of it at once, and nothing that inflates without a bound."""

from __future__ import annotations

import gzip
import os
import random
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from authguard.audit import bgzf
from authguard.audit.bgzf import BLOCK_BYTES, compress, open_decompressed

if TYPE_CHECKING:
    from pathlib import Path

CHANCE = random.Random(8)  # noqa: S311 - a seed, so that a failure repeats
#: what cannot be compressed, what can, and what just fills or just does not fill a block
CONTENTS = {
    "nothing": b"",
    "a line": b"{}\n",
    "lines": b"".join(b'{"seq":%d,"hash":"%s"}\n' % (n, CHANCE.randbytes(32).hex().encode()) for n in range(5_000)),
    "chance": CHANCE.randbytes(3 * BLOCK_BYTES),
    "one block": b"x" * BLOCK_BYTES,
    "one block and a byte": b"x" * (BLOCK_BYTES + 1),
}


def packed(path: Path, content: bytes) -> Path:
    with path.open("wb") as file:
        compress(BytesIO(content), file)
    return path


@pytest.mark.parametrize("kind", CONTENTS)
def test_it_is_gzip_of_the_very_bytes_and_reads_back_from_any_place(tmp_path: Path, kind: str) -> None:
    content = CONTENTS[kind]
    path = packed(tmp_path / "x.gz", content)
    assert gzip.decompress(path.read_bytes()) == content
    with open_decompressed(path.open("rb")) as file:
        assert file.seek(0, os.SEEK_END) == len(content)
        for _ in range(50):
            place, size = CHANCE.randrange(len(content) + 1), CHANCE.randrange(200_000)
            file.seek(place)
            assert file.read(size) == content[place : place + size]
        file.seek(0)
        assert file.readlines() == BytesIO(content).readlines()


@pytest.mark.parametrize("cut", [1, 10, 17, 100, -1, -28, -40])
def test_a_file_that_was_cut_is_not_read(tmp_path: Path, cut: int) -> None:
    path = packed(tmp_path / "x.gz", CONTENTS["lines"])
    if cut == -28:  # at a block's end: what is there is whole, and its chain is not
        path.write_bytes(path.read_bytes()[:cut])
        assert open_decompressed(path.open("rb")).read() == CONTENTS["lines"]
        return
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(OSError, match="damaged"):
        open_decompressed(path.open("rb")).read()


def test_no_byte_of_a_file_can_be_changed(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.gz", b"a line that is short\n" * 3)
    raw = path.read_bytes()
    for place in range(len(raw) - 28):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(OSError, match="damaged"):
            open_decompressed(path.open("rb")).read()


def test_a_block_that_inflates_to_more_than_it_says_is_not_inflated(tmp_path: Path) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(b"0" * 60_000_000) + deflate.flush()
    data = b"0" * 100
    head = bgzf._HEADER_PREFIX + (18 + len(body) + 8 - 1).to_bytes(2, "little")
    assert len(body) < 60_000
    path = tmp_path / "x.gz"
    path.write_bytes(head + body + zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little"))
    with pytest.raises(OSError, match="damaged"):
        open_decompressed(path.open("rb")).read()


def test_a_file_that_inflates_beyond_any_segment_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "x.gz", CONTENTS["one block and a byte"])
    monkeypatch.setattr(bgzf, "MAX_SEGMENT_BYTES", BLOCK_BYTES)
    with pytest.raises(OSError, match="damaged"):
        open_decompressed(path.open("rb"))


@pytest.mark.parametrize("content", [gzip.compress(b"common gzip", mtime=0), b"no gzip", b"\x1f\x8b\x08\x04"])
def test_what_is_none_of_ours_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(OSError, match="not a compressed segment"):
        open_decompressed((tmp_path / "x.gz").open("rb"))
