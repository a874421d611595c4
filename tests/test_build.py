"""Building a guard writes nothing; opening it creates the keys, or says clearly why it cannot."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from authguard import AuthGuard, SettingsError, audit_processor
from authguard.deployment_keys import DeploymentKeys
from authguard.settings import Settings
from authguard.testing import FakeClock, IdentityProvider, Mint
from tests.cli.deployment import POLICY
from tests.support.file_tree import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
KEY_FILES = {".gitignore", "authguard.db.key", "authguard.db.names", "authguard.db.signing"}
APP = """
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from authguard import AuthGuard, audit_processor
inner = {inner}
{wrap}
"""
INNER = {
    "starlette": 'Starlette(routes=[Route("/chat", lambda r: PlainTextResponse("hello"), methods=["POST"])])',
    "fastapi": 'FastAPI(openapi_url=None)\ninner.post("/chat")(lambda: "hello")',
}
WRAP = {
    "wrapped": 'app = AuthGuard(inner, policy="policy.yaml")',
    "added": 'inner.add_middleware(AuthGuard, policy="policy.yaml")\napp = inner',
    "with the app's log": 'app = AuthGuard(inner, policy="policy.yaml")\nprocessor = audit_processor()',
}


async def serve_nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer nothing: only the guard is of interest."""
    raise NotImplementedError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def guard(**settings: Any) -> AuthGuard:
    return AuthGuard(serve_nothing, policy="policy.yaml", environ={}, **settings)


BUILDERS: dict[str, Callable[[], object]] = {
    "the guard": guard,
    "a guard in memory": lambda: guard(store="memory"),
    "a guard with anchors": lambda: guard(anchors=["anchor", "https://anchor.example/"]),
    "a guard elsewhere": lambda: guard(store="new/folder/s.db", audit_log="logs/a.jsonl"),
    "a shipped policy": lambda: AuthGuard(serve_nothing, policy=ROOT / "policies/support-desk/policy.yaml", environ={}),
    "the app's log": lambda: audit_processor(environ={}),
    "a separate log of the app": lambda: audit_processor("own/app.jsonl", environ={}),
    "a mint": lambda: Mint.create(FakeClock()),
    "an identity provider": IdentityProvider,
}


@pytest.mark.parametrize("name", BUILDERS)
def test_building_leaves_the_folder_as_it_was(name: str, folder: Path) -> None:
    before = snapshot(folder)
    BUILDERS[name]()
    assert snapshot(folder) == before


def test_building_again_leaves_an_opened_deployment_as_it_was(folder: Path) -> None:
    async def open_and_close(made: AuthGuard) -> None:
        await made.enforcer.open()
        await made.enforcer.close()

    anyio.run(open_and_close, guard())
    assert {path.name for path in (folder / "var").iterdir()} >= {
        "authguard.db",
        "authguard.db.key",
        "authguard.db.names",
        "authguard.db.signing",
        "audit.jsonl",
    }
    before = snapshot(folder)
    guard()
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"store": "policy.yaml/s.db"}, "is not a folder"),
        ({"store": "."}, "is a folder"),
        ({"audit_log": "."}, "is a folder"),
        ({"signing_key": "none"}, "there is no file"),
        ({"signing_key": "PRIVATE+KEY+x"}, "holds no signing key"),
    ],
)
def test_what_no_permission_mends_is_told_when_the_guard_is_built(
    settings: dict[str, Any], words: str, folder: Path
) -> None:
    del folder
    with pytest.raises(SettingsError, match=words):
        guard(**settings)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("authguard.db.key", "no key", "is not hexadecimal"),
        ("authguard.db.key", "abcd", "is too short"),
        ("authguard.db.signing", "no key", "holds no signing key"),
        ("authguard.db.names", "{}", "cannot be read"),
    ],
)
def test_a_key_file_without_a_key_is_told_when_the_guard_is_built(
    name: str, content: str, words: str, folder: Path
) -> None:
    path = folder / "var" / name
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    before = snapshot(folder)
    with pytest.raises(SettingsError, match=words):
        guard()
    assert snapshot(folder) == before


@pytest.mark.parametrize("wrap", WRAP)
@pytest.mark.parametrize("inner", INNER)
def test_the_routes_of_an_app_are_checked_where_nothing_can_be_written(inner: str, wrap: str, folder: Path) -> None:
    (folder / "myapp.py").write_text(APP.format(inner=INNER[inner], wrap=WRAP[wrap]))
    before = snapshot(folder)
    folder.chmod(0o555)
    try:
        done = _without_privilege(
            folder, "tests.support.command_line", "policy", "check", "policy.yaml", "--app", "myapp:app"
        )
    finally:
        folder.chmod(0o700)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "POST /chat -> chat" in done.stdout
    assert snapshot(folder) == before


def test_a_server_that_cannot_write_says_so_at_its_start_and_does_not_serve(folder: Path) -> None:
    (folder / "myapp.py").write_text(APP.format(inner=INNER["starlette"], wrap=WRAP["wrapped"]))
    folder.chmod(0o555)
    try:
        done = _without_privilege(folder, "uvicorn", "--port", "0", "myapp:app")
    finally:
        folder.chmod(0o700)
    assert done.returncode == 3, done.stderr
    assert "authguard cannot start: the store" in done.stderr
    assert "AUTHGUARD_STORE" in done.stderr
    assert "AUTHGUARD_AUDIT_LOG" in done.stderr
    assert not (folder / "var").exists()


async def test_without_a_lifespan_the_first_request_opens_the_guard(folder: Path) -> None:
    made = guard()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(made), base_url="http://app") as client:
        assert not (folder / "var").exists()
        response = await client.post("/nothing")
    assert response.status_code == 404
    assert (folder / "var/authguard.db.key").exists()
    await made.enforcer.close()


async def test_a_guard_that_cannot_open_refuses_every_request_and_logs_the_reason_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = guard()
    (folder / "var").touch()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(made), base_url="http://app") as client:
        responses = [
            await client.post(path, headers={"Authorization": "Bearer x"}) for path in ("/chat", "/x", "/chat")
        ]
        assert [response.status_code for response in responses] == [503, 503, 503]
        (line,) = caplog.messages
        assert line.startswith("authguard.closed: every request is refused: the store")
        assert "`" + str(folder / "var") + "` is not a folder" in line
        (folder / "var").unlink()
        assert (await client.post("/x")).status_code == 404
    await made.enforcer.close()


def test_git_sees_neither_the_store_nor_the_keys_nor_the_log(folder: Path) -> None:
    async def open_and_close() -> None:
        made = guard(anchors=["var/anchor"])
        await made.enforcer.open()
        await made.enforcer.close()

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603, S607 - git of the machine
        return done.stdout

    git("init", "-q")
    anyio.run(open_and_close)
    assert len(list((folder / "var").iterdir())) > 5
    assert git("status", "--porcelain", "--untracked-files=all") == "?? policy.yaml\n"
    git("add", "--all")
    assert git("ls-files") == "policy.yaml\n"


def _open_keys(folder: str) -> tuple[bytes, str, str]:
    """Open the keys of a deployment in another process."""
    os.chdir(folder)
    keys = DeploymentKeys(Settings.resolve("policy.yaml", environ={}), plain=False, several=False, clock=FakeClock())
    keys.open()
    return keys.derive("test")(), keys.subject("https://issuer.test", "alice"), keys.signing.load()[-1].text()


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_that_open_at_the_same_time_have_the_same_keys(method: str, folder: Path) -> None:
    with multiprocessing.get_context(method).Pool(6) as pool:
        found = pool.map(_open_keys, [str(folder)] * 24, chunksize=1)
    assert len(set(found)) == 1
    assert not [path.name for path in (folder / "var").iterdir() if path.name not in KEY_FILES]


def test_a_guard_that_is_built_before_a_fork_has_the_keys_of_its_siblings(folder: Path) -> None:
    del folder
    keys = DeploymentKeys(Settings.resolve("policy.yaml", environ={}), plain=False, several=False, clock=FakeClock())
    keys.validate()
    found = []
    for _ in range(3):
        reading, writing = os.pipe()
        if not (child := os.fork()):
            keys.open()
            os.write(writing, keys.subject("https://issuer.test", "alice").encode())
            os._exit(0)
        os.waitpid(child, 0)
        found.append(os.read(reading, 100))
        os.close(reading)
        os.close(writing)
    assert len(set(found)) == 1
    assert keys.subject("https://issuer.test", "alice").encode() == found[0]


def _without_privilege(folder: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-m", "tests.support.without_privilege", module, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
