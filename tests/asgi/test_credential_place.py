"""The credential stands where the policy says: one place per request, verified like any other, hidden where needed."""

from __future__ import annotations

import asyncio
import json
import socket
from base64 import urlsafe_b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from authguard import AuthGuard, SettingsError
from authguard.asgi.credential_place import MAX_COOKIE_BYTES, MAX_SUBPROTOCOLS, CredentialReader
from authguard.asgi.evidence import EvidenceReader
from authguard.core.credential_place import AUTHORIZATION, CredentialPlace
from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, Operation
from authguard.testing import DpopClient, FakeClock, Forgery, Mint, forge
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

IAP = "X-Goog-IAP-JWT-Assertion"
HEADER = f"credentials: {{from: [{{header: {IAP}}}]}}\n"
HEADER_TOO = f"credentials: {{from: [authorization, {{header: {IAP}}}]}}\n"
SOCKET = "credentials: {from: [authorization, {subprotocol: bearer}]}\n"
KUBERNETES = "credentials: {from: [{subprotocol: base64url.bearer.authorization.k8s.io}]}\n"
COOKIE = "credentials: {from: [authorization, {cookie: CF_Authorization, origins: ['https://shop.test']}]}\n"
SHOP = "https://shop.test"


class House:
    """A guarded app that tells what it saw, under the policy and further lines."""

    def __init__(self, folder: Path, more: str, policy: str = POLICY, **environ: str) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock)
        self.accepts: dict[str, Any] = {}
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(policy + more, "utf-8")
        routes = [
            Route("/chat", self._tell, methods=["POST"]),
            Route("/balance", self._tell),
            Route("/healthz", self._tell, methods=["POST"]),
            WebSocketRoute("/live", self._live),
            WebSocketRoute("/open", self._live),
        ]
        self.guard = AuthGuard(
            Starlette(routes=routes),
            folder / "policy.yaml",
            store="memory",
            audit_log=folder / "log.jsonl",
            clock=self.clock,
            environ=environ,
        )

    async def _tell(self, request: Request) -> JSONResponse:
        return JSONResponse(
            {"user": request.state.authguard.subject, "saw": [list(pair) for pair in request.headers.items()]}
        )

    async def _live(self, websocket: WebSocket) -> None:
        await websocket.accept(**self.accepts)
        offered, headers = websocket.scope["subprotocols"], list(websocket.headers.items())
        await websocket.send_json({"user": websocket.state.authguard.subject, "offered": offered, "saw": headers})
        await websocket.close()

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer with a normal account."""
        return self.mint.mint(**{"scope": "chat accounts", "acr": "aal2", "account_status": "ok", **claims})

    async def ask(self, *headers: tuple[str, str], method: str = "POST", path: str = "/chat") -> httpx2.Response:
        """Send one request with these headers, in this order."""
        transport = httpx2.ASGITransport(self.guard)
        async with httpx2.AsyncClient(transport=transport, base_url="http://a.test") as client:
            return await client.request(method, path, headers=list(headers))

    def log(self) -> str:
        """Return the whole log."""
        return (self.folder / "log.jsonl").read_text("utf-8")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serve the guarded app by uvicorn until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(self.guard, lifespan="on", log_level="critical", access_log=False))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            await task


def reasons(house: House) -> list[str]:
    """Return the reasons of the log's refusals, in order."""
    lines = [json.loads(line) for line in house.log().splitlines()]
    return [line["reason"] for line in lines if line["kind"] == "refusal"]


async def test_a_proxys_header_carries_the_credential(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER)
    token = house.token()
    answer = await house.ask((IAP, token))
    assert (answer.status_code, answer.json()["user"]) == (200, "customer-1")
    assert [IAP.lower(), token] in answer.json()["saw"], "the app sees what it saw without the guard"
    assert (await house.ask((IAP, f"Bearer {token}"))).status_code == 200
    assert (await house.ask((IAP.upper(), token))).status_code == 200


async def test_another_spelling_of_the_header_is_not_read_and_does_not_reach_the_app(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER)
    token = house.token()
    assert (await house.ask((IAP.replace("-", "_"), token))).status_code == 401
    answer = await house.ask((IAP, token), (IAP.replace("-", "_"), "somebody else"))
    assert answer.status_code == 200
    assert "somebody else" not in answer.text


async def test_a_token_in_an_undeclared_place_is_none(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER)
    token = house.token()
    for place in (
        ("Authorization", f"Bearer {token}"),
        ("Cookie", f"{IAP}={token}; CF_Authorization={token}"),
        ("Cf-Access-Jwt-Assertion", token),
        ("Sec-WebSocket-Protocol", f"bearer, {token}"),
    ):
        answer = await house.ask(place)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (
            401,
            'Bearer realm="test-desk", scope="chat"',
        )
    assert (await house.ask(path=f"/chat?access_token={token}&{IAP}={token}")).status_code == 401
    assert (await house.ask((IAP, token), ("Authorization", "Bearer x.y.z"))).status_code == 200
    assert (await House(tmp_path, "").ask((IAP, token))).status_code == 401


@pytest.mark.parametrize("same", [True, False])
async def test_two_places_are_none(tmp_path: Path, *, same: bool) -> None:
    house = House(tmp_path, HEADER_TOO)
    token = house.token()
    answer = await house.ask((IAP, token), ("Authorization", f"Bearer {token if same else house.token(sub='mallory')}"))
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    assert reasons(house) == ["credential-ambiguous"]
    assert token not in house.log()


async def test_one_of_two_places_is_one(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER_TOO)
    token = house.token()
    assert (await house.ask((IAP, token))).status_code == 200
    assert (await house.ask(("Authorization", f"Bearer {token}"))).status_code == 200
    assert (await house.ask(("Authorization", f"Bearer {token}"), (IAP, ""))).status_code == 200
    basic = ("Authorization", "Basic Z2F0ZXdheTpzZWNyZXQ=")
    assert (await house.ask((IAP, token), basic)).status_code == 200, "another scheme is no credential (RFC 6750 3.1)"
    assert (await house.ask(basic)).status_code == 401


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["{token}", "{token}"], 400),
        (["", "{token}"], 400),
        (["{token}, {token}"], 401),
        (["{token},{token}"], 401),
        (["DPoP {token}"], 401),
        (["Bearer"], 401),
        (["{token}\0"], 401),
        (["x" * 40_000], 401),
        ([""], 401),
    ],
)
async def test_a_header_that_is_not_one_token_is_refused(tmp_path: Path, values: Sequence[str], status: int) -> None:
    house = House(tmp_path, HEADER)
    token = house.token()
    assert (await house.ask(*((IAP, value.format(token=token)) for value in values))).status_code == status
    assert token not in house.log()


async def test_a_forged_token_is_refused_in_any_place(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER)
    for forgery in Forgery:
        token = forge(house.mint, forgery, scope="chat", acr="aal2", account_status="ok")
        assert (await house.ask((IAP, token))).status_code == 401, forgery


IAP_ISSUER = """  - issuer: https://cloud.google.com/iap
    audience: /projects/123/global/backendServices/456
    algorithms: [ES256]
    keys: {file: keys.json}
    type: any
    max_lifetime: 10m"""
IAP_CLAIMS: dict[str, Any] = {
    "iss": "https://cloud.google.com/iap",
    "aud": "/projects/123/global/backendServices/456",
    "sub": "accounts.google.com:1180",
    "email": "a@shop.test",
    "hd": "shop.test",
    "google": {"access_levels": ["accessPolicies/1/accessLevels/x"]},
    "lifetime": 600,
    "drop": ("client_id", "scope", "auth_time", "jti", "acr", "sid"),
}
ACCESS_ISSUER = """  - issuer: https://team.cloudflareaccess.com
    audience: 32eafc7626e737b7f5a9c4
    algorithms: [RS256]
    keys: {file: keys.json}
    type: any
    max_lifetime: 24h"""
ACCESS_CLAIMS: dict[str, Any] = {
    "iss": "https://team.cloudflareaccess.com",
    "aud": ["32eafc7626e737b7f5a9c4"],
    "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
    "email": "a@shop.test",
    "type": "app",
    "identity_nonce": "6ei69kawdKzMIAPF",
    "country": "US",
    "lifetime": 86_400,
    "alg": "RS256",
    "drop": ("client_id", "scope", "auth_time", "jti", "acr", "sid"),
}


@pytest.mark.parametrize(
    ("header", "issuer", "claims"),
    [(IAP, IAP_ISSUER, IAP_CLAIMS), ("Cf-Access-Jwt-Assertion", ACCESS_ISSUER, ACCESS_CLAIMS)],
)
async def test_the_assertion_of_an_identity_aware_proxy_is_taken(
    tmp_path: Path, header: str, issuer: str, claims: dict[str, Any]
) -> None:
    start, _, rest = POLICY.partition("  - issuer: https://issuer.test")
    policy = f"{start}{issuer}\n{rest[rest.index('agents:') :]}"
    policy = policy.replace("https://issuer.test", claims["iss"]).replace(
        "effect: read, scopes: [chat]", "effect: read"
    )
    house = House(tmp_path, f"credentials: {{from: [{{header: {header}}}]}}\n", policy)
    (tmp_path / "keys.json").write_text(json.dumps(house.mint.jwks("ES256", "RS256")), "utf-8")
    token = house.mint.mint(**claims, account_status="ok", typ="JWT")
    answer = await house.ask((header, token))
    assert (answer.status_code, answer.json()) == (200, answer.json() | {"user": claims["sub"]})
    other = house.mint.mint(**{**claims, "aud": "another backend"}, account_status="ok", typ="JWT")
    assert (await house.ask((header, other))).status_code == 401


async def test_a_bound_token_needs_its_scheme_in_authorization(tmp_path: Path) -> None:
    policy = POLICY.replace("{file: keys.json}", "{file: keys.json}\n    sender_constraint: dpop")
    house = House(tmp_path, HEADER_TOO, policy, AUTHGUARD_PUBLIC_URL="http://a.test")
    client = DpopClient.create(house.clock)
    token = house.token(cnf=client.confirmation)
    proof = ("DPoP", client.proof("POST", "http://a.test/chat", token))
    for value in (token, f"DPoP {token}", f"Bearer {token}"):
        assert (await house.ask((IAP, value), proof)).status_code == 401
    assert (await house.ask(("Authorization", f"DPoP {token}"), proof)).status_code == 200
    twice = await house.ask(("Authorization", f"DPoP {token}"), (IAP, token), proof)
    assert twice.status_code == 400


async def test_the_guards_own_endpoints_read_the_same_place(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER)
    token = house.token()
    answer = await house.ask((IAP, token), method="GET", path="/.authguard/session")
    assert answer.json()["signed_in"] is True
    assert (await house.ask((IAP, token), path="/.authguard/session/end")).status_code == 200
    assert (await house.ask((IAP, token))).status_code == 401


async def test_a_preflight_allows_the_header(tmp_path: Path) -> None:
    house = House(tmp_path, HEADER + f"cors: {{allow_origins: ['{SHOP}'], allow_methods: [POST]}}\n")
    wanted = ("Access-Control-Request-Headers", IAP.lower())
    answer = await house.ask(("Origin", SHOP), ("Access-Control-Request-Method", "POST"), wanted, method="OPTIONS")
    assert answer.status_code == 200
    assert IAP.lower() in answer.headers["access-control-allow-headers"]


async def test_the_metadata_promises_no_header_that_is_not_read(tmp_path: Path) -> None:
    for more, promised in ((HEADER, None), (HEADER_TOO, ["header"])):
        house = House(tmp_path, more, AUTHGUARD_PUBLIC_URL=SHOP)
        found = await house.ask(method="GET", path="/.well-known/oauth-protected-resource")
        assert found.json().get("bearer_methods_supported") == promised


# the cookie of an identity-aware proxy


def cookie(token: str) -> tuple[str, str]:
    """Return the header of a browser that has this cookie among others."""
    return "Cookie", f"theme=dark; CF_Authorization={token}; lang=de"


async def test_a_page_of_an_allowed_origin_uses_the_cookie(tmp_path: Path) -> None:
    house = House(tmp_path, COOKIE)
    token = house.token()
    answer = await house.ask(cookie(token), ("Origin", SHOP))
    assert (answer.status_code, answer.json()["user"]) == (200, "customer-1")
    assert ["cookie", cookie(token)[1]] in answer.json()["saw"]
    assert (await house.ask(cookie(token), ("Sec-Fetch-Site", "same-origin"))).status_code == 200
    read = await house.ask(cookie(token), method="GET", path="/balance")
    assert read.status_code == 200, "a read needs no origin: pages of others cannot read the answer"


async def test_the_origin_of_the_public_url_is_allowed(tmp_path: Path) -> None:
    alone = "credentials: {from: [{cookie: CF_Authorization}]}\n"
    house = House(tmp_path, alone, AUTHGUARD_PUBLIC_URL="https://Shop.test:443/api")
    assert (await house.ask(cookie(house.token()), ("Origin", SHOP))).status_code == 200
    with pytest.raises(SettingsError, match="AUTHGUARD_PUBLIC_URL"):
        House(tmp_path, alone)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Origin", "null")],
        [("Origin", "")],
        [("Origin", "https://evil.test")],
        [("Origin", "https://shop.test.evil.test")],
        [("Origin", "http://shop.test")],
        [("Origin", "https://shop.test:8443")],
        [("Origin", "https://shop.test/")],
        [("Origin", SHOP), ("Origin", "https://evil.test")],
        [("Origin", SHOP), ("Origin", SHOP)],
        [("Origin", "https://evil.test"), ("Sec-Fetch-Site", "same-origin")],
        [("Origin", "null"), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "same-site")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "none")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("Sec_Fetch_Site", "same-origin")],
        [("Referer", f"{SHOP}/page")],
    ],
)
async def test_a_page_of_another_origin_cannot_use_the_cookie(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    house = House(tmp_path, COOKIE)
    answer = await house.ask(cookie(house.token()), *headers)
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers
    assert reasons(house) == ["origin-refused"]


async def test_a_read_that_the_policy_calls_a_write_needs_an_origin(tmp_path: Path) -> None:
    policy = POLICY.replace(
        "method: GET}, risk: sensitive, effect: read", "method: GET}, risk: sensitive, effect: write"
    )
    house = House(tmp_path, COOKIE, policy)
    assert (await house.ask(cookie(house.token()), method="GET", path="/balance")).status_code == 403


async def test_another_place_needs_no_origin(tmp_path: Path) -> None:
    house = House(tmp_path, COOKIE)
    token = house.token()
    evil = ("Origin", "https://evil.test")
    assert (await house.ask(("Authorization", f"Bearer {token}"), evil, ("Cookie", "theme=dark"))).status_code == 200
    assert (await house.ask(("Authorization", f"Bearer {token}"), ("Origin", SHOP), cookie(token))).status_code == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (["CF_Authorization={token}; CF_Authorization={token}"], 400),
        (["CF_Authorization={token}; CF_Authorization="], 400),
        (["CF_Authorization={other}", "CF_Authorization={token}"], 400),
        (["a=1", "CF_Authorization={token}"], 200),  # HTTP/2 splits the header (RFC 9113 8.2.3)
        (["CF_Authorization={token};"], 200),
        (["a=b;CF_Authorization={token}"], 200),
        (["CF_Authorization={token};cf_authorization={other}"], 200),
        (["CF_Authorization="], 401),
        (["CF_Authorization"], 401),
        (["cf_authorization={token}"], 401),
        (["XCF_Authorization={token}"], 401),
        (['CF_Authorization="{token}"'], 401),
        (["CF_Authorization=%65{token}"], 401),
        (['a="; CF_Authorization={token}; b="'], 200),  # a semicolon ends a value, quoted or not (RFC 6265 4.1.1)
        (["x=" + "y" * MAX_COOKIE_BYTES], 400),
    ],
)
async def test_a_cookie_is_read_as_browsers_write_it(tmp_path: Path, sent: Sequence[str], status: int) -> None:
    house = House(tmp_path, COOKIE)
    tokens = {"token": house.token(), "other": house.token(sub="mallory")}
    answer = await house.ask(("Origin", SHOP), *(("Cookie", one.format(**tokens)) for one in sent))
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["user"] == "customer-1"


async def test_a_public_operation_is_open_to_pages_of_others_and_knows_nobody(tmp_path: Path) -> None:
    house = House(tmp_path, COOKIE, POLICY.replace("/healthz, method: GET", "/healthz, method: POST"))
    answer = await house.ask(cookie(house.token()), ("Origin", "https://evil.test"), path="/healthz")
    assert (answer.status_code, answer.json()["user"]) == (200, "")


@given(
    places=st.sets(st.sampled_from(["authorization", "header", "cookie"]), min_size=1),
    sent=st.lists(st.sampled_from(["authorization", "header", "cookie", "query", "spelled"]), max_size=4),
)
def test_exactly_one_credential_in_a_declared_place_is_read(places: set[str], sent: list[str]) -> None:
    named = {
        "authorization": AUTHORIZATION,
        "header": CredentialPlace(kind="header", name="x-token"),
        "cookie": CredentialPlace(kind="cookie", name="session"),
    }
    reader = CredentialReader([named[one] for one in sorted(places)], SHOP)
    written = {
        "authorization": (b"authorization", b"Bearer %d"),
        "header": (b"x-token", b"%d"),
        "cookie": (b"cookie", b"session=%d"),
        "spelled": (b"x_token", b"%d"),
    }
    headers = [(written[one][0], written[one][1] % index) for index, one in enumerate(sent) if one in written]
    scope = {"type": "http", "method": "GET", "headers": headers, "query_string": b"access_token=9"}
    evidence = EvidenceReader(more=reader.known).read(scope)
    operation = Operation(name="read", effect="read")
    found = evidence if isinstance(evidence, Reason) else reader.read(evidence, scope, operation)
    counted = [index for index, one in enumerate(sent) if one in places]
    if len(counted) > 1 or sent.count("authorization") > 1:
        assert found is Reason.CREDENTIAL_AMBIGUOUS
    else:
        assert isinstance(found, Evidence)
        assert found.authorization == (b"Bearer %d" % counted[0] if counted else b"")


@given(
    cookies=st.lists(st.binary(max_size=60) | st.just(b"session=a.b.c"), max_size=3),
    offered=st.lists(
        st.text(max_size=20) | st.sampled_from(["bearer", "base64url.x.YS5iLmM", "base64url."]), max_size=5
    ),
    header=st.none() | st.binary(max_size=60),
)
def test_whatever_is_sent_it_is_read_or_refused(cookies: list[bytes], offered: list[str], header: bytes | None) -> None:
    places = [
        CredentialPlace(kind="cookie", name="session"),
        CredentialPlace(kind="header", name="x-token"),
        CredentialPlace(kind="subprotocol", name="bearer"),
        CredentialPlace(kind="subprotocol", name="base64url.x"),
    ]
    reader = CredentialReader(places, "")
    headers = [(b"cookie", one) for one in cookies] + ([] if header is None else [(b"x-token", header)])
    scope = {"type": "websocket", "headers": [*headers, (b"origin", SHOP.encode())], "subprotocols": offered}
    operation = Operation(name="live", effect="read", risk="routine")
    found = reader.read(Evidence(), scope, operation)
    assert isinstance(found, Evidence | Reason)
    reader.hide(scope)
    if found is Reason.REQUEST_MALFORMED:
        return
    assert not {"bearer", "base64url.x.YS5iLmM"} & set(scope["subprotocols"])
    if isinstance(found, Evidence) and found.authorization:
        assert found.authorization[:7].lower() == b"bearer "


# a WebSocket subprotocol


async def hear(url: str, subprotocols: Sequence[str], **more: Any) -> tuple[str | None, dict[str, Any]]:
    """Open a WebSocket; return the accepted subprotocol and the app's message."""
    async with connect(url, subprotocols=[*map(Subprotocol, subprotocols)], **more) as opened:
        return opened.subprotocol, json.loads(await opened.recv())


@pytest.mark.parametrize(
    ("before", "after", "accepted", "chosen"),
    [
        ([], [], None, "bearer"),
        (["chat.v1"], [], None, "bearer"),
        (["chat.v1"], ["chat.v2"], "chat.v2", "chat.v2"),
        ([], ["chat.v1"], "bearer", "bearer"),
    ],
)
async def test_a_browser_sends_the_token_as_a_subprotocol(
    tmp_path: Path, before: list[str], after: list[str], accepted: str | None, chosen: str
) -> None:
    house = House(tmp_path, SOCKET)
    house.accepts = {"subprotocol": accepted}
    token = house.token()
    async with house.served() as url:
        picked, told = await hear(f"{url}/live", [*before, "bearer", token, *after])
    assert (picked, told["user"]) == (chosen, "customer-1")
    assert told["offered"] == [*before, *after]
    assert token not in json.dumps(told)
    assert ("sec-websocket-protocol" in dict(told["saw"])) == bool(before or after)
    assert token not in house.log()


async def test_a_token_in_the_form_of_kubernetes_is_read(tmp_path: Path) -> None:
    house = House(tmp_path, KUBERNETES)
    house.accepts = {"subprotocol": "v4.channel.k8s.io"}
    token = house.token()
    encoded = "base64url.bearer.authorization.k8s.io." + urlsafe_b64encode(token.encode()).decode().rstrip("=")
    async with house.served() as url:
        picked, told = await hear(f"{url}/live", [encoded, "v4.channel.k8s.io"])
        for broken in (encoded[:-8], encoded + "!", encoded.rpartition(".")[0] + ".", encoded.rpartition(".")[0]):
            with pytest.raises(InvalidStatus, match="401"):
                await hear(f"{url}/live", [broken, "v4.channel.k8s.io"])
    assert (picked, told["user"], told["offered"]) == ("v4.channel.k8s.io", "customer-1", ["v4.channel.k8s.io"])
    assert encoded not in json.dumps(told)


@pytest.mark.parametrize(
    ("offered", "status"),
    [
        (["bearer"], 400),
        (["{token}"], 401),
        (["{token}", "bearer"], 400),
        (["Bearer", "{token}"], 401),
        (["bearer", "bearer", "{token}"], 400),
        (["bearer", "x"], 401),
        (["bearer", "{token}", "bearer", "{token}"], 400),
        (["bearer", "{token}", "bearer"], 400),
        ([f"p{number}" for number in range(MAX_SUBPROTOCOLS)] + ["bearer", "{token}"], 400),
    ],
)
async def test_subprotocols_that_are_not_a_name_and_one_token_are_refused(
    tmp_path: Path, offered: list[str], status: int
) -> None:
    house = House(tmp_path, SOCKET)
    token = house.token()
    async with house.served() as url:
        with pytest.raises(InvalidStatus) as refused:
            await hear(f"{url}/live", [one.format(token=token) for one in offered])
    assert refused.value.response.status_code == status
    assert token not in str(refused.value.response.headers) + str(refused.value.response.body)
    assert token not in house.log()


async def test_two_ways_into_a_websocket_are_none(tmp_path: Path) -> None:
    house = House(tmp_path, SOCKET)
    token = house.token()
    async with house.served() as url:
        with pytest.raises(InvalidStatus, match="400"):
            await hear(f"{url}/live", ["bearer", token], additional_headers={"Authorization": f"Bearer {token}"})
        picked, told = await hear(f"{url}/live", ["chat.v1"], additional_headers={"Authorization": f"Bearer {token}"})
    assert (picked, told["user"], told["offered"]) == (None, "customer-1", ["chat.v1"])


async def test_a_websocket_with_the_cookie_needs_an_origin(tmp_path: Path) -> None:
    house = House(tmp_path, COOKIE)
    headers = {"Cookie": cookie(house.token())[1]}
    async with house.served() as url:
        async with connect(f"{url}/live", origin=SHOP, additional_headers=headers) as opened:  # type: ignore[arg-type]
            assert json.loads(await opened.recv())["user"] == "customer-1"
        for origin in (None, "null", "https://evil.test"):
            with pytest.raises(InvalidStatus, match="403"):
                async with connect(f"{url}/live", origin=origin, additional_headers=headers):  # type: ignore[arg-type]
                    pass


async def test_a_public_websocket_does_not_show_the_token_either(tmp_path: Path) -> None:
    policy = POLICY.replace(
        "  - {name: balance",
        "  - {name: open, match: {websocket: /open}, risk: public, effect: read}\n  - {name: balance",
    )
    house = House(tmp_path, SOCKET, policy)
    token = house.token()
    async with house.served() as url:
        picked, told = await hear(f"{url}/open", ["bearer", token])
    assert (picked, told["user"], told["offered"]) == ("bearer", "", [])
    assert token not in json.dumps(told)


async def test_an_app_that_sends_its_own_header_keeps_it(tmp_path: Path) -> None:
    house = House(tmp_path, SOCKET)
    house.accepts = {"headers": [(b"Sec-WebSocket-Protocol", b"chat.v1")]}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    offered = ["chat.v1", "bearer", house.token()]
    headers = [(b"sec-websocket-protocol", ", ".join(offered).encode())]
    await house.guard(
        {"type": "websocket", "path": "/live", "headers": headers, "query_string": b"", "subprotocols": offered},
        receive,
        send,
    )
    assert (sent[0]["type"], sent[0].get("subprotocol")) == ("websocket.accept", None)
