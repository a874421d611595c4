"""The host of a request is read as every router would read it, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.evaluation.host import is_normalized_host, is_unambiguous, matches_host, read_host


def scope(*hosts: bytes) -> dict[str, Any]:
    return {"headers": [(b"accept", b"*/*"), *((b"host", host) for host in hosts)]}


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        (b"shop.test", "shop.test"),
        (b"SHOP.Test:8443", "shop.test"),
        (b"shop.test.", "shop.test."),
        (b"[::1]:8000", "[::1]"),
        (b"[2001:DB8::1]", "[2001:db8::1]"),
        (b"127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_host_is_read_without_case_and_port(sent: bytes, host: str) -> None:
    assert read_host(scope(sent)) == host
    assert is_unambiguous(scope(sent))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"shop.test:",
        b"shop.test:port",
        b"shop.test:123456",
        b"user@shop.test",
        b"shop.test/path",
        b"shop.test evil.test",
        b"shop.test\r\n",
        b"sh\xc3\xb6p.test",
        b"[::1",
        b"a" * 254,
    ],
)
def test_an_invalid_host_is_none_and_ambiguous(sent: bytes) -> None:
    assert read_host(scope(sent)) == ""
    assert not is_unambiguous(scope(sent))


def test_two_hosts_are_none_even_if_they_are_equal() -> None:
    for hosts in ((b"shop.test", b"evil.test"), (b"shop.test", b"shop.test")):
        assert read_host(scope(*hosts)) == ""
        assert not is_unambiguous(scope(*hosts))


def test_a_request_without_a_host_is_unambiguous() -> None:
    assert read_host(scope()) == ""
    assert is_unambiguous(scope())
    assert is_normalized_host(scope())


@pytest.mark.parametrize(
    ("sent", "normalized"),
    [(b"shop.test", True), (b"shop.test:443", True), (b"Shop.test", False), (b"shop.test.", False), (b"[::A]", False)],
)
def test_only_lower_case_without_a_trailing_dot_is_compared_alike_by_every_router(
    sent: bytes,
    normalized: bool,  # noqa: FBT001 - a case
) -> None:
    assert is_normalized_host(scope(sent)) is normalized


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("shop.test", True),
        ("a.eu.test", True),
        ("a.b.eu.test", True),
        ("eu.test", False),
        ("evil-eu.test", False),
        ("shop.test.evil", False),
        ("sub.shop.test", False),
        ("", False),
    ],
)
def test_a_list_contains_a_host_exactly_or_by_its_domain(host: str, listed: bool) -> None:  # noqa: FBT001 - a case
    assert matches_host(("shop.test", "*.eu.test"), host) is listed
