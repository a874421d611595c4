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

    from .conftest import Door, Network


_UNREACHABLE = NotProven("unproven", Reason.KEYS_UNREACHABLE)
_BUSY = NotProven("unproven", Reason.KEYS_BUSY)
_KEY_UNKNOWN = NotProven("rejected", Reason.KEY_UNKNOWN)


async def test_the_first_sight_fetches_and_the_rest_is_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    await door.check.open()
    assert network.asked == []
    token = authguard_issuer.mint()
    for _ in range(3):
        assert isinstance(await door.knock(token), Proven)
    assert (network.fetches, door.checked) == (1, 1)
    await door.check.close()


async def test_five_hundred_first_sights_make_one_fetch(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    network.gate = anyio.Event()
    found: list[object] = []

    async def knock(number: int) -> None:
        found.append(await door.knock(authguard_issuer.mint(sub=f"s-{number}")))

    async with anyio.create_task_group() as group:
        for number in range(500):
            group.start_soon(knock, number)
        await anyio.wait_all_tasks_blocked()
        network.gate.set()
    assert sum(isinstance(verdict, Proven) for verdict in found) == 500
    assert network.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_rotation_with_overlap_refuses_nobody(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(jwks(authguard_issuer.keys["ES256"], rotated.keys["ES256"]))
    door.clock.advance(60)
    assert isinstance(await door.knock(rotated.mint()), Proven)
    assert isinstance(door.recall(old), Proven)


async def test_rotation_without_overlap_ends_what_the_old_key_signed_also_when_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(rotated.jwks())
    door.clock.advance(60)
    assert isinstance(await door.knock(rotated.mint()), Proven)
    assert door.recall(old) is UNSEEN
    assert await door.knock(old) == _KEY_UNKNOWN


async def test_a_withdrawn_key_stops_serving_also_where_all_traffic_is_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(token), Proven)
    network.publish(authguard_issuer.rotated().jwks())
    door.clock.advance(300)
    assert isinstance(await door.knock(token), Proven)  # no request waits for the refresh
    await anyio.wait_all_tasks_blocked()
    assert network.fetches == 2
    assert await door.knock(token) == _KEY_UNKNOWN


async def test_an_emptied_key_set_ends_everything(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    await door.knock(token)
    network.publish({"keys": []})
    door.clock.advance(300)
    await door.knock(token)
    await anyio.wait_all_tasks_blocked()
    assert await door.knock(token) == _UNREACHABLE  # the current keys of the issuer are unknown


@pytest.mark.parametrize(
    "failure",
    [503, 404, 302, b"<html>", b'{"keys":', {"no": "keys"}, {"keys": 7}, OSError("refused"), "hang"],
    ids=repr,
)
@pytest.mark.parametrize("place", ["/jwks", "/.well-known/openid-configuration"])
async def test_an_outage_is_unproven_and_known_keys_serve_until_they_are_stale(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network, failure: Any, place: str
) -> None:
    # a hanging response is timed by the real clock, so with a short timeout
    door = reach(timeout=0.02 if failure == "hang" else 10.0)
    token, fresh = authguard_issuer.mint(lifetime=30_000), authguard_issuer.mint(sub="bob", lifetime=30_000)
    whole, network.documents[place] = network.documents[place], failure
    assert await door.knock(token) == _UNREACHABLE
    network.documents[place] = whole
    door.clock.advance(2)
    assert isinstance(await door.knock(token), Proven)
    network.documents[place] = failure
    door.clock.advance(3_599)
    assert isinstance(await door.knock(token), Proven)
    assert isinstance(await door.knock(fresh), Proven)
    door.clock.advance(1)
    assert await door.knock(token) == _UNREACHABLE
    assert await door.knock(fresh) == _UNREACHABLE
    await door.check.close()


async def test_an_outage_is_over_when_the_issuer_is_back(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    whole, network.documents["/jwks"] = network.documents["/jwks"], 503
    token = authguard_issuer.mint()
    assert await door.knock(token) == _UNREACHABLE
    network.documents["/jwks"] = whole
    assert await door.knock(token) == _UNREACHABLE
    assert network.fetches == 1
    door.clock.advance(2)
    assert isinstance(await door.knock(token), Proven)


async def test_a_flood_of_made_up_key_names_hardly_reaches_the_issuer(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    await door.knock(authguard_issuer.mint())
    found = [await door.knock(authguard_issuer.mint(header={"kid": f"../{number}"})) for number in range(200)]
    assert found[:3] == [_KEY_UNKNOWN] * 3
    assert found[3:] == [_BUSY] * 197
    assert network.fetches == 4


async def test_a_stranger_without_a_known_issuer_leads_to_no_fetch(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    stranger = Mint.create(authguard_issuer.clock, issuer="https://evil.test")
    for token in (stranger.mint(), authguard_issuer.mint(alg="HS256"), authguard_issuer.mint(typ="JWT")):
        assert (await door.knock(token)).condition == "rejected"
    assert network.asked == []
