"""Tests of `authguard accounts` and `authguard sessions` against a running guarded app."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from msgspec.structs import replace

from authguard.audit.verify.log_verifier import verify
from authguard.cli.output import FAILED, OK, USAGE
from authguard.core.events import MACHINES
from authguard.core.snapshot import Keys, SessionRecord, blank
from authguard.stores.sqlite import SqliteStore
from tests.cli.deployment import deploy
from tests.support.command_server import command_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.testing import IdentityProvider

POLICY = """\
authguard: 1
name: counter
extends: standard
issuers: [{{issuer: '{issuer}', audience: us, algorithms: [ES256], keys: discovery}}]
accounts: [{{from: claim, claim: account_status, map: {{active: normal, frozen: suspended}}}}]
operations:
  - {{name: chat, match: {{path: /chat, method: POST}}, risk: routine, effect: write, scopes: [chat]}}
assurance: {{order: [aal1, aal2]}}
identity: {{credential: aal2}}
budget: {{request: 5m}}
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
"""
APP = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from authguard import AuthGuard

async def chat(request):
    return JSONResponse({"session": request.state.authguard.states["session"]})

app = AuthGuard(Starlette(routes=[Route("/chat", chat, methods=["POST"])]), policy="policy.yaml")
"""
WHY = ("--by", "Ines", "--reason", "came to the branch with a passport")


@dataclass(frozen=True)
class Counter:
    """A running app with customers, and a shell on the same machine."""

    folder: Path
    http: httpx2.Client
    idp: IdentityProvider

    def chat(self, subject: str) -> int:
        token = self.idp.sign_in(subject, audience="us", scope="chat", acr="aal2").access_token
        return self.chat_with(token)

    def chat_with(self, token: str) -> int:
        return self.http.post("/chat", headers={"Authorization": f"Bearer {token}"}).status_code

    def shell(self, *words: str) -> tuple[int, str, str]:
        given = {**os.environ, "AUTHGUARD_POLICY": "policy.yaml"}
        done = subprocess.run(  # noqa: S603 - this environment's own command
            [command_folder() / "authguard", *words],
            cwd=self.folder,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def log(self) -> list[dict[str, Any]]:
        """Return the records of all chains: those of the app and those of the shell."""
        files = sorted((self.folder / "var").glob("audit*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def counter(tmp_path: Path, authguard_fresh_idp: IdentityProvider) -> Iterator[Counter]:
    (tmp_path / "policy.yaml").write_text(POLICY.format(issuer=authguard_fresh_idp.issuer), "utf-8")
    (tmp_path / "app.py").write_text(APP, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listener.fileno()), "--log-level", "error"]
        server = subprocess.Popen(command, cwd=tmp_path, pass_fds=[listener.fileno()])  # noqa: S603 - this interpreter
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=300) as http:
            yield Counter(tmp_path, http, authguard_fresh_idp)
    finally:
        server.terminate()
        server.wait()
    assert verify(tmp_path / "var/audit.jsonl").ok


def test_a_frozen_account_is_shown_and_lifted_and_its_next_request_is_let_in(counter: Counter) -> None:
    counter.idp.set_account_status("alice", "frozen")
    assert counter.chat("alice") == 403
    code, out, _ = counter.shell("accounts", "show", "alice")
    assert (
        code,
        out.startswith("the account is suspended since "),
        "claim:account_status reported suspended at" in out,
    ) == (OK, True, True), out
    assert "alice" not in out
    code, listed, _ = counter.shell("accounts", "list")
    assert (code, listed.splitlines()[0]) == (OK, "1 account, the last changed first")
    assert counter.shell("accounts", "show", listed.split()[6][:8])[1] == out
    assert counter.shell("accounts", "list", "--state", "locked")[1] == "no account is locked\n"
    assert counter.shell("accounts", "list", "--state", "lokced")[0] == USAGE
    counter.idp.set_account_status("alice", None)
    code, out, _ = counter.shell("accounts", "reinstate", "alice", *WHY)
    assert (code, out) == (OK, "the account is normal\n")
    assert counter.chat("alice") == 200
    (act,) = [line for line in counter.log() if line.get("act") == "account.reinstated"]
    assert (act["by"], act["note"]) == (WHY[1], WHY[3])
    assert act["subject"] == json.loads(counter.shell("accounts", "show", "alice", "--json")[1])["subject"]


def test_a_session_is_ended_by_a_person_and_only_a_later_sign_in_opens_it(counter: Counter) -> None:
    counter.idp.set_account_status("bob", "active")
    assert counter.chat("bob") == 200
    session = next(line["session"] for line in counter.log() if line["kind"] == "decision")
    shown_name = json.loads(counter.shell("accounts", "show", "bob", "--json")[1])["subject"]
    (listed,) = json.loads(counter.shell("sessions", "list", "--subject", shown_name[:8], "--json")[1])
    assert (listed["session"], listed["subject"]) == (session, shown_name)
    assert f"{session[:8]}  active" in counter.shell("sessions", "list")[1]
    code, out, _ = counter.shell("sessions", "show", session[:8])
    assert (code, out.startswith("the session is active since ")) == (OK, True)
    assert f"account    {shown_name}" in out
    assert "verified since" in out
    shown = json.loads(counter.shell("sessions", "show", session, "--json")[1])
    assert shown["account"] == json.loads(counter.shell("accounts", "show", "bob", "--json")[1])["account"]
    assert counter.shell("sessions", "reset", session, *WHY)[:2] == (OK, "the session is unverified\n")
    assert counter.shell("sessions", "end", session, *WHY)[:2] == (OK, "the session is revoked\n")
    assert counter.shell("sessions", "show", session)[1].startswith("the session is revoked since ")


def test_an_account_is_signed_out_everywhere(counter: Counter) -> None:
    counter.idp.set_account_status("carol", "active")
    token = counter.idp.sign_in("carol", audience="us", scope="chat", acr="aal2").access_token
    assert counter.chat_with(token) == 200
    code, out, _ = counter.shell("accounts", "sign-out", "carol", *WHY)
    assert (code, out.startswith("no sign-in from before 2")) == (OK, True)
    assert counter.chat_with(token) == 401


def test_a_session_is_shown_as_it_stands_now_and_not_as_it_was_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = deploy(tmp_path, capsys)
    key = b"s" * 16

    async def keep() -> None:
        store = SqliteStore(app.store)
        await store.open()
        empty = blank({**dict.fromkeys(MACHINES, ""), "session": "absent", "verification": "unverified"})
        long_ago = SessionRecord("active", 1_000.0, 1_000.0, 1_000.0, "verified", 1_000.0)
        assert await store.commit(Keys(session=key), empty, replace(empty, session=long_ago))
        await store.close()

    anyio.run(keep)
    code, out, _ = app.call("sessions", "show", key.hex())
    assert code == OK
    assert "is active" not in out
    assert "  verified since" not in out


def test_what_was_never_seen_is_said_to_be_so_and_what_is_no_session_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = deploy(tmp_path, capsys)
    code, out, _ = app.call("accounts", "show", "nobody")
    assert (code, "the account is unknown: the store does not have it" in out) == (OK, True)
    assert app.call("accounts", "show", "nobody", "--issuer", "https://other.example")[0] == USAGE
    code, _, err = app.call("sessions", "show", "0" * 32)
    assert (code, "there is no such session" in err, "next: authguard sessions list" in err) == (FAILED, True, True)
    assert app.call("sessions", "end", "0" * 32, *WHY)[0] == FAILED
    assert app.call("sessions", "show", "alice")[0] == FAILED
    assert app.call("accounts", "reinstate", "nobody", "--by", " ", "--reason", "x")[0] == USAGE
    assert app.log() == []
