"""Bound headers are part of the digest and shown to approvers; possible credentials are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.request import Evidence, Operation, Principal
from authguard.core.snapshot import TransactionRecord
from authguard.encryption import PayloadCipher
from authguard.evaluation.canonical import is_secret_header
from authguard.evaluation.request import AccessRequest, Body, BoundHeaders
from authguard.evaluation.transactions import associated_data, bind_request, decrypt_request
from tests.support.harness import CountingIds

if TYPE_CHECKING:
    from authguard.evaluation.request_binding import RequestBinding

SEAL = PayloadCipher((bytes(32),))
ALICE = Principal(issuer="https://idp.test", subject="alice", account_key=b"a", session_key=b"s")


def binding(
    *headers: tuple[str, bytes, bytes], names: tuple[str, ...] = ("x-tenant", "cookie"), cipher: PayloadCipher = SEAL
) -> RequestBinding:
    """Return the binding of a payment with these headers: name as bound, name as sent, value."""
    bound: BoundHeaders = tuple(
        (name, tuple((sent, value) for of, sent, value in headers if of == name)) for name in names
    )
    ask = AccessRequest(operation=Operation(name="pay", binds=names), evidence=Evidence(idempotency="k"), method="POST")
    body = Body(b"{}", b"/pay?", "application/json", b"application/json", bound)
    return bind_request(ask, ALICE, body, CountingIds(), "policy", cipher)


def lines(one: RequestBinding) -> tuple[str, ...]:
    """Return the lines that an approver sees."""
    sealed = SEAL.encrypt(one.pack(), associated_data(one.transaction, one.digest))
    return decrypt_request(TransactionRecord(state="held", digest=one.digest, request=sealed), one.transaction, SEAL)


def test_an_approver_sees_bound_headers_escaped_and_no_credential() -> None:
    tenant = ("x-tenant", b"x-tenant", "acme\u202e\n".encode())
    cookie = ("cookie", b"cookie", b"session=hunter2")
    seen = lines(binding(tenant, cookie))
    assert seen[2].startswith('header x-tenant: "acme\\u202e\\n"')
    assert seen[3] == f'header cookie: "keyed digest {SEAL.keyed_digest(b"session=hunter2")}"'
    assert "hunter2" not in "".join(seen)
    assert b"hunter2" not in binding(tenant, cookie).pack()


def test_nobody_guesses_a_short_credential_by_the_digest_that_is_shown() -> None:
    pin, tenant = ("cookie", b"cookie", b"pin=1234"), ("x-tenant", b"x-tenant", b"acme")
    other = PayloadCipher((bytes(31) + b"1",))
    assert binding(pin).asked != binding(pin, cipher=other).asked, (
        "without the key, a digest can be computed for each guess"
    )
    assert binding(pin).asked == binding(pin).asked
    assert binding(tenant).asked == binding(tenant, cipher=other).asked, "what is shown needs no key"


def test_what_was_not_sent_is_told_and_what_was_sent_twice_stands_twice() -> None:
    seen = lines(binding(("x-tenant", b"x-tenant", b"a"), ("x-tenant", b"x_tenant", b"b")))
    assert seen[2:5] == ('header x-tenant: "a"', 'header x-tenant: "x_tenant: b"', "header cookie: not sent")


def test_every_header_its_order_and_its_spelling_are_under_the_digest() -> None:
    a, b, c = ("x-tenant", b"x-tenant", b"a"), ("x-tenant", b"x-tenant", b"b"), ("cookie", b"cookie", b"a")
    bonds = [
        binding(),
        binding(a),
        binding(b),
        binding(a, b),
        binding(b, a),
        binding(("x-tenant", b"x_tenant", b"a")),
        binding(c),
        binding(a, c),
        binding(names=()),
    ]
    assert len({one.asked for one in bonds}) == len(bonds)


def test_headers_longer_than_a_person_reads_are_not_held() -> None:
    assert not binding(("x-tenant", b"x-tenant", b"a" * 20_000)).is_readable()


@pytest.mark.parametrize(
    "name", ["cookie", "authorization", "proxy-authorization", "x-api-key", "x-csrf-token", "dpop"]
)
def test_what_may_hold_a_credential_is_secret(name: str) -> None:
    assert is_secret_header(name)
    assert not is_secret_header("x-tenant")
