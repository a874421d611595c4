"""Multipart boundary: a form sent again has equal bytes, and different forms stay different."""

from __future__ import annotations

import re

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authguard.formats.multipart import MARK, MAX_DELIMITERS, without_boundary

TYPE = b"multipart/form-data; boundary="
boundaries = st.text("ab-'(=", min_size=1, max_size=4).map(str.encode)
#: pieces of which bodies are made, so that boundaries turn up everywhere
PIECES = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"--", b"-", b" ", b"\t", b"a", b"b", b"ab", b"x", MARK, b"\r\n--", b"'", b"("]),
    max_size=14,
).map(b"".join)


def body(boundary: bytes, parts: list[bytes]) -> bytes:
    return b"".join(b"--" + boundary + b"\r\n\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def quoted(boundary: bytes) -> bytes:
    return TYPE + b'"' + boundary + b'"'


def rename(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace a body's boundary by an independent implementation: in delimiter lines only."""
    line = rb"(\A|\r\n)--" + re.escape(old) + rb"(?=(--)?[ \t]*(\r\n|\Z))"
    return re.sub(line, lambda found: found[1] + b"--" + new, content)


def test_the_same_form_sent_again_is_the_same() -> None:
    def encoded() -> tuple[bytes, bytes]:
        request = httpx2.Request("POST", "http://x/", data={"to": "bob"}, files={"slip": ("a.txt", b"--x\r\n--y")})
        return request.headers["content-type"].encode(), request.read()

    one, other = encoded(), encoded()
    assert one != other
    assert without_boundary(*one) == without_boundary(*other)


@given(boundaries, PIECES, boundaries, PIECES)
def test_two_bodies_become_one_only_where_the_boundary_is_all_that_differs(
    one: bytes, first: bytes, other: bytes, second: bytes
) -> None:
    form, content = quoted(one), b"--" + one + b"\r\n" + first
    again, more = quoted(other), b"--" + other + b"\r\n" + second
    same = without_boundary(form, content) == without_boundary(again, more)
    if same:
        assert rename(content, one, other) == more
        assert rename(more, other, one) == content


@given(boundaries, boundaries, PIECES)
@example(b"b", b"c", b"\r\n--b")
def test_a_boundary_that_stands_elsewhere_too_counts_byte_by_byte(one: bytes, other: bytes, noise: bytes) -> None:
    content = body(one, [noise])
    told = without_boundary(quoted(one), content)
    if told != (quoted(one), content):
        delimiters = [line for line in content.split(b"\r\n") if line.startswith(b"--" + one)]
        assert content.count(one) == len(delimiters), "the boundary is nowhere but in delimiter lines"
        assert told[1].replace(MARK, one) == content
        assert without_boundary(quoted(other), told[1].replace(MARK, other)) in {
            told,
            (quoted(other), told[1].replace(MARK, other)),
        }


@pytest.mark.parametrize(
    "form",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=x; boundary=x",
        b"multipart/form-data; boundary=x; Boundary=y",
        b"multipart/form-data; boundary*=utf-8''x",
        b"multipart/form-data; boundary*0=x; boundary=x",
        b'multipart/form-data; boundary="x\\y"',
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"x" * 71,
        b"multipart/form-data, multipart/form-data; boundary=x",
        b"multipart/form-data; boundary=x\ngzip",
        b"text/plain; boundary=x",
    ],
)
def test_a_header_that_can_be_read_in_two_ways_is_left_as_it_is(form: bytes) -> None:
    content = body(b"x", [b"1"])
    assert without_boundary(form, content) == (form, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no delimiter",
        b"--x\r\n1\n--x--",  # a line that ends in a line feed alone is no line
        b"--xyz\r\n",  # some parsers take this for a delimiter line
        body(b"x", [b"a x within"]),
        body(b"x", [MARK]),
        body(b"x", [b"1"] * MAX_DELIMITERS),
    ],
)
def test_what_may_be_parsed_in_two_ways_counts_byte_by_byte(content: bytes) -> None:
    assert without_boundary(TYPE + b"x", content) == (TYPE + b"x", content)


def test_a_quoted_boundary_and_a_preamble_are_taken() -> None:
    form = b'multipart/mixed; charset=utf-8; boundary="a b"'
    assert without_boundary(form, body(b"a b", [b"1"])) == (form, body(b"a b", [b"1"]))
    form = b'Multipart/Mixed ; Charset=utf-8; BOUNDARY="q=1"'
    told = without_boundary(form, b"preamble\r\n" + body(b"q=1", [b"1"]))
    assert told == (form.replace(b"q=1", MARK), b"preamble\r\n" + body(MARK, [b"1"]))
