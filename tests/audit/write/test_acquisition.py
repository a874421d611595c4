"""Tests of the acquisition of a chain: whatever fails, the lock is free again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from authguard.audit import chain_file
from authguard.audit.write.acquisition import acquire_chain
from authguard.errors import AuditError, SettingsError
from authguard.records.chain import GENESIS
from tests.audit.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.audit.write.checkpoint_signer import CheckpointSigner


def head() -> str:
    return GENESIS


def require_free(log: Path) -> None:
    file = chain_file.acquire(log)
    assert file.path == log
    chain_file.release(file)


def test_an_unsigned_log_is_only_locked(tmp_path: Path) -> None:
    found = acquire_chain(tmp_path / "audit.jsonl", None, head, take_over=True)
    assert (found.file.path, found.signer, found.acts) == (tmp_path / "audit.jsonl", None, ())
    chain_file.release(found.file)


def test_a_chain_that_no_key_signed_is_moved_aside_and_the_acts_tell_where(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = desk.open()
    desk.write(sink, "1")
    desk.work()
    sink.close()
    lines = desk.log.read_bytes()
    desk.log.write_bytes(lines + b'{"forged":1}\n')
    found = acquire_chain(desk.log, desk.make_signer, head, take_over=True)
    assert [one.act for one in found.acts] == ["foreign"]
    assert desk.log.read_bytes() == lines
    chain_file.release(found.file)


@pytest.mark.parametrize("error", [SettingsError("no key"), KeyboardInterrupt()])
def test_a_signer_that_cannot_be_made_leaves_the_lock_free(tmp_path: Path, error: BaseException) -> None:
    def fail(_path: Path, _fd: int, _head: Callable[[], str]) -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        acquire_chain(tmp_path / "audit.jsonl", fail, head, take_over=True)
    require_free(tmp_path / "audit.jsonl")


def test_a_takeover_that_fails_tells_the_file_and_leaves_the_lock_free(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def fail() -> NoReturn:
        raise PermissionError(13, "Permission denied", str(tmp_path / "heads"))

    def make_signer(path: Path, fd: int, own_head: Callable[[], str]) -> CheckpointSigner:
        signer = desk.make_signer(path, fd, own_head)
        signer.takeover.run = fail  # type: ignore[method-assign]  # a folder that root can read in any case
        return signer

    desk.folder.mkdir()
    with pytest.raises(AuditError, match=f"cannot be taken over: `{tmp_path / 'heads'}`"):
        acquire_chain(desk.log, make_signer, head, take_over=True)
    require_free(desk.log)
