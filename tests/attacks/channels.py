"""Attacks by a channel that the caller makes up, so that trust earned elsewhere carries to a stolen line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import SECRETS, ask, attack, http_request, send_raw
from tests.attacks.people import token_of

if TYPE_CHECKING:
    from tests.attacks.harness import Site

SECRET: Final = SECRETS["CHANNEL_SECRET"]
POLICY: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - {{issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {{file: keys.json}}}}
accounts: none
operations:
  - {{name: order, match: {{path: /order, method: GET}}, risk: sensitive, effect: read, scopes: [chat]}}
otherwise: {{risk: sensitive, effect: write}}
assurance: {{order: [aal1, aal2]}}
identity: {{credential: aal2}}
channels: {{from: {source}, trusts: {{app: [], voice: []}}}}
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
"""
#: what a checkout wrote that believed peers
PEERS: Final = "{header: X-Channel, trusted_peers: [127.0.0.1/32, 10.0.0.0/8]}"
EVERYBODY: Final = "{header: X-Channel, trusted_peers: [0.0.0.0/0]}"
BY_SECRET: Final = "{header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET}"
APP: Final = """
from authguard import AuthGuard
from authguard.testing import FakeClock


async def order(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the order"})


app = AuthGuard(order, "policy.yaml", store="memory", audit_log="audit.jsonl", clock=FakeClock())
"""


@attack(13)
def a_made_up_first_hop_names_the_channel(site: Site) -> None:
    """Send `X-Forwarded-For: 10.0.0.1` and a channel through a proxy that the server trusts (uvicorn)."""
    site.policy_of(POLICY.format(source=BY_SECRET), POLICY.format(source=PEERS))
    token = token_of(site.mint, "alice")
    headers = [("X-Forwarded-For", "10.0.0.1"), ("X-Channel", "app")]
    with site.served(APP, "--forwarded-allow-ips", "*", environ=SECRETS) as port:
        answer = send_raw(port, http_request("GET", "/order", headers, token=token))
    assert answer.status == 403, f"the order is told to whoever makes up an address: {answer.status}"


@attack(13)
def a_named_proxy_is_not_believed(site: Site) -> None:
    """Come through the deployment's own gateway: its word counts although the server rewrote the peer's address."""
    site.policy_of(POLICY.format(source=BY_SECRET), POLICY.format(source=PEERS))
    token = token_of(site.mint, "alice")
    headers = [("X-Forwarded-For", "203.0.113.9"), ("X-Channel", "app"), ("X-Channel-Secret", SECRET)]
    with site.served(APP, "--forwarded-allow-ips", "127.0.0.1", environ=SECRETS) as port:
        answer = send_raw(port, http_request("GET", "/order", headers, token=token))
    assert answer.status == 200, f"what the gateway says is not believed: {answer.status}"


@attack(13)
def everybody_is_a_trusted_network(site: Site) -> None:
    """Declare `0.0.0.0/0` as the network whose channel header is believed."""
    site.policy(POLICY.format(source=EVERYBODY))
    told = site.command("policy", "check", "policy.yaml")
    assert told.code, "a policy that believes everybody is accepted"
    assert "secret" in told.out + told.err, "nobody is told what to write instead"


@attack(13)
def the_secret_reaches_app_or_log(site: Site) -> None:
    """Read the gateway's secret in the app's headers, or in the log, or guess it."""
    site.policy_of(POLICY.format(source=BY_SECRET), POLICY.format(source=EVERYBODY))
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scene() -> None:
        guard = site.guard(app, environ=SECRETS)
        for secret, status in ((SECRET, 200), (SECRET[:-1], 403), ("", 403), (SECRET.upper(), 403)):
            headers = [("X-Channel", "app"), ("X-Channel-Secret", secret)]
            answer = await ask(guard, "GET", "/order", token_of(site.mint, "alice"), headers)
            assert answer.status == status, f"a secret that is not the gateway's is believed: {answer.status}"

    asyncio.run(scene())
    assert all(SECRET.encode() not in value for _, value in seen), "the app sees the secret"
    assert SECRET not in (site.folder / "audit.jsonl").read_text("utf-8"), "the log holds the secret"
    assert json.dumps(SECRET)[1:-1] not in repr(seen), "the app sees the secret"
