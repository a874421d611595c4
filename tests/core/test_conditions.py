"""What a request meets is a closed value for every input, the strictest where something is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authguard.core.agents import Agent
from authguard.core.conditions import (
    check_assurance,
    check_scope,
    classify_actor,
    classify_credential,
    compare_channel,
    find_authentication_time,
    find_proof_time,
    restrict_actor,
)
from authguard.core.request import Operation, Principal
from tests.stores.samples import BLANK, amended
from tests.support.harness import ISSUER, signed_in

if TYPE_CHECKING:
    from authguard.core.snapshot import SessionRecord, Snapshot

NOW = 1_800_000_000.0
AGENTS = frozenset({Agent(ISSUER, "concierge")})
LEVELS = {"aal1": 1, "aal2": 2, "aal3": 3}


def principal(**facts: Any) -> Principal:
    return signed_in("anna", at=NOW, **facts).principal


def rank(level: str) -> int:
    return LEVELS.get(level, 0)


@pytest.mark.parametrize(
    ("token", "held", "scope"),
    [
        ({"a", "b", "c"}, {"clerk"}, "granted"),
        ({"a", "b"}, {"clerk", "boss"}, "granted"),
        ({"a"}, {"clerk"}, "missing"),
        ({"a", "b"}, set(), "missing"),
        ({"a", "b"}, {"boss"}, "missing"),
    ],
)
def test_all_scopes_and_one_of_the_roles_are_needed(token: set[str], held: set[str], scope: str) -> None:
    operation = Operation(name="it", scopes=frozenset({"a", "b"}), roles=frozenset({"clerk", "teller"}))

    assert check_scope(operation, frozenset(token), frozenset(held)) == scope


def test_an_operation_without_needs_is_granted_to_everybody() -> None:
    assert check_scope(Operation(name="it"), frozenset(), frozenset()) == "granted"


@pytest.mark.parametrize(
    ("acr", "age", "assurance"),
    [
        ("aal2", 300, "met"),
        ("aal3", 0, "met"),
        ("aal2", 300.5, "stale"),
        ("aal1", 0, "insufficient"),
        ("aal1", 900, "insufficient"),
        ("", 0, "insufficient"),
        ("unheard-of", 0, "insufficient"),
    ],
)
def test_assurance_is_by_level_first_and_by_age_then(acr: str, age: float, assurance: str) -> None:
    operation = Operation(name="it", acr="aal2", max_age=300.0)

    assert check_assurance(operation, principal(acr=acr), NOW - age, rank, NOW) == assurance


def test_somebody_who_never_proved_who_they_are_is_stale() -> None:
    assert check_assurance(Operation(name="it", max_age=300.0), principal(), 0.0, rank, NOW) == "stale"
    assert check_assurance(Operation(name="it"), principal(), 0.0, rank, NOW) == "met"


def test_the_time_of_a_refresh_proves_no_sign_in_of_a_person() -> None:
    undated = principal(auth_time=0.0, issued_at=NOW)

    assert find_authentication_time(undated, AGENTS) == 0.0
    assert find_authentication_time(principal(auth_time=NOW - 5), AGENTS) == NOW - 5


def session(**fields: Any) -> SessionRecord:
    return amended(BLANK, "session", **fields).session


def snapshot(verified_at: float = 0.0, ended: float = 0.0, not_before: float = 0.0) -> Snapshot:
    made = amended(BLANK, "session", verified_at=verified_at, ended=ended)
    return amended(made, "account", not_before=not_before)


@pytest.mark.parametrize(
    ("auth_time", "records", "proof"),
    [
        (NOW, snapshot(verified_at=NOW + 5), NOW),
        (0.0, snapshot(verified_at=NOW + 5), NOW + 5),
        (0.0, snapshot(), 0.0),
        (0.0, snapshot(verified_at=NOW, ended=NOW), 0.0),
        (0.0, snapshot(verified_at=NOW, not_before=NOW + 1), 0.0),
        (0.0, snapshot(verified_at=NOW, ended=NOW - 1, not_before=NOW - 1), NOW),
    ],
)
def test_a_proof_counts_from_the_sign_in_or_a_verifier_after_the_last_sign_out(
    auth_time: float, records: Snapshot, proof: float
) -> None:
    assert find_proof_time(principal(auth_time=auth_time), records) == proof


@pytest.mark.parametrize(
    ("is_live", "assurance", "auth_time", "authenticated_at", "issued_at", "credential"),
    [
        (True, "met", 0.0, 0.0, NOW, "good"),
        (True, "stale", 0.0, 0.0, NOW, "undated"),
        (True, "stale", NOW, NOW, NOW, "good"),
        (False, "met", 0.0, 0.0, NOW + 1, "undated"),
        (False, "met", 0.0, NOW, NOW + 1, "good"),
        (False, "met", 0.0, 0.0, NOW, "good"),
    ],
)
def test_a_sign_in_time_is_asked_for_only_where_something_depends_on_it(  # noqa: PLR0917 - a case
    is_live: bool,  # noqa: FBT001 - a case
    assurance: str,
    auth_time: float,
    authenticated_at: float,
    issued_at: float,
    credential: str,
) -> None:
    who = principal(auth_time=auth_time, issued_at=issued_at)
    of = session(entered=NOW)

    found = classify_credential(who, of, assurance, authenticated_at=authenticated_at, is_live=is_live)

    assert found == credential


@pytest.mark.parametrize(
    ("current", "earned", "channel"),
    [
        ("web", "web", "same"),
        ("web", "", "same"),
        ("voice", "app", "same"),
        ("app", "voice", "switched"),
        ("web", "app", "switched"),
        ("", "web", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_trust_extends_only_in_the_direction_that_the_policy_says(current: str, earned: str, channel: str) -> None:
    assert compare_channel(current, earned, {"app": frozenset({"voice"})}) == channel


@pytest.mark.parametrize(
    ("facts", "actor"),
    [
        ({}, "subject"),
        ({"client": "concierge"}, "agent"),
        ({"actor": "concierge"}, "agent"),
        ({"actor": "somebody"}, "stranger"),
        ({"actor": "concierge", "actor_issuer": "https://other.test"}, "stranger"),
        ({"person": False}, "stranger"),
        ({"subject": "app"}, "stranger"),
        ({"client": "concierge", "issuer": "https://other.test"}, "subject"),
        ({"client": "concierge", "person": False}, "stranger"),
    ],
)
def test_an_actor_is_an_agent_only_if_it_is_registered_with_the_issuer(facts: dict[str, Any], actor: str) -> None:
    assert classify_actor(replace_principal(principal(), **facts), AGENTS) == actor


def replace_principal(who: Principal, **facts: Any) -> Principal:
    """Replace fields, whether a principal is a dataclass or a struct."""
    return msgspec.structs.replace(who, **facts) if isinstance(who, msgspec.Struct) else replace(who, **facts)


@pytest.mark.parametrize(
    ("accepted", "acting", "actor"),
    [
        ("any", "agent", "agent"),
        ("any", "subject", "subject"),
        ("required", "agent", "agent"),
        ("required", "subject", "stranger"),
        ("forbidden", "agent", "stranger"),
        ("forbidden", "subject", "subject"),
        ("any", "stranger", "stranger"),
        ("any", "representative", "representative"),
        ("required", "representative", "representative"),
        ("forbidden", "representative", "stranger"),
    ],
)
def test_an_actor_that_an_operation_does_not_accept_is_a_stranger(accepted: Any, acting: str, actor: str) -> None:
    assert restrict_actor(Operation(name="it", actor=accepted), acting) == actor
