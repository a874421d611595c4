"""The files of a log: who holds which, and how much of one is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from authguard.audit.chain_file import MAX_CHAINS, acquire, chain_paths, get_size, read_tail, release
from authguard.errors import AuditError
from authguard.records.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    from pathlib import Path


def test_chains_are_named_beside_the_first_and_bounded(tmp_path: Path) -> None:
    names = [path.name for path in chain_paths(tmp_path / "audit.jsonl")]
    assert names[:3] == ["audit.jsonl", "audit.1.jsonl", "audit.2.jsonl"]
    assert len(set(names)) == len(names) == MAX_CHAINS
    assert [path.name for path in chain_paths(tmp_path / "log")][1] == "log.1"


def test_the_first_free_chain_is_taken_and_there_is_a_most(tmp_path: Path) -> None:
    held = [acquire(tmp_path / "audit.jsonl") for _ in range(MAX_CHAINS)]
    assert [one.path for one in held] == list(chain_paths(tmp_path / "audit.jsonl"))
    with pytest.raises(AuditError, match=f"{MAX_CHAINS} running writers"):
        acquire(tmp_path / "audit.jsonl")
    release(held[5])
    again = acquire(tmp_path / "audit.jsonl")
    assert again.path == held[5].path
    for one in [*held[:5], *held[6:], again]:
        release(one)


def test_letting_go_unlocks_although_a_copy_of_the_descriptor_is_open(tmp_path: Path) -> None:
    held = acquire(tmp_path / "audit.jsonl")
    copy = os.dup(held.fd)
    release(held)
    again = acquire(tmp_path / "audit.jsonl")
    assert again.path == held.path
    release(again)
    os.close(copy)


def test_letting_go_of_what_was_closed_under_us_closes_nothing_of_others(tmp_path: Path) -> None:
    held = acquire(tmp_path / "audit.jsonl")
    os.close(held.fd)
    release(held)
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
    assert other == held.fd
    release(held)
    os.fstat(other)
    os.close(other)


def test_a_file_is_measured_only_while_its_name_leads_to_it(tmp_path: Path) -> None:
    held = acquire(tmp_path / "audit.jsonl")
    os.write(held.fd, b"12345")
    assert get_size(held) == 5
    held.path.rename(tmp_path / "moved")
    assert get_size(held) == -1
    held.path.touch()
    assert get_size(held) == -1
    release(held)


def test_a_log_that_is_deleted_whenever_it_is_opened_is_an_error_and_not_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_and_delete(path: Path, flags: int, mode: int, opening: object = os.open) -> int:
        fd: int = opening(path, flags, mode)  # type: ignore[operator]  # os.open, before it was replaced
        path.unlink()
        return fd

    monkeypatch.setattr("authguard.audit.chain_file.os.open", open_and_delete)
    with pytest.raises(AuditError, match="replaced repeatedly"):
        acquire(tmp_path / "audit.jsonl")


@pytest.mark.parametrize(
    ("content", "last", "torn"),
    [
        (b"", b"", b""),
        (b"a\n", b"a\n", b""),
        (b"a\nbc\n", b"bc\n", b""),
        (b"a\nbc\nd", b"bc\n", b"d"),
        (b"d", b"", b"d"),
        (b"\n", b"\n", b""),
        (b"a\n\n", b"\n", b""),
        (b"z" * 300_000 + b"\n" + b"a" * 9 + b"\n", b"a" * 9 + b"\n", b""),
    ],
)
def test_the_end_of_a_file_is_its_last_whole_line_and_what_is_torn(
    tmp_path: Path, content: bytes, last: bytes, torn: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    found = read_tail(fd)
    os.close(fd)
    assert (found.end, found.last, found.torn) == (len(content) - len(torn), last, torn)


@pytest.mark.parametrize("content", [b"a" * MAX_LINE_BYTES, b"a\n" * 200_000 + b"b" * 200_000 + b"\n", b"b" * 200_000])
def test_an_end_longer_than_a_line_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    with pytest.raises(AuditError, match="valid line"):
        read_tail(fd)
    os.close(fd)
