"""Anchors: each keeps what it is given or says that it did not, in bounded time, and is read back by who verifies."""

from __future__ import annotations

import asyncio
import fcntl
import threading
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.write import anchor
from authguard.audit.write.anchor import FileAnchor, FunctionAnchor, HttpAnchor, make_anchor, read_anchor
from authguard.errors import AuditError, SettingsError
from authguard.records.signed_note import Checkpoint, sign_note
from tests.audit.write.anchored import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = signing_key.generate_key("desk")


def note(size: int = 1) -> str:
    return sign_note(Checkpoint("desk/00", size, bytes(32)), 1_800_000_000 + size, [(KEY.key, KEY.sign)])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "kept.jsonl")
    service.start()
    yield service
    service.kill()


def test_a_file_gets_a_line_for_each_and_the_same_but_once(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "anchor")
    for size in (1, 2, 2, 3):
        anchor.store(note(size))
    assert list(read_anchor(str(tmp_path / "anchor"))) == [note(1), note(2), note(3)]
    assert (tmp_path / "anchor").stat().st_mode & 0o777 == 0o600


def test_a_file_is_only_added_to_also_after_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "anchor"
    FileAnchor(path).store(note(1))
    before = path.read_bytes() + checkpoint_file.encode_line(note(2))[:50]
    path.write_bytes(before)
    FileAnchor(path).store(note(3))
    assert path.read_bytes().startswith(before)
    assert list(read_anchor(str(path))) == [note(1), "", note(3)]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileAnchor(tmp_path / "unmounted" / "anchor").store(note())
    assert not (tmp_path / "unmounted").exists()


def test_a_file_that_another_holds_is_refused_and_taken_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor, "LOCK_RETRY_S", 0.0)
    path = tmp_path / "anchor"
    path.touch()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            FileAnchor(path).store(note())
    FileAnchor(path).store(note())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "anchor").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        FileAnchor(tmp_path / "anchor").store(note())
    assert not (tmp_path / "victim").exists()


def test_a_service_keeps_what_it_is_posted_and_gives_it_back(service: Service) -> None:
    anchor = HttpAnchor(service.url, service.token)
    anchor.store(note(1))
    anchor.store(note(2))
    assert list(read_anchor(service.url, service.token)) == [note(1), note(2)]


def test_a_service_that_refuses_or_is_gone_is_said_so_without_its_words(service: Service) -> None:
    with pytest.raises(AuditError, match="responded with status 403"):
        HttpAnchor(service.url, "wrong").store(note())
    with pytest.raises(SettingsError, match="responded with status 403"):
        list(read_anchor(service.url, "wrong"))
    service.kill()
    with pytest.raises(AuditError, match="ConnectError"):
        HttpAnchor(service.url, service.token).store(note())
    with pytest.raises(SettingsError, match="cannot be read"):
        list(read_anchor(service.url, service.token))


def test_a_name_that_is_told_holds_neither_path_nor_query(service: Service) -> None:
    assert HttpAnchor(f"{service.url}/secret?token=x").name == service.url


@pytest.mark.parametrize(
    "url",
    [
        "http://anchor.example/",
        "https://a@b.example/",
        "https://b.example/#x",
        "https://",
        "http://[::1",
        "https://b.example:x",
    ],
)
def test_an_address_without_tls_or_with_a_name_in_it_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="https"):
        make_anchor(url)
    with pytest.raises(SettingsError, match="https"):
        list(read_anchor(url))


@pytest.mark.parametrize(
    "url", ["https://b.example:8443/log?x=1", "http://127.0.0.1:1/", "http://[::1]/", "HTTP://localhost/"]
)
def test_tls_or_this_machine_is_taken(url: str) -> None:
    assert isinstance(make_anchor(url), HttpAnchor)


def test_functions_are_called_also_those_that_are_async() -> None:
    kept: list[str] = []

    async def later(text: str) -> None:
        await asyncio.sleep(0)
        kept.append(text)

    make_anchor(kept.append).store(note(1))
    make_anchor(later).store(note(2))
    assert kept == [note(1), note(2)]


def test_a_function_that_raises_is_told_by_the_class_of_what_it_raised() -> None:
    def fail(_: str) -> None:
        raise RuntimeError("with a secret")

    with pytest.raises(AuditError, match=r"^raised RuntimeError$"):
        FunctionAnchor(fail).store(note())


def test_a_function_that_hangs_is_left_alone_until_it_returns() -> None:
    go, calls = threading.Event(), []

    def hang(text: str) -> None:
        calls.append(text)
        go.wait(300)

    anchor = FunctionAnchor(hang, seconds=0.01)
    with pytest.raises(AuditError, match="did not return"):
        anchor.store(note(1))
    with pytest.raises(AuditError, match="still busy"):
        anchor.store(note(2))
    assert calls == [note(1)]
    go.set()
    assert anchor._busy is not None
    anchor._busy.join(300)
    anchor.store(note(3))
    assert calls == [note(1), note(3)]


def test_an_async_function_that_hangs_is_cancelled() -> None:
    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    anchor = FunctionAnchor(hang, seconds=0.01)
    with pytest.raises(AuditError):
        anchor.store(note())
    assert anchor._busy is not None
    anchor._busy.join(300)
    assert not anchor._busy.is_alive()


def test_a_bare_note_is_read_too_and_what_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "note").write_text(note())
    assert list(read_anchor(str(tmp_path / "note"))) == [note()]
    (tmp_path / "note").write_bytes(b"\xff\x00nothing")
    assert list(read_anchor(str(tmp_path / "note"))) == [""]
    with pytest.raises(SettingsError, match="cannot be read"):
        list(read_anchor(str(tmp_path / "none")))
