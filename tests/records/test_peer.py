"""Tests of addresses: one client has one spelling."""

from __future__ import annotations

import pytest

from authguard.records.peer import normalize_address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.07", ""),
        ("203.0.113.7:80", ""),
        ("/run/app.sock", ""),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_an_address_has_its_canonical_spelling_and_anything_else_is_empty(host: str, address: str) -> None:
    assert normalize_address(host) == address
    assert normalize_address(address) == address
