"""Flags over HTTP: the app's answer and report, and staff with their roles; nobody on their own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.records.entries import ActEntry, TransitionEntry
from tests.asgi.shop import Shop
from tests.evaluation.test_flags import TEXT

if TYPE_CHECKING:
    import httpx2

STAFFED = TEXT.replace("[{app: report}, ", "[{app: report}, {role: fraud}, ") + "staff: {claim: roles}\n"
WHY = {"reason": "the bank called"}
PAYMENT = {"amount": 20, "currency": "EUR", "to": "DE89"}


class House:
    """The guarded shop, with a customer and staff."""

    def __init__(self, text: str = STAFFED) -> None:
        self.shop = Shop(text)
        self.http = self.shop.client()
        self.customer = self.shop.desk.login("alice", claims={"account_status": "ok"})

    def staff(self, name: str = "ines", *roles: str, **facts: Any) -> bytes:
        claims = {"account_status": "ok", "roles": list(roles or ["fraud"])}
        return self.shop.desk.login(name, sid=f"s-{name}", claims=claims, **facts)

    async def chat(self, said: str = "hello") -> httpx2.Response:
        headers = {"authorization": self.customer.decode()}
        return await self.http.post("/chat", content=said, headers=headers)

    async def refund(self, key: str, **body: object) -> int:
        headers = {"authorization": self.customer.decode(), "idempotency-key": key}
        reply = await self.http.post("/orders/1/refund", json={**PAYMENT, **body}, headers=headers)
        return reply.status_code

    async def flag(self, method: str, path: str, token: bytes, **body: Any) -> httpx2.Response:
        return await self.http.request(
            method, f"/.authguard/{path}", json={**WHY, **body}, headers={"authorization": token.decode()}
        )

    def changes(self, flag: str) -> list[str]:
        found: Any = self.shop.desk.sink.of(TransitionEntry)
        return [one.event for one in found if one.machine == flag]


async def test_an_answer_of_the_app_sets_the_flag_before_its_last_byte() -> None:
    house = House()
    assert await house.refund("a") == 403
    assert (await house.chat()).status_code == 200
    assert house.changes("chatted") == ["set"]
    assert await house.refund("b") == 200


async def test_an_answer_other_than_success_sets_nothing() -> None:
    house = House()
    await house.chat("require admin")
    assert house.changes("chatted") == []
    assert await house.refund("a") == 403


@pytest.mark.parametrize("suffix", ["accounts/alice/flags/fraud", "flags/fraud"])
async def test_staff_set_and_clear_a_flag_of_an_account(suffix: str) -> None:
    house = House()
    await house.chat()
    owner = {} if suffix.startswith("accounts") else {"subject": "alice"}
    reply = await house.flag("POST", suffix, house.staff(), **owner)
    assert (reply.status_code, reply.json()) == (200, {"set": True})
    assert await house.refund("a") == 403
    reply = await house.flag("DELETE", suffix, house.staff(), **owner)
    assert (reply.status_code, reply.json()) == (200, {"cleared": True})
    assert await house.refund("b") == 200
    acts: Any = house.shop.desk.sink.of(ActEntry)
    assert [(one.act, one.flag, one.note) for one in acts if one.flag] == [
        ("flag.set", "fraud", WHY["reason"]),
        ("flag.cleared", "fraud", WHY["reason"]),
    ]


async def test_staff_watch_a_payee_for_everybody() -> None:
    house = House()
    await house.chat()
    reply = await house.flag("POST", "flags/watched", house.staff(), payee="de-89")
    assert reply.status_code == 200
    assert await house.refund("a") == 403
    assert await house.refund("b", to="DE90") == 200
    assert (await house.flag("DELETE", "flags/watched", house.staff(), payee="DE 89")).status_code == 200
    assert await house.refund("c") == 200


@pytest.mark.parametrize(
    ("method", "path", "roles", "body", "status"),
    [
        ("POST", "accounts/alice/flags/fraud", ["cashier"], {}, 403),  # no role for it
        ("POST", "accounts/alice/flags/refunded", ["controller"], {}, 403),  # nobody sets it
        ("POST", "accounts/alice/flags/nothing", ["fraud"], {}, 403),
        ("POST", "accounts/ines/flags/fraud", ["fraud"], {}, 403),  # their own account
        ("DELETE", "accounts/alice/flags/refunded", ["fraud"], {}, 403),  # another role clears it
        ("POST", "accounts/alice/flags/fraud", ["fraud"], {"reason": "..."}, 400),
        ("POST", "accounts/alice/flags/fraud", ["fraud"], {"payee": "DE89"}, 400),
        ("POST", "accounts/alice/flags/fraud", ["fraud"], {"issuer": "https://other.test"}, 400),
        ("POST", "accounts/alice/flags/fraud", ["fraud"], {"unknown": 1}, 400),
        ("POST", "flags/watched", ["fraud"], {}, 400),
        ("POST", "flags/watched", ["fraud"], {"payee": "--"}, 400),
        ("POST", "flags/watched", ["fraud"], {"payee": "x" * 257}, 400),
    ],
)
async def test_who_may_not_or_names_nobody_is_refused_and_changes_nothing(
    method: str, path: str, roles: list[str], body: dict[str, object], status: int
) -> None:
    house = House()
    await house.chat()
    reply = await house.flag(method, path, house.staff("ines", *roles), **body)
    assert reply.status_code == status
    assert not [one for one in house.shop.desk.sink.of(ActEntry) if getattr(one, "flag", "")]
    assert await house.refund("a") == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"reason": "the bank called", "payee": "DE89", "payee": "DE90"}',
        b'{"reason": "the bank called", "reason": "the bank called", "payee": "DE89"}',
        b'{"reason": "the bank called", "payee": "DE89", "pay\\u0065e": "DE90"}',
    ],
)
async def test_a_body_that_two_readers_read_differently_changes_nothing(body: bytes) -> None:
    house = House()
    await house.chat()
    headers = {"authorization": house.staff().decode(), "content-type": "application/json"}
    reply = await house.http.post("/.authguard/flags/watched", content=body, headers=headers)
    assert reply.status_code == 400
    assert await house.refund("a") == 200
    assert await house.refund("b", to="DE90") == 200


async def test_an_agent_of_staff_may_not() -> None:
    house = House()
    agent = house.staff("ines", actor="concierge")
    assert (await house.flag("POST", "flags/watched", agent, payee="x")).status_code == 403


async def test_an_unknown_account_is_answered_like_a_known_one() -> None:
    house = House()
    await house.chat()
    known = await house.flag("POST", "accounts/alice/flags/fraud", house.staff())
    unknown = await house.flag("POST", "accounts/nobody/flags/fraud", house.staff())
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
