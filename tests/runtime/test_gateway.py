"""Tests of the proof of a gateway: any of its secrets, compared in full."""

from __future__ import annotations

import pytest

from authguard.core.request import Evidence
from authguard.runtime.gateway import is_gateway_proven

SECRETS = (b"a" * 32, b"b" * 32)


@pytest.mark.parametrize(
    ("sent", "is_proven"), [("a" * 32, True), ("b" * 32, True), ("", False), ("a" * 31, False), ("é" * 32, False)]
)
def test_a_gateway_is_proven_by_any_of_its_secrets(sent: str, is_proven: bool) -> None:  # noqa: FBT001 - a row
    assert is_gateway_proven(Evidence(headers={"x-secret": sent}), "x-secret", SECRETS) is is_proven


def test_without_a_secret_no_gateway_is_proven() -> None:
    assert not is_gateway_proven(Evidence(headers={"x-secret": ""}), "x-secret", ())
    assert not is_gateway_proven(Evidence(), "x-secret", SECRETS)
