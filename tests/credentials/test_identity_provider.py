"""A real identity provider over real HTTP, on both event loops: discovery, rotation, every kind of outage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.credentials.jwks_cache import RefreshPolicy

from .conftest import ValidatorHarness

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.credentials.jwt_validator import JwtValidator
    from authguard.testing import FakeClock, IdentityProvider

_UNREACHABLE = NotProven("unproven", Reason.KEYS_UNREACHABLE)
_UNUSABLE = NotProven("unproven", Reason.KEYS_UNUSABLE)
_KEY_UNKNOWN = NotProven("rejected", Reason.KEY_UNKNOWN)


@pytest.fixture
def idp(authguard_fresh_idp: IdentityProvider, authguard_clock: FakeClock) -> IdentityProvider:
    """Return the provider, with the clock of the test."""
    authguard_fresh_idp.set_clock(at=authguard_clock.now())
    return authguard_fresh_idp


@pytest.fixture
def connect_harness(
    make: Callable[..., JwtValidator], idp: IdentityProvider, authguard_clock: FakeClock
) -> Callable[..., ValidatorHarness]:
    """Build a validator for the provider, with a separate HTTP client."""

    def build(timeout: float = 10.0, **keys: Any) -> ValidatorHarness:
        described = Issuer(
            issuer=idp.issuer,
            audience=("https://agent.test",),
            algorithms=("ES256", "RS256", "EdDSA"),
            **(keys or {"discovery": True}),
        )
        return ValidatorHarness(make(described, refresh_policy=RefreshPolicy(timeout=timeout)), authguard_clock)

    return build


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_sign_in_is_proven(run: Callable[..., Any], connect_harness: Any, idp: IdentityProvider, alg: Any) -> None:
    async def scene() -> None:
        harness = connect_harness()
        await harness.check.open()
        found = await harness.validate(idp.sign_in("alice", alg=alg, scope="chat", acr="aal2").access_token)
        assert isinstance(found, Proven)
        assert (found.principal.subject, found.principal.acr) == ("alice", "aal2")
        assert found.principal.sid
        await harness.check.close()

    run(scene)


def test_a_given_address_of_keys_needs_no_discovery(
    run: Callable[..., Any], connect_harness: Any, idp: IdentityProvider
) -> None:
    async def scene() -> None:
        harness = connect_harness(jwks_uri=f"{idp.issuer}/jwks")
        assert isinstance(await harness.validate(idp.sign_in().access_token), Proven)
        asked = {path: count for path, count in idp.requests().items() if count}
        assert asked == {"/jwks": 1}

    run(scene)


def test_five_hundred_first_sights_make_one_fetch(
    run: Callable[..., Any], connect_harness: Any, idp: IdentityProvider
) -> None:
    async def scene() -> None:
        harness, token, found = connect_harness(), idp.sign_in().access_token, []

        async def validate() -> None:
            found.append(await harness.validate(token))

        async with anyio.create_task_group() as group:
            for _ in range(500):
                group.start_soon(validate)
        assert all(isinstance(verdict, Proven) for verdict in found)
        assert len(found) == 500
        assert idp.requests()["/jwks"] == 1

    run(scene)


@pytest.mark.parametrize("overlap", [True, False])
def test_rotation(run: Callable[..., Any], connect_harness: Any, idp: IdentityProvider, overlap: bool) -> None:  # noqa: FBT001 - both kinds
    async def scene() -> None:
        harness = connect_harness()
        old, held_back = idp.sign_in().access_token, idp.sign_in("bob").access_token
        assert isinstance(await harness.validate(old), Proven)
        idp.rotate_keys("ES256", overlap=overlap)
        harness.clock.advance(30)
        idp.set_clock(at=harness.clock.now())
        assert isinstance(await harness.validate(idp.sign_in().access_token), Proven)
        for token in (old, held_back):
            found = await harness.validate(token)
            assert isinstance(found, Proven) if overlap else found == _KEY_UNKNOWN

    run(scene)


@pytest.mark.parametrize("mode", ["down", "garbage", "redirect", "hang"])
@pytest.mark.parametrize("place", ["discovery", "jwks"])
def test_an_outage_is_unproven_and_over_when_it_is_over(
    run: Callable[..., Any], connect_harness: Any, idp: IdentityProvider, mode: Any, place: Any
) -> None:
    async def scene() -> None:
        token = idp.sign_in().access_token
        idp.outage(mode, at=[place], seconds=5)
        hurried = connect_harness(timeout=0.1 if mode == "hang" else 10.0)
        assert await hurried.validate(token) == (_UNUSABLE if mode in {"garbage", "redirect"} else _UNREACHABLE)
        idp.restore()
        patient = connect_harness()
        assert isinstance(await patient.validate(token), Proven)

    run(scene)


def test_an_issuer_that_is_not_there_at_all_is_an_outage(
    run: Callable[..., Any], make: Callable[..., JwtValidator], authguard_issuer: Any, unused_tcp_port: int
) -> None:
    async def scene() -> None:
        described = Issuer(
            issuer=authguard_issuer.issuer,
            audience=(authguard_issuer.audience,),
            algorithms=("ES256",),
            jwks_uri=f"http://127.0.0.1:{unused_tcp_port}/jwks",
        )
        harness = ValidatorHarness(make(described), authguard_issuer.clock)
        await harness.check.open()
        assert await harness.validate(authguard_issuer.mint()) == _UNREACHABLE

    run(scene)
