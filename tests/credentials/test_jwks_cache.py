"""One fetch for all waiting requests, none for made-up names; an outage is never a rejection; on both event loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.core.outcomes import Reason
from authguard.credentials.issuer_error import KeysProblem, KeysUnreachableError, KeysUnusableError
from authguard.credentials.jwk import DocumentVersion, Key, KeySet, PublishedKeys
from authguard.credentials.jwks_cache import (
    MAX_UNKNOWN_NAMES,
    NO_FAILURE,
    NOT_FETCHED,
    REFRESH_AT_FRACTION,
    JwksCache,
    RefreshPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PACE = RefreshPolicy(timeout=1.5, refresh=300.0, cooldown=30.0, burst=3, retry=2.0)
STALE = 3_600.0
NOW = 1_000_000.0


class Issuer:
    """A scripted source of keys; `hold` makes every fetch wait."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.fetches = 0
        self.is_down = False
        self.problem: Exception | None = None
        self.gate: anyio.Event | None = None
        self.known = DocumentVersion()
        self.lifetime = -1.0

    async def read(self, known: DocumentVersion) -> PublishedKeys:
        self.known = known
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.is_down:
            raise OSError("down")
        if self.problem is not None:
            raise self.problem
        keys = KeySet(tuple(Key(name, (name,), {"ES256": None}) for name in self.names))
        version = DocumentVersion("address", f"tag-{'-'.join(self.names)}")
        return PublishedKeys(None if known == version else keys, self.lifetime, version)

    def hold(self) -> anyio.Event:
        self.gate = anyio.Event()
        return self.gate

    def cache(self, stale: float = STALE, refresh_policy: RefreshPolicy = PACE) -> JwksCache:
        return JwksCache(self.read, stale, refresh_policy)


async def _landed(cache: JwksCache) -> None:
    """Wait for the fetch in flight, if there is one."""
    fetch = cache._flight.find("keys")
    if fetch is not None:
        await fetch.done.wait()


async def _ask(cache: JwksCache, name: str, now: float) -> str:
    found = await cache.find(name, "ES256", now)
    return found.code if isinstance(found, Reason) else found[0].name


UNKNOWN, UNREACHABLE, BUSY = (why.code for why in (Reason.KEY_UNKNOWN, Reason.KEYS_UNREACHABLE, Reason.KEYS_BUSY))
UNUSABLE = Reason.KEYS_UNUSABLE.code
MISCONFIGURED = KeysUnusableError(KeysProblem.OTHER_ISSUER, "the metadata names another issuer")


def test_the_first_sight_fetches_and_the_second_does_not(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        assert await _ask(cache, "a", NOW) == "a"
        assert await _ask(cache, "a", NOW + 299) == "a"
        assert issuer.fetches == 1

    run(scene)


def test_five_hundred_first_sights_make_one_fetch(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, gate, found = issuer.cache(), issuer.hold(), []

        async def ask() -> None:
            found.append(await _ask(cache, "a", NOW))

        async with anyio.create_task_group() as group:
            for _ in range(500):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert found == ["a"] * 500
        assert issuer.fetches == 1

    run(scene)


def test_who_gives_up_cancels_nobody(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, gate, found = issuer.cache(), issuer.hold(), []
        first = anyio.CancelScope()

        async def give_up() -> None:
            with first:
                await _ask(cache, "a", NOW)

        async def ask() -> None:
            found.append(await _ask(cache, "a", NOW))

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert first.cancelled_caught
        assert found == ["a"]
        assert issuer.fetches == 1

    run(scene)


def test_a_fetch_that_nobody_waits_for_any_more_still_serves_the_next(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, gate = issuer.cache(), issuer.hold()
        with anyio.move_on_after(0):
            await _ask(cache, "a", NOW)
        gate.set()
        assert await _ask(cache, "a", NOW) == "a"
        assert issuer.fetches == 1

    run(scene)


def test_made_up_names_share_a_few_fetches_and_beyond_those_nobody_knows(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        found = [await _ask(cache, f"made-up-{number}", NOW + number / 100) for number in range(1_000)]
        assert found[:4] == [UNKNOWN] * 4  # the first fetch was necessary anyway
        assert set(found[4:]) == {BUSY}
        assert issuer.fetches == 1 + PACE.burst
        assert await _ask(cache, "made-up", NOW + 40) == UNKNOWN
        assert await _ask(cache, "another", NOW + 40) == BUSY
        assert issuer.fetches == 2 + PACE.burst
        assert await _ask(cache, "a", NOW + 40) == "a"

    run(scene)


def test_a_name_that_is_known_to_be_unknown_leads_to_one_fetch_per_cooldown(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        for second in range(60):
            assert await _ask(cache, "made-up", NOW + second) == UNKNOWN
        assert issuer.fetches == 2

    run(scene)


@pytest.mark.parametrize("after", [0, 1, 29, 30, 400])
def test_a_key_that_was_rotated_in_is_found_at_once(run: Callable[..., Any], after: float) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.names = ("a", "b")
        assert await _ask(cache, "b", NOW + after) == "b"
        assert await _ask(cache, "a", NOW + after) == "a"
        assert issuer.fetches == 2

    run(scene)


def test_a_flood_of_made_up_names_never_makes_a_forgery_of_a_key_that_was_rotated_in(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        for number in range(2_000):
            await _ask(cache, f"made-up-{number}", NOW)
        issuer.names = ("b",)
        found = [await _ask(cache, "b", NOW + second) for second in range(33)]
        assert set(found) == {BUSY, "b"}
        assert found[-1] == "b"
        assert len(cache._names) <= MAX_UNKNOWN_NAMES

    run(scene)


def test_a_fetch_that_began_before_a_name_came_says_nothing_about_it(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, gate, found = issuer.cache(), issuer.hold(), []

        async def ask(name: str) -> None:
            found.append(await _ask(cache, name, NOW))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "a")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(ask, "b")
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert sorted(found) == ["a", UNKNOWN]
        assert issuer.fetches == 2

    run(scene)


def test_a_refresh_that_was_on_its_way_says_nothing_about_a_name_that_came_later(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, found = issuer.cache(), []
        await _ask(cache, "a", NOW)
        gate = issuer.hold()
        assert await _ask(cache, "a", NOW + 300) == "a"

        async def ask() -> None:
            found.append(await _ask(cache, "b", NOW + 300))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert issuer.fetches == 2
            gate.set()
        assert found == [UNKNOWN]
        assert issuer.fetches == 3

    run(scene)


def test_rotation_under_five_hundred_first_sights_makes_one_fetch(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache, found = issuer.cache(), []
        await _ask(cache, "a", NOW)
        issuer.names = ("b",)
        gate = issuer.hold()

        async def ask() -> None:
            found.append(await _ask(cache, "b", NOW + 1))

        async with anyio.create_task_group() as group:
            for _ in range(500):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert found == ["b"] * 500
        assert issuer.fetches == 2

    run(scene)


def test_a_name_that_the_issuer_took_back_is_unknown_without_another_fetch(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a", "b")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.names = ("b", "c")
        assert await _ask(cache, "c", NOW + 1) == "c"
        assert await _ask(cache, "a", NOW + 2) == UNKNOWN
        assert issuer.fetches == 2

    run(scene)


def test_keys_that_are_old_wait_for_a_fetch_where_the_issuer_is_not_known_to_be_down(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.names = ("b",)
        assert await _ask(cache, "a", NOW + 375) == UNKNOWN
        issuer.is_down = True
        assert await _ask(cache, "b", NOW + 800) == "b"
        gate = issuer.hold()
        assert await _ask(cache, "b", NOW + 810) == "b"  # no request waits for an issuer whose last fetch failed
        gate.set()
        await _landed(cache)

    run(scene)


@pytest.mark.parametrize(
    ("told", "lifetime"), [(-1.0, 375.0), (0.0, 60.0), (59.0, 60.0), (500.0, 500.0), (86_400.0, 900.0)]
)
def test_how_long_keys_are_fresh_is_told_by_the_issuer_within_bounds(
    run: Callable[..., Any], told: float, lifetime: float
) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        issuer.lifetime = told
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        assert cache.due == NOW + lifetime * REFRESH_AT_FRACTION
        assert await _ask(cache, "a", NOW + lifetime * REFRESH_AT_FRACTION - 1) == "a"
        assert issuer.fetches == 1

    run(scene)


def test_what_has_not_changed_is_named_and_goes_on(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        (key,) = cache.keys.keys
        assert await _ask(cache, "a", NOW + 400) == "a"
        assert issuer.known == DocumentVersion("address", "tag-a")
        assert cache.keys.keys == (key,)
        assert not key.retired
        assert cache.due == NOW + 700

    run(scene)


def test_no_key_at_all_is_an_outage_and_nothing_old_serves(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        (key,) = cache.keys.keys
        issuer.names = ()
        assert await _ask(cache, "a", NOW + 400) == UNREACHABLE
        assert key.retired
        issuer.names = ("b",)
        assert await _ask(cache, "b", NOW + 403) == "b"

    run(scene)


def test_a_key_for_something_else_leads_to_no_fetch(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        assert await cache.find("a", "RS256", NOW + 60) is Reason.ALGORITHM_REFUSED
        assert issuer.fetches == 1

    run(scene)


def test_an_issuer_that_was_never_reached_leaves_every_key_unproven(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        issuer.is_down = True
        cache = issuer.cache()
        assert await _ask(cache, "a", NOW) == UNREACHABLE
        assert await _ask(cache, "a", NOW + 1.9) == UNREACHABLE
        assert issuer.fetches == 1
        issuer.is_down = False
        assert await _ask(cache, "a", NOW + 2) == "a"
        assert issuer.fetches == 2

    run(scene)


def test_keys_are_refreshed_while_nobody_waits(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        gate = issuer.hold()
        issuer.names = ("b",)
        assert await _ask(cache, "a", NOW + 300) == "a"
        assert await _ask(cache, "a", NOW + 300) == "a"
        await anyio.wait_all_tasks_blocked()
        assert issuer.fetches == 2
        gate.set()
        await _landed(cache)
        assert await _ask(cache, "a", NOW + 301) == UNKNOWN
        assert await _ask(cache, "b", NOW + 301) == "b"
        assert issuer.fetches == 2

    run(scene)


def test_known_keys_outlive_an_outage_for_as_long_as_the_policy_says(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.is_down = True
        for age in (300, 600, 1_800, STALE - 1):
            assert await _ask(cache, "a", NOW + age) == "a"
            await _landed(cache)
            assert await _ask(cache, "made-up", NOW + age) == UNREACHABLE
        assert await _ask(cache, "a", NOW + STALE) == UNREACHABLE
        issuer.is_down = False
        assert await _ask(cache, "a", NOW + STALE + 2) == "a"
        assert await _ask(cache, "made-up", NOW + STALE + 2) == UNKNOWN

    run(scene)


def test_while_the_last_fetch_failed_an_unknown_key_is_no_forgery(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.is_down = True
        assert await _ask(cache, "b", NOW + 40) == UNREACHABLE
        assert await _ask(cache, "b", NOW + 41) == UNREACHABLE
        assert issuer.fetches == 2
        issuer.is_down, issuer.names = False, ("b",)
        assert await _ask(cache, "b", NOW + 42) == "b"

    run(scene)


def test_an_issuer_that_hangs_is_an_outage_after_the_time_out(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        issuer.hold()
        cache = issuer.cache(refresh_policy=RefreshPolicy(timeout=0.01))
        assert await _ask(cache, "a", NOW) == UNREACHABLE
        assert issuer.fetches == 1

    run(scene)


def test_what_was_verified_counts_until_the_next_look_is_due(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        assert not cache.since <= NOW < cache.due
        await _ask(cache, "a", NOW)
        assert cache.since <= NOW < cache.due == NOW + 300
        issuer.is_down = True
        await _ask(cache, "a", NOW + 300)
        await _landed(cache)
        assert cache.due == NOW + 302
        await _ask(cache, "a", NOW + STALE - 1)
        await _landed(cache)
        assert cache.due == NOW + STALE

    run(scene)


@pytest.mark.parametrize("stale", [0.0, 10.0, 60.0])
def test_keys_that_may_not_grow_stale_are_refreshed_in_time(run: Callable[..., Any], stale: float) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache(stale)
        for number in range(50):
            assert await _ask(cache, "a", NOW + number) == "a"
            await _landed(cache)
        assert issuer.fetches > 1
        issuer.is_down = True
        assert await _ask(cache, "a", NOW + 50 + max(stale, 2)) == UNREACHABLE

    run(scene)


def test_a_clock_that_stepped_back_leads_to_a_look_and_to_no_outage(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        issuer.is_down = True
        earlier = NOW - 1_000_000
        assert not cache.since <= earlier < cache.due
        assert await _ask(cache, "a", earlier) == "a"
        await _landed(cache)
        assert issuer.fetches == 2
        assert await _ask(cache, "a", earlier + STALE) == UNREACHABLE

    run(scene)


def test_a_request_a_moment_behind_another_leads_to_no_look(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        await _ask(cache, "a", NOW)
        assert cache.since <= NOW - 0.5
        assert await _ask(cache, "a", NOW - 0.5) == "a"
        assert issuer.fetches == 1

    run(scene)


def test_a_fetch_on_an_event_loop_that_stopped_does_not_block_the_next_and_counts_no_more() -> None:
    issuer = Issuer("a")
    cache, gate = issuer.cache(), issuer.hold()

    async def begin() -> Any:
        cache.prefetch(NOW)
        await asyncio.sleep(0)
        return cache._flight.find("keys")

    async def scene() -> None:
        issuer.gate = None
        assert await _ask(cache, "a", NOW + PACE.retry) == "a"

    async def late(lost: Any) -> None:
        gate.set()
        await lost.done.wait()

    left = asyncio.new_event_loop()
    try:
        lost = left.run_until_complete(begin())
        anyio.run(scene)
        issuer.is_down = True
        left.run_until_complete(late(lost))
    finally:
        left.close()
    assert cache.failure is NO_FAILURE
    assert cache._completed == 2


def test_closing_calls_back_the_fetch(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        issuer.hold()
        with anyio.move_on_after(0):
            await _ask(cache, "a", NOW)
        await cache.close()
        assert len(cache._flight) == 0
        await cache.close()

    run(scene)


def test_fixed_keys_are_never_fetched_and_never_grow_old(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        cache = JwksCache(None, STALE, PACE)
        assert await _ask(cache, "a", NOW) == UNREACHABLE
        cache.set_static(KeySet((Key("a", ("a",), {"ES256": None}),)))
        assert cache.since <= NOW < cache.due
        assert await _ask(cache, "a", NOW * 1_000) == "a"
        assert await _ask(cache, "b", NOW) == UNKNOWN

    run(scene)


def test_a_misconfiguration_is_no_outage_and_known_keys_are_used_in_both(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        issuer.problem = MISCONFIGURED
        assert await _ask(cache, "a", NOW) == UNUSABLE
        assert await _ask(cache, "a", NOW + 1) == UNUSABLE
        assert (cache.failure.problem, cache.failure.message) == ("other-issuer", "the metadata names another issuer")
        issuer.problem, issuer.is_down = None, True
        assert await _ask(cache, "a", NOW + 3) == UNREACHABLE
        issuer.is_down = False
        assert await _ask(cache, "a", NOW + 6) == "a"
        issuer.problem = MISCONFIGURED
        assert await _ask(cache, "a", NOW + 400) == "a"
        assert await _ask(cache, "unknown", NOW + 400) == UNUSABLE
        assert await _ask(cache, "a", NOW + 6 + STALE) == UNUSABLE
        assert issuer.fetches == 5

    run(scene)


def test_a_set_without_a_usable_key_ends_the_known_ones_and_is_requested_in_full(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        problem, names = None, ("a",)
        known: list[DocumentVersion] = []

        async def read(version: DocumentVersion) -> PublishedKeys:
            known.append(version)
            keys = KeySet(tuple(Key(name, (name,), {"ES256": None}) for name in names))
            return PublishedKeys(keys, 60.0, DocumentVersion("address", "tag"), problem)

        cache = JwksCache(read, STALE, PACE)
        assert await _ask(cache, "a", NOW) == "a"
        problem, names = KeysUnusableError(KeysProblem.NO_USABLE_KEY, "all are weak"), ()
        assert await _ask(cache, "a", NOW + 60) == UNUSABLE
        assert await _ask(cache, "a", NOW + 63) == UNUSABLE
        problem, names = None, ("a",)
        assert await _ask(cache, "a", NOW + 66) == "a"
        assert [version.tag for version in known] == ["", "tag", "", ""]

    run(scene)


def test_a_change_is_told_once(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer, told = Issuer("a"), []
        cache = JwksCache(issuer.read, STALE, PACE, lambda: told.append(cache.failure.reason))
        assert cache.failure is NOT_FETCHED
        issuer.problem = MISCONFIGURED
        for second in range(0, 20, 2):
            await _ask(cache, "a", NOW + second)
        issuer.problem = None
        await _ask(cache, "a", NOW + 30)
        await _ask(cache, "a", NOW + 330)
        await _landed(cache)
        for later, words in ((900, "a status of an outage"), (910, "no connection")):
            issuer.problem = KeysUnreachableError(words)
            await _ask(cache, "a", NOW + later)
            await _landed(cache)
        assert cache.failure.message == "no connection"
        assert told == [Reason.KEYS_UNUSABLE, Reason.DECIDED, Reason.KEYS_UNREACHABLE]
        assert issuer.fetches == 14

    run(scene)


def test_the_first_fetch_can_start_before_the_first_request_which_joins_it(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer = Issuer("a")
        cache = issuer.cache()
        cache.prefetch(NOW)
        cache.prefetch(NOW)
        assert await _ask(cache, "a", NOW) == "a"
        cache.prefetch(NOW + 400)
        assert issuer.fetches == 1

    run(scene)


def test_a_fetch_that_is_called_back_says_nothing_about_the_issuer(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        issuer, told = Issuer("a"), []
        cache = JwksCache(issuer.read, STALE, PACE, lambda: told.append(cache.failure))
        issuer.hold()
        cache.prefetch(NOW)
        await anyio.wait_all_tasks_blocked()
        await cache.close()
        assert (told, cache.failure) == ([], NOT_FETCHED)

    run(scene)
