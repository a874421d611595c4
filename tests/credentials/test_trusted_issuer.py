"""What a trusted issuer accepts is prepared once; its tokens are verified with its own keys only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jwk import KeySet, build_secret_key
from authguard.credentials.jwk_set import load_jwks
from authguard.credentials.jwks_cache import JwksCache, RefreshPolicy
from authguard.credentials.jws import UnverifiedToken, parse_compact
from authguard.credentials.trusted_issuer import TrustedIssuer
from authguard.evaluation.claims import LogNames, ValidatedToken
from tests.credentials.conftest import settle

if TYPE_CHECKING:
    from authguard.testing import FakeClock, Mint

NAMES = LogNames(pseudonym=lambda issuer, subject, _: f"{issuer}|{subject}", fingerprint=lambda _: "f")


def trust(mint: Mint, **fields: Any) -> TrustedIssuer:
    given = {"issuer": mint.issuer, "audience": (mint.audience,), "algorithms": ("ES256",)}
    return TrustedIssuer.of(Issuer(**(given | fields)), JwksCache(None, 60.0, RefreshPolicy()))


def parsed(token: str) -> UnverifiedToken:
    found = parse_compact(token.encode())
    assert isinstance(found, UnverifiedToken)
    return found


def keys_of(mint: Mint) -> KeySet:
    return load_jwks(mint.jwks("ES256"), frozenset({"ES256"}), (mint.issuer,))


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({}, {"at+jwt"}),
        ({"type": "any"}, {"at+jwt", "", "jwt", "jws", "jose"}),
        ({"token": "id"}, {"", "jwt", "id+jwt"}),
    ],
)
def test_the_accepted_types_follow_the_declared_kind(
    authguard_issuer: Mint, fields: dict[str, Any], types: set[str]
) -> None:
    assert trust(authguard_issuer, **fields).types == types


def test_none_is_never_an_accepted_algorithm(authguard_issuer: Mint) -> None:
    assert trust(authguard_issuer, algorithms=("none", "ES256")).algorithms == {"ES256"}


def test_the_name_of_a_key_counts_unless_the_issuer_has_one_secret(
    authguard_issuer: Mint, authguard_clock: FakeClock
) -> None:
    token = parsed(authguard_issuer.mint())
    other = keys_of(authguard_issuer).keys[0]
    other.name = "other"
    found = []
    for fields in ({}, {"secret_env": "SECRET"}):
        trusted = trust(authguard_issuer, **fields)
        trusted.jwks_cache.set_static(KeySet((other,)))
        found.append(settle(trusted.find_keys(token, authguard_clock.now())))
    assert found == [NotProven("rejected", Reason.KEY_UNKNOWN), (other,)]


def test_a_token_is_verified_and_then_validated(authguard_issuer: Mint, authguard_clock: FakeClock) -> None:
    trusted, keys = trust(authguard_issuer), keys_of(authguard_issuer).keys
    now = authguard_clock.now()
    found = trusted.verify(parsed(authguard_issuer.mint(sub="alice")), keys, NAMES, now)
    assert isinstance(found, tuple)
    assert isinstance(found[0], ValidatedToken)
    assert found[0].proven.principal.subject == "alice"
    assert found[1] is keys[0]
    late = trusted.verify(parsed(authguard_issuer.mint(lifetime=60)), keys, NAMES, now + 3_600)
    assert late == NotProven("expired", Reason.TOKEN_EXPIRED)


def test_a_key_of_another_tenant_does_not_count(authguard_issuer: Mint, authguard_clock: FakeClock) -> None:
    key = keys_of(authguard_issuer).keys[0]
    key.issuer = "https://other.test"
    refused = trust(authguard_issuer).verify(parsed(authguard_issuer.mint()), (key,), NAMES, authguard_clock.now())
    assert refused == NotProven("rejected", Reason.KEY_UNKNOWN)


def test_an_outage_of_the_keys_is_no_refusal(authguard_issuer: Mint, authguard_clock: FakeClock) -> None:
    trusted = trust(authguard_issuer)
    token = parsed(authguard_issuer.mint())
    found = settle(trusted.find_keys(token, authguard_clock.now()))
    assert found == NotProven("unproven", Reason.KEYS_UNREACHABLE)
    trusted.jwks_cache.set_static(build_secret_key(b"s" * 32, frozenset({"HS256"})))
    found = settle(trusted.find_keys(token, authguard_clock.now()))
    assert found == NotProven("rejected", Reason.KEY_UNKNOWN)
