"""Ledger keys: from verified data, or normalised so that no other spelling gets another budget."""

from __future__ import annotations

import json

import pytest

from authguard.core.agents import Agent
from authguard.core.flags import PAYEE_DIMENSIONS
from authguard.core.ledger_keys import LEDGER_DIMENSIONS, find_ledger_keys, find_payee_ledger
from authguard.core.request import Limit, Operation
from authguard.formats.strict_json import NO_DOCUMENT, UnreadableBodyError, parse_json
from tests.support.harness import ISSUER, signed_in


def parsed(raw: bytes) -> object:
    """Parse a body as the guard does."""
    try:
        return parse_json(raw)
    except UnreadableBodyError:
        return NO_DOCUMENT


def keys(by: str, body: object = None, *, name: str = "pay", agents: tuple[str, ...] = (), **facts: object) -> bytes:
    limit = Limit(name="pay/0", calls=1, per=60.0, by=by)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    who = signed_in(at=1_000.0, **facts).principal
    known = frozenset(Agent(ISSUER, agent) for agent in agents)
    found = find_ledger_keys(Operation(name=name, payee_at="/to", limits=(limit,)), who, parsed(raw), known)
    return dict(found).get(by, b"")


@pytest.mark.parametrize("by", ["actor", "client", "operation", "issuer", "service"])
def test_each_has_one_ledger_of_its_own(by: str) -> None:
    others = {
        "actor": keys(by, actor="concierge"),
        "client": keys(by, client="other"),
        "operation": keys(by, name="refund"),
        "issuer": keys(by, issuer="https://other.test"),
        "service": b"",
    }
    assert keys(by) == keys(by, sid="s2") != others[by]
    assert len({keys(one) for one in LEDGER_DIMENSIONS if one not in PAYEE_DIMENSIONS}) == 5


def test_an_actor_is_whoever_acts_whether_by_act_or_as_a_client() -> None:
    assert keys("actor", actor="concierge") == keys("actor", client="concierge", agents=("concierge",))
    assert keys("actor", actor="concierge") != keys("actor", actor="concierge", actor_issuer="https://other.test")
    assert keys("actor", actor="alice") != keys("actor")
    assert keys("actor", subject="alice") != keys("actor", subject="bob")


@pytest.mark.parametrize("typed", ["DE89 3704", "de893704", "DE-89/3704", "\uff24\uff258937\u200b04"])
def test_no_other_spelling_is_another_payee(typed: str) -> None:
    assert keys("payee", {"to": typed}) == keys("payee", {"to": "DE893704"})


@pytest.mark.parametrize("other", [{"to": "DE893705"}, {"to": 893704}])
def test_another_payee_is_another(other: object) -> None:
    assert b"" != keys("payee", other) != keys("payee", {"to": "DE893704"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"to": "a", "to": "b"}',
        {},
        *({"to": bad} for bad in (None, True, 1.5, -1, "", " \u200b", "a" * 257, ["a"])),
    ],
)
def test_a_payee_that_cannot_be_read_has_no_ledger(body: object) -> None:
    assert keys("payee", body) == b""


def test_a_payee_of_one_account_is_a_ledger_of_its_own() -> None:
    mine, others = keys("subject+payee", {"to": "DE89"}), keys("subject+payee", {"to": "DE89"}, subject="bob")
    assert len({mine, others, keys("payee", {"to": "DE89"}), b""}) == 4
    assert keys("subject+payee", {}) == b""


@pytest.mark.parametrize("by", sorted(PAYEE_DIMENSIONS))
def test_a_payee_that_a_person_names_has_the_ledger_of_the_requests(by: str) -> None:
    account = signed_in(at=1.0).principal.account_key
    assert find_payee_ledger(by, account, "de-89") == (by, keys(by, {"to": "DE89"}))


def test_a_client_that_is_not_named_has_none_and_the_widest_ledger_comes_first() -> None:
    assert keys("client", client="") == b""
    limits = tuple(Limit(name=f"pay/{by}", calls=1, per=60.0, by=by) for by in reversed(LEDGER_DIMENSIONS))
    found = find_ledger_keys(
        Operation(name="pay", payee_at="/to", limits=limits), signed_in(at=1.0).principal, {"to": 1}, ()
    )
    assert tuple(by for by, _ in found) == LEDGER_DIMENSIONS
