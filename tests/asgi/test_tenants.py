"""Several tenants by one discovery, as in Entra's documents: each `iss` is exact, and one fetch serves all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from authguard import AuthGuard
from authguard.policy.compiler import load
from authguard.testing import Mint, SigningKey
from tests.support.issuer_server import IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.testing import FakeClock

ONE, TWO, UNLISTED = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"
COMMON = "/organizations/v2.0/.well-known/openid-configuration"
_POLICY = """\
authguard: 1
name: tenants
extends: standard
issuers:
  - issuer: '{url}/{{tenantid}}/v2.0'
    tenants: [11111111-aaaa, 22222222-bbbb]
    audience: 'https://agent.test'
    algorithms: [ES256]
    keys: {{discovery: '{url}/organizations/v2.0/.well-known/openid-configuration'}}
agents:
  - {{issuer: '{url}/{{tenantid}}/v2.0', client: everywhere}}
  - {{issuer: '{url}/11111111-aaaa/v2.0', client: here}}
staff: {{claim: roles, issuer: '{url}/22222222-bbbb/v2.0'}}
accounts: none
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
operations:
  - {{name: chat, match: {{path: /chat, method: GET}}, risk: routine, effect: read}}
"""


async def _app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ran"})


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


@pytest.fixture
def policy(server: IssuerServer, tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(_POLICY.format(url=server.url), "utf-8")
    return path


def test_a_template_is_one_issuer_for_each_tenant(server: IssuerServer, policy: Path) -> None:
    found = load(policy)
    one, two = (f"{server.url}/{tenant}/v2.0" for tenant in (ONE, TWO))
    assert list(found.issuers) == [one, two]
    assert {issuer.template for issuer in found.issuers.values()} == {f"{server.url}/{{tenantid}}/v2.0"}
    assert {(agent.issuer, agent.client) for agent in found.agents} == {
        (one, "everywhere"),
        (two, "everywhere"),
        (one, "here"),
    }
    assert found.staff_issuers == {two}


def test_one_fetch_serves_all_tenants_and_a_key_of_one_tenant_only_that_one(
    server: IssuerServer, policy: Path, authguard_clock: FakeClock, tmp_path: Path
) -> None:
    template, one = f"{server.url}/{{tenantid}}/v2.0", f"{server.url}/{ONE}/v2.0"
    shared, own, foreign = (SigningKey.generate("ES256", kid=kid) for kid in ("shared", "own", "foreign"))
    server.documents |= {
        COMMON: {"issuer": template, "jwks_uri": f"{server.url}/common/discovery/v2.0/keys"},
        "/common/discovery/v2.0/keys": {
            "keys": [
                shared.jwk() | {"issuer": template, "x5t": "thumb"},
                own.jwk() | {"issuer": one},
                foreign.jwk() | {"issuer": f"{server.url}/9188040d/v2.0"},
            ]
        },
    }
    guard = AuthGuard(_app, policy, store="memory", audit_log=tmp_path / "audit.jsonl", clock=authguard_clock)

    async def chat(client: httpx2.AsyncClient, tenant: str, key: SigningKey) -> int:
        mint = Mint(authguard_clock, f"{server.url}/{tenant}/v2.0", "https://agent.test", {"ES256": key})
        return (await client.get("/chat", headers={"Authorization": f"Bearer {mint.mint()}"})).status_code

    async def work() -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(guard), base_url="http://shop") as client:
            tried = [(tenant, key) for tenant in (ONE, TWO, UNLISTED) for key in (shared, own, foreign)]
            found = [await chat(client, tenant, key) for tenant, key in tried]
            health = (await client.get("/.authguard/healthz")).json()
        await guard.enforcer.close()
        assert found == [200, 200, 401, 200, 401, 401, 401, 401, 401]
        ignored = [{"kid": "foreign", "cause": "other-issuer"}]
        assert health == {"status": "ok", "issuers": [{"issuer": template, "keys": "ok", "ignored": ignored}]}
        assert server.asked.count(COMMON) <= 3  # the first, and one for each unknown `kid` at most

    anyio.run(work)
