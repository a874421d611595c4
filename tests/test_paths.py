"""Nothing of the guard hangs on the folder, the umask or the environment after it was built.

The attacks on whole deployments are in `tests/attacks/paths.py`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authguard import AuthGuard, SettingsError
from authguard.audit.write.anchor import HttpAnchor, make_anchor
from authguard.paths import absolute, make_data_folder, make_folder
from authguard.settings import Settings
from authguard.testing import FakeClock, IdentityProvider
from tests.attacks.harness import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "0123456789abcdef" * 4
POLICY = """\
authguard: 1
name: here
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [HS256]
    keys: {secret_env: SECRET}
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
otherwise: {risk: sensitive, effect: write}
budget: {request: 60s}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
GONE = """
import os, sys, tempfile
from authguard.errors import SettingsError
from authguard.settings import Settings
gone = tempfile.mkdtemp(dir=sys.argv[1])
os.chdir(gone)
os.rmdir(gone)
print(Settings.resolve("standard", store="memory", audit_log="/there/audit.jsonl", environ={}).audit_log)
try:
    Settings.resolve("standard", environ={})
except SettingsError as error:
    print(error)
"""


@pytest.fixture
def two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders; the process stands in the first."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    return first, second


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the process have another umask for a while."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_relative_path_is_meant_from_where_the_process_stands(two_folders: tuple[Path, Path]) -> None:
    first, _ = two_folders
    assert absolute("a/b") == first / "a/b"
    assert absolute("/a/b") == Path("/a/b")
    told = Settings.resolve("standard", store="s.db", environ={"AUTHGUARD_AUDIT_LOG": "l.jsonl"})
    assert (told.store, told.audit_log) == (str(first / "s.db"), str(first / "l.jsonl"))


def test_a_symlink_stays_one_so_that_it_can_be_switched(two_folders: tuple[Path, Path]) -> None:
    first, second = two_folders
    Path("current").symlink_to(second)
    assert absolute("current/s.db") == first / "current/s.db"


def test_a_folder_that_is_gone_is_told_where_a_path_is_relative(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", GONE, str(tmp_path)], capture_output=True, text=True, timeout=300, check=True
    )
    absolute_log, refused = done.stdout.splitlines()
    assert absolute_log == "/there/audit.jsonl"
    assert "the current folder no longer exists: use an absolute path" in refused


@pytest.mark.usefixtures("umask")
def test_every_folder_that_is_made_is_its_owner_s_alone(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b" / "c"
    make_folder(made)
    make_folder(made)
    assert [folder.stat().st_mode & 0o777 for folder in (made, made.parent, made.parent.parent)] == [0o700] * 3


def test_a_file_where_a_folder_has_to_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="exists"):
        make_folder(tmp_path / "a")


@pytest.mark.usefixtures("umask")
def test_every_file_of_a_deployment_is_its_owner_s_alone(two_folders: tuple[Path, Path]) -> None:
    first, _ = two_folders
    (first / "policy.yaml").write_text(POLICY)
    guard = AuthGuard(_never, "policy.yaml", store="var/in/s.db", audit_log="var/l.jsonl", environ={"SECRET": SECRET})

    async def live() -> None:
        await guard.enforcer.open()
        assert (await ask(guard, "GET", "/chat")).status == 401
        await guard.enforcer.close()

    asyncio.run(live())
    modes = {path: path.stat().st_mode & 0o777 for path in (first / "var").rglob("*")}
    assert len(modes) > 5
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_file_that_anchors_stays_where_it_was_meant(two_folders: tuple[Path, Path]) -> None:
    first, second = two_folders
    anchor = make_anchor("anchor.jsonl")
    os.chdir(second)
    anchor.store("a note")
    assert (first / "anchor.jsonl").read_text().endswith("\n")
    assert not list(second.iterdir())


def test_an_address_that_anchors_is_asked_past_every_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        anchor = HttpAnchor(f"http://127.0.0.1:{listening.getsockname()[1]}/keep", "token")

        def serve() -> None:
            caller, _ = listening.accept()
            with caller:
                asked.append(caller.recv(65_536).partition(b"\r\n")[0])
                caller.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        anchor.store("a note")
        server.join()
    assert asked == [b"POST /keep HTTP/1.1"]


async def test_a_variable_says_what_it_said_when_the_guard_was_built(two_folders: tuple[Path, Path]) -> None:
    first, _ = two_folders
    (first / "policy.yaml").write_text(POLICY)
    environ = {"SECRET": SECRET}
    clock = FakeClock()
    guard = AuthGuard(_never, "policy.yaml", store="memory", audit_log="l.jsonl", clock=clock, environ=environ)
    environ.clear()
    await guard.enforcer.open()
    await guard.enforcer.close()
    with pytest.raises(SettingsError, match="SECRET"):
        await AuthGuard(_never, "policy.yaml", store="memory", audit_log="l.jsonl", environ=environ).enforcer.open()


def test_the_provider_for_tests_starts_wherever_the_process_has_gone(two_folders: tuple[Path, Path]) -> None:
    _, second = two_folders
    provider = IdentityProvider()
    (second / "json.py").write_text("raise SystemExit('a file of the folder was imported')")
    os.chdir(second)
    with provider:
        assert provider.issuer.startswith("http://127.0.0.1:")


async def _never(*_: object) -> None:
    raise AssertionError


def test_an_existing_folder_gets_no_file_that_git_heeds(tmp_path: Path) -> None:
    make_data_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    make_data_folder(tmp_path / "new/var")
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == [".gitignore"]
    (tmp_path / "new/var/.gitignore").write_text("!mine\n")
    make_data_folder(tmp_path / "new/var")
    assert (tmp_path / "new/var/.gitignore").read_text() == "!mine\n"


def test_processes_that_create_a_folder_at_the_same_time_leave_one_file(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        pool.map(make_data_folder, [tmp_path / "new/var"] * 24, chunksize=1)
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == [".gitignore"]
    assert stat.S_IMODE((tmp_path / "new/var").stat().st_mode) == 0o700
