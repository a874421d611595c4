"""Retention: deleted records never revive a session that was signed out, revoked or blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.record_keys import session_key
from authguard.core.snapshot import Keys
from authguard.evaluation.decision import AppResponse
from authguard.stores import memory, sqlite
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import ISSUER, POLICY, EnforcerHarness, outcome, policy_of, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from authguard.core.snapshot import TransactionRecord

SESSION = session_key(ISSUER, "alice", "app", "s1")
#: every token of the issuer states the sign-in time, so its sessions may be deleted
DATED = POLICY.replace("    algorithms: [ES256]\n", "    algorithms: [ES256]\n    evidence: auth_time\n")
RETENTION_S = policy_of(DATED).retention


@pytest.fixture(params=["memory", "sqlite"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EnforcerHarness]:
    store = (
        MemoryStore(retention=RETENTION_S)
        if request.param == "memory"
        else SqliteStore(tmp_path / "store.db", retention=RETENTION_S)
    )
    await store.open()
    yield EnforcerHarness(DATED, store=store)
    await store.close()


async def newcomers(desk: EnforcerHarness, number: int) -> None:
    """Sign in other users for the first time: each new record causes a check of a few old ones."""
    for place in range(number):
        await desk.ask("chat", desk.login(f"newcomer {desk.clock.now()} {place}"))


async def is_forgotten(desk: EnforcerHarness) -> bool:
    """Return whether the store has deleted the session."""
    return not (await desk.store.load(Keys(session=SESSION), desk.enforcer.repository.blank)).session.version


async def test_a_session_that_ended_is_forgotten_in_the_end_and_comes_back_only_by_a_fresh_sign_in(
    desk: EnforcerHarness,
) -> None:
    token = desk.login()
    await desk.enforcer.reports.end_session(await desk.ask("chat", token))
    desk.clock.advance(RETENTION_S - 1)
    await newcomers(desk, 2 * memory.SHARDS)
    assert not await is_forgotten(desk), "not while a credential may still name it"
    desk.clock.advance(2)
    await newcomers(desk, 2 * memory.SHARDS)
    assert await is_forgotten(desk)
    refreshed = desk.refreshed(token)
    for _ in range(3):
        assert outcome(await desk.ask("chat", refreshed))[0] != "allow", "the old sign-in is as void as ever"
    assert outcome(await desk.ask("chat", desk.login()))[0] == "allow"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_first_answers_are_deleted_when_their_time_is_over_though_nobody_asks(kind: str, tmp_path: Path) -> None:
    store = (
        MemoryStore(retention=RETENTION_S, response_retention=100.0)
        if kind == "memory"
        else SqliteStore(tmp_path / "store.db", retention=RETENTION_S, response_retention=100.0)
    )
    await store.open()
    desk = EnforcerHarness(store=store)
    small = {"amount": 5, "currency": "EUR"}
    verdict = await desk.ask("refund", desk.login(), body=small, idempotency="k")
    await desk.enforcer.reports.settle(verdict, AppResponse(201, "text/plain", b"first"))

    async def kept() -> TransactionRecord:
        ((_, record),) = await store.transactions(limit=9)
        return record

    for seconds, is_kept in ((99, True), (2, False)):
        desk.clock.advance(seconds)
        await newcomers(desk, 2 * memory.SHARDS)
        found = await kept()
        assert (found.kept, bool(found.answer), found.status, found.state) == (is_kept, is_kept, 201, "done")
    assert found.version == 3, "whoever looked at it before finds that it changed"
    await store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_lapsed_unseen_is_forgotten_and_what_is_in_doubt_never(kind: str, tmp_path: Path) -> None:
    assert policy_of().final_transaction_states == {"done", "denied", "lapsed", "failed", "held", "approved"}
    ended = policy_of().final_transaction_states
    store = (
        MemoryStore(retention=RETENTION_S, final_states=ended)
        if kind == "memory"
        else SqliteStore(tmp_path / "store.db", retention=RETENTION_S, final_states=ended)
    )
    await store.open()
    desk = EnforcerHarness(store=store)
    for amount in (5, 501):
        body = {"amount": amount, "currency": "EUR"}
        await desk.ask("refund", desk.login(), body=body, idempotency=str(amount))

    async def states() -> list[str]:
        return sorted(record.state for _, record in await store.transactions(limit=9))

    for seconds, left in ((RETENTION_S - 1, ["held", "running"]), (2, ["running"]), (10 * RETENTION_S, ["running"])):
        desk.clock.advance(seconds)
        await newcomers(desk, 2 * memory.SHARDS)
        assert await states() == left
    await store.close()


async def test_an_account_that_was_barred_is_kept_for_ever(desk: EnforcerHarness) -> None:
    token = desk.login()
    await desk.ask("chat", token)
    await desk.enforcer.repository.change(
        Keys(signed_in(at=0).principal.account_key),
        lambda evaluation: evaluation.update_record("account", not_before=evaluation.now),
    )
    desk.clock.advance(10 * RETENTION_S)
    await newcomers(desk, 2 * memory.SHARDS)
    assert await is_forgotten(desk)
    desk.clock.set(desk.clock.now() - 10 * RETENTION_S)
    assert outcome(await desk.ask("chat", token))[0] != "allow", "even with the clock set back by months"


async def test_a_store_with_customers_who_come_once_does_not_grow(desk: EnforcerHarness) -> None:
    sizes = []
    for _ in range(6):
        await newcomers(desk, 150)
        desk.clock.advance(RETENTION_S)
        sizes.append(await records(desk))
    assert sizes[1] <= max(sizes[2:]) <= 2 * sizes[1], sizes
    assert sqlite.SWEEP_COUNT >= 2, "or more would come than are looked at"


async def records(desk: EnforcerHarness) -> int:
    """Count the records of the store."""
    if isinstance(desk.store, MemoryStore):
        return len(list(desk.store._records))
    assert isinstance(desk.store, SqliteStore)
    reader = desk.store._require_open(desk.store._reader)
    found: tuple[int] = reader.execute("SELECT count(*) FROM records").fetchone()
    return found[0]


@pytest.mark.parametrize("sid", ["", "s1"])
async def test_a_session_of_an_issuer_that_need_not_state_the_time_is_never_deleted(sid: str) -> None:
    desk = EnforcerHarness(store=MemoryStore(retention=RETENTION_S))
    token = desk.login(auth_time=0.0, sid=sid)
    await desk.enforcer.reports.end_session(await desk.ask("chat", token))
    desk.clock.advance(2 * RETENTION_S)
    await newcomers(desk, 2 * memory.SHARDS)
    assert outcome(await desk.ask("chat", desk.refreshed(token))) == ("verify", "prove_identity")


async def test_a_deleted_session_is_not_begun_again_by_a_token_that_lacks_the_promised_time(
    desk: EnforcerHarness,
) -> None:
    token = desk.login()
    await desk.enforcer.reports.end_session(await desk.ask("chat", token))
    desk.clock.advance(RETENTION_S + 1)
    await newcomers(desk, 2 * memory.SHARDS)
    assert await is_forgotten(desk)
    undated = desk.login(auth_time=0.0)
    assert outcome(await desk.ask("chat", undated)) == ("verify", "prove_identity")
