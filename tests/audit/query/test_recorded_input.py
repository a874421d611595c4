"""Input of recorded decisions: rebuilt as the guard had it, or refused with what is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from authguard.audit.query.recorded_input import (
    CredentialFacts,
    RecordedDecision,
    UnknownInputError,
    build_binding,
    build_principal,
    build_request,
    build_unproven,
    parse_decision,
)
from authguard.core.amount import UnreadableValueError, read_amount
from authguard.core.conditions import classify_actor
from authguard.core.outcomes import Reason
from authguard.core.staff import parse_roles
from authguard.evaluation.account_status import read_statements
from authguard.records.chain import GENESIS, format_line
from tests.audit.logs import decided
from tests.support.harness import ISSUER, OWN_STAFF, POLICY, policy_of

STAFFED = policy_of(POLICY + OWN_STAFF)
TOKEN: dict[str, Any] = {"issuer": ISSUER, "scopes": "a b", "acr": "aal2", "auth_time": 5.0, "issued_at": 7.0}
REFUND = next(one for one in STAFFED.operations if one.name == "refund")


def record(**more: Any) -> RecordedDecision:
    facts = {**TOKEN, **more.pop("facts", {})}
    line, _ = format_line(decided("r1", session="5e55", credential="c0", facts=facts), 0, GENESIS)
    return replace(parse_decision(line), **more)


def test_a_line_is_parsed_or_said_to_be_damaged() -> None:
    one = record()
    assert (one.id, one.subject, one.number("issued_at"), one.text("acr")) == ("r1", "anna", 7.0, "aal2")
    assert (one.text("issued_at"), one.number("acr")) == ("", 0.0)
    for line in (b"", b"{}", b'{"kind":"decision","id":1}'):
        with pytest.raises(UnknownInputError, match="damaged"):
            parse_decision(line)


def test_a_repeated_decision_has_the_token_of_an_earlier_record_and_nothing_of_its_request() -> None:
    known = CredentialFacts()
    first = record(facts={"amount": "5 EUR", "stored": "account"})
    assert known.complete(first) is first
    again = known.complete(replace(first, facts={}))
    assert again.facts == {**TOKEN, "repeated": True}
    with pytest.raises(UnknownInputError, match="holds no facts"):
        known.complete(replace(first, facts={}, credential="other"))


def test_few_credentials_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CredentialFacts, "MAX_CREDENTIALS", 1)
    known = CredentialFacts()
    known.complete(record())
    known.complete(record(credential="c1"))
    with pytest.raises(UnknownInputError):
        known.complete(replace(record(), facts={}))


def test_the_principal_reads_as_the_recorded_one_did() -> None:
    one = record(facts={"roles": "boss clerk", "account_0": "frozen", "account_0_at": 7.0, "sid": True})
    principal, answers = build_principal(STAFFED, one, "anna")
    assert (principal.token_scopes, principal.auth_time, principal.sid) == (frozenset("ab"), 5.0, "sid")
    assert parse_roles(principal, STAFFED.role_sources) == {"boss", "clerk"}
    reports = read_statements(STAFFED, principal, answers).reports
    assert [(report.state, report.at) for report in reports.values()] == [("suspended", 7.0)]
    assert classify_actor(principal, STAFFED.agents) == "subject"


@pytest.mark.parametrize(
    ("facts", "actor", "acting"),
    [
        ({"client_agent": "concierge"}, "", "agent"),
        ({"actor_agent": "concierge"}, "0a", "agent"),
        ({}, "0a", "stranger"),
        ({"foreign_actor": True, "actor_agent": "concierge"}, "0a", "stranger"),
        ({"machine": True}, "", "stranger"),
        ({"client_is_subject": True}, "", "stranger"),
    ],
)
def test_the_actor_is_classified_as_the_recorded_one_was(facts: dict[str, Any], actor: str, acting: str) -> None:
    principal, _ = build_principal(STAFFED, record(facts=facts, actor=actor), "anna")
    assert classify_actor(principal, STAFFED.agents) == acting


@pytest.mark.parametrize("fact", ["issuer", "scopes", "acr"])
def test_a_missing_fact_of_the_token_is_named(fact: str) -> None:
    one = record()
    with pytest.raises(UnknownInputError, match="does not hold the"):
        build_principal(STAFFED, replace(one, facts={name: one.facts[name] for name in one.facts if name != fact}), "a")


def test_delegations_and_statuses_that_do_not_fit_are_unknown() -> None:
    with pytest.raises(UnknownInputError, match="delegations"):
        build_principal(STAFFED, record(facts={"delegated": True}, actor="0a"), "anna")
    with pytest.raises(UnknownInputError, match="status"):
        build_principal(STAFFED, record(facts={"account_0_at": 1.0}), "anna")


def test_the_amount_is_rebuilt_exactly_and_an_unreadable_one_stays_unreadable() -> None:
    one = record(facts={"amount": "12.50 EUR", "size": 40, "transaction": "t1"})
    operation, binding = build_binding(STAFFED, REFUND, one, measures_same=True, limits_same=False)
    assert read_amount(operation, binding.body.document) == (Decimal("12.50"), "EUR")
    assert (binding.transaction, len(binding.body.content)) == ("t1", 40)
    unreadable = record(facts={"amount": "amount-missing", "size": 1})
    operation, binding = build_binding(STAFFED, REFUND, unreadable, measures_same=True, limits_same=False)
    with pytest.raises(UnreadableValueError):
        read_amount(operation, binding.body.document)


@pytest.mark.parametrize(
    ("facts", "same", "why"),
    [
        ({"size": 1}, True, "amount"),
        ({"size": 1, "amount": "1 EUR"}, False, "amount"),
        ({"size": 1, "amount": "currency-refused"}, True, "amount"),
        ({"asked": "key", "amount": "1 EUR"}, True, "transaction"),
    ],
)
def test_what_of_a_body_is_missing_is_named(facts: dict[str, Any], same: bool, why: str) -> None:  # noqa: FBT001 - a parameter
    with pytest.raises(UnknownInputError, match=why):
        build_binding(STAFFED, REFUND, record(facts=facts), measures_same=same, limits_same=False)


def test_requests_of_one_transaction_are_the_same_where_the_record_says_so() -> None:
    def asked(**facts: Any) -> str:
        one = record(facts={"amount": "1 EUR", "size": 1, "transaction": "t1", **facts})
        return build_binding(STAFFED, REFUND, one, measures_same=True, limits_same=True)[1].asked

    assert asked() == asked(stored="transaction", same=True)
    assert asked() != asked(stored="transaction")


def test_the_request_names_its_transaction_or_sends_a_key() -> None:
    assert build_request(REFUND, record(facts={"asked": "id"}, transaction="t1")).evidence.transaction == "t1"
    assert build_request(REFUND, record(facts={"asked": "key"})).evidence.idempotency
    assert not build_request(REFUND, record()).evidence.idempotency


def test_a_failed_check_keeps_its_condition_and_reason() -> None:
    found = build_unproven(record(reason="token-expired"), "expired")
    assert (found.condition, found.reason) == ("expired", Reason.TOKEN_EXPIRED)
