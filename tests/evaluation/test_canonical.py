"""Canonical form: one form for unambiguous JSON, and escapes for every deceptive character."""

from __future__ import annotations

import json
import string
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.evaluation.canonical import (
    MAX_LINES,
    MAX_TEXT_CHARS,
    MAX_VALUE_CHARS,
    PREFIX_CHARS,
    canonicalize,
    render_request,
)
from authguard.formats.multipart import without_boundary
from authguard.formats.strict_json import NO_DOCUMENT

JSON = "application/json"
PRINTABLE = set(string.printable[:95])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def shown(content: bytes, media_type: str = JSON, form: bytes = b"") -> tuple[str, ...]:
    return render_request("POST", b"/pay?", form, canonicalize(content, media_type, form))


def whole(content: bytes) -> str:
    lines = shown(content)
    assert lines, "nothing is shown"
    return "\n".join(lines)


FORM = b"application/x-www-form-urlencoded"


def test_an_approver_sees_the_fields_of_a_form_and_its_bytes() -> None:
    content = b"amount=19.99&to=M%C3%BCller+%26+Co&note="
    lines = render_request("POST", b"/pay?", FORM, canonicalize(content, FORM.decode(), FORM))
    assert lines == (
        'POST "/pay?"',
        f'read as: "{FORM.decode()}"',
        f'the body, byte by byte: "{content.decode()}"',
        'field "amount": "19.99"',
        'field "to": "M\\u00fcller & Co"  [not ASCII: U+00FC LATIN SMALL LETTER U WITH DIAERESIS]',
        'field "note": ""',
    )


def test_an_approver_sees_the_parts_of_a_multipart_form() -> None:
    parts = ('name="amount"\r\n\r\n5', 'name="scan"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nx')
    body = "".join(f"--b8c1\r\nContent-Disposition: form-data; {one}\r\n" for one in parts) + "--b8c1--\r\n"
    form, content = without_boundary(b"multipart/form-data; boundary=b8c1", body.encode())
    lines = render_request("POST", b"/pay?", form, canonicalize(content, "multipart/form-data", form))
    assert lines[-2:] == ('field "amount": "5"', 'field "scan": a file')


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_two_forms_look_alike_only_where_they_are_one(one: bytes, other: bytes) -> None:
    bodies = [b"a=" + quote_from_bytes(value).encode() for value in (one, other)]
    bodies += [b"a=" + b"".join(b"%%%02X" % byte for byte in one)]
    lines = [shown(body, FORM.decode(), FORM) for body in bodies]
    assert (lines[0] == lines[1], lines[0] == lines[2]) == (bodies[0] == bodies[1], bodies[0] == bodies[2])


@given(values)
def test_white_space_and_the_order_of_names_alone_change_nothing(value: Any) -> None:
    def turned(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {name: turned(member) for name, member in reversed(inner.items())}
        return [turned(member) for member in inner] if isinstance(inner, list) else inner

    plain = canonicalize(json.dumps(value).encode(), JSON)
    spaced = canonicalize(json.dumps(turned(value), indent=3, ensure_ascii=False).encode(errors="surrogatepass"), JSON)
    assert plain == spaced


@given(values, values)
def test_two_documents_look_alike_only_where_they_are_one(one: Any, other: Any) -> None:
    forms = [canonicalize(json.dumps(value).encode(), JSON) for value in (one, other)]
    lines = [render_request("POST", b"/pay?", b"", form) for form in forms]
    assert (forms[0] == forms[1]) == (lines[0] == lines[1])


@given(st.binary(max_size=700), st.binary(max_size=700))
def test_two_bodies_of_bytes_look_alike_only_where_they_are_one(one: bytes, other: bytes) -> None:
    assert (one == other) == (shown(one, "text/plain") == shown(other, "text/plain"))


@given(
    st.binary(max_size=300) | values.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="replace"))
)
def test_whatever_is_sent_is_shown_in_printable_ascii_line_by_line(content: bytes) -> None:
    for line in (*shown(content), *shown(content, "text/plain")):
        assert set(line) <= PRINTABLE


@pytest.mark.parametrize(
    "content",
    [
        b'{"amount": 1, "amount": 2}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": 1e400}',
        b'{"amount": 9007199254740993}',
        b'{"amount": 0.1000000000000000055}',
        b'{"to": "\\ud800"}',
        b'{"to": "\xff"}',
        b'\xef\xbb\xbf{"amount": 1}',
        '{"amount": 1}'.encode("utf-16"),
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"amount": 1',
        b"",
    ],
)
def test_of_what_parsers_read_differently_every_byte_counts_and_is_shown_as_bytes(content: bytes) -> None:
    form = canonicalize(content, JSON)
    assert (form.content, form.is_json) == (content, False)
    assert shown(content)[1].startswith("the body, byte by byte" if content else "no body")


@pytest.mark.parametrize(
    ("form", "is_json"),
    [
        (b"application/json", True),
        (b"application/json; charset=utf-8", True),
        (b'application/json; Charset="UTF-8"', True),
        (b"application/json; charset=utf-16", False),
        (b"application/json; charset=utf-8; charset=utf-7", False),
        (b"application/json; charset=utf-8x", False),
        (b"application/json\ngzip", False),
    ],
)
def test_a_body_that_is_to_be_read_in_another_way_is_bound_byte_by_byte(form: bytes, *, is_json: bool) -> None:
    assert canonicalize(b'{"a": 1}', JSON, form).is_json is is_json


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/xjson"])
def test_what_is_not_json_is_never_read_as_json(media_type: str) -> None:
    assert canonicalize(b'{"b": 1, "a": 2}', media_type).content == b'{"b": 1, "a": 2}'


def test_the_lines_name_each_value_by_its_place() -> None:
    content = b'{"to": {"a/b": ["x", null]}, "amount": 1e2, "note": "", "list": [], "ok": true}'
    assert shown(content, form=b"application/json") == (
        'POST "/pay?"',
        'read as: "application/json"',
        '"/amount": 100',
        '"/list": []',
        '"/note": ""',
        '"/ok": true',
        '"/to/a~1b/0": "x"',
        '"/to/a~1b/1": null',
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay\u202e001", '"pay\\u202e001"  [not ASCII: U+202E RIGHT-TO-LEFT OVERRIDE]'),
        ("pa\u0443pal", '"pa\\u0443pal"  [not ASCII: U+0443 CYRILLIC SMALL LETTER U]'),
        ("a\u200bb", '"a\\u200bb"  [not ASCII: U+200B ZERO WIDTH SPACE]'),
        ("a\r\nb\x1b[2J\x7f", '"a\\r\\nb\\u001b[2J\\u007f"'),
        ('", "to": "mallory', '"\\", \\"to\\": \\"mallory"'),
        ("\u00e0\u00e1\u00e2\u00e3\u00e4", "and 1 more]"),
    ],
)
def test_what_could_deceive_is_an_escape_and_is_named(text: str, expected: str) -> None:
    assert expected in whole(json.dumps({"to": text}).encode())


def test_a_long_value_is_shown_by_its_beginning_its_length_and_its_hash() -> None:
    kept = "a" * MAX_VALUE_CHARS
    assert f'"{kept}"' in whole(json.dumps({"note": kept}).encode())
    one, other = (whole(json.dumps({"note": kept + tail}).encode()) for tail in "xy")
    assert one != other
    assert f'"{"a" * PREFIX_CHARS}"... {MAX_VALUE_CHARS + 1} characters, SHA-256 ' in one


def test_more_than_a_person_can_read_is_not_shown_at_all_rather_than_in_part() -> None:
    assert len(shown(json.dumps(list(range(MAX_LINES - 1))).encode())) == MAX_LINES
    assert shown(json.dumps(list(range(MAX_LINES))).encode()) == ()
    assert shown(json.dumps({"a" * MAX_TEXT_CHARS: 1}).encode()) == ()
    deep: Any = 1
    for _ in range(50):
        deep = {"k" * 20_000: deep}
    assert shown(json.dumps(deep).encode()) == ()


@pytest.mark.parametrize(
    ("form", "plain"),
    [
        (b"", True),
        (b"application/json", True),
        (b"Application/JSON;charset=UTF-8", True),
        (b'application/json ; charset="utf-8"', True),
        (b"application/json; version=1; charset=utf-8", True),
        (b"application/problem+json", True),
        (b"application/json; charset=utf-16", False),
        (b"application/json; charset=utf-8; charset=utf-8", False),
        (b'application/json; charset="utf-8', False),
        (b'application/json; a="; charset=utf-7"', False),
        (b"application/json; charset*=utf-8''utf-7", False),
        (b"application/json; a=charset", True),
        (b"application/json, text/plain", False),
        (b"text/plain; a=application/json", False),
        (b"\ncontent-type: application/json\ncontent-encoding: identity", False),
    ],
)
def test_a_body_is_measured_only_where_its_headers_say_json_in_utf_8(form: bytes, plain: bool) -> None:  # noqa: FBT001
    assert (canonicalize(b'{"amount": 1}', JSON, form).document is not NO_DOCUMENT) == plain


def test_a_number_that_javascript_rounds_leaves_a_body_plain_though_every_byte_counts() -> None:
    form = canonicalize(b'{"order": 9007199254740993}', JSON)
    assert (form.document, form.is_json) == ({"order": 9007199254740993}, False)
