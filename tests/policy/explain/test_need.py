"""Tests of what each need of an operation found: in words, by the source, without values of the credential."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, Limit, NotProven
from authguard.evaluation.request import AccessRequest, Body
from authguard.policy.explain.need import Need, format_limit
from authguard.policy.explain.sent_request import SentRequest, explain_sent
from tests.support.harness import policy_of, signed_in

AT = 1_700_000_000.0
POLICY = policy_of()


def needs(operation: str, body: object = None, credential: Any = None, key: str = "k") -> dict[str, Need]:
    named = next(one for one in POLICY.all_operations if one.name == operation)
    access = AccessRequest(operation=named, method="POST", evidence=Evidence(idempotency=key))
    sent = SentRequest(
        access=access,
        credential=credential or signed_in(at=AT - 10),
        body=Body(msgspec.json.encode(body), b"/", "application/json"),
        channel="",
        given={},
        at=AT,
    )
    return {one.need: one for one in explain_sent(POLICY, sent).needs}


def test_needs_that_are_met() -> None:
    found = needs("refund", {"amount": "20", "currency": "EUR"})
    assert all(one.met for one in found.values())
    assert found["a sign-in of the last 5 min"] == Need("a sign-in of the last 5 min", "auth_time", "met", met=True)
    assert found["an amount"] == Need("an amount", "/amount", "20 EUR", met=True)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, "cannot be read: amount-missing"),
        ({"amount": "x", "currency": "EUR"}, "cannot be read: amount-malformed"),
        ({"amount": "1"}, "cannot be read: currency-missing"),
        ({"amount": "1", "currency": "USD"}, "cannot be read: currency-refused"),
    ],
)
def test_an_amount_that_cannot_be_read_says_why(body: object, found: str) -> None:
    one = needs("refund", body)
    assert one["an amount"].found == found
    assert one["at most 500 EUR per call"].found == "cannot be measured"


def test_only_the_exceeded_limit_is_named() -> None:
    found = needs("refund", {"amount": "700", "currency": "EUR"})
    assert (found["at most 500 EUR per call"].met, found["at most 1000 EUR in 1 day by subject"].met) == (False, True)


def test_a_credential_that_proves_nobody_is_the_only_need() -> None:
    found = needs("refund", {}, NotProven("expired", Reason.TOKEN_EXPIRED))
    assert list(found.values()) == [Need("a credential", "", "it is expired", met=False)]


def test_a_stranger_and_an_old_sign_in_are_named() -> None:
    found = needs("refund", {}, signed_in(at=AT - 1_000, actor="unheard-of"))
    assert found["a known actor"].source == "act"
    assert not found["a known actor"].met
    assert found["a sign-in of the last 5 min"].found == "older than 5 min"


def test_a_missing_key_against_repeats_is_named() -> None:
    old = signed_in(at=AT - 1_000)  # with a fresh sign-in, the request is refused before its decision
    assert not needs("refund", {"amount": "700", "currency": "EUR"}, old, key="")["a key against repeats"].met


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(name="a", amount="500", currency="EUR"), "500 EUR per call"),
        (Limit(name="a", calls=1, per=600.0, by="session"), "1 call in 10 min by session"),
        (Limit(name="a", calls=3, per=86_400.0), "3 calls in 1 day by subject"),
    ],
)
def test_a_limit_is_described(limit: Limit, words: str) -> None:
    assert format_limit(limit) == words
