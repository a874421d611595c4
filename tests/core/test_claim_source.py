"""Claims are found by name or JSON Pointer, and decoded to the values that the strict parser accepted."""

from __future__ import annotations

import json

import pytest

from authguard.core.claim_source import decode_claims, find, find_first, present
from authguard.formats.strict_json import parse_object

CLAIMS = {"sub": "alice", "none": None, "ext": {"roles": ["clerk", None, "lead"], "/a": 1}, "/sub": "not this"}


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (("sub",), ("sub", "alice")),
        (("none", "sub"), ("sub", "alice")),
        (("missing", "/ext/roles/0"), ("/ext/roles/0", "clerk")),
        (("/sub",), ("/sub", "alice")),
        (("/ext/roles/*",), ("/ext/roles/*", ["clerk", "lead"])),
        (("/ext/none", "none"), None),
        ((), None),
    ],
)
def test_the_first_present_source_counts(sources: tuple[str, ...], found: tuple[str, object] | None) -> None:
    assert find_first(CLAIMS, sources) == found
    assert find(CLAIMS, sources) == (None if found is None else found[1])
    assert present(CLAIMS, sources)[:1] == ([] if found is None else [found])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"sub":"alice"}',
        b'{ "n": 1E5, "z": -0.0, "big": 123456789012345678901234567890 }',
        b'{"sub":"\\u00e9\\ud83d\\ude00"}',
        b'{"n":' + b"9" * 4_000 + b"}",
    ],
)
def test_claims_are_decoded_to_the_values_that_were_validated(raw: bytes) -> None:
    decode_claims.cache_clear()
    assert decode_claims(raw) == parse_object(raw) == json.loads(raw)
    assert repr(decode_claims(raw)) == repr(parse_object(raw))


def test_few_decoded_claims_are_kept() -> None:
    for number in range(100):
        assert decode_claims(b'{"sub":"%d"}' % number) == {"sub": str(number)}
    assert decode_claims.cache_info().currsize <= 16
