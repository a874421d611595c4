"""A raised event moves the records of its owner, at the real guard: real tokens, moved clock, memory and SQLite."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from authguard.testing import FakeClock, Mint
from tests.support.harness import ISSUER, POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from authguard.core.snapshot import Snapshot

OVER = {"amount": 900, "currency": "EUR"}
HELD = "/.authguard/transactions"
STAFF = "staff: {claim: roles, authority: {reinstate: desk-lead, reset: desk-lead}}\n"


async def answer(request: Request) -> JSONResponse:
    if request.url.path == "/chat" and (event := request.headers.get("x-report")):
        await request.state.authguard.report(event)
    return JSONResponse({"done": True})


class House:
    """A guarded app whose policy has further lines of machines."""

    def __init__(self, folder: Path, store: str, lines: str) -> None:
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY + STAFF + lines, "utf-8")
        app = Starlette(
            routes=[
                Route("/chat", answer, methods=["POST"]),
                Route("/balance", answer, methods=["GET"]),
                Route("/orders/{order_id}/refund", answer, methods=["POST"]),
            ]
        )
        self.guard = AuthGuard(
            app,
            folder / "policy.yaml",
            store=folder / "store.db" if store == "sqlite" else "memory",
            audit_log=folder / "audit.jsonl",
            clock=self.clock,
            environ={},
        )

    def token(self, sub: str = "alice", sid: str = "phone", status: str = "ok", **claims: Any) -> str:
        """Sign somebody in now."""
        claims = {"scope": "chat accounts refunds", "acr": "aal2", "account_status": status, **claims}
        return self.mint.mint(sub=sub, sid=sid, client_id="app", lifetime=3_000.0, **claims)

    async def ask(self, method: str, path: str, token: str, body: Any = None, **headers: str) -> httpx2.Response:
        """Send one request over ASGI."""
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://a.test") as client:
            sent = {"authorization": f"Bearer {token}", **headers}
            return await client.request(method, path, json=body, headers=sent)

    async def chat(self, token: str, **headers: str) -> int:
        """Return the status of a routine request."""
        self.clock.advance(1)
        return (await self.ask("POST", "/chat", token, **headers)).status_code

    async def hold(self, token: str) -> str:
        """Request a refund over its limit; return the transaction."""
        reply = await self.ask("POST", "/orders/7/refund", token, OVER, **{"idempotency-key": "k"})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["next"]["transaction"])

    async def decide(self, transaction: str, act: str, token: str) -> None:
        """Decide on a transaction as a supervisor."""
        self.clock.advance(1)
        reply = await self.ask("POST", f"{HELD}/{transaction}/{act}", token, {"reason": "called back"})
        assert reply.status_code == 200, reply.text

    async def stored(self, sub: str = "alice", sid: str = "phone") -> Snapshot:
        """Load the stored records of one session and its account."""
        keys = Keys(account_key(ISSUER, sub), session_key(ISSUER, sub, "app", sid))
        return (await self.guard.enforcer.repository.load(keys)).snapshot

    def boss(self) -> str:
        """Sign a supervisor in."""
        return self.token("boss", "desk", roles=["supervisor", "desk-lead"])


def line(machine: str, text: str) -> str:
    return f"machines:\n  {machine}:\n    transitions:\n      - {{{text}}}\n"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


DENIED = line("transaction", "trigger: denied, source: [held, approved], dest: denied, raises: {0}")
LAPSED = line("transaction", "trigger: lapsed, source: [held, approved], dest: lapsed, raises: {0}")
RESTRICTED = line("account", "trigger: restricted, source: '*', dest: restricted, raises: {0}")


def raising(lines: str, event: str) -> str:
    return lines.replace("{0}", event)


async def test_a_denial_restricts_the_account_that_asked_and_not_the_supervisor_who_denied(
    tmp_path: Path, store: str
) -> None:
    house = House(tmp_path, store, raising(DENIED, "account.restricted"))
    alice, boss = house.token(), house.boss()
    await house.decide(await house.hold(alice), "deny", boss)
    assert (await house.stored()).account.state == "restricted"
    assert (await house.stored("boss", "desk")).account.state == "normal"


async def test_a_denial_ends_the_session_that_asked_and_no_other(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(DENIED, "session.revoked"))
    phone, tablet, boss = house.token(), house.token(sid="tablet"), house.boss()
    assert await house.chat(tablet) == 200
    await house.decide(await house.hold(phone), "deny", boss)
    assert [await house.chat(token) for token in (phone, tablet, boss)] == [401, 200, 200]


async def test_a_denial_voids_the_proof_of_the_session_that_asked(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(DENIED, "verification.moved"))
    phone, tablet = house.token(), house.token(sid="tablet")
    assert await house.chat(tablet) == 200
    await house.decide(await house.hold(phone), "deny", house.boss())
    assert (await house.stored()).session.verification == "unverified"
    assert (await house.stored(sid="tablet")).session.verification == "verified"


async def test_a_withdrawal_from_another_session_ends_the_session_that_asked(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(DENIED, "session.revoked"))
    phone, tablet = house.token(), house.token(sid="tablet")
    await house.decide(await house.hold(phone), "withdraw", tablet)
    assert [await house.chat(token) for token in (phone, tablet)] == [401, 200]


async def test_what_a_lapse_raises_reaches_the_owner_when_another_session_reads_the_transaction(
    tmp_path: Path, store: str
) -> None:
    house = House(tmp_path, store, raising(LAPSED, "session.revoked"))
    phone, tablet = house.token(), house.token(sid="tablet")
    assert await house.chat(tablet) == 200
    transaction = await house.hold(phone)
    house.clock.advance(16 * 60)
    key = {"idempotency-key": "k", "x-transaction": transaction}
    reply = await house.ask("POST", "/orders/7/refund", tablet, OVER, **key)
    assert reply.status_code in {401, 409, 422}, reply.text
    assert (await house.stored()).session.state == "revoked"
    assert await house.chat(house.token(sid="tablet")) == 200


async def test_what_a_lapse_raises_reaches_the_owner_when_the_queue_is_listed(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(LAPSED, "account.suspended"))
    await house.hold(house.token())
    house.clock.advance(16 * 60)
    boss = house.boss()
    assert (await house.ask("GET", HELD, boss)).status_code == 200
    assert (await house.stored()).account.state == "suspended"
    assert (await house.stored("boss", "desk")).account.state == "normal"


async def test_an_account_ends_all_of_its_sessions_and_only_those(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(RESTRICTED, "session.revoked"))
    phone, tablet, other = house.token(), house.token(sid="tablet"), house.token("bob")
    unseen = house.token(sid="watch")
    assert [await house.chat(token) for token in (phone, tablet, other)] == [200, 200, 200]
    assert await house.chat(phone, **{"x-report": "account.restricted"}) == 200
    assert [await house.chat(token) for token in (phone, tablet, unseen, other)] == [401, 401, 401, 200]
    house.clock.advance(1)
    assert await house.chat(house.token(sid="tablet")) == 200, "a later sign-in begins a session"


async def test_an_account_that_a_denial_moves_ends_all_of_its_sessions(tmp_path: Path, store: str) -> None:
    chain = raising(RESTRICTED, "session.revoked") + raising(DENIED, "account.restricted").removeprefix("machines:\n")
    house = House(tmp_path, store, chain)
    phone, tablet, boss = house.token(), house.token(sid="tablet"), house.boss()
    assert await house.chat(tablet) == 200
    await house.decide(await house.hold(phone), "deny", boss)
    assert [await house.chat(token) for token in (phone, tablet, boss)] == [401, 401, 200]


async def test_an_account_voids_the_proofs_of_all_of_its_sessions_once(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(RESTRICTED, "verification.moved"))
    phone, tablet, late = house.token(), house.token(sid="tablet"), house.token(sid="late")
    assert [await house.chat(token) for token in (phone, tablet)] == [200, 200]
    assert (await house.stored(sid="tablet")).session.verification == "verified"
    await house.chat(phone, **{"x-report": "account.restricted"})
    assert (await house.stored()).session.verification == "unverified"
    for token, sid in ((tablet, "tablet"), (late, "late")):
        await house.chat(token)
        assert (await house.stored(sid=sid)).session.verification == "unverified", "of before"
    house.clock.advance(1)
    assert await house.chat(house.token(sid="tablet")) == 200
    assert (await house.stored(sid="tablet")).session.verification == "verified", "a later sign-in proves it again"
    assert await house.chat(house.token(sid="tablet")) == 200
    assert (await house.stored(sid="tablet")).session.verification == "verified"


async def test_a_sign_out_restricts_its_own_account(tmp_path: Path, store: str) -> None:
    lines = line("session", "trigger: [revoked, ended], source: '*', dest: revoked, raises: account.restricted")
    house = House(tmp_path, store, lines)
    alice, bob = house.token(), house.token("bob")
    assert [await house.chat(token) for token in (alice, bob)] == [200, 200]
    assert (await house.ask("POST", "/.authguard/session/end", alice)).status_code == 200
    assert (await house.stored()).account.state == "restricted"
    assert (await house.stored("bob")).account.state == "normal"


async def test_a_failed_proof_restricts_its_own_account(tmp_path: Path, store: str) -> None:
    lines = line("verification", "trigger: failed, source: '*', dest: failed, raises: account.restricted")
    house = House(tmp_path, store, lines)
    assert await house.chat(house.token(), **{"x-report": "verification.failed"}) == 200
    assert (await house.stored()).account.state == "restricted"


async def test_a_session_of_a_verification_is_its_own(tmp_path: Path, store: str) -> None:
    lines = line("verification", "trigger: contradicted, source: '*', dest: ambiguous, raises: session.revoked")
    house = House(tmp_path, store, lines)
    phone, tablet = house.token(), house.token(sid="tablet")
    assert await house.chat(tablet) == 200
    await house.chat(phone, **{"x-report": "verification.contradicted"})
    assert [await house.chat(token) for token in (phone, tablet)] == [401, 200]


async def test_a_denial_degrades_the_one_service(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(DENIED, "service.impaired"))
    await house.decide(await house.hold(house.token()), "deny", house.boss())
    found = (await house.stored()).service
    assert (found.state, found.faulted) == ("degraded", found.entered), "the moment from which it repairs itself"
    assert await house.chat(house.token()) == 200
    house.clock.advance(301)
    assert await house.chat(house.token()) == 200
    assert (await house.stored()).service.state == "live"


async def test_a_reinstated_account_is_not_restricted_by_what_fell_due_before(tmp_path: Path, store: str) -> None:
    house = House(tmp_path, store, raising(LAPSED, "account.suspended"))
    await house.hold(house.token())
    house.clock.advance(16 * 60)
    account = account_key(ISSUER, "alice")
    await house.guard.enforcer.staff_actions.reinstate(account, "alice", "lead", "called in")
    boss = house.boss()
    assert (await house.ask("GET", HELD, boss)).status_code == 200
    assert (await house.stored()).account.state == "normal"


@pytest.mark.parametrize("sessions", [2, 8])
async def test_of_requests_at_once_that_find_a_lapse_each_is_decided_as_if_one_came_after_the_other(
    tmp_path: Path, store: str, sessions: int
) -> None:
    house = House(tmp_path, store, raising(LAPSED, "session.revoked"))
    phone = house.token()
    assert [await house.chat(house.token(sid=f"tablet-{number}")) for number in range(sessions)] == [200] * sessions
    await house.hold(phone)
    house.clock.advance(16 * 60)
    others = [house.token(sid=f"tablet-{number}") for number in range(sessions)]
    key = {"idempotency-key": "k"}
    replies = await asyncio.gather(*(house.ask("POST", "/orders/7/refund", one, OVER, **key) for one in others))
    answers = [(reply.status_code, reply.json()["type"]) for reply in replies]
    assert answers == [(403, "urn:authguard:outcome:deny")] * sessions, "a void transaction does not run"
    assert (await house.stored()).session.state == "revoked"


async def test_a_lapse_that_a_retrying_request_finds_and_that_conflicts_too_is_no_fault(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, store, raising(LAPSED, "account.suspended"))
    transaction = await house.hold(house.token())
    house.clock.advance(16 * 60)
    repository, queue = house.guard.enforcer.repository, house.guard.enforcer.hold_queue
    keys = Keys(account_key(ISSUER, "alice"), session_key(ISSUER, "alice", "app", "phone"), transaction)
    held = (await repository.load(keys)).snapshot.transaction
    save, conflicts = repository.save, [1]

    async def conflicting(keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        if conflicts.pop() if conflicts else 0:
            other = Keys(keys.account)
            found = (await repository.load(other)).snapshot
            assert await save(other, found, replace(found, account=replace(found.account, roles_at=1.0)))
        return await save(keys, before, after)

    monkeypatch.setattr(type(repository), "save", lambda _, *records: conflicting(*records))
    other = Keys(keys.account, session_key(ISSUER, "alice", "app", "tablet"), transaction)
    assert await repository.retry_after_conflict(other, lambda: queue.expire(transaction, held))
    assert not conflicts
    assert (await house.stored()).account.state == "suspended"
