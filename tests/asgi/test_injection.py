"""For any input of a caller the log contains complete lines, with valid records that print unchanged."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authguard import AuthGuard
from authguard.audit.verify.log_reader import decode_line
from authguard.cli.terminal import format_record_line
from authguard.testing import FakeClock, Mint
from tests.support.hostile_text import TEXTS, is_harmless
from tests.support.hypothesis_profile import examples
from tests.support.record_check import RecordValidator

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
authguard: 1
name: hostile
extends: standard
issuers:
  - {issuer: 'https://issuer.test', audience: 'https://agent.test', algorithms: [ES256], keys: {file: keys.json}}
agents: [bot]
accounts:
  - {from: claim, claim: account_status, map: {ok: normal, frozen: suspended}}
operations:
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}
  - {name: pay, match: {path: '/pay/{whom}', method: POST}, risk: high, effect: write, scopes: [chat],
     amount: {at: /amount, currency: {at: /currency}}, limits: [{amount: 5 EUR, per: call}]}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
channels:
  from: {header: X-Channel, secret_header: X-Channel-Secret, secret_env: SECRET}
  trusts: {chat: [web], web: [chat]}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
audit: {subjects: SUBJECTS}
"""
RECORDS = RecordValidator()
#: upper bound of a record of a decision, whatever the caller sends
BOUND = 8_192
CLAIMS = ("sid", "client_id", "jti", "acr", "scope", "account_status", "azp", "nonce", "name")
HEADERS = (
    b"user-agent",
    b"x-channel",
    b"traceparent",
    b"accept-language",
    b"idempotency-key",
    b"authguard-transaction",
)


@dataclass
class Door:
    """A guarded app, its log, and the position up to which the log was read."""

    guard: AuthGuard
    mint: Mint
    clock: FakeClock
    log: Path
    loop: asyncio.AbstractEventLoop
    read: int = 0

    def ask(self, path: str, headers: list[tuple[bytes, bytes]], body: bytes, query: bytes = b"") -> None:
        self.clock.advance(1)  # so that each refusal has a record, and none becomes part of a window record
        self.loop.run_until_complete(self._ask(path, headers, body, query))

    async def _ask(self, path: str, headers: list[tuple[bytes, bytes]], body: bytes, query: bytes) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "root_path": "",
            "query_string": query,
            "headers": [(b"content-type", b"application/json"), (b"x-channel-secret", b"s" * 32), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("agent.test", 443),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(_: Any) -> None:
            """Discard the response."""

        await self.guard(scope, receive, send)

    def new_lines(self) -> list[bytes]:
        data = self.log.read_bytes()[self.read :]
        self.read += len(data)
        assert data.endswith(b"\n")
        return data.split(b"\n")[:-1]


@pytest.fixture(scope="module", params=["pseudonymous", "plain"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("hostile")
    clock = FakeClock()
    mint = Mint.create(clock)
    (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")))
    (folder / "policy.yaml").write_text(POLICY.replace("SUBJECTS", request.param))

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    log = folder / "audit.jsonl"
    guard = AuthGuard(
        app, folder / "policy.yaml", store="memory", audit_log=log, clock=clock, environ={"SECRET": "s" * 32}
    )
    loop = asyncio.new_event_loop()
    loop.run_until_complete(guard.enforcer.open())
    yield Door(guard, mint, clock, log, loop)
    loop.run_until_complete(guard.enforcer.close())
    loop.close()


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/chat", "/chat", "/pay/x"]) | TEXTS.map(lambda text: "/pay/" + text) | TEXTS,
    claims=st.dictionaries(st.sampled_from(CLAIMS), TEXTS, max_size=1),
    subject=st.just("bob") | TEXTS,
    actor=st.one_of(st.none(), st.none(), st.none(), TEXTS),
    kid=st.one_of(st.none(), st.none(), st.none(), TEXTS),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), TEXTS | st.sampled_from(["web", "chat"])), max_size=2),
    said=TEXTS,
    query=TEXTS,
)
def test_nothing_that_a_caller_sends_forges_a_line_or_turns_one(  # noqa: PLR0917 - what Hypothesis chooses
    door: Door,
    path: str,
    claims: dict[str, str],
    subject: str,
    actor: str | None,
    kid: str | None,
    headers: list[tuple[bytes, str]],
    said: str,
    query: str,
) -> None:
    if actor is not None:
        claims = {**claims, "act": {"sub": actor}}  # type: ignore[dict-item]  # a claim is any JSON value
    header = {} if kid is None else {"kid": kid}
    token = door.mint.mint(
        header=header, **({"acr": "aal2", "scope": "chat", "account_status": "ok", "sub": subject} | claims)
    )
    sent = [(name, value.encode("utf-8", "surrogatepass")) for name, value in headers]
    sent.append((b"authorization", b"Bearer " + token.encode()))
    body = json.dumps({"amount": 3, "currency": said, "for": said}).encode()
    door.ask(path, sent, body, query.encode("utf-8", "surrogatepass"))
    lines = door.new_lines()
    assert lines
    for line in lines:
        RECORDS.line(line)
        assert len(line) < BOUND
        assert is_harmless(line.decode())
        assert is_harmless(format_record_line(decode_line(line), line))


def test_the_hostile_get_through_to_a_decision_too(door: Door) -> None:
    token = door.mint.mint(sub="<b> ';--", acr="aal2", scope="chat", account_status="\u202enew\n")
    door.ask("/chat", [(b"authorization", b"Bearer " + token.encode())], b"{}")
    kinds = {decode_line(line)["kind"] for line in door.new_lines()}
    assert {"decision", "transition"} <= kinds
