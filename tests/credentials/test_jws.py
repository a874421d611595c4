"""A token is parsed strictly, and remains unverified."""

from __future__ import annotations

import json

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jws import Header, UnverifiedToken, parse_compact
from authguard.credentials.token_kind import has_type
from authguard.testing.keys import segment

_MALFORMED = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_HEADER = {"alg": "ES256", "kid": "k", "typ": "at+jwt"}


def _token(header: object, claims: object = None) -> bytes:
    parts = [segment(json.dumps(part).encode()) for part in (header, claims or {"iss": "i"})]
    return ".".join([*parts, "AAAA"]).encode()


def test_header_and_issuer_are_read() -> None:
    token = _token(_HEADER)
    found = parse_compact(token)
    assert found == UnverifiedToken(
        token=token,
        signed=token.removesuffix(b".AAAA"),
        header=Header("ES256", "k", "at+jwt"),
        issuer="i",
        claims={"iss": "i"},
        content=b'{"iss": "i"}',
        signature=b"\0\0\0",
    )


def test_the_token_is_not_in_the_repr() -> None:
    token = _token(_HEADER)
    assert token.decode() not in repr(parse_compact(token))


def test_what_a_header_offers_as_a_key_is_not_looked_at() -> None:
    offers = {"jku": "https://evil.test", "x5u": 1, "jwk": {"kty": "oct"}, "x5c": ["x"]}
    assert parse_compact(_token(_HEADER | offers)).header == Header("ES256", "k", "at+jwt")


@pytest.mark.parametrize(
    "change",
    [
        {"crit": []},
        {"crit": ["exp"]},
        {"crit": None},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"b64": True},
        {"alg": None},
        {"alg": 5},
        {"alg": ["ES256"]},
        {"alg": "E" * 256},
        {"kid": 7},
        {"kid": None},
        {"kid": ["k"]},
        {"kid": "k" * 256},
        {"typ": None},
        {"typ": 1},
    ],
)
def test_a_header_with_extensions_or_members_of_the_wrong_type_is_refused(change: dict[str, object]) -> None:
    assert parse_compact(_token(_HEADER | change)) == _MALFORMED


def test_a_header_without_an_algorithm_is_refused() -> None:
    assert parse_compact(_token({"kid": "k"})) == _MALFORMED


@pytest.mark.parametrize("parts", [0, 1, 2, 4, 5, 6])
def test_anything_but_three_parts_is_refused(parts: int) -> None:
    whole = _token(_HEADER).decode().split(".") + ["AAAA"] * 3
    assert parse_compact(".".join(whole[:parts]).encode()) == _MALFORMED


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("odd", ["", "=", "AB", "A", "AA==", "A A", "A+/A", '{"a":1}', "\u00e4"])
def test_every_part_is_canonical_base64url(place: int, odd: str) -> None:
    parts = _token(_HEADER).decode().split(".")
    parts[place] = odd
    assert parse_compact(".".join(parts).encode()) == _MALFORMED


@pytest.mark.parametrize("issuer", [None, 1, ["i"], {"i": 1}, True])
def test_an_issuer_that_is_no_text_is_no_issuer(issuer: object) -> None:
    assert parse_compact(_token(_HEADER, {"iss": issuer, "x": 1})).issuer == ""


def test_a_token_without_kid_names_no_key_and_an_empty_kid_names_one() -> None:
    assert parse_compact(_token({"alg": "ES256"})).header.key is None
    assert parse_compact(_token({"alg": "ES256", "kid": ""})).header.key == ""


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_an_access_token_is_known_in_every_spelling(kind: str) -> None:
    spelled = parse_compact(_token(_HEADER | {"typ": kind})).header.kind
    assert has_type("access", "at+jwt", spelled)
    assert has_type("access", "any", spelled)


@pytest.mark.parametrize("kind", ["", "JWT", "JWS", "JOSE"])
def test_another_kind_passes_only_where_the_policy_says_any(kind: str) -> None:
    assert not has_type("access", "at+jwt", kind.lower())
    assert has_type("access", "any", kind.lower())


@pytest.mark.parametrize(
    "kind", ["secevent+jwt", "logout+jwt", "dpop+jwt", "oauth-id-jag+jwt", "id_token+jwt", "at+jwt "]
)
@pytest.mark.parametrize("prefix", ["", "application/", "APPLICATION/"])
def test_a_token_for_something_else_is_never_an_access_token(kind: str, prefix: str) -> None:
    spelled = parse_compact(_token(_HEADER | {"typ": prefix + kind.upper()})).header.kind
    assert not has_type("access", "at+jwt", spelled)
    assert not has_type("access", "any", spelled)
