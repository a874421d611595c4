"""Replay: no difference under the same policy; under another, exactly what differs, the worst first."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.index import open_index
from authguard.audit.query.replay import NO_PARTS, replay
from authguard.core.policy_parts import digest_parts
from authguard.policy.compiler import load
from authguard.policy.diff.permissiveness import Direction
from authguard.records.entries import ActEntry, DecisionEntry, TransitionEntry
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.audit.logs import CELL, decided, moved, refused, withdrawn, write
from tests.audit.query.replayed_guard import Ask, Person, Run, compare
from tests.audit.query.replayed_guard import replayed as guard_replayed
from tests.audit.query.test_replay_against_guard import BASE, walk

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.query.replay_result import ReplayResult
    from authguard.core.policy import Policy
    from authguard.records.entries import Entry

POLICY = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
  - {name: pay, match: {path: /pay, method: POST}, risk: sensitive, effect: write, scopes: [pay]}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
PLACES = {"account": 1, "session": 2, "verification": 3, "risk": 6, "effect": 7}


def policy(folder: Path, name: str, text: str = POLICY) -> Policy:
    (folder / name).write_text(text, "utf-8")
    return load(folder / name)


def cell(operation: str, **values: str) -> tuple[str, ...]:
    made = list(CELL)
    settled = {"risk": "routine", "effect": "read"} if operation == "chat" else {"risk": "sensitive", "effect": "write"}
    for name, value in (settled | values).items():
        made[PLACES[name]] = value
    return tuple(made)


def as_decided(by: Policy, record: str, at: float, operation: str, *, session: str = "s", **values: str) -> Entry:
    """Make the decision that a policy takes."""
    met = cell(operation, **values)
    rule = by.table.decide(met)
    more: dict[str, Any] = {"operation": operation, "cell": met, "rule": rule.name, "fallback": rule.do}
    return decided(record, at, by.fallbacks[rule.do].kind.value, policy=by.digest, session=session, **more)


def replayed(log: Path, under: Policy, *was: Policy) -> ReplayResult:
    recorded = {one.digest: digest_parts(one) for one in was}
    with open_index(log, fresh=True) as index:
        return replay(index, under, own_operations("/.authguard"), recorded=recorded)


@pytest.fixture
def mine(tmp_path: Path) -> Policy:
    return policy(tmp_path, "policy.yaml")


def test_the_same_policy_gives_no_difference(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    states = ("active", "idle", "expired", "revoked")
    write(log, *(as_decided(mine, f"{op}{one}", 1, op, session=one) for op in ("chat", "pay") for one in states))
    found = replayed(log, mine)
    assert (found.decisions, found.differences, found.same_policy) == (8, (), True)


def test_what_would_differ_is_told_with_ids_looser_first(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    write(
        log,
        as_decided(mine, "fine", 0, "pay", verification="verified"),
        as_decided(mine, "idle", 1, "chat", session="idle"),
        as_decided(mine, "void", 2, "pay", verification="verified"),
        withdrawn("w", 2, "void"),
    )
    other = policy(
        tmp_path,
        "other.yaml",
        POLICY.replace("name: mine", "name: other") + "decisions:\n  - {when: {risk: sensitive}, do: prove_identity}\n",
    )
    found = replayed(log, other, mine)
    assert not found.same_policy
    assert [(one.was, one.now, one.ids, one.direction) for one in found.differences] == [
        ("allow", "handoff", ("fine",), Direction.STRICTER)
    ]
    # and the other way round: what that policy decided, under this one
    write(log, *(as_decided(other, name, 0, "pay", verification="verified") for name in ("fine", "two")))
    found = replayed(log, mine, other)
    assert [(one.was, one.now, one.count, one.direction) for one in found.differences] == [
        ("handoff", "allow", 2, Direction.LOOSER)
    ]


def test_an_operation_that_is_gone_is_said_and_one_of_another_risk_is_judged_by_that(
    tmp_path: Path, mine: Policy
) -> None:
    log = tmp_path / "audit.jsonl"
    write(log, as_decided(mine, "a", 0, "chat"), as_decided(mine, "b", 0, "pay", verification="unverified"))
    without = policy(
        tmp_path, "other.yaml", "\n".join(line for line in POLICY.splitlines() if "name: chat" not in line)
    )
    (unknown,) = [one for one in replayed(log, without, mine).undetermined if one.operation == "chat"]
    assert (unknown.why, unknown.ids) == ("the policy has no operation `chat`", ("a",))
    lighter = policy(
        tmp_path, "lighter.yaml", POLICY.replace("risk: sensitive, effect: write", "risk: routine, effect: read")
    )
    assert [one.operation for one in replayed(log, lighter, mine).differences] == ["pay"]


def test_a_log_without_the_parts_of_its_policy_is_undetermined(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    write(log, as_decided(mine, "a", 0, "chat"), as_decided(mine, "b", 0, "pay"))
    other = policy(tmp_path, "other.yaml", POLICY.replace("name: mine", "name: other"))
    found = replayed(log, other)
    assert [(one.why, one.count) for one in found.undetermined] == [(NO_PARTS, 1), (NO_PARTS, 1)]
    assert not found.differences
    assert not replayed(log, other, mine).undetermined


def test_a_state_that_is_gone_is_said(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    entry = decided("a", 0, operation="chat", cell=("live", "sim_swap_hold", *cell("chat")[2:]), policy="cd")
    write(log, entry, moved("b", 1, "account.sim_swap_hold: normal -> sim_swap_hold"))
    found = replayed(log, mine)
    assert sum(one.count for one in found.undetermined) == 1
    assert found.changed_transitions == {
        ("account.sim_swap_hold: normal -> sim_swap_hold", "no such state or event"): (1, ("b",))
    }


def test_refusals_before_a_decision_are_undetermined_where_the_policy_could_decide_them(
    tmp_path: Path, mine: Policy
) -> None:
    log = tmp_path / "audit.jsonl"
    write(
        log,
        refused("a", 0, "operation-unnamed", policy=mine.digest),
        refused("b", 0, "idempotency-missing", policy=mine.digest, operation="pay", subject="anna"),
        refused("c", 0, "body-too-large", policy=mine.digest),
        refused("d", 0, "credential-missing", policy=mine.digest, most=100),
        refused("e", 1, "credential-missing", policy=mine.digest, window="d", count=7),
    )
    more = "  - {name: more, match: {path: /more}, risk: routine, effect: read}\n"
    other = policy(tmp_path, "other.yaml", POLICY.replace("assurance:", more + "assurance:"))
    found = {one.ids: (one.operation, one.count) for one in replayed(log, other, mine).undetermined}
    assert found == {("a",): ("", 1), ("b",): ("pay", 1)}
    opened = POLICY.replace(
        "path: /chat}, risk: routine, effect: read, scopes: [chat]", "path: /chat}, risk: public, effect: read"
    )
    found = {one.ids: one.count for one in replayed(log, policy(tmp_path, "o.yaml", opened), mine).undetermined}
    assert found == {("b",): 1, ("d", "e"): 7}
    assert replayed(log, mine).undetermined == ()


@pytest.mark.parametrize("store", [MemoryStore, SqliteStore])
async def test_a_log_of_the_guard_replays_without_a_difference_and_completely(
    store: type[MemoryStore | SqliteStore], tmp_path: Path
) -> None:
    run = Run(BASE, SqliteStore(tmp_path / "s.db") if store is SqliteStore else MemoryStore())
    await run.go([one for seed in range(4) for one in walk(random.Random(seed))])  # noqa: S311 - it repeats
    log = run.write(tmp_path / "audit.jsonl")
    for text in (BASE, BASE.replace("name: test-desk", "name: renamed")):
        found = guard_replayed(log, text)
        assert found.decisions > 20
        assert (found.differences, found.undetermined, found.changed_transitions) == ((), (), {})


async def test_what_the_log_does_not_hold_is_said(tmp_path: Path) -> None:
    first = Person()
    asks = [Ask("chat", first), Ask("chat", first), Ask("balance", first)]
    run = await Run(BASE).go(asks)
    timer = BASE + "timers:\n  - {event: session.idled, after: 90s, since: last_seen, states: [active]}\n"
    entries = [one for one in run.guard.sink.entries if isinstance(one, DecisionEntry | ActEntry | TransitionEntry)]

    def whys(*changed: Entry) -> set[str]:
        log = tmp_path / "audit.jsonl"
        write(log, *changed)
        return {one.why for one in guard_replayed(log, timer).undetermined}

    assert whys(*entries) == set()
    without = [replace(one, facts={}) if isinstance(one, DecisionEntry) else one for one in entries]
    assert any("holds no facts" in why for why in whys(*without))
    decisions = [one for one in entries if isinstance(one, DecisionEntry)]
    later = [entries[0], *decisions[1:]]
    assert any("not in the log" in why or "holds no facts" in why for why in whys(*later))
    for fact, what in (("scopes", "scopes"), ("acr", "level"), ("account_0", "status of the account")):
        cut = [
            replace(one, facts={name: one.facts[name] for name in one.facts if name != fact})
            if isinstance(one, DecisionEntry) and one.facts
            else one
            for one in entries
        ]
        assert any(what in why for why in whys(*cut)), fact


async def test_verification_and_reports_outside_a_request_are_followed_or_said(tmp_path: Path) -> None:
    who = Person(facts={"claims": {"account_status": "ok", "channel": "web"}})
    asks = [Ask("balance", who, report="verification.doubted"), Ask("balance", who, 5), Ask("balance", who, 5)]
    stay = "machines:\n  verification:\n    transitions:\n      - {trigger: doubted, source: verified, dest: '='}\n"
    found = await compare(tmp_path / "audit.jsonl", BASE, BASE + stay, asks)
    assert not found.wrong
    assert not found.unknown
    assert [(one.was, one.now, one.count) for one in found.result.differences] == [("verify", "allow", 2)]


async def test_an_event_that_moved_nothing_moves_a_machine_of_the_other_policy(tmp_path: Path) -> None:
    who = Person(facts={"claims": {"account_status": "ok", "channel": "web"}})
    stay = "machines:\n  verification:\n    transitions:\n      - {trigger: doubted, source: verified, dest: '='}\n"
    asks = [Ask("balance", who, report="verification.doubted"), Ask("balance", who, 5)]
    found = await compare(tmp_path / "audit.jsonl", BASE + stay, BASE, asks)
    assert not found.wrong
    assert not found.unknown
    assert [(one.was, one.now) for one in found.result.differences] == [("allow", "verify")]
