"""The whole guard as a user builds it: `AuthGuard` with a policy file, real tokens, SQLite and the chained log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard, PolicyError, SettingsError
from authguard.audit.verify.log_verifier import verify
from authguard.core.request import Evidence, Proven
from authguard.core.snapshot import Keys
from authguard.testing import FakeClock, Forgery, Mint, forge
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request


async def chat(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.state.authguard.subject})


class House:
    """A guarded app on a separate folder, which can be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        self.guard = self.build()

    def build(self, **settings: Any) -> AuthGuard:
        """Build the guard on the files of the folder."""
        app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
        given: dict[str, Any] = {
            "store": self.folder / "store.db",
            "audit_log": self.folder / "audit.jsonl",
            **settings,
        }
        self.guard = AuthGuard(app, self.folder / "policy.yaml", clock=self.clock, environ={}, **given)
        return self.guard

    def token(self, **claims: Any) -> str:
        """Mint a token of a customer with a normal account."""
        return self.mint.mint(**{"scope": "chat", "acr": "aal2", "account_status": "ok", **claims})

    async def chat(self, token: str) -> httpx2.Response:
        """Send a chat message over ASGI."""
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://a.test") as client:
            return await client.post("/chat", headers={"Authorization": f"Bearer {token}"})

    async def restart(self) -> None:
        """Close the guard, and open it again from the files."""
        await self.guard.enforcer.close()
        self.build()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_a_guarded_app_serves_its_customer_and_the_log_verifies(house: House) -> None:
    answer = await house.chat(house.token())
    assert (answer.status_code, answer.json()) == (200, {"user": "customer-1"})
    await house.guard.enforcer.close()
    verification = verify(house.folder / "audit.jsonl")
    assert verification.ok


async def test_a_sign_out_everywhere_holds_over_a_restart_and_for_sessions_never_seen(house: House) -> None:
    phone, tablet = house.token(sid="phone"), house.token(sid="tablet")
    assert (await house.chat(phone)).status_code == 200
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(house.guard), base_url="http://a.test") as client:
        ended = await client.post("/.authguard/sessions/end", headers={"Authorization": f"Bearer {phone}"})
    assert (ended.status_code, ended.json()) == (200, {"ended": True})
    await house.restart()
    assert [(await house.chat(token)).json()["outcome"] for token in (phone, tablet)] == ["terminate", "terminate"]
    house.clock.advance(1)
    assert (await house.chat(house.token(sid="tablet"))).status_code == 200


async def test_an_ended_session_stays_ended_over_a_restart(house: House) -> None:
    token = house.token()
    assert (await house.chat(token)).status_code == 200
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(house.guard), base_url="http://a.test") as client:
        ended = await client.post("/.authguard/session/end", headers={"Authorization": f"Bearer {token}"})
    assert ended.json() == {"ended": True}
    await house.restart()
    assert (await house.chat(token)).status_code == 401
    house.clock.advance(2)
    assert (await house.chat(house.token())).status_code == 200
    await house.guard.enforcer.close()


async def test_subjects_keep_their_pseudonyms_over_a_restart_and_their_names_stay_out_of_the_log(house: House) -> None:
    await house.chat(house.token(sub="Eleonore Musterfrau"))
    await house.restart()
    await house.chat(house.token(sub="Eleonore Musterfrau"))
    await house.guard.enforcer.close()
    lines = (house.folder / "audit.jsonl").read_text("utf-8").splitlines()
    subjects = {json.loads(line).get("subject") for line in lines if '"decision"' in line}
    assert len(subjects) == 1
    assert "Eleonore" not in "".join(lines)


@pytest.mark.parametrize("forgery", Forgery)
async def test_no_forgery_reaches_the_app_or_moves_its_victim(house: House, forgery: Forgery) -> None:
    good = house.token()
    await house.chat(good)
    enforcer = house.guard.enforcer
    keys = _keys_of_victim(house, good)
    before = (await enforcer.repository.load(keys)).snapshot
    answer = await house.chat(forge(house.mint, forgery, scope="chat", acr="aal2", account_status="locked"))
    assert answer.status_code == 401
    assert answer.json()["outcome"] == "challenge"
    assert (await enforcer.repository.load(keys)).snapshot == before
    assert (await house.chat(good)).status_code == 200
    await enforcer.close()


def _keys_of_victim(house: House, token: str) -> Any:
    found = house.guard.enforcer._checker.get_cached(
        Evidence(authorization=f"Bearer {token}".encode()), house.clock.now()
    )
    assert isinstance(found, Proven)
    return Keys(found.principal.account_key, found.principal.session_key)


def test_servers_take_the_guard_for_an_asgi_3_app(house: House) -> None:
    config = uvicorn.Config(house.guard, log_config=None)
    config.load()
    assert config.interface == "asgi3"


def test_a_policy_with_a_hole_does_not_load_and_the_message_names_the_hole(tmp_path: Path) -> None:
    hole = (
        POLICY
        + "machines: {session: {states: [paused], transitions: [{trigger: ended, source: paused, dest: gone}]}}\n"
    )
    (tmp_path / "policy.yaml").write_text(hole, "utf-8")
    with pytest.raises(PolicyError, match="gone"):
        AuthGuard(chat, tmp_path / "policy.yaml", environ={})  # type: ignore[arg-type]


def test_without_a_policy_the_guard_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="AUTHGUARD_POLICY"):
        AuthGuard(chat, environ={})  # type: ignore[arg-type]


def test_a_short_pseudonym_key_is_refused(tmp_path: Path) -> None:
    for settings in ({"pseudonym_key": b"short"}, {"environ": {"AUTHGUARD_PSEUDONYM_KEY": "xyz"}}):
        with pytest.raises(SettingsError, match=r"key|KEY"):
            AuthGuard(chat, tmp_path / "policy.yaml", **settings)  # type: ignore[arg-type]
