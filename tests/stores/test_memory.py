"""Memory store beyond the contract: bounded, without losing records that still matter."""

from __future__ import annotations

import pytest

from authguard.errors import StoreError
from authguard.stores.memory import RETENTION_S, SWEEP_COUNT_WHEN_FULL, MemoryStore
from authguard.stores.record_table import SHARDS
from tests.stores.samples import BLANK, NOW, amended, increment, keys, signed_in

AFTERWARDS = NOW + RETENTION_S + 1.0


async def sign_in(store: MemoryStore, subject: str, now: float, account: str = "normal") -> bool:
    """Store an account and a session."""
    after = amended(signed_in(BLANK, now), "account", state=account)
    return await store.commit(keys(subject), BLANK, after)


async def try_until_looked_at_all(store: MemoryStore, now: float) -> bool:
    """Try to store one more record, as often as it takes to check every record; return whether it succeeded."""
    for _ in range(2 + SHARDS // SWEEP_COUNT_WHEN_FULL):
        try:
            return await sign_in(store, "one more", now)
        except StoreError:
            continue
    return False


async def test_at_capacity_a_new_key_is_refused_and_nothing_is_lost() -> None:
    store = MemoryStore(capacity=4)
    assert await sign_in(store, "anna", NOW)
    assert await sign_in(store, "ben", NOW)
    with pytest.raises(StoreError, match="the memory store is full"):
        await sign_in(store, "carl", NOW)
    assert await store.load(keys("carl"), BLANK) == BLANK
    assert (await store.load(keys("anna"), BLANK)).states()[1:3] == ("normal", "active")
    assert (await store.load(keys("ben"), BLANK)).states()[1:3] == ("normal", "active")


async def test_at_capacity_what_is_stored_can_still_be_replaced() -> None:
    store = MemoryStore(capacity=2)
    await sign_in(store, "anna", NOW)
    assert await increment(store, keys("anna"))


async def test_two_new_records_need_two_places() -> None:
    store = MemoryStore(capacity=3)
    await sign_in(store, "anna", NOW)
    with pytest.raises(StoreError, match="full"):
        await sign_in(store, "ben", NOW)
    assert await store.load(keys("ben"), BLANK) == BLANK


async def test_documents_count_too_and_are_never_dropped() -> None:
    store = MemoryStore(capacity=3)
    await sign_in(store, "anna", NOW)
    await store.put("namespace", "one", b"-")
    with pytest.raises(StoreError, match="full"):
        await store.put("namespace", "two", b"-")
    with pytest.raises(StoreError, match="full"):
        await store.add("namespace", "two", b"-")
    await store.put("namespace", "one", b"+")
    assert not await try_until_looked_at_all(store, NOW)
    await store.put("namespace", "one", b"")
    await store.put("namespace", "two", b"-")
    assert await store.list_keys("namespace", 10) == ("two",)


async def test_room_is_made_from_what_is_over() -> None:
    store = MemoryStore(capacity=4)
    await sign_in(store, "anna", NOW)
    await sign_in(store, "ben", NOW)
    assert await try_until_looked_at_all(store, AFTERWARDS)
    assert (await store.load(keys("one more"), BLANK)).states()[1:3] == ("normal", "active")


async def test_room_is_not_made_from_what_was_touched_since() -> None:
    store = MemoryStore(capacity=2)
    await sign_in(store, "anna", NOW)
    before = await store.load(keys("anna"), BLANK)
    later = amended(amended(before, "account", reported=AFTERWARDS), "session", last_seen=AFTERWARDS)
    await store.commit(keys("anna"), before, later)
    assert not await try_until_looked_at_all(store, AFTERWARDS)


@pytest.mark.parametrize("state", ["locked", "compromised", "dormant", "sim_swap_hold"])
async def test_an_account_that_stands_badly_is_never_dropped(state: str) -> None:
    store = MemoryStore(capacity=2)
    await sign_in(store, "anna", NOW, state)
    assert not await try_until_looked_at_all(store, AFTERWARDS), "its session goes, yet two places are needed"
    kept = await store.load(keys("anna"), BLANK)
    assert (kept.account.state, kept.session.state) == (state, "absent")


async def test_an_account_that_revoked_its_sign_ins_is_never_dropped() -> None:
    store = MemoryStore(capacity=2)
    await store.commit(keys("anna"), BLANK, amended(signed_in(BLANK), "account", not_before=NOW))
    assert not await try_until_looked_at_all(store, AFTERWARDS)
    assert (await store.load(keys("anna"), BLANK)).account.not_before == NOW


async def test_how_long_a_record_is_kept_can_be_set() -> None:
    store = MemoryStore(capacity=2, retention=10.0)
    await sign_in(store, "anna", NOW)
    assert not await try_until_looked_at_all(store, NOW + 10.0)
    assert await try_until_looked_at_all(store, NOW + 10.5)


async def test_a_store_that_is_used_long_enough_never_fills_up() -> None:
    store = MemoryStore(capacity=8 * SHARDS, retention=10.0)
    for number in range(16 * SHARDS):
        assert await sign_in(store, str(number), NOW + number / 50)
    assert (await store.load(keys(str(number)), BLANK)).session.state == "active"


async def test_a_record_that_expires_before_its_commit_is_a_conflict_and_counts_as_changed() -> None:
    store, anna = MemoryStore(retention=10.0), keys("anna", "t1")
    await sign_in(store, "anna", NOW, "locked")
    before = await store.load(anna, BLANK)
    change = store.last_change(store.record_keys(anna))
    for shard in range(SHARDS):
        store._sweep_queue += store._records.entries(shard)
    after = amended(amended(before, "session", channel="web"), "transaction", state="running", entered=NOW + 11.0)
    assert not await store.commit(anna, before, after)
    assert (await store.load(anna, BLANK)).states()[1:] == ("locked", "absent", "unverified", "none")
    assert store.last_change(store.record_keys(anna)) != change


async def test_a_record_that_was_used_since_it_was_queued_for_the_sweep_is_not_deleted() -> None:
    store, anna = MemoryStore(retention=10.0), keys("anna")
    await sign_in(store, "anna", NOW)
    for shard in range(SHARDS):
        store._sweep_queue += store._records.entries(shard)
    before = await store.load(anna, BLANK)
    later = amended(amended(before, "account", reported=NOW + 11.0), "session", last_seen=NOW + 11.0)
    assert await store.commit(anna, before, later)
    assert await sign_in(store, "ben", NOW + 11.0)
    assert store._sweep_queue == []
    assert (await store.load(anna, BLANK)).session.last_seen == NOW + 11.0


async def test_a_name_that_there_is_no_room_for_is_nobodys() -> None:
    store = MemoryStore(capacity=2)
    assert await store.claim(b"a", 100.0, 10.0)
    assert await store.claim(b"b", 100.0, 10.0)
    with pytest.raises(StoreError, match="full"):
        await store.claim(b"c", 100.0, 10.0)
    assert await store.claim(b"c", 200.0, 100.0)


async def test_names_whose_time_is_over_leave_nothing_behind() -> None:
    store = MemoryStore(capacity=1_000)
    for moment in range(5_000):
        assert await store.claim(moment.to_bytes(32, "big"), moment + 100.0, float(moment))
    assert len(store._claims) <= 101
