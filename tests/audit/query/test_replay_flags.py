"""Replay of flags: their values as a guard with the other policy has them, and what no record holds is undetermined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.audit.query.replayed_guard import Ask, Compared, Person, compare
from tests.audit.query.test_replay_against_guard import BASE

if TYPE_CHECKING:
    from pathlib import Path

PAY = {"amount": 10, "currency": "EUR"}
WHO = Person(facts={"claims": {"account_status": "ok", "channel": "web"}})
FLAGS = """
decisions:
  - {when: {risk: sensitive, effect: read, credential: good, session: active, refunded: set}, do: cooling_off}
  - {when: {risk: sensitive, effect: read, credential: good, session: active, fraud: set}, do: to_fraud}
  - {when: {risk: sensitive, effect: read, credential: good, session: active, chatted: clear}, do: chat_first}
fallbacks:
  cooling_off: {kind: deny}
  chat_first: {kind: deny}
  to_fraud: {kind: handoff, queue: fraud}
flags:
  refunded: {by: subject, expires: 1h, set_by: [{operation: refund, event: started}]}
  chatted: {by: session, expires: 10h, set_by: [{operation: chat, event: committed}]}
  fraud: {by: subject, expires: never, set_by: [{app: report}, {role: fraud}], cleared_by: [{role: fraud}]}
"""
OLD = BASE + FLAGS
CHAT = Ask("chat", WHO)
SHORTER = OLD.replace("refunded: {by: subject, expires: 1h", "refunded: {by: subject, expires: 1m")


async def said(path: Path, old: str, new: str, *asks: Ask) -> Compared:
    found = await compare(path / "audit.jsonl", old, new, list(asks))
    assert not found.wrong
    return found


def told(found: Compared) -> list[tuple[str, str, str, int]]:
    return [(one.operation, one.was, one.now, one.count) for one in found.result.differences]


async def test_a_shorter_time_ends_sooner(tmp_path: Path) -> None:
    refund = Ask("refund", WHO, body=PAY, key="k" * 16)
    asks = [CHAT, refund, Ask("balance", WHO, 30), Ask("balance", WHO, 60)]
    found = await said(tmp_path, OLD, SHORTER, *asks)
    assert told(found) == [("balance", "deny", "allow", 1)]
    assert not found.unknown
    assert told(await said(tmp_path, SHORTER, OLD, *asks)) == [("balance", "allow", "deny", 1)]


async def test_a_failure_takes_the_flag_back_under_the_other_policy_too(tmp_path: Path) -> None:
    refund = Ask("refund", WHO, body=PAY, key="k" * 16, status=422)
    found = await said(tmp_path, OLD, SHORTER, CHAT, refund, Ask("balance", WHO, 1))
    assert told(found) == []
    assert not found.unknown


async def test_what_the_app_and_people_set_is_set_under_the_other_policy(tmp_path: Path) -> None:
    other = SHORTER.replace("fraud: set}, do: to_fraud", "fraud: set}, do: to_a_person")
    reported = Ask("chat", WHO, report="flag fraud")
    cleared = Ask("balance", WHO, 5, operator="clear fraud")
    again = Ask("balance", WHO, 5, operator="set fraud")
    found = await said(tmp_path, OLD, other, reported, Ask("balance", WHO, 1), cleared, again)
    assert told(found) == [("balance", "handoff", "handoff", 2)]
    assert not found.unknown


async def test_a_policy_without_the_flag_decides_without_it(tmp_path: Path) -> None:
    reported = Ask("chat", WHO, report="flag fraud")
    found = await said(tmp_path, OLD, BASE, reported, Ask("balance", WHO, 1))
    assert told(found) == [("balance", "handoff", "allow", 1)]


async def test_a_flag_that_the_log_does_not_hold_is_undetermined_only_where_the_answer_differs(tmp_path: Path) -> None:
    found = await said(tmp_path, BASE, OLD, CHAT, Ask("balance", WHO, 1), Ask("note", WHO, 1))
    whys = {(one.operation, one.why) for one in found.result.undetermined}
    assert {operation for operation, _ in whys} == {"balance"} | ({operation for operation, _ in whys} - {"chat"})
    assert "chat" not in {operation for operation, _ in whys}
