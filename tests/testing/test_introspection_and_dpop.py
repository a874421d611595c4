"""A guarded app and a real identity provider, each as it is: opaque tokens, revocation, bound tokens, step-up."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from authguard import AuthGuard
from authguard.testing import DpopClient, RefreshRefusedError
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.testing import IdentityProvider

URL = "https://shop.test/chat"
GOOD = {"scope": "chat", "acr": "aal2", "account_status": "ok"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the app ran"})


@pytest.fixture
def idp(authguard_fresh_idp: IdentityProvider) -> IdentityProvider:
    return authguard_fresh_idp


@pytest.fixture
def guard_of(idp: IdentityProvider, tmp_path: Path) -> Callable[..., AuthGuard]:
    """Build a guard that knows the provider, with what its policy says of it besides."""

    def build(
        more: str, public: str = "settings: {public_url: 'https://shop.test'}\n", secret: str = "loopback-only"
    ) -> AuthGuard:
        text = POLICY.replace("https://issuer.test", idp.issuer).replace("agents:", f"{public}agents:")
        text = text.replace("keys: {file: keys.json}", f"keys: discovery\n    {more}")
        (tmp_path / "policy.yaml").write_text(text, "utf-8")
        return AuthGuard(
            app,
            tmp_path / "policy.yaml",
            store="memory",
            audit_log=tmp_path / "audit.jsonl",
            environ={"SECRET": secret},
        )

    return build


def asking(idp: IdentityProvider, on: str = "opaque", cache: str = "0s") -> str:
    url = f"{idp.issuer}/introspect"
    return f"introspection: {{url: '{url}', client_id: resource-server, secret_env: SECRET, on: {on}, cache: {cache}}}"


async def ask(guard: AuthGuard, headers: dict[str, str], path: str = "/chat") -> httpx2.Response:
    transport = httpx2.ASGITransport(app=guard)
    async with httpx2.AsyncClient(transport=transport, base_url="http://inside.test") as client:
        return await client.post(path, headers=headers)


async def test_an_opaque_token_passes_until_it_is_revoked(idp: IdentityProvider, guard_of: Any) -> None:
    guard = guard_of(asking(idp))
    customer = idp.sign_in("anna", opaque=True, **GOOD)
    assert (await ask(guard, customer.headers)).status_code == 200
    idp.revoke(customer, token="access_token")
    refused = await ask(guard, customer.headers)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert idp.requests()["/introspect"] == 2
    await guard.enforcer.close()


@pytest.mark.parametrize("secret", ["loopback-only", "another"])
async def test_a_secret_that_the_issuer_does_not_accept_is_told_at_the_start(
    idp: IdentityProvider, guard_of: Any, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    guard = guard_of(asking(idp), secret=secret)
    await guard.enforcer.start()
    for introspector in guard.enforcer._checker._introspectors.values():
        check = introspector._checks.find("endpoint")
        assert check is not None
        await check.wait()
    await guard.enforcer.close()
    told = [(one.levelname, one.getMessage()) for one in caplog.records if "introspection" in one.getMessage()]
    if secret == "another":
        ((level, message),) = told
        assert level == "ERROR"
        assert f"`{idp.issuer}`: the endpoint responds with status 401: check `client_id` and the secret" in message
    else:
        assert told == []
    assert secret not in caplog.text


async def test_a_jwt_that_is_asked_about_always_ends_with_its_revocation(idp: IdentityProvider, guard_of: Any) -> None:
    guard = guard_of(asking(idp, "always"))
    customer = idp.sign_in("anna", **GOOD)
    assert (await ask(guard, customer.headers)).status_code == 200
    idp.revoke(customer)
    assert (await ask(guard, customer.headers)).status_code == 401
    await guard.enforcer.close()


@pytest.mark.parametrize(
    "odd",
    [
        {"body": '{"active": true}'},
        {"body": "<html>"},
        {"body": ""},
        {"claims": {"active": "true"}},
        {"claims": {"active": None}},
        {"claims": {"iss": "https://other.test"}},
        {"claims": {"aud": None}},
        {"claims": {"exp": 1}},
        {"status": 500},
        {"status": 307, "headers": {"Location": "/elsewhere"}},
        {"content_type": "text/html"},
        {"content_type": "application/token-introspection+jwt"},
    ],
    ids=str,
)
async def test_an_odd_answer_is_an_outage_and_the_next_honest_one_passes(
    idp: IdentityProvider, guard_of: Any, odd: dict[str, Any]
) -> None:
    guard = guard_of(asking(idp))
    customer = idp.sign_in("anna", opaque=True, **GOOD)
    idp.answer_introspection(**odd)
    later = await ask(guard, customer.headers)
    assert (later.status_code, "retry-after" in later.headers) == (503, True)
    assert "www-authenticate" not in later.headers
    assert (await ask(guard, customer.headers)).status_code == 200
    await guard.enforcer.close()


@pytest.mark.parametrize("mode", ["down", "garbage", "redirect"])
async def test_an_outage_of_the_provider_is_no_bad_token(idp: IdentityProvider, guard_of: Any, mode: Any) -> None:
    guard = guard_of(asking(idp))
    customer = idp.sign_in("anna", opaque=True, **GOOD)
    idp.outage(mode, at=["introspection"])
    assert [(await ask(guard, customer.headers)).status_code for _ in range(3)] == [503] * 3
    idp.restore()
    await guard.enforcer.close()


async def test_what_was_answered_serves_through_an_outage_for_the_caches_time(
    idp: IdentityProvider, guard_of: Any
) -> None:
    guard = guard_of(asking(idp, cache="5m"))
    customer = idp.sign_in("anna", opaque=True, **GOOD)
    assert (await ask(guard, customer.headers)).status_code == 200
    idp.outage("down", at=["introspection"])
    assert (await ask(guard, customer.headers)).status_code == 200
    assert idp.requests()["/introspect"] == 1
    await guard.enforcer.close()


@pytest.mark.parametrize("opaque", [False, True])
async def test_a_bound_token_passes_with_proofs_and_never_without(
    idp: IdentityProvider, guard_of: Any, *, opaque: bool
) -> None:
    guard = guard_of(f"{asking(idp)}\n    sender_constraint: dpop")
    client = DpopClient.create()
    customer = idp.sign_in("anna", opaque=opaque, dpop=client, **GOOD)
    for _ in range(3):
        assert (await ask(guard, client.headers(customer, "POST", URL))).status_code == 200
    assert (await ask(guard, customer.headers)).status_code == 401
    thief = DpopClient.create()
    assert (await ask(guard, thief.headers(customer, "POST", URL))).status_code == 401
    renewed = idp.refresh(customer)
    assert (await ask(guard, client.headers(renewed, "POST", URL))).status_code == 200
    await guard.enforcer.close()


async def test_a_step_up_is_a_fresh_sign_in_of_the_same_session(idp: IdentityProvider) -> None:
    before = idp.sign_in("anna", opaque=True, scope="chat", auth_time_offset=-3_600)
    after = idp.step_up(before)
    async with httpx2.AsyncClient(trust_env=False) as web:
        form = {"token": after.access_token}
        said = (await web.post(f"{idp.issuer}/introspect", data=form, auth=("resource-server", "loopback-only"))).json()
    assert (said["acr"], said["amr"], said["sid"]) == ("aal2", ["pwd", "otp"], before.sid)
    assert abs(said["auth_time"] - time.time()) < 60
    with pytest.raises(RefreshRefusedError, match="invalid_grant"):
        idp.step_up(before)
    again = idp.step_up(after, acr="aal1", auth_time=1_000)
    assert again.sid == before.sid


async def test_a_script_ends_with_its_number_with_another_and_with_a_reset(idp: IdentityProvider) -> None:
    async def said() -> str:
        async with httpx2.AsyncClient(trust_env=False) as web:
            auth = ("resource-server", "loopback-only")
            return (await web.post(f"{idp.issuer}/introspect", data={"token": "x"}, auth=auth)).text

    honest = '{"active":false}'
    idp.answer_introspection("odd", times=2)
    assert [await said() for _ in range(3)] == ["odd", "odd", honest]
    idp.answer_introspection("odd", times=None)
    assert [await said() for _ in range(3)] == ["odd"] * 3
    idp.answer_introspection(times=0)
    assert await said() == honest
    idp.answer_introspection("odd", times=None)
    idp.reset()
    assert await said() == honest


async def test_a_guard_says_where_tokens_come_from(idp: IdentityProvider, guard_of: Any) -> None:
    guard = guard_of("sender_constraint: dpop")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=guard), base_url="http://inside.test") as client:
        told = json.loads((await client.get("/.well-known/oauth-protected-resource")).content)
    assert (told["resource"], told["authorization_servers"]) == ("https://shop.test", [idp.issuer])
    await guard.enforcer.close()
