"""Replay by states: the driver on recorded requests, with events outside requests, and what the log does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.audit.query.replayed_guard import Ask, Person, compare
from tests.audit.query.test_replay_against_guard import BASE, edited

if TYPE_CHECKING:
    from pathlib import Path

PAY = {"amount": 10, "currency": "EUR"}
KEY = "k" * 16
WEB = {"account_status": "ok", "channel": "web"}
RAISES = edited("raises")
IDLE = edited("timer")


def person(**more: object) -> Person:
    at = more.pop("at", 0.0)
    assert isinstance(at, float)
    return Person(at=at, facts={"claims": WEB, **more})


async def differences(path: Path, old: str, new: str, asks: list[Ask]) -> list[tuple[str, str, str, int]]:
    found = await compare(path / "audit.jsonl", old, new, asks)
    assert not found.wrong
    assert not found.unknown
    return [(one.operation, one.was, one.now, one.count) for one in found.result.differences]


async def test_an_event_that_another_one_raises_moves_its_machine(tmp_path: Path) -> None:
    asks = [Ask("balance", person()), Ask("balance", person(at=50.0, acr="aal1"), 60), Ask("balance", person(at=50.0))]
    assert await differences(tmp_path, BASE, RAISES, asks) == [("balance", "allow", "verify", 2)]


async def test_a_timer_of_another_length_ends_a_session_that_was_live(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("chat", who), Ask("chat", who, 100), Ask("chat", who, 10)]
    assert await differences(tmp_path, BASE, IDLE, asks) == [("chat", "allow", "step_up", 2)]
    assert await differences(tmp_path, IDLE, BASE, asks) == [("chat", "step_up", "allow", 2)]


async def test_a_level_of_identity_proves_an_identity_or_not(tmp_path: Path) -> None:
    asks = [Ask("balance", person()), Ask("balance", person(at=20.0, acr="aal3"), 30)]
    assert await differences(tmp_path, BASE, edited("identity"), asks) == [("balance", "allow", "verify", 1)]


async def test_a_status_is_mapped_again(tmp_path: Path) -> None:
    frozen = Person(facts={"claims": {**WEB, "account_status": "frozen"}})
    found = await differences(tmp_path, BASE, edited("map"), [Ask("balance", frozen), Ask("balance", frozen, 5)])
    assert found == [("balance", "handoff", "allow", 2)]


async def test_a_limit_counts_what_the_other_policy_admits(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("note", who, 1) for _ in range(5)]
    found = await differences(tmp_path, BASE, edited("smaller limit"), asks)
    assert [one[3] for one in found] == [2]
    assert [one[3] for one in await differences(tmp_path, BASE, edited("limit"), asks)] == [2]


async def test_a_fallback_of_another_kind_ends_the_session(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("chat", who), Ask("chat", who, 1000), Ask("chat", who, 1), Ask("chat", person(at=1001.0), 1)]
    found = await differences(tmp_path, BASE, edited("kind"), asks)
    assert found == [("chat", "step_up", "terminate", 1)] * 2


async def test_a_transaction_runs_or_is_held_and_its_answer_is_known_only_where_the_app_ran(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("refund", who, body=PAY, key=KEY), Ask("refund", who, 5, body=PAY, key=KEY)]
    found = await differences(tmp_path, BASE, edited("hold"), asks)
    assert found == [("refund", "allow", "hold", 1), ("refund", "repeat", "hold", 1)]
    back = await compare(tmp_path / "back.jsonl", edited("hold"), BASE, asks)
    assert not back.wrong
    assert [(one.was, one.now) for one in back.result.differences] == [("hold", "allow")]
    assert ["did not answer" in one for one in back.unknown] == [True]


@pytest.mark.parametrize("status", [200, 422, 500])
async def test_the_apps_answer_settles_the_transaction_again(status: int, tmp_path: Path) -> None:
    who = person()
    ask = Ask("refund", who, 5, body=PAY, key=KEY, status=status)
    # the machine differs in what these requests do not meet, so that all states are computed
    assert await differences(tmp_path, BASE, edited("stay"), [ask, ask, ask]) == []


async def test_a_sign_out_everywhere_and_reports_are_applied_again(tmp_path: Path) -> None:
    first, other = person(), Person(sid="s2", facts={"claims": WEB})
    asks = [Ask("chat", first), Ask("chat", other, 1, report="everywhere"), Ask("chat", first, 5)]
    asks += [Ask("chat", person(at=10.0), 20, report="account.locked"), Ask("balance", person(at=10.0), 1)]
    assert await differences(tmp_path, BASE, edited("stay"), asks) == []


async def test_what_a_person_reinstated_is_reinstated_again(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("balance", who, report="account.locked"), Ask("balance", who, 5), Ask("balance", who, 5)]
    asks[2].operator = "reinstate"
    assert await differences(tmp_path, BASE, edited("stay"), asks) == []


async def test_a_record_from_before_the_log_is_undetermined(tmp_path: Path) -> None:
    who = person()
    asks = [Ask("chat", who), Ask("balance", who, 5), Ask("chat", None, 5)]
    asks[0].operator = "reinstate"
    found = await compare(tmp_path / "audit.jsonl", BASE, IDLE, asks)
    assert not found.wrong
    assert len(found.unknown) == 2
    assert "stored before, by a request that is not in the log" in found.unknown[0]
    assert found.result.undetermined
