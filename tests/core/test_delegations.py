"""Delegations: parsed completely or not at all, covering only the operations that they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.delegations import MAX_DELEGATIONS, MAX_NAMES, DelegationError, covers, parse_delegations
from authguard.core.record_keys import account_key
from authguard.core.request import Match, Operation, Principal
from authguard.core.snapshot import AccountRecord, Delegation, Report

HOME = "https://issuer.test"
SOURCES = frozenset({"claim:status", "x"})
PAY = Operation(
    name="pay", match=Match(path="/pay"), risk="high", effect="write", scopes=frozenset({"invoices", "payments"})
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "for", "iss", "x"]), inner),
    max_leaves=8,
)


def acting(actor: str, **facts: Any) -> Principal:
    return Principal(issuer=HOME, subject="kim", actor=actor, **facts)


def account(*names: str, state: str = "delegated", said: str = "delegated") -> AccountRecord:
    (mandate,) = parse_delegations({"sub": "gus", "for": list(names)}, HOME)
    return AccountRecord(state=state, reports={"claim:status": Report(said, 1.0, (mandate,))})


def test_one_document_or_a_list_of_them_is_read_and_nobody_is_kept_by_name() -> None:
    one = {"sub": "gus", "for": ["pay", "see"]}
    mandate = Delegation(account_key(HOME, "gus"), ("pay", "see"))
    assert parse_delegations(one, HOME) == parse_delegations([one], HOME) == (mandate,)
    assert parse_delegations(None, HOME) == parse_delegations([], HOME) == ()
    assert "gus" not in repr(parse_delegations(one, HOME))


@pytest.mark.parametrize(
    "said",
    [
        "gus",
        {"sub": "gus"},
        {"sub": "gus", "for": []},
        {"sub": "gus", "for": "pay"},
        {"sub": "", "for": ["pay"]},
        {"sub": 7, "for": ["pay"]},
        {"sub": "gus", "for": ["pay", 7]},
        {"sub": "gus", "for": ["x" * 256]},
        {"sub": "gus", "for": ["pay"], "until": 7},
        {"sub": "gus", "for": ["pay"], "iss": 7},
        {"sub": "gus", "for": [str(each) for each in range(MAX_NAMES + 1)]},
        [{"sub": "gus", "for": ["pay"]}] * (MAX_DELEGATIONS + 1),
        [{"sub": "gus", "for": ["pay"]}, None],
    ],
)
def test_what_is_not_of_the_form_names_nobody_at_all(said: object) -> None:
    with pytest.raises(DelegationError):
        parse_delegations(said, HOME)


@given(JSON)
def test_anything_is_read_or_refused_and_what_is_read_is_bounded(said: Any) -> None:
    try:
        found = parse_delegations(said, HOME)
    except DelegationError:
        return
    assert len(found) <= MAX_DELEGATIONS
    assert all(0 < len(mandate.names) <= MAX_NAMES for mandate in found)


@pytest.mark.parametrize("names", [("pay",), ("invoices", "payments"), ("see", "pay")])
def test_a_delegation_covers_an_operation_by_its_name_or_by_every_scope_that_it_needs(names: tuple[str, ...]) -> None:
    assert covers(account(*names), acting("gus"), PAY, SOURCES)


@pytest.mark.parametrize(
    ("found", "actor"),
    [
        (account("see"), "gus"),
        (account("invoices"), "gus"),  # half of what it needs
        (account("pay"), "eve"),
        (account("pay"), ""),
        (account("pay"), "https://elsewhere.test gus"),
        (account("pay", state="locked"), "gus"),
        (account("pay", state="minor"), "gus"),  # another report decides where it stands
        (AccountRecord(state="minor"), "gus"),
    ],
)
def test_it_covers_nothing_else_for_nobody_else(found: AccountRecord, actor: str) -> None:
    assert not covers(found, acting(actor), PAY, SOURCES)


def test_an_operation_without_scopes_is_not_covered_by_naming_none_of_them() -> None:
    bare = Operation(name="see", match=Match(path="/see"), risk="routine", effect="read")
    assert not covers(account("pay"), acting("gus"), bare, SOURCES)


def test_an_actor_of_another_issuer_is_named_with_it() -> None:
    (mandate,) = parse_delegations({"sub": "gus", "iss": "https://other.test", "for": ["pay"]}, HOME)
    record = AccountRecord(state="minor", reports={"x": Report("minor", 1.0, (mandate,))})
    assert covers(record, acting("gus", actor_issuer="https://other.test"), PAY, SOURCES)
    assert not covers(record, acting("https://other.test gus"), PAY, SOURCES)
    assert not covers(record, acting("gus"), PAY, SOURCES)
    assert not covers(record, acting("gus", actor_issuer="https://other.test", person=False), PAY, SOURCES)


def test_what_a_source_reported_that_delegates_no_more_covers_nothing() -> None:
    assert covers(account("pay"), acting("gus"), PAY, {"claim:status"})
    assert not covers(account("pay"), acting("gus"), PAY, {"claim:other"})
