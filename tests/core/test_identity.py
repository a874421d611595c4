"""Encoded identity: reversible, free of collisions, and safe in a URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.identity import SEPARATOR, encode_identity

TEXT = st.text(alphabet=st.characters(), max_size=40) | st.text(alphabet=":%/ab2F3A~.", max_size=12)


@given(TEXT, TEXT)
def test_it_decodes_to_the_pair_so_no_two_pairs_are_alike(issuer: str, subject: str) -> None:
    encoded = encode_identity(issuer, subject)
    assert tuple(unquote(part, errors="surrogatepass") for part in encoded.split(SEPARATOR)) == (issuer, subject)
    assert re.fullmatch(r"[A-Za-z0-9._~%-]*:[A-Za-z0-9._~%-]*", encoded)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("https://a", "b:c"), ("https://a:b", "c")),
        (("https://a", "b"), ("https", "//a:b")),
        (("a", "%3A"), ("a", ":")),
        (("a", ""), ("", "a")),
        (("a", "B"), ("a", "b")),
        (("a", "\ud800"), ("a", "%ED%A0%80")),
    ],
)
def test_pairs_that_look_alike_are_not(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert encode_identity(*one) != encode_identity(*other)


def test_it_is_stable() -> None:
    assert encode_identity("https://idp.test/a", "auth0|1 é") == "https%3A%2F%2Fidp.test%2Fa:auth0%7C1%20%C3%A9"
