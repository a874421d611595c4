"""A trace id is read from `traceparent` strictly by W3C Trace Context, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.asgi.evidence import MAX_ORDINARY_NAMES, EvidenceReader, read_trace
from authguard.core.outcomes import Reason
from authguard.core.request import Evidence

TRACE, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + PARENT + b"-01"


def traces(*values: bytes) -> str:
    scope: dict[str, Any] = {"headers": [(b"traceparent", value) for value in values]}
    evidence = EvidenceReader().read(scope)
    assert isinstance(evidence, Evidence)
    assert read_trace(scope) == evidence.trace
    return evidence.trace


@pytest.mark.parametrize("value", [GOOD, GOOD[:-2] + b"ff", b"01" + GOOD[2:], b"cc" + GOOD[2:] + b"-what-comes-later"])
def test_a_trace_id_is_read_from_this_version_and_from_later_ones(value: bytes) -> None:
    assert traces(value) == TRACE.decode()


@pytest.mark.parametrize(
    "value",
    [
        GOOD.upper(),
        b" " + GOOD,
        GOOD + b" ",
        GOOD + b"\n",
        GOOD + b"-",
        GOOD + b"-more",
        GOOD[:-1],
        b"ff" + GOOD[2:],
        b"0" + GOOD[1:].replace(b"-", b"_"),
        b"cc" + GOOD[2:] + b".what-comes-later",
        b"cc" + GOOD[2:] + b"-\xe2\x80\xae",
        b"cc" + GOOD[2:] + b"-" + b"x" * 513,
        GOOD.replace(TRACE, b"0" * 32),
        GOOD.replace(PARENT, b"0" * 16),
        GOOD.replace(TRACE, TRACE[:-1]),
        GOOD.replace(TRACE, TRACE[:-1] + b"g"),
        b"",
    ],
)
def test_what_is_not_to_the_letter_is_no_trace(value: bytes) -> None:
    assert not traces(value)


def test_two_are_none() -> None:
    assert not traces(GOOD, GOOD)
    assert not traces(GOOD, GOOD, GOOD)


@given(
    st.binary(max_size=80)
    | st.tuples(st.integers(0, 54), st.binary(max_size=3)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + len(cut[1]) :]
    )
)
def test_whatever_is_sent_a_trace_id_is_thirty_two_digits_or_nothing(value: bytes) -> None:
    found = traces(value)
    assert not found or (len(found) == 32 and set(found) <= set("0123456789abcdef") and set(found) != {"0"})


def test_a_name_without_a_meaning_is_met_again_and_again_and_none_with_a_meaning_is_skipped() -> None:
    reader = EvidenceReader(frozenset({b"x-channel"}))
    headers = [(b"host", b"a"), (b"x-channel", b"web"), (b"authorization", b"Bearer a"), (b"accept", b"*/*")]
    for _ in range(3):
        evidence = reader.read({"headers": headers})
        assert isinstance(evidence, Evidence)
        assert (evidence.authorization, evidence.headers) == (b"Bearer a", {"x-channel": "web"})
        assert not evidence.has_reserved_headers
    for name in (b"authguard-transaction2", b"content_type", b"x-http-method-override"):
        for _ in range(2):
            evidence = reader.read({"headers": [*headers, (name, b"GET")]})
            assert isinstance(evidence, Evidence)
            assert evidence.has_reserved_headers
    for _ in range(2):
        assert reader.read({"headers": [*headers, (b"authorization", b"Bearer b")]}) is Reason.CREDENTIAL_AMBIGUOUS


def test_what_is_known_of_names_is_bounded() -> None:
    reader = EvidenceReader()
    for number in range(2 * MAX_ORDINARY_NAMES):
        reader.read({"headers": [(b"x-%d" % number, b"")]})
    reader.read({"headers": [(b"y" * 10_000, b"")]})
    assert len(reader._ordinary) == MAX_ORDINARY_NAMES
