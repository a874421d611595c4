"""The parser of a header returns a token of the right form, or the reason for its absence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.bearer import MAX_HEADER_BYTES, MAX_TOKEN_BYTES, read, split

from .conftest import UNHURRIED


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_case_insensitive(scheme: bytes) -> None:
    assert read(scheme + b" abc.DEF-_~+/==") == b"abc.DEF-_~+/=="


def test_blanks_around_the_parts_do_not_matter() -> None:
    assert read(b" \tBearer   abc \t") == b"abc"


@pytest.mark.parametrize("header", [b"", b" ", b"\t "])
def test_nothing_sent_is_missing(header: bytes) -> None:
    assert read(header) == NotProven("missing", Reason.CREDENTIAL_MISSING)


@pytest.mark.parametrize(
    "header", [b"Basic dTpw", b"DPoP abc", b"Bearertoken", b"bearer\tabc", b"Token abc", b"\xff x"]
)
def test_another_scheme_is_as_if_nothing_was_sent(header: bytes) -> None:
    assert read(header) == NotProven("missing", Reason.SCHEME_UNKNOWN)


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer",
        b"Bearer  ",
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer =",
        b"Bearer a=b",
        b"Bearer a\n",
        b"Bearer \xc3\xa4",
    ],
)
def test_what_is_no_token_is_rejected(header: bytes) -> None:
    assert read(header) == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)


def test_a_token_of_16_kib_is_read_and_a_byte_more_is_too_large() -> None:
    assert read(b"Bearer " + b"a" * MAX_TOKEN_BYTES) == b"a" * MAX_TOKEN_BYTES
    assert read(b"Bearer " + b"a" * (MAX_TOKEN_BYTES + 1)) == NotProven("rejected", Reason.TOKEN_TOO_LARGE)


def test_a_header_beyond_the_bound_is_not_looked_at() -> None:
    assert read(b" " * (MAX_HEADER_BYTES + 1)) == NotProven("rejected", Reason.TOKEN_TOO_LARGE)


@UNHURRIED
@given(st.binary(max_size=200))
def test_whatever_is_sent_gives_a_token_or_a_verdict(header: bytes) -> None:
    found = read(header)
    assert isinstance(found, NotProven) or found in header


@UNHURRIED
@given(st.binary(max_size=200))
def test_the_token_is_split_off_before_its_form_is_read(header: bytes) -> None:
    found, token = read(header), split(header)
    assert found == token or found == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
    assert split(b"Bearer " + header[:50], b"dpop") == NotProven("missing", Reason.SCHEME_UNKNOWN)
