"""Money is exact or unmeasured; windows slide; what is reserved counts until it is released."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.facts import Limit, Operation
from authguard.core.limits import LEDGER_BOUND, UnreadableError, measure, parse_json, release, reserve
from authguard.core.snapshot import Spent

CALL = Limit(name="refund/0", amount="500", currency="EUR")
DAY = Limit(name="refund/1", amount="1000", currency="EUR", per=86_400.0)
COUNT = Limit(name="refund/2", calls=2, per=600.0, by="session")
REFUND = Operation(name="refund", risk="high", amount_at="/amount", currency_at="/currency", limits=(CALL, DAY, COUNT))
NOW = 1_000_000.0


def measured(body: object, **given: object) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ledgers = {"by_subject": (), "by_session": (), **given}
    return measure(REFUND, raw, now=NOW, **ledgers).condition  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", ["0", "0.01", "499.99", "500", "500.00", "5e2", "500.000000000000000"])
def test_an_exact_amount_within_the_limit_fits(amount: str) -> None:
    assert measured(f'{{"amount": {amount}, "currency": "EUR"}}'.encode()) == "within"


@pytest.mark.parametrize("amount", ["500.01", "500.000000000000001", "501", "1e3", "99999999999999999"])
def test_a_hair_more_than_the_limit_does_not(amount: str) -> None:
    assert measured(f'{{"amount": {amount}, "currency": "EUR"}}'.encode()) == "exceeded"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"currency": "EUR"}',
        b'{"amount": "500", "currency": "EUR"}',
        b'{"amount": true, "currency": "EUR"}',
        b'{"amount": null, "currency": "EUR"}',
        b'{"amount": [1], "currency": "EUR"}',
        b'{"amount": -1, "currency": "EUR"}',
        b'{"amount": -0.0, "currency": "EUR"}',
        b'{"amount": NaN, "currency": "EUR"}',
        b'{"amount": Infinity, "currency": "EUR"}',
        b'{"amount": 1e400, "currency": "EUR"}',
        b'{"amount": 1e-400, "currency": "EUR"}',
        b'{"amount": 1e999999999999999999999, "currency": "EUR"}',
        b'{"amount": ' + b"9" * 5_000 + b', "currency": "EUR"}',
        b'{"amount": 1, "currency": "USD"}',
        b'{"amount": 1, "currency": "eur"}',
        b'{"amount": 1, "currency": 1}',
        b'{"amount": 1}',
        b'{"amount": 1, "amount": 900, "currency": "EUR"}',
        '{"amount": 1, "currency": "EUR"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"amount": 1, "currency": "EUR"}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_exactly_is_unmeasured(body: bytes) -> None:
    assert measured(body) == "unmeasured"


def test_a_window_slides_and_forgets_what_left_it() -> None:
    inside = Spent("refund/1", NOW - 86_399, "600", "t1")
    outside = Spent("refund/1", NOW - 86_400, "600", "t1")
    body = {"amount": 450, "currency": "EUR"}
    assert measured(body, by_subject=(inside,)) == "exceeded"
    assert measured(body, by_subject=(outside,)) == "within"


def test_calls_are_counted_by_session() -> None:
    spent = tuple(Spent("refund/2", NOW - place, "1", f"t{place}") for place in range(2))
    body = {"amount": 1, "currency": "EUR"}
    assert measured(body, by_session=spent[:1]) == "within"
    assert measured(body, by_session=spent) == "exceeded"


def test_a_transactions_own_reservation_does_not_count_against_it() -> None:
    own = Spent("refund/1", NOW - 10, "800", "mine")
    body = {"amount": 400, "currency": "EUR"}
    assert measured(body, by_subject=(own,)) == "exceeded"
    assert measured(body, by_subject=(own,), transaction="mine") == "within"


def test_a_full_ledger_is_exceeded_and_not_forgotten() -> None:
    ledger = tuple(Spent("other/0", NOW, "1", f"t{place}") for place in range(LEDGER_BOUND))
    assert measured({"amount": 1, "currency": "EUR"}, by_subject=ledger) == "exceeded"


def test_reserving_twice_for_one_transaction_counts_once() -> None:
    spends = measure(
        REFUND, b'{"amount": 5, "currency": "EUR"}', by_subject=(), by_session=(), now=NOW, transaction="t"
    ).subject
    once = reserve((), spends, REFUND.limits, NOW)
    assert reserve(once, spends, REFUND.limits, NOW) == once


@given(st.lists(st.decimals(min_value=0, max_value=400, places=2), max_size=12), st.data())
def test_no_sequence_of_reservations_and_releases_exceeds_the_budget(
    amounts: list[Decimal], data: st.DataObject
) -> None:
    ledger: tuple[Spent, ...] = ()
    held: dict[str, Decimal] = {}
    operation = Operation(name="refund", amount_at="/amount", currency_at="/currency", limits=(DAY,))
    for place, amount in enumerate(amounts):
        transaction = f"t{place}"
        body = f'{{"amount": {amount}, "currency": "EUR"}}'.encode()
        found = measure(operation, body, by_subject=ledger, by_session=(), now=NOW + place, transaction=transaction)
        if found.condition == "within":
            ledger = reserve(ledger, found.subject, operation.limits, NOW + place)
            held[transaction] = amount
        else:
            assert sum(held.values()) + amount > 1000
        if held and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(sorted(held)))
            ledger = release(ledger, gone)
            del held[gone]
        assert sum(held.values(), Decimal(0)) <= 1000
        assert sum(Decimal(entry.amount) for entry in ledger) == sum(held.values(), Decimal(0))


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused(body: bytes) -> None:
    try:
        parse_json(body)
    except UnreadableError:
        return
    json.loads(body)
