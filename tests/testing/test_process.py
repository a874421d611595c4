"""The process starts within its bound, speaks over loopback, ends cleanly and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from authguard.testing import IdentityProvider, IdentityProviderError, process

if TYPE_CHECKING:
    from pathlib import Path

LISTENER = "authguard.testing.idp"
SILENT = "import sys; sys.stdin.read()"
BROKEN = "raise SystemExit('no such thing')"


def is_listening(issuer: str) -> bool:
    where = urlsplit(issuer)
    with socket.socket() as probe:
        return probe.connect_ex((where.hostname, where.port)) == 0


def test_it_ends_cleanly_and_closes_its_port() -> None:
    provider = IdentityProvider()
    with provider:
        issuer = provider.issuer
        assert is_listening(issuer)
        assert issuer.startswith("http://127.0.0.1:")
    assert not is_listening(issuer)
    assert provider.start().stop() == 0
    assert provider.stop() is None


def test_it_can_start_again_with_no_memory_of_its_first_life() -> None:
    provider = IdentityProvider()
    with provider:
        first = provider.rotate_keys()
        with pytest.raises(IdentityProviderError, match="already runs"):
            provider.start()
    with provider:
        assert provider.requests() == {}
        published = {key["kid"] for key in httpx2.get(f"{provider.issuer}/jwks").json()["keys"]}
        assert not published & set(first.values())


def test_it_ends_cleanly_while_a_caller_hangs() -> None:
    with IdentityProvider() as provider:
        provider.outage("hang", seconds=60)
        where = urlsplit(provider.issuer)
        with socket.create_connection((where.hostname, where.port)) as caller:
            caller.sendall(f"GET /jwks HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
            # Two connections keep no order between them: ask until the first one's request has arrived.
            assert any(provider.requests().get("/jwks") == 1 for _ in range(1000))
            assert provider.stop() == 0


def test_a_process_that_never_listens_is_given_up_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_command", lambda *_: [sys.executable, "-c", SILENT])
    provider = IdentityProvider(ready_within=0.05)
    with pytest.raises(IdentityProviderError, match=r"within 0\.05 s: no output"):
        provider.start()
    assert provider.pid is None


def test_a_process_that_breaks_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_command", lambda *_: [sys.executable, "-c", BROKEN])
    with pytest.raises(IdentityProviderError, match="no such thing"):
        IdentityProvider().start()


def test_a_taken_port_is_an_error_and_not_another_port(authguard_idp: IdentityProvider) -> None:
    taken = urlsplit(authguard_idp.issuer).port
    assert taken is not None
    with pytest.raises(IdentityProviderError, match="in use"):
        IdentityProvider(port=taken).start()


def test_nothing_is_asked_of_a_provider_that_does_not_run() -> None:
    provider = IdentityProvider()
    for ask in (lambda: provider.issuer, provider.sign_in, provider.requests):
        with pytest.raises(IdentityProviderError, match="does not run"):
            ask()


def test_it_writes_its_address_whole_to_a_file_and_stops_at_a_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", LISTENER, "--ready-file", str(ready), "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:  # noqa: S603 - ours
        try:
            issuer = address_in(ready, started)
            assert is_listening(issuer)
            started.send_signal(signal.SIGTERM)
            assert started.wait(300) == 0
            assert started.stdout is not None
            assert started.stdout.read() == b""
            assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]
        finally:
            started.kill()


def address_in(ready: Path, started: subprocess.Popen[bytes]) -> str:
    """Wait for the file, without sleeping for a fixed time: as long as the process lives, at most five minutes."""
    for _ in range(6_000):
        if ready.exists():
            issuer: str = json.loads(ready.read_text(encoding="utf-8"))["issuer"]
            return issuer
        try:
            started.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail("the process said nothing")


def test_it_ends_when_the_process_that_started_it_dies() -> None:
    """The parent here dies without a word, as after SIGKILL; the pipe to its child closes with it."""
    parent = (
        "import os, subprocess, sys\n"
        f"command = [sys.executable, '-m', {LISTENER!r}, '--until-stdin-closes']\n"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE)\n"
        "sys.stdin.read()\n"
        "os._exit(1)\n"
    )
    with subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as dying:
        assert dying.stdout is not None
        issuer = json.loads(dying.stdout.readline())["issuer"]
        assert is_listening(issuer)
        # The child shares the standard output: it ends only when both are gone.
        assert dying.communicate(timeout=300)[0] == b""
    assert not is_listening(issuer)


def test_it_logs_nothing_about_anybody(tmp_path: Path) -> None:
    said = tmp_path / "stderr"
    with said.open("wb") as errors:
        command = [sys.executable, "-m", LISTENER, "--until-stdin-closes"]
        with subprocess.Popen(  # noqa: S603 - this interpreter and this package
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        ) as started:
            assert started.stdout is not None
            assert started.stdin is not None
            issuer = json.loads(started.stdout.readline())["issuer"]
            with httpx2.Client(base_url=issuer) as client:
                token = client.post("/control/sign-in", json={"subject": "ann"}).json()["access_token"]
                client.post("/introspect", data={"token": token})
                client.post("/control/sign-in", json={"subject": 5})
            started.stdin.close()
            assert started.stdout.read() == b""
            assert started.wait(300) == 0
    assert said.read_bytes() == b""
