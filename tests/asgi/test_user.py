"""The user of a request, for the app and the MCP SDK."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp.server.dependencies import get_access_token as fastmcp_token
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context

from authguard.asgi.middleware import GuardMiddleware
from authguard.asgi.user import MCP_USER, User
from tests.support.harness import ISSUER, EnforcerHarness

if TYPE_CHECKING:
    from collections.abc import Mapping

CLAIMS = {"account_status": "ok", "name": "Alice", "realm": {"roles": ["customer"]}}


async def seen(
    header: bytes = b"", *, path: str = "/chat", desk: EnforcerHarness | None = None, **settings: Any
) -> dict[str, Any]:
    """Send a request, and return the user that the app gets."""
    found: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        guard = scope["state"]["authguard"]
        found.update(user=scope["user"], guard=guard, token=get_access_token(), other=fastmcp_token())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    desk = desk or EnforcerHarness()
    guarded = GuardMiddleware(app, desk.enforcer, prefix="/.authguard", **settings)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET" if path == "/healthz" else "POST",
        "path": path,
        "headers": [(b"authorization", header)] if header else [],
    }
    await guarded(scope, nothing, nothing)
    return found


async def test_the_sdk_is_told_issuer_subject_and_client() -> None:
    desk = EnforcerHarness()
    found = await seen(desk.login(claims=CLAIMS), desk=desk)
    user, token = found["user"], found["user"].access_token
    assert isinstance(user, AuthenticatedUser)
    assert authorization_context(user) == {"client_id": "app", "issuer": "https://issuer.test", "subject": "alice"}
    assert (token.scopes, token.expires_at) == (["accounts", "chat", "refunds"], int(desk.clock.now()) + 300)
    assert (token.token, user.scopes) == ("", token.scopes)
    assert user.identity == user.display_name == found["guard"].identity == "https%3A%2F%2Fissuer.test:alice"
    assert (user.is_authenticated, "alice" in repr(user)) == (True, False)
    assert found["token"] is token
    assert (found["other"].subject, found["other"].claims["iss"]) == ("alice", "https://issuer.test")
    assert get_access_token() is None


async def test_the_credential_is_handed_on_only_where_a_setting_says_so() -> None:
    desk = EnforcerHarness()
    header = desk.login()
    found = await seen(header, desk=desk, exposes_token=True)
    assert f"Bearer {found['user'].access_token.token}".encode() == header


async def test_an_agent_does_not_resume_what_its_customer_began() -> None:
    desk = EnforcerHarness()
    alone = await seen(desk.login(), desk=desk)
    acting = await seen(desk.login(actor="concierge", chain=((ISSUER, "concierge"),)), desk=desk)
    assert authorization_context(alone["user"]) != authorization_context(acting["user"])
    assert acting["user"].access_token.client_id == "https%3A%2F%2Fissuer.test:concierge"


async def test_nobody_is_no_user_of_the_sdk() -> None:
    found = await seen(path="/healthz")
    assert not isinstance(found["user"], AuthenticatedUser)
    assert (found["user"].is_authenticated, found["user"].identity, found["token"]) == (False, "", None)
    guard = found["guard"]
    assert (guard.identity, guard.issuer, guard.client, dict(guard.claims)) == ("", "", "", {})


async def test_an_app_without_the_sdk_gets_a_user_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, MCP_USER)
    desk = EnforcerHarness()
    user = (await seen(desk.login(), desk=desk))["user"]
    assert isinstance(user, User)
    assert (user.identity, user.display_name) == ("https%3A%2F%2Fissuer.test:alice",) * 2
    assert (user.is_authenticated, repr(user)) == (True, "User(is_authenticated=True)")


async def test_nobody_changes_the_claims_that_are_remembered() -> None:
    desk = EnforcerHarness()
    header = desk.login(claims=CLAIMS)
    found = await seen(header, desk=desk)
    claims: Mapping[str, Any] = found["guard"].claims
    assert (claims["name"], claims["realm"]["roles"]) == ("Alice", ("customer",))
    with pytest.raises(TypeError):
        claims["name"] = "Bob"  # type: ignore[index]  # what is tried
    with pytest.raises(TypeError):
        claims["realm"]["roles"] = ["supervisor"]
    found["user"].access_token.claims["realm"]["roles"].append("supervisor")
    again = await seen(header, desk=desk)
    assert again["guard"].claims["realm"]["roles"] == ("customer",)
    assert CLAIMS["realm"] == {"roles": ["customer"]}
    assert (found["guard"].issuer, found["guard"].client) == ("https://issuer.test", "app")
