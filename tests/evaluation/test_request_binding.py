"""A bound request: what is stored of it is read again as it was, and what no approver could read is not stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.evaluation.canonical import MAX_TEXT_CHARS, CanonicalBody
from authguard.evaluation.request_binding import UNBOUND, RequestBinding

SMALL = st.binary(max_size=40)
HEADERS = st.lists(st.tuples(st.sampled_from(["x-a", "x-b"]), st.lists(SMALL, max_size=3).map(tuple)), max_size=3)
BOUND = st.builds(
    RequestBinding,
    method=st.sampled_from(["POST", "PUT"]),
    target=SMALL,
    form=SMALL,
    body=st.builds(CanonicalBody, SMALL, is_json=st.booleans()),
    headers=HEADERS.map(tuple),
)


@given(BOUND)
def test_a_stored_request_is_read_as_it_was(bound: RequestBinding) -> None:
    assert RequestBinding.unpack(bound.pack()) == bound


@given(BOUND)
def test_names_and_digests_are_not_part_of_what_is_stored(bound: RequestBinding) -> None:
    named = RequestBinding(
        transaction="t", named=True, digest="d", asked="a", policy="p", method=bound.method, target=bound.target,
        form=bound.form, body=bound.body, headers=bound.headers,
    )  # fmt: skip
    assert named.pack() == bound.pack()


@pytest.mark.parametrize("part", ["target", "form", "body", "headers"])
def test_a_request_that_is_too_long_to_read_is_not_stored(part: str) -> None:
    long = b"x" * (MAX_TEXT_CHARS + 1)
    value = {"body": CanonicalBody(long, is_json=False), "headers": (("x-a", (long,)),)}.get(part, long)
    bound = RequestBinding(method="POST", **{part: value})
    assert bound.pack() == b""
    assert not bound.is_readable()


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        RequestBinding.unpack(b"\xc1")
    with pytest.raises(msgspec.ValidationError):
        RequestBinding.unpack(msgspec.msgpack.encode(["POST"]))


def test_a_request_without_a_transaction_binds_nothing() -> None:
    assert (UNBOUND.transaction, UNBOUND.digest, UNBOUND.named) == ("", "", False)
