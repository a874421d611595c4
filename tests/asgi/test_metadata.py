"""Protected resource metadata and challenges are built from the policy and the public URL, never from a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.exceptions import HTTPException

from authguard import AuthGuard
from authguard.testing import DpopClient, FakeClock, Mint
from tests.support.harness import OWN_STAFF, POLICY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = "keys: {file: keys.json}"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
ALGORITHMS = ["ES256", "ES384", "Ed25519", "EdDSA", "PS256", "RS256"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    del receive
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept", "headers": []})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the app ran"})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mint(clock: FakeClock) -> Mint:
    return Mint.create(clock)


@pytest.fixture
def guard_of(tmp_path: Path, clock: FakeClock, mint: Mint) -> Callable[..., AuthGuard]:
    """Build a guard with a public URL and further lines after the issuer's keys."""

    def build(
        public: str = "https://shop.test",
        issuer: str = "",
        issuers: str = "",
        store: str = "memory",
        audience: str = "",
    ) -> AuthGuard:
        settings = f"settings: {{public_url: '{public}'}}\n" if public else ""
        text = POLICY.replace(KEYS, KEYS + issuer + issuers).replace("agents:", f"{settings}agents:")
        text = text.replace("audience: https://agent.test", f"audience: {audience or 'https://agent.test'}", 1)
        (tmp_path / "policy.yaml").write_text(text, "utf-8")
        (tmp_path / "keys.json").write_text(json.dumps(mint.jwks()), "utf-8")
        return AuthGuard(app, tmp_path / "policy.yaml", store=store, audit_log=tmp_path / "audit.jsonl", clock=clock)

    return build


async def ask(
    guard: AuthGuard, path: str, method: str = "GET", host: str = "evil.test", **headers: str
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=guard)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.request(method, path, headers=headers)


async def test_the_document_comes_from_the_policy_and_never_from_the_host(guard_of: Callable[..., AuthGuard]) -> None:
    answer = await ask(guard_of(), WELL_KNOWN, **{"X-Forwarded-Host": "evil.test"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "resource": "https://shop.test",
        "resource_name": "test-desk",
        "authorization_servers": ["https://issuer.test"],
        "scopes_supported": ["accounts", "chat", "refunds"],
        "bearer_methods_supported": ["header"],
    }
    assert "evil" not in answer.text


async def test_what_is_below_another_path_is_told_there(guard_of: Callable[..., AuthGuard]) -> None:
    guard = guard_of("https://shop.test/api/")
    assert (await ask(guard, f"{WELL_KNOWN}/api")).json()["resource"] == "https://shop.test/api"
    assert (await ask(guard, f"{WELL_KNOWN}/api/chat")).json()["resource"] == "https://shop.test/api/chat"
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/evil"):
        assert (await ask(guard, path)).status_code == 401
    # a router that forgives a slash or a prefix would match these
    for path in (f"{WELL_KNOWN}/api/", f"{WELL_KNOWN}/api/orders/7/refund"):
        assert (await ask(guard, path)).status_code == 404


async def test_it_is_an_operation_like_all_others(guard_of: Callable[..., AuthGuard], tmp_path: Path) -> None:
    guard = guard_of()
    assert (await ask(guard, WELL_KNOWN, "POST")).status_code == 404
    assert (await ask(guard, WELL_KNOWN, "HEAD")).text == ""
    assert (await ask(guard, WELL_KNOWN)).status_code == 200
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    decided = [(line["operation"], line["outcome"]) for line in lines if line["kind"] == "decision"]
    assert decided == [("authguard.metadata", "allow")] * 2


async def test_without_a_public_url_there_is_no_document_and_no_mention(guard_of: Callable[..., AuthGuard]) -> None:
    guard = guard_of(public="")
    answer = await ask(guard, WELL_KNOWN)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="test-desk"'


async def test_a_challenge_names_the_document(guard_of: Callable[..., AuthGuard], mint: Mint) -> None:
    answer = await ask(guard_of("https://shop.test/api"), "/chat", "POST")
    where = 'resource_metadata="https://shop.test/.well-known/oauth-protected-resource/api/chat"'
    assert answer.headers["www-authenticate"] == f'Bearer realm="test-desk", scope="chat", {where}'
    bearer = {"Authorization": f"Bearer {mint.mint(account_status='ok', acr='aal2')}"}
    answer = await ask(guard_of("https://shop.test/api"), "/chat", "POST", **bearer)
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="test-desk", error="insufficient_scope", scope="chat", {where}'
    )


AT_PATH, AT_ORIGIN = "https://shop.test/chat", "https://shop.test"


def resource_of(answer: httpx2.Response) -> str:
    """Return the document that a challenge names."""
    return answer.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')


@pytest.mark.parametrize(
    ("audience", "documents", "challenged"),
    [
        # the audience is a path: a resource of its own, and the rest is the origin
        (f"[{AT_PATH}]", {"/chat": AT_PATH, "": AT_ORIGIN, "/balance": None}, {"/chat": "/chat", "/balance": ""}),
        # the audience is the origin: one resource, of which every path is a part
        (AT_ORIGIN, {"": AT_ORIGIN, "/chat": None}, {"/chat": "", "/balance": ""}),
        (f"[{AT_ORIGIN}, {AT_PATH}]", {"/chat": AT_PATH, "": AT_ORIGIN}, {"/chat": "/chat", "/balance": ""}),
        # the resource is spelled as the issuer spells the audience
        (f"'{AT_ORIGIN}/'", {"": f"{AT_ORIGIN}/"}, {"/chat": ""}),
        (f"'{AT_PATH}/'", {"/chat/": f"{AT_PATH}/", "/chat": None}, {"/chat": "/chat/"}),
        # a path covers what is below it, segment by segment
        (
            f"[{AT_ORIGIN}/orders, {AT_ORIGIN}/cha]",
            {"/orders": f"{AT_ORIGIN}/orders"},
            {"/chat": "", "/orders/7/refund": "/orders"},
        ),
        # no address of this deployment: each literal path is a resource
        ("shop", {"": AT_ORIGIN, "/chat": AT_PATH}, {"/chat": "/chat", "/orders/7/refund": ""}),
        ("https://other.test/chat", {"/chat": AT_PATH}, {"/chat": "/chat"}),
    ],
)
async def test_an_audience_at_a_path_has_a_document_of_its_own(
    guard_of: Callable[..., AuthGuard], audience: str, documents: dict[str, str | None], challenged: dict[str, str]
) -> None:
    guard = guard_of(audience=audience)
    for path, resource in documents.items():
        answer = await ask(guard, f"{WELL_KNOWN}{path}")
        assert (answer.json().get("resource") if answer.status_code == 200 else None) == resource, path
    for path, document in challenged.items():
        method = "GET" if path == "/balance" else "POST"
        answer = await ask(guard, path, method, **{"Idempotency-Key": "k"})
        assert answer.status_code == 401
        assert resource_of(answer) == f"{AT_ORIGIN}{WELL_KNOWN}{document}", path
        answer = await ask(guard, path, method, Authorization="Bearer x.y.z", **{"Idempotency-Key": "k"})
        assert resource_of(answer) == f"{AT_ORIGIN}{WELL_KNOWN}{document}", path


async def test_a_request_that_no_operation_names_is_challenged_for_its_path(
    guard_of: Callable[..., AuthGuard],
) -> None:
    guard = guard_of(audience=f"[{AT_ORIGIN}/mcp, {AT_ORIGIN}]")
    assert resource_of(await ask(guard, "/mcp", "POST")) == f"{AT_ORIGIN}{WELL_KNOWN}/mcp"
    assert resource_of(await ask(guard, "/mcp/more", "POST")) == f"{AT_ORIGIN}{WELL_KNOWN}/mcp"
    assert resource_of(await ask(guard, "/mcpx", "POST")) == f"{AT_ORIGIN}{WELL_KNOWN}"


async def test_a_document_names_the_issuers_of_its_audience(guard_of: Callable[..., AuthGuard]) -> None:
    other = f"\n  - {{issuer: 'https://other.test', audience: {AT_ORIGIN}, algorithms: [ES256], {KEYS}}}\n"
    other += OWN_STAFF.strip()
    guard = guard_of(audience=AT_PATH, issuers=other)
    assert (await ask(guard, f"{WELL_KNOWN}/chat")).json()["authorization_servers"] == ["https://issuer.test"]
    assert (await ask(guard, WELL_KNOWN)).json()["authorization_servers"] == ["https://other.test"]


async def test_a_token_for_a_path_is_taken_only_where_the_policy_lists_it(
    guard_of: Callable[..., AuthGuard], mint: Mint
) -> None:
    token = mint.mint(aud=AT_PATH, scope="chat", account_status="ok", acr="aal2")
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await ask(guard_of(audience=AT_PATH), "/chat", "POST", **bearer)).status_code == 200
    assert (await ask(guard_of(audience=AT_ORIGIN), "/chat", "POST", **bearer)).status_code == 401


async def test_a_scope_that_the_app_requires_is_challenged_with_the_document_of_the_path(
    guard_of: Callable[..., AuthGuard], mint: Mint, clock: FakeClock, tmp_path: Path
) -> None:
    guard_of(audience=AT_PATH)
    refused: list[HTTPException] = []

    async def requiring(scope: Any, receive: Any, send: Any) -> None:
        try:
            scope["state"]["authguard"].require("refunds")
        except HTTPException as error:
            refused.append(error)
        await app(scope, receive, send)

    guard = AuthGuard(requiring, tmp_path / "policy.yaml", store="memory", audit_log=tmp_path / "log", clock=clock)
    token = mint.mint(aud=AT_PATH, scope="chat", account_status="ok", acr="aal2")
    assert (await ask(guard, "/chat", "POST", Authorization=f"Bearer {token}")).status_code == 200
    where = f'resource_metadata="{AT_ORIGIN}{WELL_KNOWN}/chat"'
    challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="refunds", {where}'}
    assert [(one.status_code, one.headers) for one in refused] == [(403, challenge)]


async def test_two_credentials_are_challenged_for_their_path(guard_of: Callable[..., AuthGuard]) -> None:
    guard = guard_of(audience=AT_PATH)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=guard), base_url="http://a.test") as client:
        answer = await client.post("/chat", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert (answer.status_code, resource_of(answer)) == (400, f"{AT_ORIGIN}{WELL_KNOWN}/chat")


async def test_proofs_are_told_of_where_they_are_wanted(guard_of: Callable[..., AuthGuard]) -> None:
    guard = guard_of(issuer="\n    sender_constraint: dpop")
    told = (await ask(guard, WELL_KNOWN)).json()
    assert told["dpop_signing_alg_values_supported"] == ALGORITHMS
    assert told["dpop_bound_access_tokens_required"] is True
    challenge = (await ask(guard, "/chat", "POST")).headers.get_list("www-authenticate")
    assert len(challenge) == 1
    assert challenge[0].startswith('DPoP realm="test-desk", scope="chat", resource_metadata=')
    assert challenge[0].endswith(f'algs="{" ".join(ALGORITHMS)}"')


async def test_where_both_are_taken_both_are_challenged(guard_of: Callable[..., AuthGuard], mint: Mint) -> None:
    other = f"\n  - {{issuer: 'https://other.test', audience: a, algorithms: [ES256], {KEYS}}}\n{OWN_STAFF.strip()}"
    guard = guard_of(issuer="\n    sender_constraint: dpop", issuers=other)
    told = (await ask(guard, WELL_KNOWN)).json()
    assert "dpop_bound_access_tokens_required" not in told
    found = (await ask(guard, "/chat", "POST")).headers.get_list("www-authenticate")
    assert [one.partition(" ")[0] for one in found] == ["DPoP", "Bearer"]
    client = DpopClient.create(mint.clock)
    token = mint.mint(cnf=client.confirmation)
    found = (await ask(guard, "/chat", "POST", Authorization=f"DPoP {token}", DPoP="x.y.z")).headers.get_list(
        "www-authenticate"
    )
    assert 'error="invalid_dpop_proof"' in found[0]
    assert "error" not in found[1]


async def test_a_client_is_led_from_the_challenge_over_the_nonce_to_the_app(
    guard_of: Callable[..., AuthGuard], mint: Mint, clock: FakeClock
) -> None:
    guard = guard_of(issuer="\n    sender_constraint: {type: dpop, nonce: required}")
    client = DpopClient.create(clock)
    token = mint.mint(cnf=client.confirmation, scope="chat", acr="aal2", account_status="ok", lifetime=1_000)
    url = "https://shop.test/chat"
    refused = await ask(guard, "/chat", "POST", **client.headers(token, "POST", url))
    assert refused.status_code == 401
    assert 'error="use_dpop_nonce"' in refused.headers["www-authenticate"]
    nonce = refused.headers["dpop-nonce"]
    answer = await ask(guard, "/chat?page=2", "POST", **client.headers(token, "POST", url, nonce=nonce))
    assert (answer.status_code, answer.text) == (200, "the app ran")
    assert "dpop-nonce" not in answer.headers
    clock.advance(300)
    answer = await ask(guard, "/chat", "POST", **client.headers(token, "POST", url, nonce=nonce))
    assert answer.status_code == 200
    assert answer.headers["dpop-nonce"] not in ("", nonce)
    clock.advance(300)
    refused = await ask(guard, "/chat", "POST", **client.headers(token, "POST", url, nonce=nonce))
    assert refused.headers["dpop-nonce"] != nonce


async def test_two_processes_share_what_was_proven(
    guard_of: Callable[..., AuthGuard], mint: Mint, tmp_path: Path
) -> None:
    store = str(tmp_path / "records.db")
    one, other = (guard_of(issuer="\n    sender_constraint: dpop", store=store) for _ in range(2))
    client = DpopClient.create(mint.clock)
    token = mint.mint(cnf=client.confirmation, scope="chat", acr="aal2", account_status="ok")
    headers = client.headers(token, "POST", "https://shop.test/chat")
    assert (await ask(one, "/chat", "POST", **headers)).status_code == 200
    replayed = await ask(other, "/chat", "POST", **headers)
    assert replayed.status_code == 401
    assert 'error="invalid_dpop_proof"' in replayed.headers["www-authenticate"]
    await one.enforcer.close()
    await other.enforcer.close()


async def test_a_websocket_is_opened_with_a_proof(guard_of: Callable[..., AuthGuard], mint: Mint) -> None:
    guard = guard_of(issuer="\n    sender_constraint: dpop")
    client = DpopClient.create(mint.clock)
    token = mint.mint(cnf=client.confirmation, scope="chat", acr="aal2", account_status="ok")
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    for proof in (client.proof("GET", "wss://shop.test/live", token), "x"):
        headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", proof.encode())]
        scope = {"type": "websocket", "path": "/live", "raw_path": b"/live", "headers": headers, "query_string": b""}
        await guard(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
