"""Replay by cells: recorded states hold while the machines are the same; what a difference may change is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.recorded_input import RecordedDecision
from authguard.audit.query.replay_cells import CellReplay, NeedsFactsError
from authguard.audit.query.replay_parts import PartComparison
from authguard.core.decision_table import DIMENSIONS
from authguard.core.policy_parts import digest_parts
from tests.audit.query.test_replay_against_guard import BASE, edited
from tests.support.harness import ISSUER, policy_of

if TYPE_CHECKING:
    from authguard.audit.query.replay_result import ReplayedDecision

MET = dict(
    zip(
        DIMENSIONS,
        (
            *("live", "normal", "active", "verified", "none", "good", "sensitive", "read"),
            *("granted", "met", "within", "same", "subject"),
        ),
        strict=True,
    )
)
TOKEN = {"issuer": ISSUER, "scopes": "accounts chat", "acr": "aal2", "auth_time": 1.0, "issued_at": 1.0}
KINDS = {"chat": ("routine", "read"), "note": ("routine", "write"), "balance": ("sensitive", "read")}


class Cells:
    """A replay by cells of decisions that the base policy made."""

    def __init__(self, new: str, begin: float = float("inf")) -> None:
        policy = policy_of(new)
        own = own_operations("/.authguard")
        operations = {one.name: one for one in (*policy.all_operations, *own)}
        self.comparison = PartComparison(digest_parts(policy_of(BASE)), digest_parts(policy))
        self.replay = CellReplay(policy, operations, frozenset(one.name for one in own), begin)
        self.number = 0

    def ask(self, operation: str = "balance", *, has_facts: bool = True, **more: Any) -> ReplayedDecision:
        self.number += 1
        risk, effect = KINDS.get(operation, ("sensitive", "read"))
        cell = {**MET, "risk": risk, "effect": effect, **more.pop("cell", {})}
        rule = policy_of(BASE).table.decide(tuple(cell.values()))
        fallback = policy_of(BASE).fallbacks[rule.do]
        said: dict[str, Any] = {"subject": "anna", "session": "5e55", "credential": "c0", "facts": TOKEN, **more}
        said = {"id": f"r{self.number}", "at": 2.0, "policy": "old", "operation": operation, "rule": rule.name} | said
        said |= {"cell": tuple(cell.values()), "outcome": fallback.kind.value, "fallback": fallback.name}
        one = RecordedDecision(**said)
        return self.replay.decide(one, self.comparison, has_facts=has_facts)


def test_a_recorded_cell_holds_and_its_template_suffices() -> None:
    cells = Cells(edited("name"))
    assert cells.ask(has_facts=False).outcome == "allow"
    assert cells.ask(has_facts=False, cell={"session": "idle"}).outcome == "step_up"
    assert cells.ask("authguard.verify", cell={"risk": "self", "effect": "write"}).outcome == "allow"


def test_other_demands_are_computed_from_the_facts() -> None:
    cells = Cells(edited("scope"))
    with pytest.raises(NeedsFactsError):
        cells.ask(has_facts=False)
    assert cells.ask().fallback == "ask_scope"
    assert cells.ask(facts={**TOKEN, "scopes": "nope"}).outcome == "allow"
    unknown = Cells(edited("scope")).ask(facts={})
    assert "does not hold" in unknown.problem


def test_levels_ages_roles_and_actors_are_computed_too() -> None:
    text = BASE.replace("effect: read, scopes: [accounts]}", "effect: read, scopes: [accounts], MORE}")
    fresh = {**TOKEN, "stored": ""}  # no attempt was counted before
    assert Cells(text.replace("MORE", "assurance: {acr: aal3}")).ask(facts=fresh).outcome == "step_up"
    assert Cells(text.replace("MORE", "assurance: {acr: aal3}")).ask(facts={**TOKEN, "acr": "aal3"}).outcome == "allow"
    age = text.replace("MORE", "assurance: {max_age: 1m}")
    assert Cells(age).ask(at=70.0, facts=fresh).outcome == "step_up"
    assert Cells(age).ask(at=30.0).outcome == "allow"
    undated = {**TOKEN, "auth_time": 0.0, "verified_at": 60.0}
    assert Cells(age).ask(at=70.0, facts=undated).outcome == "allow"
    assert "attempts" in Cells(age).ask(at=190.0, facts=undated).problem
    assert Cells(text.replace("MORE", "roles: [boss]")).ask(facts={**TOKEN, "roles": "clerk boss"}).outcome == "allow"
    assert Cells(text.replace("MORE", "roles: [boss]")).ask(facts={**TOKEN, "roles": "?"}).problem
    actor = Cells(text.replace("MORE", "actor: forbidden"))
    assert actor.ask(facts={**TOKEN, "client_agent": "concierge"}).fallback == "refuse"


def test_after_a_difference_that_may_change_states_a_decision_is_determined_only_if_it_is_the_same_for_all() -> None:
    cells = Cells(edited("kind"))
    assert cells.ask(cell={"session": "idle"}).outcome == "terminate"
    assert "an earlier decision" in cells.ask().problem
    assert cells.ask(session="other", subject="bob").outcome == "allow"
    assert cells.ask("health", cell={"risk": "public"}, subject="", session="").outcome == "allow"


def test_an_event_that_followed_a_refused_request_would_not_have_been() -> None:
    cells = Cells(edited("scope"))
    assert cells.ask().outcome == "deny"
    cells.replay.follow("another")
    assert cells.ask("chat").outcome == "allow"
    cells.replay.follow("r1")
    assert cells.ask("chat").problem


def test_attempts_are_counted_from_the_first_record_of_an_account() -> None:
    cells = Cells(edited("attempts"))
    idle = {"session": "idle"}
    assert cells.ask(cell=idle, facts={**TOKEN, "stored": ""}).outcome == "step_up"
    assert cells.ask(cell=idle, credential="c1").outcome == "deny"
    assert "attempts" in Cells(edited("attempts")).ask(cell=idle, facts={**TOKEN, "stored": "account"}).problem
    late = Cells(edited("attempts"), begin=0.0)
    assert late.ask(cell=idle, facts={**TOKEN, "stored": "account"}, at=10_000.0).outcome == "step_up"


def test_requests_without_a_caller_lack_what_the_operation_demands_now() -> None:
    cells = Cells(edited("risk"))
    nobody = {"account": "unknown", "session": "absent", "verification": "unverified", "credential": "missing"}
    assert cells.ask(cell={**nobody, "scope": "missing"}, subject="", session="", facts={}).outcome == "challenge"
    public = Cells(
        BASE.replace("risk: sensitive, effect: read", "risk: public, effect: read").replace(
            "scopes: [accounts]", "scopes: []"
        )
    )
    assert public.ask().outcome == "allow"


@pytest.mark.parametrize(
    ("new", "operation", "why"),
    [
        (edited("no operation"), "balance", "no operation"),
        (BASE.replace("path: '/balance'", "path: '/saldo'"), "balance", "otherwise"),
        (BASE, "nobody", "no operation"),
    ],
)
def test_what_the_log_does_not_hold_is_named(new: str, operation: str, why: str) -> None:
    assert why in Cells(new).ask(operation).problem


def test_a_public_operation_had_no_checked_credential() -> None:
    new = BASE.replace("risk: public, effect: read", "risk: routine, effect: read")
    assert "not checked" in Cells(new).ask("health", cell={"risk": "public"}).problem
