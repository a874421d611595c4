"""What the identity provider remembers is bounded, and forgetting refuses."""

from __future__ import annotations

import jwt
import msgspec
import pytest

from authguard.testing import provider as module
from authguard.testing.provider import Provider, SignInOrder


@pytest.fixture(scope="module")
def _keyed() -> Provider:
    return Provider("http://127.0.0.1:1")


@pytest.fixture
def provider(_keyed: Provider) -> Provider:
    _keyed.reset()
    _keyed.set_clock(at=1_800_000_000.0)
    return _keyed


def test_past_the_bound_the_oldest_sign_in_is_forgotten_and_refused(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    answers = [provider.sign_in(SignInOrder(opaque=True)) for _ in range(4)]
    assert provider.refresh(answers[0]["refresh_token"], None, None) == "invalid_grant"
    assert provider.introspect(answers[0]["access_token"]) == {"active": False}
    assert provider.introspect(answers[3]["access_token"])["active"] is True


def test_statuses_are_bounded_too(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for number in range(5):
        provider.set_status(f"customer-{number}", "ok")
    assert list(provider.statuses) == ["customer-3", "customer-4"]


def test_an_overlap_keeps_three_generations_of_old_keys(provider: Provider) -> None:
    for _ in range(6):
        provider.rotate(("ES256",), overlap=True)
    assert sum(key["alg"] == "ES256" for key in provider.jwks()["keys"]) == module.GENERATIONS


def test_a_stopped_clock_dates_the_tokens(provider: Provider) -> None:
    token = provider.sign_in(SignInOrder(lifetime=60))["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iat"], claims["auth_time"], claims["exp"]) == (1_800_000_000, 1_800_000_000, 1_800_000_060)
    assert provider.introspect(token)["active"] is True
    provider.set_clock(at=1_800_000_060.0)
    assert provider.introspect(token) == {"active": False}


def test_extra_claims_may_not_shadow_an_argument() -> None:
    with pytest.raises(msgspec.ValidationError, match="claims may not hold iss, sub"):
        msgspec.json.decode(b'{"claims": {"sub": "x", "iss": "y"}}', type=SignInOrder)


def test_a_bound_token_is_introspected_as_dpop(provider: Provider) -> None:
    answer = provider.sign_in(SignInOrder(claims={"cnf": {"jkt": "thumb"}}))
    assert provider.introspect(answer["access_token"])["token_type"] == "DPoP"
