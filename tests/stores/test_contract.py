"""Contract of `authguard.ports.Store`, method by method, and against a plain dictionary."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from authguard.core.record_codec import MAX_DOCUMENT_BYTES, MAX_KEY_CHARS
from authguard.core.snapshot import EMPTY_LEDGER, AccountRecord, Keys, LedgerEntry, LedgerRecord
from authguard.errors import StoreError
from authguard.ports import FIRST
from tests.stores.samples import BLANK, LEDGER, SCOPED, amended, increment, keys, signed_in, snapshot
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot
    from authguard.stores.memory import MemoryStore
    from authguard.stores.sqlite import SqliteStore

    AnyStore = MemoryStore | SqliteStore

RECORDS = ("service", "account", "session", "transaction")
ANNA = keys("anna", "t1")


def versions(of: Snapshot) -> tuple[int, ...]:
    return tuple(getattr(of, record).version for record in RECORDS)


async def test_what_is_not_stored_is_as_in_the_blank(store: AnyStore) -> None:
    assert await store.load(ANNA, BLANK) == BLANK


async def test_load_never_suspends(store: AnyStore) -> None:
    assert store.nonblocking_reads
    with pytest.raises(StopIteration) as done:
        store.load(ANNA, BLANK).send(None)
    assert done.value.value == BLANK


async def test_a_first_commit_creates_the_records_that_differ_and_no_other(store: AnyStore) -> None:
    assert await store.commit(ANNA, BLANK, signed_in(BLANK))
    loaded = await store.load(ANNA, BLANK)
    assert versions(loaded) == (0, 1, 1, 0)
    expected = amended(amended(signed_in(BLANK), "account", version=1), "session", version=1)
    assert loaded == expected


async def test_a_commit_that_changes_nothing_succeeds_and_moves_no_version(store: AnyStore) -> None:
    assert await store.commit(ANNA, BLANK, BLANK)
    assert await store.load(ANNA, BLANK) == BLANK


async def test_each_commit_makes_the_version_one_more(store: AnyStore) -> None:
    for count in range(1, 6):
        assert await increment(store, ANNA)
        assert versions(await store.load(ANNA, BLANK)) == (0, count, count, 0)


async def test_a_commit_on_a_version_that_has_moved_is_refused_and_changes_nothing(store: AnyStore) -> None:
    await increment(store, ANNA)
    stale = await store.load(ANNA, BLANK)
    await increment(store, ANNA)
    current = await store.load(ANNA, BLANK)
    assert not await store.commit(ANNA, stale, amended(stale, "session", state="revoked"))
    assert await store.load(ANNA, BLANK) == current


async def test_a_change_of_another_field_is_a_conflict_too(store: AnyStore) -> None:
    before = await store.load(ANNA, BLANK)
    assert await store.commit(ANNA, before, amended(before, "session", channel="web"))
    assert not await store.commit(ANNA, before, amended(before, "session", verification="verified"))
    assert (await store.load(ANNA, BLANK)).session.verification == "unverified"


async def test_what_exists_cannot_be_created_again(store: AnyStore) -> None:
    assert await store.commit(ANNA, BLANK, signed_in(BLANK))
    assert not await store.commit(ANNA, BLANK, signed_in(BLANK))


async def test_what_was_never_stored_cannot_be_replaced(store: AnyStore) -> None:
    imagined = amended(BLANK, "session", version=3)
    assert not await store.commit(ANNA, imagined, amended(imagined, "session", state="active"))
    assert await store.load(ANNA, BLANK) == BLANK


@pytest.mark.parametrize("moved", RECORDS)
async def test_one_record_that_moved_holds_back_all_of_them(store: AnyStore, moved: str) -> None:
    before = await store.load(ANNA, BLANK)
    assert await store.commit(ANNA, before, amended(before, moved, entered=1.0))
    current = await store.load(ANNA, BLANK)
    after = before
    for record in RECORDS:
        after = amended(after, record, state="other")
    assert not await store.commit(ANNA, before, after)
    assert await store.load(ANNA, BLANK) == current


async def test_a_record_that_did_not_change_is_not_compared(store: AnyStore) -> None:
    before = await store.load(ANNA, BLANK)
    assert await store.commit(ANNA, before, amended(before, "service", state="degraded"))
    assert await store.commit(ANNA, before, amended(before, "session", state="active"))


async def test_an_empty_key_names_a_record_that_is_neither_stored_nor_found(store: AnyStore) -> None:
    after = BLANK
    for record in RECORDS:
        after = amended(after, record, state="other")
    assert await store.commit(Keys(), BLANK, after)
    assert versions(await store.load(Keys(), BLANK)) == (1, 0, 0, 0)
    assert versions(await store.load(ANNA, BLANK)) == (1, 0, 0, 0)


async def test_the_same_bytes_name_an_account_a_session_and_a_transaction_apart(store: AnyStore) -> None:
    same = Keys(b"k", b"k", "k")
    after = BLANK
    for record in RECORDS:
        after = amended(after, record, state=f"{record}'s")
    assert await store.commit(same, BLANK, after)
    assert (await store.load(same, BLANK)).states() == (
        "service's",
        "account's",
        "session's",
        "unverified",
        "transaction's",
    )


async def test_two_people_share_the_service_and_nothing_else(store: AnyStore) -> None:
    assert await store.commit(ANNA, BLANK, amended(signed_in(BLANK), "service", state="degraded"))
    assert versions(await store.load(keys("ben", "t2"), BLANK)) == (1, 0, 0, 0)


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=snapshot)
async def test_records_come_back_equal_whatever_they_hold(store: AnyStore, written: Snapshot) -> None:
    before = await store.load(ANNA, BLANK)
    after = written
    for record in RECORDS:
        after = amended(after, record, version=getattr(before, record).version)
    assert await store.commit(ANNA, before, after)
    loaded = await store.load(ANNA, BLANK)
    for record in RECORDS:
        changed = getattr(before, record) != getattr(after, record)
        version = getattr(before, record).version + changed
        assert getattr(loaded, record) == msgspec.structs.replace(getattr(after, record), version=version)


async def test_a_ledger_of_everybodys_is_replaced_all_or_none_with_the_rest(store: AnyStore) -> None:
    def spent(before: Snapshot, subject: str, count: int) -> Snapshot:
        record = LedgerRecord(
            (LedgerEntry("service/calls/60", 1.0, "1"),) * count, before.ledgers.get(LEDGER, EMPTY_LEDGER).version
        )
        after = amended(before, "account", decided=float(len(subject)))
        return msgspec.structs.replace(after, ledgers={LEDGER: record})

    ben = msgspec.structs.replace(keys("ben", "t2"), ledgers=SCOPED.ledgers)
    before = await store.load(SCOPED, BLANK)
    assert await store.commit(SCOPED, before, spent(before, "anna", 1))
    assert not await store.commit(ben, before, spent(before, "ben", 1)), "another was faster"
    seen = await store.load(ben, BLANK)
    assert (seen.account.version, len(seen.ledgers[LEDGER].ledger), seen.ledgers[LEDGER].version) == (0, 1, 1)
    assert await store.commit(ben, seen, spent(seen, "ben", 2))
    assert len((await store.load(SCOPED, BLANK)).ledgers[LEDGER].ledger) == 2
    assert not (await store.load(keys("anna", "t1"), BLANK)).ledgers, "who has no such limit loads none"


async def test_nobody_holds_a_reference_into_the_store(store: AnyStore) -> None:
    await store.commit(ANNA, BLANK, signed_in(BLANK))
    loaded = await store.load(ANNA, BLANK)
    assert loaded.account.reports
    loaded.account.reports.clear()
    assert (await store.load(ANNA, BLANK)).account.reports


async def test_of_64_commits_at_once_exactly_one_wins_each_version(store: AnyStore) -> None:
    before = await store.load(ANNA, BLANK)
    first = [amended(before, "session", last_seen=float(number)) for number in range(1, 65)]
    won = await asyncio.gather(*(store.commit(ANNA, before, after) for after in first))
    assert sum(won) == 1
    kept = await store.load(ANNA, BLANK)
    assert (kept.session.version, kept.session.last_seen) == (1, first[won.index(True)].session.last_seen)


async def test_64_that_load_again_until_they_win_lose_no_update(store: AnyStore) -> None:
    async def retry_on_conflict() -> None:
        while not await increment(store, ANNA):
            pass

    await asyncio.gather(*(retry_on_conflict() for _ in range(64)))
    kept = await store.load(ANNA, BLANK)
    assert (kept.session.version, kept.session.last_seen, kept.account.reported) == (64, 64.0, 64.0)


async def test_opening_again_keeps_everything(store: AnyStore) -> None:
    await store.open()
    await increment(store, ANNA)
    await store.put("namespace", "name", b"value")
    await store.close()
    await store.open()
    assert versions(await store.load(ANNA, BLANK)) == (0, 1, 1, 0)
    assert await store.get("namespace", "name") == b"value"


async def test_a_document_is_empty_until_it_is_put(store: AnyStore) -> None:
    assert await store.get("namespace", "name") == b""
    await store.put("namespace", "name", b"one")
    await store.put("namespace", "name", b"two")
    assert await store.get("namespace", "name") == b"two"
    assert await store.get("other", "name") == b""


async def test_adding_keeps_what_was_there_first(store: AnyStore) -> None:
    assert await store.add("namespace", "name", b"one") == b"one"
    assert await store.add("namespace", "name", b"two") == b"one"
    assert await store.get("namespace", "name") == b"one"


async def test_of_64_that_add_at_once_all_get_the_same_document(store: AnyStore) -> None:
    kept = await asyncio.gather(*(store.add("namespace", "name", b"%d" % number) for number in range(64)))
    assert len(set(kept)) == 1
    assert await store.get("namespace", "name") == kept[0]


async def test_empty_bytes_remove_a_document_and_are_none_themselves(store: AnyStore) -> None:
    await store.put("namespace", "name", b"one")
    await store.put("namespace", "name", b"")
    assert await store.list_keys("namespace", 10) == ()
    await store.put("namespace", "name", b"")
    assert await store.add("namespace", "name", b"") == b""
    assert await store.list_keys("namespace", 10) == ()
    assert await store.add("namespace", "name", b"two") == b"two"


@pytest.mark.parametrize("there", [b"", b"one"])
@pytest.mark.parametrize("old", [b"", b"one", b"two"])
@pytest.mark.parametrize("new", [b"", b"one", b"three"])
async def test_a_document_is_replaced_only_while_it_is_the_old_one(
    store: AnyStore, there: bytes, old: bytes, new: bytes
) -> None:
    await store.put("namespace", "name", there)
    assert await store.replace("namespace", "name", old, new) == (old == there)
    assert await store.get("namespace", "name") == (new if old == there else there)


async def test_names_come_sorted_and_no_more_than_asked_for(store: AnyStore) -> None:
    for name in ("c", "a", "b"):
        await store.put("namespace", name, b"-")
    await store.put("other", "0", b"-")
    assert await store.list_keys("namespace", 10) == ("a", "b", "c")
    assert await store.list_keys("namespace", 2) == ("a", "b")
    assert await store.list_keys("none", 10) == ()


async def test_a_document_that_is_too_large_is_refused(store: AnyStore) -> None:
    large, long = bytes(MAX_DOCUMENT_BYTES + 1), "n" * (MAX_KEY_CHARS + 1)
    for name, value in (("name", large), (long, b"-")):
        with pytest.raises(StoreError, match="a document holds at most"):
            await store.put("namespace", name, value)
        with pytest.raises(StoreError, match="a document holds at most"):
            await store.add("namespace", name, value)
        with pytest.raises(StoreError, match="a document holds at most"):
            await store.replace("namespace", name, b"", value)
    await store.put("namespace", "name", large[1:])
    assert await store.get("namespace", "name") == large[1:]


async def test_a_name_is_taken_once(store: AnyStore) -> None:
    assert [await store.claim(b"n" * 32, 100.0, 10.0) for _ in range(3)] == [True, False, False]
    assert await store.claim(b"m" * 32, 100.0, 10.0)


async def test_a_name_stays_taken_to_the_end_of_its_time_and_no_longer(store: AnyStore) -> None:
    assert await store.claim(b"n" * 32, 100.0, 10.0)
    assert not await store.claim(b"n" * 32, 200.0, 99.9)
    assert await store.claim(b"n" * 32, 200.0, 100.0)
    assert not await store.claim(b"n" * 32, 300.0, 199.9)


async def test_names_that_end_in_another_order_than_they_came_stay_taken(store: AnyStore) -> None:
    ends = [300.0, 20.0, 250.0, 30.0, 200.0]
    for place, until in enumerate(ends):
        assert await store.claim(bytes([place]) * 32, until, 10.0)
    for _ in range(4):
        await store.claim(b"z" * 32, 100.0, 50.0)
    still = [await store.claim(bytes([place]) * 32, 400.0, 50.0) for place in range(len(ends))]
    assert still == [until <= 50.0 for until in ends]


async def test_of_64_who_try_a_name_at_once_one_takes_it(store: AnyStore) -> None:
    taken = await asyncio.gather(*(store.claim(b"n" * 32, 100.0, 10.0) for _ in range(64)))
    assert sum(taken) == 1


async def test_transactions_are_found_by_state_role_and_operation_the_oldest_first(store: AnyStore) -> None:
    for place, (state, role, operation) in enumerate(
        (("held", "boss", "pay"), ("held", "clerk", "pay"), ("done", "boss", "pay"), ("held", "boss", "move"))
    ):
        keys = Keys(transaction=f"t{place}")
        held = msgspec.structs.replace(
            BLANK.transaction,
            state=state,
            role=role,
            operation=operation,
            created=100.0 - place // 2,
            subject=f"p{place % 2}",
        )
        assert await store.commit(keys, BLANK, msgspec.structs.replace(BLANK, transaction=held))

    async def record_keys(limit: int = 9, **filters: str) -> list[str]:
        return [name for name, _ in await store.transactions(limit=limit, **filters)]

    assert await record_keys() == ["t2", "t3", "t0", "t1"]
    assert await record_keys(state="held") == ["t3", "t0", "t1"]
    assert await record_keys(state="held", role="boss") == ["t3", "t0"]
    assert await record_keys(operation="pay", role="boss") == ["t2", "t0"]
    assert await record_keys(subject="p1") == ["t3", "t1"]
    assert await record_keys(2) == ["t2", "t3"]
    for limit in (1, 2, 3, 4):
        for filters in ({}, {"state": "held"}, {"operation": "pay"}, {"role": "boss", "subject": "p0"}):
            paged: list[str] = []
            after = FIRST
            while page := await store.transactions(after=after, limit=limit, **filters):
                paged += [name for name, _ in page]
                after = (page[-1][1].created, page[-1][0])
            assert paged == await record_keys(**filters), "page by page it is the same list"
    assert [name for name, _ in await store.transactions(after=(99.0, "t3"), limit=9)] == ["t0", "t1"]
    assert [name for name, _ in await store.transactions(after=(100.0, "t0"), state="held", limit=9)] == ["t1"]
    before = await store.load(Keys(transaction="t3"), BLANK)
    moved = msgspec.structs.replace(before.transaction, state="approved")
    assert await store.commit(Keys(transaction="t3"), before, msgspec.structs.replace(before, transaction=moved))
    assert await record_keys(state="held") == ["t0", "t1"]
    ((name, record),) = await store.transactions(state="approved", limit=1)
    assert (name, record.state, record.version) == ("t3", "approved", 2)


async def test_records_of_a_kind_are_found_by_a_range_of_their_keys_in_pages(store: AnyStore) -> None:
    names = (b"\x00a", b"\xab", b"\xab\xc0", b"\xac", b"\xff\xff")
    for number, name in enumerate(names, 1):
        of = Keys(name, name, name.decode("latin-1"))
        assert await store.commit(of, await store.load(of, BLANK), signed_in(BLANK, float(number)))
    found = await store.records("account", limit=10)
    assert [name for name, _ in found] == list(names)
    assert [record.entered for _, record in found if isinstance(record, AccountRecord)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [name for name, _ in await store.records("session", first=b"\xab", end=b"\xac", limit=10)] == [*names[1:3]]
    assert [name for name, _ in await store.records("session", first=b"\xab\x00", limit=2)] == [*names[2:4]]
    assert await store.records("transaction", limit=10) == ()
    paid = amended(BLANK, "transaction", state="held")
    for name in ("t-1", "t-2", "t-20", "u"):
        assert await store.commit(Keys(transaction=name), BLANK, paid)
    assert [name for name, _ in await store.records("transaction", first=b"t-2", end=b"t-3", limit=10)] == [
        b"t-2",
        b"t-20",
    ]
