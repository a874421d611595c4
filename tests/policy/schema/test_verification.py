"""Models of verification: what a verifier may be, and what it may not."""

from __future__ import annotations

import pytest

from authguard.policy.loading.document_reader import read_document

HTTP = {"type": "http", "url": "https://verify.test/otp"}


def errors(verifier: dict[str, object]) -> list[str]:
    document = {"authguard": 1, "name": "x", "verifiers": {"otp": verifier}}
    return [".".join(map(str, error.path)) for error in read_document(document)[1]]


def test_a_verifier_is_read_with_its_defaults() -> None:
    document, found = read_document({"authguard": 1, "name": "x", "verifiers": {"otp": HTTP}})
    assert not found
    assert document is not None
    verifier = document.verifiers["otp"]
    assert (verifier.timeout, verifier.pass_at, verifier.digits, verifier.breaker) == (2.0, 1.0, 6, None)


@pytest.mark.parametrize(
    ("key", "value"), [("retries", 11), ("digits", 5), ("pass_at", 1.5), ("timeout", 2), ("type", "sms")]
)
def test_a_value_out_of_bounds_is_refused(key: str, value: object) -> None:
    assert errors(HTTP | {key: value}) == [f"verifiers.otp.{key}"]
