"""Forms: one reading or none, with the form parsers of Starlette, Django and the standard library as oracles."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import django
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http.multipartparser import MultiPartParserError
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request as StarletteRequest

from authguard.core.amount import UnreadableValueError, read_amount, read_payee
from authguard.core.outcomes import Reason
from authguard.core.request import Operation
from authguard.formats.form import MAX_FIELDS, FormDocument, parse_form
from authguard.formats.multipart import without_boundary
from authguard.formats.strict_json import NO_DOCUMENT

if not django_settings.configured:
    django_settings.configure(DEFAULT_CHARSET="utf-8")
    django.setup()

URLENCODED: Final = b"application/x-www-form-urlencoded"
PAY: Final = Operation(name="pay", amount_form="amount", currency_form="currency", payee_form="to")
EUROS: Final = Operation(name="pay", amount_form="amount", currency="EUR")


def guarded(content: bytes, form: bytes = URLENCODED, query: bytes = b"", operation: Operation = EUROS) -> object:
    """Return what the guard measures, or the code of the reason why it does not."""
    document = parse_form(*without_boundary(form, content), query)
    try:
        return read_amount(operation, document)
    except UnreadableValueError as error:
        return error.reason.code


def read_by_starlette(content: bytes, form: bytes) -> list[object]:
    """Return every `amount` that an app on Starlette or FastAPI reads."""

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def read() -> list[object]:
        request = StarletteRequest({"type": "http", "method": "POST", "headers": [(b"content-type", form)]}, receive)
        try:
            async with request.form() as fields:
                return [value for name, value in fields.multi_items() if name == "amount"]
        except (HTTPException, MultiPartException, UnicodeDecodeError, LookupError):
            return []

    return asyncio.run(read())


def read_by_django(content: bytes, form: bytes, query: bytes = b"") -> list[object]:
    """Return every `amount` that an app on Django reads."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/pay",
        "query_string": query,
        "headers": [(b"content-type", form), (b"content-length", str(len(content)).encode())],
    }
    try:
        request = ASGIRequest(scope, io.BytesIO(content))
        return [*request.POST.getlist("amount"), *request.FILES.getlist("amount")]
    except (MultiPartParserError, SuspiciousOperation, UnicodeDecodeError, LookupError):
        return []


def read_by_the_library(content: bytes, form: bytes) -> list[object]:
    """Return every `amount` that `urllib.parse` reads."""
    if not form.lower().startswith(URLENCODED):
        return []
    try:
        return [value for name, value in parse_qsl(content.decode("latin-1"), True) if name == "amount"]
    except ValueError:
        return []


def multipart(*parts: bytes, boundary: bytes = b"d8f1b0c3a95e", end: bytes = b"--\r\n") -> bytes:
    """Join parts, each with its headers, as browsers do."""
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + end


def part(name: bytes, value: bytes, *, more: bytes = b"", after: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + after + b"\r\n" + more + b"\r\n" + value


TYPE: Final = b"multipart/form-data; boundary=d8f1b0c3a95e"
AMOUNT: Final = part(b"amount", b"19.99")


@pytest.mark.parametrize("text", ["0", "19.99", "0.10", "5", "999999999999999999", "0.000000000000000001"])
def test_a_decimal_in_one_field_is_read_exactly_as_the_app_reads_it(text: str) -> None:
    for content, form in (
        (urlencode({"note": "für dich & mich", "amount": text}).encode(), URLENCODED),
        (urlencode({"amount": text}).encode(), URLENCODED + b'; Charset="UTF-8"'),
        (multipart(part(b"note", "für".encode()), part(b"amount", text.encode())), TYPE),
        (multipart(part(b"amount", text.encode(), more=b"Content-Type: text/plain; charset=utf-8\r\n")), TYPE),
    ):
        assert guarded(content, form) == (Decimal(text), "EUR")
        assert read_by_starlette(content, form) == read_by_django(content, form) == [text]


#: body -> the reason why it has no amount
REFUSED: Final = {
    b"": "body-unreadable",
    b"note=1": "amount-missing",
    b"amount=": "amount-malformed",
    b"amount": "body-unreadable",
    b"amount=1&amount=900": "amount-malformed",
    b"amount=1&Amount=900": "amount-malformed",
    b"amount=1&AMOUNT=900": "amount-malformed",
    b"amount=1&amount%5B%5D=900": "amount-malformed",
    b"amount=1&amount[]=900": "body-unreadable",
    b"amount=1&amount%5Ba%5D=900": "amount-malformed",
    b"amount=1&amount%00=900": "amount-malformed",
    b"amount=1&%61mount=900": "amount-malformed",
    b"%61mount=900": "amount-malformed",
    b"amount=1&+amount=900": "amount-malformed",
    b"amount=1&amount+=900": "amount-malformed",
    b"amount=1&%EF%BB%BFamount=900": "amount-malformed",
    b"amount=1&%EF%BD%81mount=900": "amount-malformed",
    b"\xef\xbb\xbfamount=1": "body-unreadable",
    b"note=x;amount=900&amount=1": "body-unreadable",
    b"amount=1;amount=900": "body-unreadable",
    b"amount=1&&x=1": "body-unreadable",
    b"&amount=1": "body-unreadable",
    b"amount=1&": "body-unreadable",
    b"amount=1=900": "body-unreadable",
    b"amount=1&x=%zz": "body-unreadable",
    b"amount=1&x=%F": "body-unreadable",
    b"amount=1&x=%FF": "body-unreadable",
    b"amount=1&%FF=1": "body-unreadable",
    b"amount=1&_charset_=utf-16": "body-unreadable",
    b"amount=1\r\n": "body-unreadable",
    b"amount=1\x00": "body-unreadable",
    "amount=1".encode("utf-16"): "body-unreadable",
    b"amount=1e3": "amount-malformed",
    b"amount=1E3": "amount-malformed",
    b"amount=+5": "amount-malformed",
    b"amount=%2B5": "amount-malformed",
    b"amount=-5": "amount-malformed",
    b"amount=-0": "amount-malformed",
    b"amount=1,000": "amount-malformed",
    b"amount=19,99": "amount-malformed",
    b"amount=1.000.000": "amount-malformed",
    b"amount=1_000": "amount-malformed",
    b"amount=007": "amount-malformed",
    b"amount=00": "amount-malformed",
    b"amount=.5": "amount-malformed",
    b"amount=5.": "amount-malformed",
    b"amount=0x10": "amount-malformed",
    b"amount=NaN": "amount-malformed",
    b"amount=Infinity": "amount-malformed",
    b"amount=%31": "amount-malformed",
    b"amount=1%2E5": "amount-malformed",
    b"amount=+1": "amount-malformed",
    b"amount=1+": "amount-malformed",
    b"amount=%201": "amount-malformed",
    b"amount=1%0A": "amount-malformed",
    b"amount=1%00": "amount-malformed",
    b"amount=%EF%BC%95": "amount-malformed",
    b"amount=%D9%A5": "amount-malformed",
    b"amount=" + b"9" * 19: "amount-malformed",
    b"amount=0." + b"1" * 19: "amount-malformed",
    b"amount=1" + b"&x=1" * MAX_FIELDS: "body-unreadable",
}


@pytest.mark.parametrize("content", REFUSED)
def test_what_parsers_or_apps_could_read_otherwise_is_refused(content: bytes) -> None:
    assert guarded(content) == REFUSED[content]


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"application/json",
        b"text/plain",
        b"application/x-www-form-urlencoded; charset=utf-16",
        b"application/x-www-form-urlencoded; charset=utf-7",
        b"application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
        b"application/x-www-form-urlencoded; charset*=utf-8''utf-16",
        b"application/x-www-form-urlencoded; a=1",
        b"application/x-www-form-urlencoded, application/json",
        b"application/x-www-form-urlencoded\x0b",
        b"multipart/form-data; boundary=x",
        b"\ncontent-type: application/x-www-form-urlencoded\ncontent-encoding: gzip",
        b"\ncontent-type: application/x-www-form-urlencoded\ncontent-type: application/json",
    ],
)
def test_another_media_type_charset_or_coding_is_refused(form: bytes) -> None:
    assert guarded(b"amount=1", form) == "body-unreadable"


@pytest.mark.parametrize(
    "query", [b"amount=900", b"x=1&amount=2", b"x=1;AMOUNT=2", b"%61mount=2", b"amount[]=2", b"amount"]
)
def test_a_field_in_the_query_too_is_refused(query: bytes) -> None:
    assert guarded(b"amount=1", query=query) == "amount-malformed"
    assert guarded(b"x=1", query=query) == "amount-malformed"
    assert guarded(b"amount=1", query=b"page=2&amounts=3") == (Decimal(1), "EUR")


@pytest.mark.parametrize(
    "content",
    [
        multipart(AMOUNT, part(b"amount", b"900")),
        multipart(AMOUNT, part(b"Amount", b"900")),
        multipart(AMOUNT, part(b"amount[]", b"900")),
        multipart(AMOUNT, part(b"amount", b"900", after=b'; filename="x"')),
        multipart(part(b"amount", b"900", after=b'; filename=""')),
        multipart(part(b"amount", b"900", more=b"Content-Type: text/plain; charset=utf-16\r\n")),
        multipart(part(b"amount", b"900", more=b"Content-Type: application/json\r\n")),
        multipart(part(b"amount", b"OTAw", more=b"Content-Transfer-Encoding: base64\r\n")),
        multipart(part(b"amount", b"1", after=b'; name="note"')),
        multipart(part(b"amount", b"1", after=b"; name*=utf-8''note")),
        multipart(part(b"amo\\unt", b"1"), AMOUNT),
        multipart(part(b"%61mount", b"1"), AMOUNT),
        multipart(part(b"am\xffount", b"1"), AMOUNT),
        multipart(part(b"amount", b"1\r\n")),
        multipart(part(b"amount", b" 1")),
        multipart(part(b"amount", "\uff15".encode())),
        multipart(b"\r\nno headers", AMOUNT),
        multipart(b"X: y\r\n" + AMOUNT),
        multipart(AMOUNT.replace(b"\r\n", b"\n", 1)),
        multipart(b" " + AMOUNT),
        multipart(b"Content-Disposition: form-data\r\n\r\n1"),
        multipart(b'Content-Disposition: attachment; name="amount"\r\n\r\n1'),
        multipart(AMOUNT, end=b"--\r\nepilogue"),
        multipart(AMOUNT, end=b""),
        b"preamble\r\n" + multipart(AMOUNT),
        multipart(AMOUNT).replace(b"\r\n", b"\n"),
        multipart(AMOUNT) + multipart(part(b"amount", b"900")),
        multipart(AMOUNT, part(b"note", b"--d8f1b0c3a95e--")),
        multipart(AMOUNT, part(b"note", b'\n--d8f1b0c3a95e\nContent-Disposition: form-data; name="amount"\n\n900')),
        multipart(*[part(b"x", b"1")] * (MAX_FIELDS + 1), AMOUNT),
        b"",
    ],
)
def test_a_multipart_form_that_could_be_read_otherwise_is_refused(content: bytes) -> None:
    assert guarded(content, TYPE) in {"amount-malformed", "body-unreadable"}


@pytest.mark.parametrize(
    "form",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=other",
        b"multipart/form-data; boundary=d8f1b0c3a95e; charset=utf-16",
        b"multipart/form-data; charset=utf-16; boundary=d8f1b0c3a95e",
        b"multipart/form-data; boundary=d8f1b0c3a95e; boundary=other",
        b"multipart/form-data; boundary*=utf-8''other; boundary=d8f1b0c3a95e",
        b"multipart/mixed; boundary=d8f1b0c3a95e",
        b"multipart/form-data; boundary=D8F1B0C3A95E",
    ],
)
def test_another_multipart_header_is_refused(form: bytes) -> None:
    assert guarded(multipart(AMOUNT), form) == "body-unreadable"


def test_the_mark_as_a_boundary_is_verified_like_any_other() -> None:
    mark = b"authguard-boundary"
    assert guarded(multipart(AMOUNT, boundary=mark), b"multipart/form-data; boundary=" + mark) == (
        Decimal("19.99"),
        "EUR",
    )
    # a boundary is case-sensitive: in this body the app sees no part, or another one
    shouted = b"multipart/form-data; boundary=" + mark.upper()
    assert guarded(multipart(AMOUNT, boundary=mark), shouted) == "body-unreadable"
    both = multipart(part(b"amount", b"900\r\n" + multipart(AMOUNT, boundary=mark)), boundary=mark.upper())
    assert guarded(both, shouted) in {"amount-malformed", "body-unreadable"}


def test_a_file_and_names_as_clients_write_them_do_not_disturb() -> None:
    content = multipart(
        part(
            b"scan", b"\xff\x00\r\n", more=b"Content-Type: image/png\r\n", after='; filename="Straße (1).png"'.encode()
        ),
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=amount\r\n\r\n19.99",
        end=b"--",
    )
    assert guarded(content, b'Multipart/Form-Data; Boundary="d8f1b0c3a95e"') == (Decimal("19.99"), "EUR")


def test_currency_and_payee_come_from_fields_too() -> None:
    content = urlencode({"amount": "5", "currency": "eur", "to": "Müller & Söhne"}).encode()
    assert guarded(content, operation=PAY) == (Decimal(5), "EUR")
    assert read_payee(PAY, parse_form(URLENCODED, content)) == "müllersöhne"
    for extra, code in (
        (b"&currency=usd", "currency-malformed"),
        (b"&Currency=usd", "currency-malformed"),
    ):
        assert guarded(content + extra, operation=PAY) == code
    assert guarded(b"amount=5", operation=PAY) == "currency-missing"
    for currency in (b"E%55R", b"EURO", b"EU", b"%E2%82%AC", b"eu%72", b"EUR+", b"E1R", b""):
        assert guarded(b"amount=5&currency=" + currency, operation=PAY) == "currency-malformed"
    for to, reason in (
        (b"", Reason.PAYEE_MISSING),
        (b"&to=", Reason.PAYEE_MALFORMED),
        (b"&to=%2D", Reason.PAYEE_MALFORMED),
        (b"&to=a&to=b", Reason.PAYEE_MALFORMED),
        (b"&to=a&TO=b", Reason.PAYEE_MALFORMED),
        (b"&to=" + b"a" * 257, Reason.PAYEE_MALFORMED),
    ):
        with pytest.raises(UnreadableValueError) as caught:
            read_payee(PAY, parse_form(URLENCODED, b"amount=1" + to))
        assert caught.value.reason is reason


def test_a_form_is_not_json_and_json_is_no_form() -> None:
    at = Operation(name="pay", amount_at="/amount", currency="EUR")
    assert guarded(b"amount=1", operation=at) == "body-unreadable"
    for document in ({"amount": 1}, NO_DOCUMENT):
        with pytest.raises(UnreadableValueError) as caught:
            read_amount(EUROS, document)
        assert caught.value.reason is Reason.BODY_UNREADABLE


_NAMES = st.sampled_from(
    [
        b"amount",
        b"Amount",
        b"amount%5B%5D",
        b"%61mount",
        b"+amount",
        b"amount%00",
        b"x",
        b"%E2%82%ACamount",
        b"amount.x",
        b"",
    ]
)
_VALUES = st.sampled_from(
    [b"1", b"900", b"1e9", b"%39", b"9+", b"", b"1;amount=900", b"1%26amount=900", b"%C3%BC", b"a=b"]
)
_JOINTS = st.sampled_from([b"&", b"&", b"&", b";", b"&&", b"\n", b"=", b"\r\n&", b" "])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(_NAMES, _VALUES, _JOINTS), min_size=1, max_size=5), st.binary(max_size=3))
def test_what_is_measured_is_all_that_any_parser_reads(pairs: list[tuple[bytes, bytes, bytes]], tail: bytes) -> None:
    content = b"".join(name + b"=" + value + joint for name, value, joint in pairs)[:-1] + tail
    agree_with_oracles(content, URLENCODED)


_PARTS = st.sampled_from(
    [
        AMOUNT,
        part(b"amount", b"900"),
        part(b"x", b"1"),
        part(b"Amount", b"9"),
        part(b"amount", b"9", after=b'; filename="f"'),
        part(b"x", b"1", after=b'; name="amount"'),
        part(b"amount", b"OTAw", more=b"Content-Transfer-Encoding: base64\r\n"),
        part(b"x", b"1\r\n--d8f1b0c3a95e\r\n" + part(b"amount", b"900")),
        part(b"x", b"1\n--d8f1b0c3a95e\n" + part(b"amount", b"900")),
        b"content-disposition:form-data;name=amount\r\n\r\n7",
        b"Content-Disposition: form-data; NAME=amount\r\n\r\n7",
        b'Content-Disposition: form-data; name="am\\ount"\r\n\r\n7',
        b"\r\n",
    ]
)
_ENDS = st.sampled_from([b"--\r\n", b"--", b"", b"\r\n", b"-- \r\n", b"--\r\n--d8f1b0c3a95e\r\n" + AMOUNT])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_PARTS, max_size=4),
    _ENDS,
    st.sampled_from([TYPE, TYPE.replace(b"=", b'="') + b'"', TYPE + b"; charset=latin-1"]),
)
def test_what_is_measured_of_parts_is_all_that_any_parser_reads(parts: list[bytes], end: bytes, form: bytes) -> None:
    agree_with_oracles(multipart(*parts, end=end), form)


def agree_with_oracles(content: bytes, form: bytes) -> None:
    measured = guarded(content, form)
    if not isinstance(measured, tuple):
        return
    digits = f"{measured[0]:f}"
    readings = [read_by_starlette(content, form), read_by_django(content, form)]
    readings += [read_by_the_library(content, form)] if form == URLENCODED else []
    for read in readings:
        assert read in ([digits], []), (content, measured, read)


def test_every_byte_between_fields_agrees_with_the_oracles() -> None:
    for byte, content in itertools.product(range(256), (b"amount=1%bamount=900", b"x=1%bamount=1", b"amount%b=1")):
        agree_with_oracles(content % bytes([byte]), URLENCODED)


def test_a_large_form_is_parsed_or_refused_quickly() -> None:
    for content in (b"a=" + b"%41" * 300_000, b"&" * 1_000_000, b"a=b&" * 250_000, b"=" * 1_000_000):
        parse_form(URLENCODED, content)
    assert isinstance(parse_form(URLENCODED, b"&".join([b"a=1"] * MAX_FIELDS)), FormDocument)
    assert not re.search("amount", repr(UnreadableValueError(Reason.PAYEE_MISSING)))
