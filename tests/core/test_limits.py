"""Limits: exact money or unmeasured, sliding windows, reservation and release."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.limits import MAX_EXACT_ENTRIES, MAX_LEDGER_ENTRIES, measure, release, reserve
from authguard.core.outcomes import Reason
from authguard.core.request import Limit, Operation
from authguard.core.snapshot import LedgerEntry
from authguard.formats.strict_json import NO_DOCUMENT, UnreadableBodyError, exceeds_node_limit, parse_json

CALL = Limit(name="refund/0", amount="500", currency="EUR")
DAY = Limit(name="refund/1", amount="1000", currency="EUR", per=86_400.0)
COUNT = Limit(name="refund/2", calls=2, per=600.0, by="session")
REFUND = Operation(name="refund", risk="high", amount_at="/amount", currency_at="/currency", limits=(CALL, DAY, COUNT))
NOW = 1_000_000.0
WINDOWS = {limit.name: limit.per for limit in REFUND.limits}
NOBODYS: dict[str, tuple[LedgerEntry, ...]] = {"subject": (), "session": ()}


def parsed(raw: bytes) -> object:
    """Parse a body as the guard does."""
    try:
        return parse_json(raw)
    except UnreadableBodyError:
        return NO_DOCUMENT


def measured(body: object, **given: object) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    transaction = str(given.pop("transaction", ""))
    ledgers: Any = {"subject": (), "session": (), **{name.removeprefix("by_"): spent for name, spent in given.items()}}
    return measure(REFUND, parsed(raw), ledgers=ledgers, now=NOW, transaction=transaction).condition


@pytest.mark.parametrize("amount", ["0", "0.01", "499.99", "500", "500.00", "5e2", "500.000000000000000"])
def test_an_exact_amount_within_the_limit_fits(amount: str) -> None:
    assert measured(f'{{"amount": {amount}, "currency": "EUR"}}'.encode()) == "within"


@pytest.mark.parametrize("amount", ["0", "0.10", "19.99", "500", "500.00", "500.000000000000000"])
@pytest.mark.parametrize("currency", ["EUR", "eur", "Eur"])
def test_a_decimal_as_text_and_a_currency_in_any_case_mean_the_same(amount: str, currency: str) -> None:
    assert measured({"amount": amount, "currency": currency}) == "within"
    assert measured({"amount": f"5{amount}", "currency": currency}) in {"within", "exceeded"}
    assert measured({"amount": "500.01", "currency": currency}) == "exceeded"


#: body -> reason
FAULTS: dict[bytes, Reason] = {
    b"": Reason.BODY_UNREADABLE,
    b"{": Reason.BODY_UNREADABLE,
    b'{"amount": 1, "amount": 900, "currency": "EUR"}': Reason.BODY_UNREADABLE,
    b"[]": Reason.AMOUNT_MISSING,
    b"null": Reason.AMOUNT_MISSING,
    b'{"currency": "EUR"}': Reason.AMOUNT_MISSING,
    b'{"amount": null, "currency": "EUR"}': Reason.AMOUNT_MISSING,
    b'{"amount": true, "currency": "EUR"}': Reason.AMOUNT_MALFORMED,
    b'{"amount": [1], "currency": "EUR"}': Reason.AMOUNT_MALFORMED,
    b'{"amount": {"value": 1}, "currency": "EUR"}': Reason.AMOUNT_MALFORMED,
    b'{"amount": -1, "currency": "EUR"}': Reason.AMOUNT_MALFORMED,
    b'{"amount": 1}': Reason.CURRENCY_MISSING,
    b'{"amount": 1, "currency": null}': Reason.CURRENCY_MISSING,
    b'{"amount": 1, "currency": 978}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": "EURO"}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": "EUR "}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": ["EUR"]}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": "\xef\xbc\xa5UR"}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": "\xc5\xbfEK"}': Reason.CURRENCY_MALFORMED,
    b'{"amount": 1, "currency": "USD"}': Reason.CURRENCY_REFUSED,
} | {
    json.dumps({"amount": text, "currency": "EUR"}).encode(): Reason.AMOUNT_MALFORMED
    for text in (
        *(
            "",
            " ",
            "1e3",
            "1E3",
            "+5",
            "-5",
            "-0",
            "1,000",
            "19,99",
            "1.000.000",
            "1_000",
            "1 000",
            "007",
            "00",
            "01.5",
        ),
        *(
            ".5",
            "5.",
            "0x10",
            "1/2",
            "NaN",
            "Infinity",
            "inf",
            "null",
            " 1",
            "1 ",
            "1\n",
            "\t1",
            "1\x00",
            "\ufeff1",
            "$5",
        ),
        *(
            "5EUR",
            "\uff15",
            "\u0665",
            "5\u00a0",
            "\u00bd",
            "9" * 19,
            "0." + "1" * 19,
            "9" * 5_000,
            "1.2.3",
            "5-",
            "true",
        ),
    )
}


@pytest.mark.parametrize("body", FAULTS)
def test_what_cannot_be_read_has_a_reason(body: bytes) -> None:
    found = measure(REFUND, parsed(body), ledgers=NOBODYS, now=NOW)
    assert (found.condition, found.fault) == ("unmeasured", FAULTS[body])


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("1999", "19.99"),
        ('"1999"', "19.99"),
        ("1999.0", "19.990"),
        ("0", "0.00"),
        ("5", "0.05"),
        ("1e3", "10"),
        ("999999999999999999", "9999999999999999.99"),
    ],
)
def test_minor_units_are_scaled_exactly(raw: str, shown: str) -> None:
    cents = replace(REFUND, amount_at="/cents", scale=2, limits=(CALL,), currency_at="", currency="EUR")
    found = measure(cents, parsed(f'{{"cents": {raw}}}'.encode()), ledgers=NOBODYS, now=NOW)
    assert found.shown == f"{shown} EUR"
    assert found.condition == ("within" if Decimal(shown) <= 500 else "exceeded")


@pytest.mark.parametrize("raw", ["1999.5", '"19.99"', "0.1", '"1e3"', "1000000000000000000", '"019"', "-1", "1e-400"])
def test_a_fraction_of_a_minor_unit_is_refused(raw: str) -> None:
    cents = replace(REFUND, amount_at="/cents", scale=2, limits=(CALL,), currency_at="", currency="EUR")
    found = measure(cents, parsed(f'{{"cents": {raw}}}'.encode()), ledgers=NOBODYS, now=NOW)
    assert (found.condition, found.fault) == ("unmeasured", Reason.AMOUNT_MALFORMED)


@given(st.integers(0, 10**18 - 1), st.integers(1, 18))
def test_no_scale_changes_a_digit(units: int, scale: int) -> None:
    operation = Operation(name="pay", amount_at="/n", scale=scale, currency="EUR")
    amount, _, currency = measure(operation, {"n": units}, ledgers={}, now=NOW).shown.partition(" ")
    assert (Decimal(amount) * 10**scale, currency) == (units, "EUR")
    again = measure(operation, {"n": str(units)}, ledgers={}, now=NOW)
    assert again.shown == f"{amount} {currency}"


@given(st.from_regex(r"[-+ 0-9.,eE_]{0,12}", fullmatch=True) | st.text(max_size=6))
def test_a_text_that_is_measured_is_read_alike_by_every_number_parser(text: str) -> None:
    operation = Operation(name="pay", amount_at="/n", currency="EUR")
    found = measure(operation, {"n": text}, ledgers={}, now=NOW)
    if found.condition == "unmeasured":
        return
    digits = found.shown.removesuffix(" EUR")
    assert digits == text
    assert Decimal(text) == Decimal(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    assert float(text) == float(digits)


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
    inside = LedgerEntry("refund/1", NOW - 86_399, "600", "t1")
    outside = LedgerEntry("refund/1", NOW - 86_400, "600", "t1")
    body = {"amount": 450, "currency": "EUR"}
    assert measured(body, by_subject=(inside,)) == "exceeded"
    assert measured(body, by_subject=(outside,)) == "within"


def test_calls_are_counted_by_session() -> None:
    spent = tuple(LedgerEntry("refund/2", NOW - place, "1", f"t{place}") for place in range(2))
    body = {"amount": 1, "currency": "EUR"}
    assert measured(body, by_session=spent[:1]) == "within"
    assert measured(body, by_session=spent) == "exceeded"


def test_a_transactions_own_reservation_does_not_count_against_it() -> None:
    own = LedgerEntry("refund/1", NOW - 10, "800", "mine")
    body = {"amount": 400, "currency": "EUR"}
    assert measured(body, by_subject=(own,)) == "exceeded"
    assert measured(body, by_subject=(own,), transaction="mine") == "within"


def test_a_full_ledger_is_exceeded_and_not_forgotten() -> None:
    ledger = tuple(LedgerEntry("other/0", NOW, "1", f"t{place}") for place in range(MAX_LEDGER_ENTRIES))
    assert measured({"amount": 1, "currency": "EUR"}, by_subject=ledger) == "exceeded"


def test_reserving_twice_for_one_transaction_counts_once() -> None:
    body = b'{"amount": 5, "currency": "EUR"}'
    spends = measure(REFUND, parsed(body), ledgers=NOBODYS, now=NOW, transaction="t").spends["subject"]
    once = reserve((), spends, WINDOWS, NOW)
    assert reserve(once, spends, WINDOWS, NOW) == once


@given(st.lists(st.decimals(min_value=0, max_value=400, places=2), max_size=12), st.data())
def test_no_sequence_of_reservations_and_releases_exceeds_the_budget(
    amounts: list[Decimal], data: st.DataObject
) -> None:
    ledger: tuple[LedgerEntry, ...] = ()
    held: dict[str, Decimal] = {}
    operation = Operation(name="refund", amount_at="/amount", currency_at="/currency", limits=(DAY,))
    for place, amount in enumerate(amounts):
        transaction = f"t{place}"
        body = f'{{"amount": {amount}, "currency": "EUR"}}'.encode()
        found = measure(operation, parsed(body), ledgers={"subject": ledger}, now=NOW + place, transaction=transaction)
        if found.condition == "within":
            ledger = reserve(ledger, found.spends["subject"], WINDOWS, NOW + place)
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
    except UnreadableBodyError:
        return
    json.loads(body)


@pytest.mark.parametrize("by", ["actor", "client", "operation", "payee", "issuer", "service"])
def test_whose_limit_it_is_where_that_cannot_be_told_is_unmeasured(by: str) -> None:
    limit = Limit(name="pay/0", calls=2, per=60.0, by=by)
    pay = Operation(name="pay", limits=(limit,))
    spent = (LedgerEntry("pay/0", NOW, "1"), LedgerEntry("pay/0", NOW, "1"))
    assert measure(pay, NO_DOCUMENT, ledgers={}, now=NOW).condition == "unmeasured"
    assert measure(pay, NO_DOCUMENT, ledgers={by: spent[:1]}, now=NOW).condition == "within"
    assert measure(pay, NO_DOCUMENT, ledgers={by: spent}, now=NOW).condition == "exceeded"


def test_a_count_that_two_limits_share_is_counted_once() -> None:
    limits = tuple(Limit(name="service/calls/60", calls=calls, per=60.0, by="service") for calls in (5, 9))
    found = measure(Operation(name="pay", limits=limits), NO_DOCUMENT, ledgers={"service": ()}, now=NOW)
    assert len(found.spends["service"]) == 1


def test_sums_are_exact_to_the_last_digit() -> None:
    most, hair = "9" * 17, "0.000000000000000001"
    limit = Limit(name="refund/1", amount=most, currency="EUR", per=60.0)
    pay = Operation(name="refund", amount_at="/amount", currency="EUR", limits=(limit,))
    spent = (LedgerEntry("refund/1", NOW, hair),)
    assert (
        measure(pay, parsed(f'{{"amount": {most}}}'.encode()), ledgers={"subject": spent}, now=NOW).condition
        == "exceeded"
    )
    assert (
        measure(pay, parsed(f'{{"amount": {most}}}'.encode()), ledgers={"subject": ()}, now=NOW).condition == "within"
    )


moves = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["keep", "release", "again"]), st.integers(-100, 400)), max_size=60
)


@given(moves)
def test_a_small_ledger_agrees_with_one_that_never_forgets(steps: list[tuple[int, str, int]]) -> None:
    """The clock may step back a little; entries that left a window while it was ahead stay out."""
    limit = Limit(name="refund/1", amount="1000", currency="EUR", per=600.0)
    pay = Operation(name="refund", amount_at="/amount", currency="EUR", limits=(limit,))
    ledger: tuple[LedgerEntry, ...] = ()
    brute: dict[str, tuple[float, int]] = {}
    now = NOW
    for place, (amount, act, jump) in enumerate(steps):
        now += jump
        name = f"t{place - 1}" if act == "again" and f"t{place - 1}" in brute else f"t{place}"
        body = f'{{"amount": {amount}}}'.encode()
        found = measure(pay, parsed(body), ledgers={"subject": ledger}, now=now, transaction=name)
        counted = sum(spent for one, (at, spent) in brute.items() if now - at < 600 and one != name)
        assert (found.condition == "within") == (counted + amount <= 1000)
        if found.condition != "within":
            continue
        ledger = reserve(ledger, found.spends["subject"], {"refund/1": 600.0}, now)
        brute = {one: spent for one, spent in brute.items() if now - spent[0] < 600 and one != name}
        brute[name] = (now, amount)
        if act == "release":
            ledger = release(ledger, name)
            del brute[name]


@given(
    gaps=st.lists(st.integers(0, 30), min_size=MAX_EXACT_ENTRIES, max_size=MAX_EXACT_ENTRIES * 3), named=st.booleans()
)
@settings(max_examples=15)
def test_a_ledger_of_very_many_stays_small_and_never_counts_too_little(gaps: list[int], *, named: bool) -> None:
    limit = Limit(name="pay/0", calls=1_000_000, per=3_600.0, by="service")
    ledger: tuple[LedgerEntry, ...] = ()
    moments: list[float] = []
    now = NOW
    for place, gap in enumerate(gaps):
        now += gap
        ledger = reserve(
            ledger, (LedgerEntry("pay/0", now, "1", f"t{place}" if named else ""),), {"pay/0": 3_600.0}, now
        )
        moments.append(now)
        assert len(ledger) <= MAX_EXACT_ENTRIES + 1
    for later in (now, now + 1_000, now + 3_000, now + 3_599):
        kept = sum(int(entry.amount) for entry in ledger if later - entry.at < limit.per)
        assert kept >= sum(later - at < limit.per for at in moments)
        assert kept <= sum(later - at < limit.per * 5 / 4 for at in moments)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"1", 1),
        (b"[1, 2, 3]", 4),
        (b'{"a": [1, {}], "b": "x"}', 6),
        (b'{"a": ",,,,,[[[[{{{{"}', 2),
        (b'{"a": "\\",,,,,"}', 2),
        (b'["' + b"," * 50, 2),
        (b'["' + b",\\" * 50, 2),
        (b'\\"' * 50 + b",,,,", 1),
    ],
)
def test_values_are_counted_outside_of_texts_and_never_too_few(body: bytes, values: int) -> None:
    assert exceeds_node_limit(body, values - 1)
    assert not exceeds_node_limit(body, values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet=',[]{}"\\: a'),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(alphabet=',[]{}"\\: a'), inner, max_size=6),
        max_leaves=40,
    )
)
def test_a_document_never_has_more_values_than_are_counted(document: object) -> None:
    def count(value: object) -> int:
        if isinstance(value, dict):
            return 1 + sum(map(count, value.values()))
        return 1 + sum(map(count, value)) if isinstance(value, list) else 1

    assert exceeds_node_limit(json.dumps(document).encode(), count(document) - 1)
