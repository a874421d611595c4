"""One spelling for each value, and everything bounded."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.formats import strict_json
from authguard.formats.strict_json import MAX_DEPTH, MAX_NODES, decode_base64url, parse_object

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.binary(min_size=1))
def test_the_canonical_spelling_of_any_bytes_is_read(raw: bytes) -> None:
    assert decode_base64url(urlsafe_b64encode(raw).rstrip(b"=")) == raw


@settings(deadline=None)
@given(st.text(_ALPHABET, min_size=1))
def test_what_is_read_has_no_second_spelling(text: str) -> None:
    try:
        raw = decode_base64url(text.encode())
    except ValueError:
        return
    assert urlsafe_b64encode(raw).rstrip(b"=").decode() == text


@pytest.mark.parametrize("segment", [b"A", b"AAAAA", b"AB", b"AAB", b"__"])
def test_loose_bits_and_impossible_lengths_are_refused(segment: bytes) -> None:
    with pytest.raises(ValueError, match="canonical"):
        decode_base64url(segment)


@settings(deadline=None)
@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_an_ordinary_object_is_read_as_any_reader_would(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"{",
        b"{} {}",
        b"{}\x00",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32-be"),
        b'{"a":01}',
        b'{"a":.5}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":"\n"}',
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_not_strictly_one_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"not strict JSON|not an object"):
        parse_object(raw)


def test_an_escaped_pair_of_surrogates_is_a_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def _nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_nesting_is_bounded() -> None:
    assert parse_object(_nested(MAX_DEPTH))
    with pytest.raises(ValueError, match="deeply"):
        parse_object(_nested(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="deeply"):
        parse_object(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")


def test_many_flat_lists_are_not_deep() -> None:
    assert len(parse_object(json.dumps({str(n): [n] for n in range(MAX_NODES - 1)}).encode())) == MAX_NODES - 1


@pytest.mark.parametrize("raw", [b"[" * 16_000, b'{"a":' * 3_000, b"[" * (MAX_NODES + 1)])
def test_more_objects_than_bounded_are_not_read_at_all(raw: bytes) -> None:
    with pytest.raises(ValueError, match="too many"):
        parse_object(raw)


@pytest.mark.parametrize("text", ["{" * 5_000, "[[" * 5_000, '\\"{' * 2_000, "\\\\{[" * 2_000])
def test_brackets_inside_texts_are_not_counted(text: str) -> None:
    raw = json.dumps({"a": text, "b": [text]}).encode()
    assert parse_object(raw) == {"a": text, "b": [text]}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b"{" * 600 + b'","b":' + b"[" * (MAX_NODES + 1),
        b'{"a":"\\\\",' + b'"b":' + b"[" * 600,
        b'{"a":"\\"' + b"[" * 600 + b'"' + b"[" * 600,
    ],
)
def test_a_text_does_not_hide_the_brackets_after_it(raw: bytes) -> None:
    with pytest.raises(ValueError, match="too many"):
        parse_object(raw)


def test_no_message_holds_what_was_read() -> None:
    with pytest.raises(ValueError, match=r"^not strict JSON$") as caught:
        parse_object(b'{"sub":"alice" "x"}')
    assert caught.value.__suppress_context__


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_an_object_or_a_value_error(raw: bytes) -> None:
    try:
        found = parse_object(raw)
    except ValueError:
        return
    assert json.loads(raw) == found


#: pieces of JSON at which parsers differ: numbers, escapes, duplicates and blanks
_PIECES = st.sampled_from(
    [
        *(
            "1",
            "-0",
            "-0.0",
            "1e5",
            "1E22",
            "1e22",
            "1e400",
            "0.1",
            "5e-324",
            "9007199254740993",
            "9" * 400,
            "1.0",
            "01",
        ),
        *('"a"', '"\\u00e9"', '"\u00e9"', '"\\ud800"', '"\\/"', '"\\u0000"', '"\x7f"', '""', "[]", "[1, 2]", '{"a":1}'),
        *('{"a":1,"a":1}', '{"a":1,"\\u0061":1}', "null", "true", "NaN", '"\n"', "{}"),
    ]
)
_BLANKS = st.sampled_from(["", " "])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "\\u0061", "\u00e9"]), _PIECES), max_size=4), _BLANKS)
def test_an_object_in_the_short_encoding_is_read_as_in_any_other(members: list[tuple[str, str]], blank: str) -> None:
    raw = ("{" + f",{blank}".join(f'"{name}":{blank}{value}' for name, value in members) + "}").encode()
    try:
        expected: object = strict_json._DECODER.decode(raw.decode())
        json.dumps(expected, ensure_ascii=False).encode()
    except ValueError:
        expected = ValueError
    try:
        found: object = parse_object(raw)
    except ValueError:
        found = ValueError
    assert found == expected
    assert repr(found) == repr(expected)  # `-0.0 == 0` and `1.0 == 1` are equal, but are not the same
