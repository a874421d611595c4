"""The port with fetched keys: rotation, outages, floods, and the validity of cached tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, NotProven, Proven
from authguard.testing import Mint
from authguard.testing.keys import jwks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Network, ValidatorHarness


_UNREACHABLE = NotProven("unproven", Reason.KEYS_UNREACHABLE)
_UNUSABLE = NotProven("unproven", Reason.KEYS_UNUSABLE)
_BUSY = NotProven("unproven", Reason.KEYS_BUSY)
_KEY_UNKNOWN = NotProven("rejected", Reason.KEY_UNKNOWN)


async def test_the_first_sight_fetches_and_the_rest_is_remembered(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    await harness.check.open()
    assert network.asked == []
    token = authguard_issuer.mint()
    for _ in range(3):
        assert isinstance(await harness.validate(token), Proven)
    assert (network.fetches, harness.checked) == (1, 1)
    await harness.check.close()


async def test_five_hundred_first_sights_make_one_fetch(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    network.gate = anyio.Event()
    found: list[object] = []

    async def validate(number: int) -> None:
        found.append(await harness.validate(authguard_issuer.mint(sub=f"s-{number}")))

    async with anyio.create_task_group() as group:
        for number in range(500):
            group.start_soon(validate, number)
        await anyio.wait_all_tasks_blocked()
        network.gate.set()
    assert sum(isinstance(verdict, Proven) for verdict in found) == 500
    assert network.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_rotation_with_overlap_refuses_nobody(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await harness.validate(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(jwks(authguard_issuer.keys["ES256"], rotated.keys["ES256"]))
    harness.clock.advance(60)
    assert isinstance(await harness.validate(rotated.mint()), Proven)
    assert isinstance(harness.get_cached(old), Proven)


async def test_rotation_without_overlap_ends_what_the_old_key_signed_also_when_remembered(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await harness.validate(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(rotated.jwks())
    harness.clock.advance(60)
    assert isinstance(await harness.validate(rotated.mint()), Proven)
    assert harness.get_cached(old) is UNSEEN
    assert await harness.validate(old) == _KEY_UNKNOWN


async def test_a_withdrawn_key_stops_serving_also_where_all_traffic_is_remembered(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await harness.validate(token), Proven)
    network.publish(authguard_issuer.rotated().jwks())
    harness.clock.advance(300)
    assert isinstance(await harness.validate(token), Proven)  # no request waits for the refresh
    await anyio.wait_all_tasks_blocked()
    assert network.fetches == 2
    assert await harness.validate(token) == _KEY_UNKNOWN


async def test_an_emptied_key_set_ends_everything(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    await harness.validate(token)
    network.publish({"keys": []})
    harness.clock.advance(300)
    await harness.validate(token)
    await anyio.wait_all_tasks_blocked()
    assert await harness.validate(token) == _UNUSABLE  # the current keys of the issuer are unknown


@pytest.mark.parametrize(
    "failure",
    [503, 404, 302, b"<html>", b'{"keys":', {"no": "keys"}, {"keys": 7}, OSError("refused"), "hang"],
    ids=repr,
)
@pytest.mark.parametrize("place", ["/jwks", "/.well-known/openid-configuration"])
async def test_an_outage_is_unproven_and_known_keys_serve_until_they_are_stale(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network, failure: Any, place: str
) -> None:
    # a hanging response is timed by the real clock, so with a short timeout
    harness = reach(timeout=0.02 if failure == "hang" else 10.0)
    token, fresh = authguard_issuer.mint(lifetime=30_000), authguard_issuer.mint(sub="bob", lifetime=30_000)
    whole, network.documents[place] = network.documents[place], failure
    refused = _UNREACHABLE if failure in (503, "hang") or isinstance(failure, OSError) else _UNUSABLE
    assert await harness.validate(token) == refused
    network.documents[place] = whole
    harness.clock.advance(2)
    assert isinstance(await harness.validate(token), Proven)
    network.documents[place] = failure
    harness.clock.advance(3_599)
    assert isinstance(await harness.validate(token), Proven)
    assert isinstance(await harness.validate(fresh), Proven)
    harness.clock.advance(1)
    assert await harness.validate(token) == refused
    assert await harness.validate(fresh) == refused
    await harness.check.close()


async def test_an_outage_is_over_when_the_issuer_is_back(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    whole, network.documents["/jwks"] = network.documents["/jwks"], 503
    token = authguard_issuer.mint()
    assert await harness.validate(token) == _UNREACHABLE
    network.documents["/jwks"] = whole
    assert await harness.validate(token) == _UNREACHABLE
    assert network.fetches == 2  # one fetch in two attempts
    harness.clock.advance(2)
    assert isinstance(await harness.validate(token), Proven)


async def test_a_flood_of_made_up_key_names_hardly_reaches_the_issuer(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    await harness.validate(authguard_issuer.mint())
    found = [await harness.validate(authguard_issuer.mint(header={"kid": f"../{number}"})) for number in range(200)]
    assert found[:3] == [_KEY_UNKNOWN] * 3
    assert found[3:] == [_BUSY] * 197
    assert network.fetches == 4


async def test_a_stranger_without_a_known_issuer_leads_to_no_fetch(
    reach: Callable[..., ValidatorHarness], authguard_issuer: Mint, network: Network
) -> None:
    harness = reach()
    stranger = Mint.create(authguard_issuer.clock, issuer="https://evil.test")
    for token in (stranger.mint(), authguard_issuer.mint(alg="HS256"), authguard_issuer.mint(typ="JWT")):
        assert (await harness.validate(token)).condition == "rejected"
    assert network.asked == []
