"""Tests of the check of a token without its signature: all else counts as at run time."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.credentials.unverified_check import check_claims, check_unverified_token
from authguard.testing import FakeClock, Mint
from tests.support.harness import policy_of

CLOCK = FakeClock()
MINT = Mint.create(CLOCK)
ISSUERS = policy_of().issuers


@pytest.mark.parametrize(
    ("token", "reason", "claim"),
    [
        ({"iss": "https://another.test"}, Reason.ISSUER_UNKNOWN, "iss"),
        ({"aud": "https://another.test"}, Reason.AUDIENCE_WRONG, "aud"),
        ({"lifetime": -60.0}, Reason.TOKEN_EXPIRED, ""),
        ({"drop": ("exp",)}, Reason.CLAIM_MISSING, "exp"),
        ({"drop": ("sub",)}, Reason.CLAIM_MISSING, "sub"),
        ({"lifetime": 86_400.0}, Reason.LIFETIME_EXCEEDED, "exp"),
        ({"iat": CLOCK.now() + 3_000, "lifetime": 3_100.0}, Reason.TOKEN_NOT_YET_VALID, "iat"),
        ({"events": {}}, Reason.TYPE_REFUSED, ""),
        ({"cnf": {"jkt": "x" * 43}}, Reason.BOUND_TOKEN, ""),
    ],
)
def test_a_token_and_its_claims_are_refused_as_by_the_guard(token: dict[str, Any], reason: Reason, claim: str) -> None:
    refused = check_unverified_token(MINT.mint(**token).encode(), ISSUERS, CLOCK.now())
    assert isinstance(refused, NotProven)
    assert (refused.reason, refused.claim) == (reason, claim)
    assert check_claims(MINT.claims(**token), ISSUERS, CLOCK.now()) == refused


@pytest.mark.parametrize(
    ("header", "reason"), [({"alg": "RS256"}, Reason.ALGORITHM_REFUSED), ({"typ": "jwt"}, Reason.TYPE_REFUSED)]
)
def test_the_header_counts(header: dict[str, Any], reason: Reason) -> None:
    refused = check_unverified_token(MINT.mint(**header).encode(), ISSUERS, CLOCK.now())
    assert isinstance(refused, NotProven)
    assert refused.reason is reason


def test_the_signature_does_not_count() -> None:
    head, payload, _ = MINT.mint(scope="chat").split(".")
    found = check_unverified_token(f"{head}.{payload}.AAAA".encode(), ISSUERS, CLOCK.now())
    assert isinstance(found, Proven)
    assert found.principal.token_scopes == {"chat"}


def test_what_is_no_token_is_malformed_and_claims_need_an_issuer() -> None:
    refused = check_unverified_token(b"opaque", ISSUERS, CLOCK.now())
    assert isinstance(refused, NotProven)
    assert refused.reason is Reason.CREDENTIAL_MALFORMED
    missing = check_claims({"sub": "alice"}, ISSUERS, CLOCK.now())
    assert missing == NotProven("rejected", Reason.CLAIM_MISSING, claim="iss")
    odd = check_claims({"iss": ["https://issuer.test"]}, ISSUERS, CLOCK.now())
    assert odd == NotProven("rejected", Reason.ISSUER_UNKNOWN, claim="iss")
