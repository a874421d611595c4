"""Replay: no difference under the same policy; under another, exactly what differs, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.index import open_index
from authguard.audit.query.replay import replay
from authguard.policy.compiler import load
from authguard.policy.diff.permissiveness import Direction
from tests.audit.logs import CELL, decided, moved, withdrawn, write

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.query.replay import ReplayResult
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


def replayed(log: Path, under: Policy) -> ReplayResult:
    with open_index(log, fresh=True) as index:
        return replay(index, under, own_operations("/.authguard"))


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
    found = replayed(log, other)
    assert not found.same_policy
    assert [(one.was, one.now, one.ids, one.direction) for one in found.differences] == [
        ("allow", "handoff", ("fine",), Direction.STRICTER)
    ]
    # and the other way round: what that policy decided, under this one
    write(log, *(as_decided(other, name, 0, "pay", verification="verified") for name in ("fine", "two")))
    found = replayed(log, mine)
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
    assert replayed(log, without).not_replayable == {"the policy has no operation `chat`": (1, ("a",))}
    lighter = policy(
        tmp_path, "lighter.yaml", POLICY.replace("risk: sensitive, effect: write", "risk: routine, effect: read")
    )
    assert [one.operation for one in replayed(log, lighter).differences] == ["pay"]


def test_a_transition_that_leads_elsewhere_is_carried_on_until_both_agree(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    write(
        log,
        moved("m1", 1, "verification.moved: verified -> unverified", cause="channel", session="s1"),
        as_decided(mine, "d1", 2, "pay", session="s1", verification="unverified"),
        moved("m2", 3, "verification.started: unverified -> pending", session="s1"),
        moved("m3", 3, "verification.passed: pending -> verified", session="s1"),
        as_decided(mine, "d2", 4, "pay", session="s1", verification="verified"),
        as_decided(mine, "d3", 5, "pay", session="s2", verification="unverified"),
    )
    other = policy(
        tmp_path,
        "other.yaml",
        POLICY
        + "machines:\n  verification:\n    transitions:\n      - {trigger: moved, source: verified, dest: '='}\n",
    )
    found = replayed(log, other)
    assert found.transitions == 3
    assert found.changed_transitions["verification.moved: verified -> unverified", "verified"] == (1, ("m1",))
    assert [(one.was, one.now, one.ids) for one in found.differences] == [("handoff", "allow", ("d1",))]
    assert replayed(log, mine).differences == ()


def test_a_state_that_is_gone_is_said(tmp_path: Path, mine: Policy) -> None:
    log = tmp_path / "audit.jsonl"
    entry = decided("a", 0, operation="chat", cell=("live", "sim_swap_hold", *cell("chat")[2:]), policy=mine.digest)
    write(log, entry, moved("b", 1, "account.sim_swap_hold: normal -> sim_swap_hold"))
    found = replayed(log, mine)
    assert sum(count for count, _ in found.not_replayable.values()) == 2
