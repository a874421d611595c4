"""Conditions of one's own decide requests: what a claim, a header, a clock, a response or a call brings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.core.own_conditions import UNAVAILABLE
from authguard.ports import AccountStatus, Unreachable
from authguard.records.entries import DecisionEntry
from authguard.runtime.decision_cache import CachedDecision
from tests.runtime.test_account_lookup import Directory
from tests.support.harness import POLICY, EnforcerHarness, outcome

if TYPE_CHECKING:
    from authguard.core.request import Principal
    from authguard.evaluation.decision import Verdict

SECRET = "s3cret" * 8
SECRETS = {"segment": (SECRET.encode(),)}
CONDITIONS = """
conditions:
  country: {from: {claim: country}, values: {home: [DE, AT]}, default: abroad}
  segment:
    from: {header: X-Segment, secret_header: X-Segment-Secret, secret_env: SEGMENT_SECRET}
    values: {vip: [vip]}
    default: plain
  desk: {from: {time_zone: UTC}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}
"""
RULES = """
decisions:
  - {when: {credential: good, risk: sensitive, country: abroad}, do: refuse}
  - {when: {credential: good, risk: routine, segment: vip, desk: closed}, do: try_later}
"""
WITH_DIRECTORY = POLICY.replace(
    "accounts:\n", 'accounts:\n  - {from: python, call: "desk.accounts:status", max_age: 5m, timeout: 500ms}\n'
)
TIER = """
conditions:
  tier: {from: {source: /tier}, values: {gold: [gold]}, default: plain}
decisions:
  - {when: {credential: good, risk: routine, tier: gold}, do: refuse}
  - {when: {credential: good, risk: routine, tier: unavailable}, do: try_later}
"""
CALL = """
conditions:
  sanctions:
    from: {call: 'desk.sanctions:screen', timeout: 300ms, max_age: 1h}
    values: [clear, match]
decisions:
  - {when: {credential: good, risk: sensitive, effect: read, sanctions: match}, do: refuse}
  - {when: {credential: good, risk: sensitive, effect: read, sanctions: unavailable}, do: try_later}
"""
MONDAY = datetime(2027, 2, 1, 12, tzinfo=UTC).timestamp()


class Answer:
    """A value that was asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def wait(self) -> str:
        """Answer as the test says."""
        if self._source.hangs:
            await anyio.sleep_forever()
        return self._source.value


class Source:
    """A source of a condition that answers as the test says."""

    def __init__(self, value: str = "clear", *, hangs: bool = False) -> None:
        self.value = value
        self.hangs = hangs
        self.asked: list[str] = []

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def start(self, principal: Principal, now: float) -> Answer:
        """Begin to answer."""
        del now
        self.asked.append(principal.subject)
        return Answer(self)


def desk_of(text: str = POLICY + CONDITIONS + RULES, at: float = MONDAY, **parts: Any) -> EnforcerHarness:
    """Return an enforcer at a moment."""
    desk = EnforcerHarness(text, condition_secrets=SECRETS, **parts)
    desk.clock.advance(at - desk.clock.now())
    return desk


def sent(value: str = "vip", secret: str = SECRET) -> Any:
    """Return the evidence of a gateway."""
    return {"x-segment": value, "x-segment-secret": secret}


def context(desk: EnforcerHarness) -> dict[str, str]:
    """Return the context of the last recorded decision."""
    last = desk.sink.of(DecisionEntry)[-1]
    assert isinstance(last, DecisionEntry)
    return last.context


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"country": "DE"}, "allow"),
        ({"country": "FR"}, "refuse"),
        ({}, "refuse"),
        ({"country": ["DE"]}, "refuse"),
        ({"country": {"DE": 1}}, "refuse"),
    ],
)
async def test_a_claim_decides_by_its_listed_values_only(claims: dict[str, Any], expected: str) -> None:
    desk = desk_of()
    verdict = await desk.ask("balance", desk.login(claims={"account_status": "ok", **claims}), method="GET")
    assert outcome(verdict)[1] == expected
    assert context(desk)["country"] == ("home" if expected == "allow" else "abroad")


async def test_a_header_counts_with_the_secret_of_its_gateway_and_once() -> None:
    desk = desk_of(at=MONDAY + 8 * 3_600)
    token = desk.login()

    async def ask(headers: Any) -> str:
        verdict = await desk.ask("chat", token, headers=headers)
        return verdict.fallback.name + " " + context(desk)["segment"]

    assert await ask({}) == "allow plain"
    assert await ask({"x-segment": "vip"}) == "allow plain"
    assert await ask(sent(secret="wrong" * 8)) == "allow plain"
    assert await ask(sent("VIP")) == "allow plain"
    assert await ask(sent("")) == "allow plain"  # what the reader of headers leaves of a repeated one
    assert await ask(sent("vip" * 200)) == "allow plain"
    assert await ask(sent()) == "try_later vip"


async def test_a_cached_decision_is_for_one_value_of_the_header() -> None:
    desk = desk_of()
    token = desk.login(claims={"account_status": "ok", "country": "DE"})
    for headers in ({}, sent(), {}, sent()):
        await desk.ask("chat", token, headers=headers)
    recorded = [one.context["segment"] for one in desk.sink.of(DecisionEntry) if isinstance(one, DecisionEntry)]
    assert recorded == ["plain", "vip"] * 2
    credential = desk.check.known[token]
    assert isinstance(getattr(credential, "first"), CachedDecision)  # noqa: B009 - a credential of any kind
    assert len(getattr(credential, "others")) == 1  # noqa: B009


async def test_a_cached_decision_ends_when_the_clock_changes_a_condition() -> None:
    desk = desk_of(at=MONDAY + 6 * 3_600 - 100)
    token = desk.login()
    answers = []
    for step in (0, 50, 49, 1, 10):
        desk.clock.advance(step)
        answers.append((await desk.ask("chat", token, headers=sent())).fallback.name)
    assert answers == ["allow", "allow", "allow", "try_later", "try_later"]


async def test_an_unproven_caller_brings_no_claim() -> None:
    desk = desk_of()
    await desk.ask("chat", b"Bearer unknown")
    assert context(desk)["country"] == "abroad"


def gold(tier: object = "gold") -> AccountStatus:
    """Return a response of the directory."""
    return AccountStatus("normal", 0.0, labels=(("/tier", tier if isinstance(tier, str) else ""),))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (gold(), "refuse gold"),
        (gold("tin"), "allow plain"),
        (gold(["gold"]), "allow plain"),
        (AccountStatus("normal", 0.0), f"try_later {UNAVAILABLE}"),
        (Unreachable("timeout"), f"try_later {UNAVAILABLE}"),
    ],
)
async def test_a_response_decides_while_it_is_fresh(answer: AccountStatus | Unreachable, expected: str) -> None:
    desk = desk_of(WITH_DIRECTORY + TIER, directories={"python:desk.accounts:status": Directory(answer)})
    verdict = await desk.ask("chat", desk.login())
    assert f"{verdict.fallback.name} {context(desk)['tier']}" == expected


@pytest.mark.parametrize(("value", "expected"), [("clear", "allow"), ("match", "refuse"), (UNAVAILABLE, "try_later")])
async def test_a_call_decides_where_answers_depend_on_it(value: str, expected: str) -> None:
    source = Source(value)
    desk = desk_of(POLICY + CALL, condition_sources={"sanctions": source})
    token = desk.login()
    for _ in range(2):  # the answer has its own age, so no decision on it is cached
        assert (await desk.ask("balance", token, method="GET")).fallback.name == expected
        assert context(desk) == {"sanctions": value}
    assert source.asked == ["alice", "alice"]


async def test_a_call_is_not_asked_for_other_operations_nor_for_unproven_callers() -> None:
    source = Source("match")
    desk = desk_of(POLICY + CALL, condition_sources={"sanctions": source})
    token = desk.login()
    for operation, header in (("chat", token), ("health", b""), ("otherwise", token)):
        await desk.ask(operation, header)
        assert context(desk) == {}
    await desk.ask("balance", b"Bearer unknown", method="GET")
    assert context(desk) == {"sanctions": UNAVAILABLE}
    assert source.asked == []


async def test_a_call_that_outlasts_the_budget_is_unavailable() -> None:
    desk = desk_of(POLICY + "budget: {request: 50ms}\n" + CALL, condition_sources={"sanctions": Source(hangs=True)})
    verdict: Verdict = await desk.ask("balance", desk.login(), method="GET")
    assert verdict.fallback.name == "try_later"
