"""Tests of `authguard flags` against a running guarded app: its next request meets what a person set in the shell."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from authguard.audit.verify.log_verifier import verify
from authguard.cli.output import OK, USAGE
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
accounts: none
operations:
  - {{name: chat, match: {{path: /chat, method: POST}}, risk: routine, effect: write, scopes: [chat]}}
  - name: pay
    match: {{path: /pay, method: POST}}
    risk: high
    effect: write
    scopes: [chat]
    payee: {{at: /to}}
assurance: {{order: [aal1, aal2]}}
identity: {{credential: aal2}}
budget: {{request: 5m}}
decisions:
  - {{when: {{credential: good, session: active, risk: [routine, high], hurried: set}}, do: later}}
  - {{when: {{credential: good, session: active, risk: high, watched: set}}, do: later}}
  - {{when: {{credential: good, session: active, risk: high, known: clear}}, do: later}}
fallbacks:
  later: {{kind: deny}}
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
flags:
  hurried: {{by: subject, expires: 24h, set_by: [{{app: report}}], cleared_by: [{{role: fraud}}]}}
  watched: {{by: payee, expires: never, set_by: [{{role: fraud}}], cleared_by: [{{role: fraud}}]}}
  known: {{by: session, expires: 1h, set_by: [{{operation: chat, event: committed}}]}}
"""
APP = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from authguard import AuthGuard

async def chat(request):
    if await request.body() == b"hurry":
        await request.state.authguard.set_flag("hurried", "the customer is pressed for time")
    return JSONResponse({"ok": True})

async def pay(request):
    return JSONResponse({"paid": True})

routes = [Route("/chat", chat, methods=["POST"]), Route("/pay", pay, methods=["POST"])]
app = AuthGuard(Starlette(routes=routes), policy="policy.yaml")
"""
WHY = ("--by", "Ines", "--reason", "the bank called")
IBAN = "DE89 3704 0044 0532 0130 00"


@dataclass(frozen=True)
class Counter:
    """A running app with customers, and a shell on the same machine."""

    folder: Path
    http: httpx2.Client
    idp: IdentityProvider

    def token(self, subject: str) -> str:
        return self.idp.sign_in(subject, audience="us", scope="chat", acr="aal2").access_token

    def chat(self, token: str, said: str = "hello") -> int:
        return self.http.post("/chat", content=said, headers={"Authorization": f"Bearer {token}"}).status_code

    def pay(self, token: str, to: str, key: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        return self.http.post("/pay", json={"to": to}, headers=headers).status_code

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
        files = sorted((self.folder / "var").glob("audit*.jsonl"))
        lines = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
        return sorted(lines, key=lambda line: float(line["at"]))


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


def test_a_flag_is_listed_cleared_and_set_and_the_next_request_meets_it(counter: Counter) -> None:
    alice = counter.token("alice")
    assert counter.chat(alice, "hurry") == 200
    assert counter.chat(alice) == 403, "the app's flag counts at the next request"
    code, out, _ = counter.shell("flags", "list")
    assert (code, out.splitlines()[0]) == (OK, "2 flags set")
    assert "alice" not in out
    (found,) = json.loads(counter.shell("flags", "list", "--subject", "alice", "--json")[1])[:1]
    assert (found["flag"], found["by"], found["set"]) == ("hurried", "subject", True)
    assert counter.shell("flags", "clear", "hurried", "alice", *WHY)[:2] == (OK, "hurried is clear\n")
    assert counter.chat(alice) == 200
    code, out, _ = counter.shell("flags", "set", "hurried", "alice", *WHY)
    assert (code, out.startswith("hurried is set until ")) == (OK, True)
    assert counter.chat(alice) == 403
    acts = [line for line in counter.log() if line.get("act", "").startswith("flag.")]
    assert [(act["act"], act["flag"], act["by"], act["note"]) for act in acts] == [
        ("flag.cleared", "hurried", WHY[1], WHY[3]),
        ("flag.set", "hurried", WHY[1], WHY[3]),
    ]
    changes = [line for line in counter.log() if line.get("machine") == "hurried"]
    assert [(one["event"], one["dest"], one["cause"]) for one in changes] == [
        ("set", "set", "app"),
        ("cleared", "clear", "person"),
        ("set", "set", "person"),
    ]


def test_the_log_tells_a_change_of_a_flag(counter: Counter) -> None:
    counter.chat(counter.token("alice"))
    assert counter.shell("flags", "set", "hurried", "alice", *WHY)[0] == OK
    _, told, _ = counter.shell("audit", "timeline", "--subject", "alice")
    assert "The flag hurried was set." in told
    _, found, _ = counter.shell("audit", "query", "--event", "hurried.set", "--json")
    (record,) = json.loads(found)
    code, said, _ = counter.shell("audit", "explain", record["id"])
    assert (code, said.splitlines()[0].startswith("changed: the flag hurried went from clear to set")) == (OK, True)
    assert "policy.yaml:" in said
    code, replayed, _ = counter.shell("audit", "replay")
    assert (code, replayed.strip().endswith("no difference")) == (OK, True), replayed


def test_a_payee_on_the_watch_list_is_one_in_every_spelling(counter: Counter) -> None:
    alice, bob = counter.token("alice"), counter.token("bob")
    assert (counter.chat(alice), counter.chat(bob)) == (200, 200)
    assert counter.pay(alice, IBAN, "one") == 200
    code, out, _ = counter.shell("flags", "set", "watched", "--payee", IBAN, *WHY)
    assert (code, out) == (OK, "watched is set\n")
    assert [counter.pay(token, "de89370400440532013000", key) for token, key in ((alice, "two"), (bob, "a"))] == [
        403
    ] * 2
    assert counter.pay(bob, "GB33BUKB20201555555555", "b") == 200
    (found,) = json.loads(counter.shell("flags", "list", "--payee", IBAN, "--json")[1])
    assert (found["flag"], found["expires"], found["subject"]) == ("watched", None, "")
    assert counter.shell("flags", "clear", "watched", "--payee", IBAN.lower(), *WHY)[0] == OK
    assert counter.pay(alice, IBAN, "three") == 200
    lines = (counter.folder / "var" / "audit.jsonl").read_text("utf-8")
    assert "DE89" not in lines.upper(), "no payee is logged"


def test_the_owner_must_be_what_the_flag_is_kept_by(counter: Counter) -> None:
    counter.chat(counter.token("alice"))
    for words in (
        ("nothing", "alice"),
        ("hurried",),
        ("hurried", "alice", "--payee", IBAN),
        ("watched", "alice"),
        ("watched", "--payee", "  "),
        ("known", "alice"),
    ):
        assert counter.shell("flags", "set", *words, *WHY)[0] == USAGE, words
    session = next(line["session"] for line in counter.log() if line["kind"] == "decision")
    assert counter.shell("flags", "clear", "known", "--session", session, *WHY)[:2] == (OK, "known is clear\n")
