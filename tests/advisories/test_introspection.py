"""Attacks on introspection, each with the entry of the ledger that it plays; the server's answers are scripted."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx2
import pytest

from authguard.core.outcomes import Reason
from authguard.testing import Forgery, forge
from tests.advisories.scene import KEYS
from tests.requirements import attack
from tests.support.harness import OWN_STAFF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.advisories.scene import Scene, Strike

OPAQUE = "2YotnFZFEjr1zCsicMWpAA"
URL = "https://issuer.test/introspect"
BIGGEST = 65_536


UNCLEAR, INCOMPLETE = Reason.INTROSPECTION_UNCLEAR, Reason.INTROSPECTION_INCOMPLETE


class Server:
    """A deployment whose issuer is asked, and the issuer's endpoint.

    Attributes:
        answers: token -> what it answers: a document, a response, a function that returns one, or an exception; what
            is not here is inactive.
        asked: the tokens that were asked about.
    """

    def __init__(self, strike: Strike, on: str = "opaque", more: str = "") -> None:
        self.strike = strike
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        asking = f"introspection: {{url: '{URL}', client_id: guard, secret_env: SECRET, on: {on}}}"
        self.scene: Scene = strike.at(
            keys=f"{KEYS}\n    {asking}{more}",
            environ={"SECRET": "not to be told"},
            network=httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer)),
        )

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Describe an active token of the victim; `None` leaves a member out."""
        said = self.scene.mint.claims(scope="chat", acr="aal2", account_status="ok") | {"active": True} | changes
        return {name: value for name, value in said.items() if value is not None}

    async def answer(self, answer: Any, reason: Reason = UNCLEAR, token: str = OPAQUE) -> None:
        """Send a token about which the server says this, and be refused."""
        self.answers[token] = answer
        await self.strike(token, reason)
        assert self.asked[-1] == token

    async def say(self, reason: Reason = UNCLEAR, **changes: Any) -> None:
        """Send a token about which the server says what it would of a good one, but for these changes."""
        await self.answer(self.claims(**changes), reason)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == URL, "it was led elsewhere"
        token = parse_qs(request.content.decode())["token"][0]
        self.asked.append(token)
        found = self.answers.get(token, {"active": False})
        if isinstance(found, Exception):
            raise found
        if callable(found):
            found = found()
        return found if isinstance(found, httpx2.Response) else httpx2.Response(200, json=found)


@pytest.fixture
def server(strike: Strike) -> Server:
    return Server(strike)


def raw(body: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, content=body, headers={"content-type": kind} | headers)


@attack("intro-inactive")
@pytest.mark.parametrize("more", [{}, {"sub": "customer-1", "exp": 1}])
async def test_a_revoked_token(server: Server, more: dict[str, Any]) -> None:
    await server.answer({"active": False} | more, Reason.TOKEN_INACTIVE)
    server.answers[OPAQUE] = server.claims()
    await server.strike(OPAQUE, Reason.TOKEN_INACTIVE)  # remembered: it is not asked about again
    assert len(server.asked) == 1


@attack("intro-refresh")
@pytest.mark.parametrize("use", [{"token_use": "refresh_token"}, {"typ": "Refresh"}, {"typ": "ID"}, {"token_use": 1}])
async def test_a_refresh_token(server: Server, use: dict[str, Any]) -> None:
    await server.say(Reason.TYPE_REFUSED, **use)


@attack("intro-bound")
@pytest.mark.parametrize("said", [{"cnf": {"jkt": "A" * 43}}, {"token_type": "DPoP"}, {"cnf": {"x5t#S256": "A"}}])
async def test_a_bound_opaque_token_as_a_bearer_token(server: Server, said: dict[str, Any]) -> None:
    await server.say(Reason.BOUND_TOKEN, **said)


@attack("intro-lifetime")
async def test_an_opaque_token_that_lives_for_years(server: Server) -> None:
    await server.say(Reason.LIFETIME_EXCEEDED, exp=server.scene.clock.now() + 10_000_000)


@attack("intro-jwt")
async def test_a_forged_jwt_is_not_asked_about(strike: Strike) -> None:
    server = Server(strike, "always")
    server.answers[victim := server.scene.good()] = server.claims(jti=None)
    await strike.settle(victim)
    for forgery, reason in (
        (Forgery.OTHER_KEY, Reason.SIGNATURE_INVALID),
        (Forgery.STRIPPED, Reason.CREDENTIAL_MALFORMED),
        (Forgery.UNSIGNED, Reason.CREDENTIAL_MALFORMED),
        (Forgery.OTHER_ISSUER, Reason.ISSUER_UNKNOWN),
    ):
        await strike(forge(server.scene.mint, forgery), reason)
    assert server.asked == [victim]


@attack("intro-nobody")
async def test_an_opaque_token_where_nobody_is_asked(strike: Strike) -> None:
    await strike(OPAQUE, Reason.CREDENTIAL_MALFORMED)


@attack("intro-two")
async def test_one_issuers_token_is_not_shown_to_another(strike: Strike) -> None:
    asking = "client_id: guard, secret_env: SECRET, on: always"
    other = (
        f"\n  - issuer: https://other.test\n    audience: https://agent.test\n    algorithms: [ES256]\n    {KEYS}\n"
        f"    introspection: {{url: 'https://other.test/introspect', {asking}}}\n"
        f"{OWN_STAFF.strip()}"
    )
    server = Server(strike, "always", other)
    server.answers[victim := server.scene.good()] = server.claims(jti=None)
    await strike.settle(victim)
    await strike(OPAQUE, Reason.CREDENTIAL_MALFORMED)
    assert server.asked == [victim]


@attack("intro-500")
async def test_a_server_that_stumbles(server: Server) -> None:
    await server.answer(raw(b"{}", status=500))


@attack("intro-503")
@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_server_that_is_down(server: Server, status: int) -> None:
    await server.answer(raw(b'{"active": false}', status=status), Reason.INTROSPECTION_UNREACHABLE)


@attack("intro-429")
async def test_a_server_that_wants_a_rest(server: Server) -> None:
    await server.answer(raw(b'{"active": false}', status=429), Reason.INTROSPECTION_UNREACHABLE)


@attack("intro-redirect")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect(server: Server, status: int) -> None:
    await server.answer(raw(b"", status=status, location="https://evil.test/introspect"))
    assert server.asked == [OPAQUE]


@attack("intro-201")
@pytest.mark.parametrize("status", [201, 202, 203, 204, 206])
async def test_another_success(server: Server, status: int) -> None:
    await server.answer(raw(json.dumps(server.claims()).encode(), status=status))


@attack("intro-400")
async def test_a_kind_of_token_that_cannot_be_looked_up(server: Server) -> None:
    await server.answer(raw(b'{"error": "unsupported_token_type"}', status=400))


@attack("intro-401")
@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_refuses_the_guard(server: Server, status: int) -> None:
    await server.answer(raw(b'{"active": false}', status=status))


@attack("intro-html")
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "", "application/json+x", "application/problem+json"])
async def test_another_media_type(server: Server, kind: str) -> None:
    await server.answer(raw(json.dumps(server.claims()).encode(), kind))


@attack("intro-no-json")
@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"active": true', b"\xff{}", b"[]", b"true", b'{"active": NaN}', b"{'active': true}"]
)
async def test_what_is_no_json_object(server: Server, body: bytes) -> None:
    await server.answer(raw(body))


@attack("intro-duplicate")
async def test_active_twice(server: Server) -> None:
    whole = json.dumps(server.claims()).encode()
    await server.answer(raw(b'{"active": false, ' + whole[1:]))


@attack("intro-no-active")
async def test_no_active(server: Server) -> None:
    await server.say(active=None)


@attack("intro-truthy")
@pytest.mark.parametrize("active", ["true", "false", 1, 0, [True], {"is": True}, "yes"])
async def test_something_truthy(server: Server, active: Any) -> None:
    await server.say(active=active)


@attack("intro-mock")
async def test_a_bare_yes(server: Server) -> None:
    await server.answer({"active": True}, INCOMPLETE)


@attack("intro-other-issuer")
@pytest.mark.parametrize("issuer", ["https://other.test", "https://issuer.test/", None, ["https://issuer.test"]])
async def test_another_issuer(server: Server, issuer: Any) -> None:
    await server.say(INCOMPLETE if issuer is None else UNCLEAR, iss=issuer)


@attack("intro-other-audience")
@pytest.mark.parametrize(
    "audience", ["https://other.test", None, [], ["https://other.test"], {"https://agent.test": 1}]
)
async def test_another_audience(server: Server, audience: Any) -> None:
    await server.say(UNCLEAR if audience else INCOMPLETE, aud=audience)


@attack("intro-expired")
async def test_active_past_its_end(server: Server) -> None:
    now = server.scene.clock.now()
    await server.say(iat=now - 400, auth_time=now - 400, exp=now - 31)


@attack("intro-endless")
@pytest.mark.parametrize("end", [None, True, "4000000000", -1, 1e12])
async def test_a_token_without_an_end(server: Server, end: Any) -> None:
    await server.say(INCOMPLETE if end is None else UNCLEAR, exp=end)


@attack("intro-early")
@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_active_before_it_begins(server: Server, name: str) -> None:
    await server.say(**{name: server.scene.clock.now() + 60})


@attack("intro-odd-claims")
@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 7},
        {"sub": ""},
        {"sub": None},
        {"sub": "x" * 256},
        {"client_id": ["app-1"]},
        {"token_type": 7},
        {"token_type": "N_A"},
        {"iat": None},
        {"sid": 7},
    ],
)
async def test_claims_of_wrong_types(server: Server, claims: dict[str, Any]) -> None:
    await server.say(INCOMPLETE if None in claims.values() else UNCLEAR, **claims)


@attack("intro-large")
async def test_an_answer_without_end(server: Server) -> None:
    await server.say(padding="x" * BIGGEST)


@attack("intro-deep")
@pytest.mark.parametrize("depth", [17, 10_000])
async def test_an_answer_nested_without_end(server: Server, depth: int) -> None:
    whole = json.dumps(server.claims()).encode()
    await server.answer(raw(b'{"deep": ' + b"[" * depth + b"]" * depth + b", " + whole[1:]))


@attack("intro-zipped")
async def test_an_answer_that_grows(server: Server) -> None:
    packed = gzip.compress(json.dumps(server.claims(padding="x" * 1_000)).encode())
    await server.answer(raw(packed, **{"content-encoding": "gzip"}))


@attack("intro-signed")
async def test_a_signed_answer(server: Server) -> None:
    signed = server.scene.mint.mint(typ="token-introspection+jwt", token_introspection=server.claims())
    answer = raw(signed.encode(), "application/token-introspection+jwt")
    await server.answer(answer, Reason.INTROSPECTION_SIGNED)


@attack("intro-hang")
@pytest.mark.parametrize(
    "trouble", [httpx2.ReadTimeout("late"), httpx2.ConnectTimeout("late"), httpx2.ConnectError("no")]
)
async def test_a_server_that_does_not_answer(server: Server, trouble: Exception) -> None:
    await server.answer(trouble, Reason.INTROSPECTION_UNREACHABLE)


@attack("intro-broken-off")
async def test_a_connection_that_breaks(server: Server) -> None:
    def pieces() -> Iterator[bytes]:
        yield json.dumps(server.claims()).encode()[:-1]
        raise httpx2.ReadError("gone")

    async def body() -> Any:
        for piece in pieces():
            yield piece

    def answer() -> httpx2.Response:
        return httpx2.Response(200, content=body(), headers={"content-type": "application/json"})

    await server.answer(answer, Reason.INTROSPECTION_UNREACHABLE)
    assert len(server.asked) == 2, "the request is repeated once"


@attack("intro-jwt-revoked")
async def test_a_jwt_that_was_revoked(strike: Strike) -> None:
    server = Server(strike, "always")
    server.answers[victim := server.scene.good()] = server.claims(jti=None)
    await strike.settle(victim)
    await server.answer({"active": False}, Reason.TOKEN_INACTIVE, server.scene.good())


@attack("intro-jwt-other")
@pytest.mark.parametrize(
    "said",
    [
        {"sub": "somebody-else"},
        {"sub": None},
        {"iss": "https://other.test"},
        {"aud": "https://other.test"},
        {"client_id": "another"},
        {"jti": "another"},
        {"cnf": {"jkt": "A" * 43}},
        {"exp": 1},
        {"exp": "soon"},
        {"token_use": "refresh"},
    ],
)
async def test_a_server_that_vouches_for_another(strike: Strike, said: dict[str, Any]) -> None:
    server = Server(strike, "always")
    server.answers[victim := server.scene.good()] = server.claims(jti=None)
    await strike.settle(victim)
    reason = INCOMPLETE if None in said.values() else UNCLEAR
    await server.answer(server.claims(**({"jti": None} | said)), reason, server.scene.good())


@attack("intro-jwt-mock")
async def test_a_bare_yes_for_a_jwt(strike: Strike) -> None:
    server = Server(strike, "always")
    server.answers[victim := server.scene.good()] = server.claims(jti=None)
    await strike.settle(victim)
    await server.answer({"active": True}, INCOMPLETE, server.scene.good())


@attack("intro-act")
@pytest.mark.parametrize("act", ["concierge", ["concierge"], {}, {"sub": 7}, {"sub": "a", "act": "b"}, True])
async def test_an_actor_that_is_none(server: Server, act: Any) -> None:
    await server.say(act=act)
