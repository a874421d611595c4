"""Approvers are checked again after the commit of a run: changes during the wait for the disk count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.asgi.transaction_endpoints import own_operations
from authguard.core.request import Evidence
from authguard.errors import StoreError
from authguard.evaluation.decision import Refusal, Verdict
from authguard.evaluation.request import AccessRequest, Body
from authguard.records.entries import DecisionEntry, TransitionEntry, WithdrawalEntry
from authguard.stores.memory import MemoryStore
from tests.support.harness import EnforcerHarness, states

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.snapshot import Keys, Snapshot

BODY = {"amount": 900, "currency": "EUR"}
APPROVE = next(operation for operation in own_operations("") if operation.name.endswith("approve"))


class Waiting:
    """A store that runs a callback while the start of a transaction is saved."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        if after.transaction.state == "running" and self.meanwhile is not None:
            something, self.meanwhile = self.meanwhile, None
            await something()
        elif self.broken and before.transaction.state == "running":
            raise StoreError("out")
        return await self.inner.commit(keys, before, after)


async def held_and_approved() -> tuple[EnforcerHarness, Waiting, bytes]:
    """Return a held refund that an approver has approved."""
    store: Any = Waiting()
    desk = EnforcerHarness(store=store)
    alice, boss = desk.login(), supervisor(desk)
    name = (await desk.ask("refund", alice, body=BODY, idempotency="k")).transaction
    said = await desk.enforcer.decide(approving(boss))
    assert isinstance(said, Verdict)
    record: Any = await desk.enforcer.approvals.approve(said, name, "yes")
    assert record.state == "approved"
    return desk, store, alice


def supervisor(desk: EnforcerHarness, *roles: str, status: str = "ok") -> bytes:
    """Sign in the supervisor."""
    desk.clock.advance(1)
    claims = {"roles": list(roles or ["supervisor"]), "account_status": status}
    return desk.login("boss", sid=f"s{desk.clock.now()}", claims=claims)


def approving(header: bytes) -> AccessRequest:
    """Return the verdict on a staff request."""

    async def read() -> Body:
        return Body(b"")

    return AccessRequest(operation=APPROVE, evidence=Evidence(authorization=header), method="POST", read_body=read)


@pytest.mark.parametrize("lost", ["the role", "the account"])
async def test_an_approver_who_is_lost_while_the_run_is_saved_lets_nothing_run(lost: str) -> None:
    desk, store, alice = await held_and_approved()

    async def lose() -> None:
        later = supervisor(desk, "clerk") if lost == "the role" else supervisor(desk, status="locked")
        await desk.enforcer.decide(approving(later))

    store.meanwhile = lose
    verdict = await desk.ask("refund", alice, body=BODY, idempotency="k")
    assert store.meanwhile is None, "it was approved when it was looked at first"
    assert not verdict.admits
    assert (verdict.fallback.kind.value, states(verdict)["transaction"]) == ("handoff", "failed")
    assert verdict.snapshot.account.ledger == verdict.snapshot.session.ledger == (), "what it reserved is given back"
    void = {name for entry in desk.sink.of(WithdrawalEntry) for name in getattr(entry, "records", ())}
    allowed = [entry for entry in desk.sink.of(DecisionEntry) if getattr(entry, "operation", "") == "refund"]
    assert [entry.id in void for entry in allowed if getattr(entry, "outcome", "") == "allow"] == [True]
    causes = [
        entry.cause
        for entry in desk.sink.of(TransitionEntry)
        if isinstance(entry, TransitionEntry) and entry.dest == "failed"
    ]
    assert causes == ["approvers"]


async def test_where_that_cannot_be_saved_it_does_not_run_either_and_a_person_finds_out() -> None:
    desk, store, alice = await held_and_approved()

    async def lose() -> None:
        await desk.enforcer.decide(approving(supervisor(desk, "clerk")))
        store.broken = True

    store.meanwhile = lose
    answer = await desk.ask_any("refund", alice, body=BODY, idempotency="k")
    assert isinstance(answer, Refusal) or not answer.admits
    store.broken = False
    desk.clock.advance(121)
    later = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
    assert not later.admits
    assert states(later)["transaction"] == "in_doubt"


async def test_an_approver_who_is_still_one_lets_it_run() -> None:
    desk, store, alice = await held_and_approved()

    async def stay() -> None:
        await desk.enforcer.decide(approving(supervisor(desk)))

    store.meanwhile = stay
    assert (await desk.ask("refund", alice, body=BODY, idempotency="k")).running
