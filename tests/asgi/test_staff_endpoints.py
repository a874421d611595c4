"""Staff override states over HTTP: with the role and a reason, never their own, and without disclosing accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from authguard.records.entries import ActEntry, TransitionEntry
from tests.asgi.shop import Shop
from tests.support.harness import ISSUER, POLICY

if TYPE_CHECKING:
    import httpx2

TEXT = POLICY + "staff: {claim: roles, authority: {reinstate: identity, reset: identity}}\n"
WHY = {"reason": "they came to the branch with a passport"}


class Counter:
    """A member of staff, and a customer with a frozen account."""

    def __init__(self, text: str = TEXT) -> None:
        self.shop = Shop(text)
        self.http = self.shop.client()

    def staff(self, name: str = "ines", *roles: str, **facts: Any) -> bytes:
        claims = {"account_status": "ok", "roles": list(roles or ["identity"])}
        return self.shop.desk.login(name, sid=f"s-{name}", claims=claims, **facts)

    async def freeze(self, status: str = "frozen") -> bytes:
        """Send a request of a customer whose account is reported as frozen."""
        token = self.shop.desk.login("alice", claims={"account_status": status})
        await self.chat(token)
        assert await self.state() != "normal"
        self.shop.desk.clock.advance(1)
        return token

    async def chat(self, token: bytes) -> httpx2.Response:
        return await self.http.post("/chat", headers={"authorization": token.decode()})

    async def lift(self, path: str, token: bytes, **body: Any) -> httpx2.Response:
        return await self.http.post(
            f"/.authguard/{path}", json={**WHY, **body}, headers={"authorization": token.decode()}
        )

    async def state(self, subject: str = "alice") -> str:
        store: Any = self.shop.desk.store
        key = Keys(account=account_key(ISSUER, subject))
        return str((await store.load(key, self.shop.desk.enforcer.repository.blank)).account.state)


@pytest.mark.parametrize("status", ["frozen", "locked", "estate"])
async def test_a_person_lifts_a_state_and_old_reports_count_no_more(status: str) -> None:
    desk = Counter()
    customer = await desk.freeze(status)
    reply = await desk.lift("accounts/alice/reinstate", desk.staff())
    assert (reply.status_code, reply.json()) == (200, {"reinstated": True})
    assert await desk.state() == "normal"
    await desk.chat(customer)  # the claim is older than the decision
    assert await desk.state() == "normal"
    (act,) = [one for one in desk.shop.desk.sink.of(ActEntry) if one.act == "account.reinstated"]  # type: ignore[union-attr]
    assert (act.note, act.by != "", act.decision != "") == (WHY["reason"], True, True)  # type: ignore[union-attr]
    moved = [one for one in desk.shop.desk.sink.of(TransitionEntry) if one.event == "reinstated"]  # type: ignore[union-attr]
    assert [one.cause for one in moved] == ["person"]  # type: ignore[union-attr]


async def test_a_report_from_after_the_decision_counts_again() -> None:
    desk = Counter()
    await desk.freeze()
    await desk.lift("accounts/alice/reinstate", desk.staff())
    desk.shop.desk.clock.advance(1)
    await desk.chat(desk.shop.desk.login("alice", claims={"account_status": "frozen"}))
    assert await desk.state() == "suspended"


async def test_an_account_never_seen_is_answered_like_a_known_one_and_no_name_comes_back() -> None:
    desk = Counter()
    await desk.freeze()
    known, unknown = [await desk.lift(f"accounts/{name}/reinstate", desk.staff()) for name in ("alice", "nobody")]
    assert (known.status_code, known.content, known.headers) == (unknown.status_code, unknown.content, unknown.headers)
    assert b"nobody" not in unknown.content


@pytest.mark.parametrize("path", ["accounts/alice/reinstate", f"sessions/{'0' * 32}/reset"])
@pytest.mark.parametrize(
    ("text", "roles", "facts"),
    [
        (TEXT, ("supervisor",), {}),
        (POLICY, ("identity",), {}),
        (TEXT, ("identity",), {"actor": "concierge"}),
    ],
)
async def test_nobody_lifts_anything_without_the_role(
    path: str, text: str, roles: tuple[str, ...], facts: dict[str, Any]
) -> None:
    desk = Counter(text)
    await desk.freeze()
    body = {"account": "1" * 32} if "sessions" in path else {}
    reply = await desk.lift(path, desk.staff("ines", *roles, **facts), **body)
    assert reply.status_code == 403
    assert await desk.state() == "suspended"
    assert not [one for one in desk.shop.desk.sink.of(TransitionEntry) if one.cause == "person"]  # type: ignore[union-attr]


async def test_nobody_lifts_anything_of_their_own() -> None:
    desk = Counter()
    ines = desk.staff()
    session = session_key(ISSUER, "ines", "app", "s-ines").hex()
    replies = [
        await desk.lift("accounts/ines/reinstate", ines),
        await desk.lift(f"sessions/{session}/reset", ines, account="1" * 32),
        await desk.lift(f"sessions/{'1' * 32}/reset", ines, account=account_key(ISSUER, "ines").hex()),
    ]
    assert [reply.status_code for reply in replies] == [403] * 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("accounts/alice/reinstate", {"reason": ""}),
        ("accounts/alice/reinstate", {"reason": "  "}),
        ("accounts/alice/reinstate", {"reason": "x" * 501}),
        ("accounts/alice/reinstate", {"issuer": "https://elsewhere.test"}),
        ("accounts/alice/reinstate", {"state": "normal"}),
        (f"accounts/{'a' * 300}/reinstate", {}),
        ("sessions/zz/reset", {"account": "1" * 32}),
        (f"sessions/{'0' * 32}/reset", {"account": "alice"}),
        ("accounts//reinstate", {}),
        ("accounts/alice", {}),
        ("accounts/alice/reinstated", {}),
        ("accounts/alice/reinstate/", {}),
    ],
)
async def test_what_is_asked_wrongly_lifts_nothing(path: str, body: dict[str, str]) -> None:
    desk = Counter()
    await desk.freeze()
    assert (await desk.lift(path, desk.staff(), **body)).status_code == 400
    assert await desk.state() == "suspended"


async def test_a_reset_verification_may_be_tried_again_though_its_attempts_were_spent() -> None:
    desk = Counter()
    alice = desk.shop.desk.login("alice", acr="aal1")
    for _ in range(3):
        await desk.http.post("/chat", headers={"authorization": alice.decode()}, content="report verification.failed")
    spent = await desk.http.get("/balance", headers={"authorization": alice.decode()})
    assert spent.json()["outcome"] == "handoff"
    session, account = session_key(ISSUER, "alice", "app", "s1").hex(), account_key(ISSUER, "alice").hex()
    reply = await desk.lift(f"sessions/{session}/reset", desk.staff(), account=account)
    assert (reply.status_code, reply.json()) == (200, {"reset": True})
    after = await desk.http.get("/balance", headers={"authorization": alice.decode()})
    assert after.json()["outcome"] == "verify"


@pytest.mark.parametrize(
    "subject", ["google/1234", "a/reinstate", "../alice", "user%2F", "auth0|x", "Zoë", "a b", "a?b#c"]
)
async def test_a_subject_is_whatever_its_issuer_calls_somebody(subject: str) -> None:
    desk = Counter()
    token = desk.shop.desk.login(subject, claims={"account_status": "frozen"})
    await desk.chat(token)
    assert await desk.state(subject) == "suspended"
    desk.shop.desk.clock.advance(1)
    reply = await desk.lift(f"accounts/{quote(subject, safe='')}/reinstate", desk.staff())
    assert reply.status_code == 200
    assert await desk.state(subject) == "normal"
    assert await desk.state() == "unknown"


async def test_a_session_knows_whose_it_is_so_nobody_resets_a_second_session_of_their_own_by_another_name() -> None:
    desk = Counter()
    phone = desk.shop.desk.login("ines", sid="s-phone", claims={"account_status": "ok"})
    await desk.chat(phone)
    own = session_key(ISSUER, "ines", "app", "s-phone").hex()
    staff = desk.staff()
    assert (await desk.lift(f"sessions/{own}/reset", staff)).status_code == 403
    assert (await desk.lift(f"sessions/{own}/reset", staff, account="1" * 32)).status_code == 403


async def test_a_session_of_one_account_is_not_reset_in_the_name_of_another() -> None:
    desk = Counter()
    await desk.chat(desk.shop.desk.login("alice"))
    session = session_key(ISSUER, "alice", "app", "s1").hex()
    assert (await desk.lift(f"sessions/{session}/reset", desk.staff(), account="1" * 32)).status_code == 400
    assert (await desk.lift(f"sessions/{session}/reset", desk.staff())).status_code == 200


async def test_resetting_forgives_the_sessions_own_account_though_nobody_named_it() -> None:
    desk = Counter()
    alice = desk.shop.desk.login("alice", acr="aal1")
    for _ in range(3):
        await desk.http.post("/chat", headers={"authorization": alice.decode()}, content="report verification.failed")
    session = session_key(ISSUER, "alice", "app", "s1").hex()
    await desk.lift(f"sessions/{session}/reset", desk.staff())
    after = await desk.http.get("/balance", headers={"authorization": alice.decode()})
    assert after.json()["outcome"] == "verify"
