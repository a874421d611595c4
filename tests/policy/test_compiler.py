"""Compiling: what the checks let through becomes the tables that requests run on; an error never loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import authguard.policy
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.outcomes import ALLOW
from authguard.errors import PolicyError
from authguard.policy.compiler import compile_draft, load
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import find_shipped

if TYPE_CHECKING:
    from pathlib import Path

CHILD = b"""authguard: 1
name: child
extends: standard
issuers: [{issuer: "http://127.0.0.1:9000", audience: a, algorithms: [ES256], keys: discovery}]
accounts: none
decisions:
  - {when: {account: minor, risk: sensitive}, do: ask_parent}
fallbacks:
  ask_parent: {kind: handoff, queue: family}
timers:
  - {event: session.idled, after: 5m, since: last_seen, states: [active]}
rollback: {message: "A person is with you."}
verifiers: {otp: {type: http, url: "https://otp.example", pass_at: 0.9, fail_at: 0.1}}
methods: {default: {all: [otp]}, alternate: {all: [otp]}}
"""


def test_a_policy_compiles_to_total_machines_and_a_table_that_decides() -> None:
    policy = load("child.yaml", text=CHILD)
    assert (policy.name, len(policy.digest), policy.accounts) == ("child", 64, ())
    assert sum(len(machine.table) for machine in policy.machines.values()) == 411
    assert policy.fallbacks["allow"] is ALLOW
    assert policy.issuers["http://127.0.0.1:9000"].audience == ("a",)
    assert tuple(policy.table.values) == DIMENSIONS
    states = {
        "service": "live",
        "account": "minor",
        "session": "active",
        "verification": "verified",
        "transaction": "none",
    }
    asked = {name: values[0] for name, values in CONDITIONS.items()} | {"risk": "sensitive", "effect": "read"}
    rule = policy.table.decide(tuple((states | asked)[dimension] for dimension in DIMENSIONS))
    assert (rule.do, rule.origin, rule.index) == ("ask_parent", "child.yaml:7", 22)
    assert policy.rollback.message.find((), "") == "A person is with you."


def test_a_childs_timer_replaces_the_standard_one_and_is_armed() -> None:
    policy = load("child.yaml", text=CHILD)
    assert [timer.after for timer in policy.timers.declared if timer.event == "session.idled"] == [300.0]
    assert ("session", "active") in policy.timers.armed


def test_everything_compiled_says_where_it_was_written() -> None:
    policy = load("child.yaml", text=CHILD)
    assert policy.origins["rule:22"] == "child.yaml:7"
    assert policy.origins["rule:21"].startswith("standard.yaml:")
    assert policy.origins["fallback:ask_parent"] == "child.yaml:9"
    assert policy.origins["fallback:sign_in"].startswith("standard.yaml:")
    assert policy.origins["line:session:0"].startswith("standard.yaml:")
    lines = sum(len(machine.spec.lines) for machine in policy.machines.values())
    assert len(policy.origins) == len(policy.table.rules) + len(policy.fallbacks) - 1 + lines


def test_a_policy_with_an_error_of_reading_does_not_load() -> None:
    with pytest.raises(PolicyError) as refused:
        load("child.yaml", text=CHILD + b"streams: {}\non_falt: x\n")
    assert [problem.code for problem in refused.value.problems] == [
        "not-in-this-release",
        "unknown-key",
    ]
    assert "child.yaml:15:1: error[not-in-this-release]" in str(refused.value)


def test_a_policy_with_an_error_of_the_checks_does_not_load() -> None:
    with pytest.raises(PolicyError) as refused:
        load("child.yaml", text=CHILD.replace(b"do: ask_parent", b"do: ask_parents"))
    assert "did you mean `ask_parent`?" in str(refused.value)


def test_a_policy_that_waits_for_a_later_release_does_not_load_even_where_all_else_is_right() -> None:
    with pytest.raises(PolicyError) as refused:
        load("child.yaml", text=CHILD + b"signals: {audience: a}\n")
    errors = [problem.code for problem in refused.value.problems if problem.severity == "error"]
    assert errors == ["not-in-this-release"]


def test_a_policy_that_is_not_there_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="there is no file"):
        load("nowhere/policy.yaml")


def test_compiling_twice_gives_the_same() -> None:
    draft = load_draft("child.yaml", text=CHILD).draft
    assert draft is not None
    one, two = compile_draft(draft), compile_draft(draft)
    assert (one.digest, one.table, one.timers, one.machines) == (two.digest, two.table, two.timers, two.machines)


def test_the_package_gives_its_public_names_when_asked() -> None:
    assert authguard.policy.load is load
    assert authguard.policy.load_draft is load_draft
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        _ = authguard.policy.nothing  # type: ignore[attr-defined]  # that is the point


def test_a_folder_names_its_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(find_shipped("support-desk").path.read_bytes())
    assert load(tmp_path).digest == load(tmp_path / "policy.yaml").digest
    assert load(str(tmp_path)).name == "support-desk"
