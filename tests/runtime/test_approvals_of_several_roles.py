"""A hold that several roles approve together: each person fills one place, in any order, in both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.core.approvers import Approvers
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Approval, Keys, TransactionRecord
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.runtime.test_approvals import BODY, Desk, told
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JOINT = POLICY + (
    "fallbacks:\n"
    "  await_approval: {kind: hold, approvers: [{role: officer, count: 2}, {role: controller, acr: aal3}]}\n"
)


@pytest.fixture(params=["memory", "sqlite"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    await store.open()
    yield Desk(JOINT, store=store)
    await store.close()


async def test_the_hold_and_its_places_are_stored(desk: Desk) -> None:
    record = await desk.record(await desk.held())
    assert record.hold == "await_approval"
    assert record.required == (Approvers("officer", 2), Approvers("controller", 1, "aal3"))


async def test_it_runs_after_all_places_are_filled_in_any_order(desk: Desk) -> None:
    transaction = await desk.held()
    assert await desk.approve("cara", transaction, "controller", acr="aal3") == "held"
    assert await desk.approve("olaf", transaction, "officer") == "held"
    assert await desk.approve("otto", transaction, "officer") == "approved"
    assert (await desk.ask("refund", desk.login(), body=BODY, idempotency="k")).running


async def test_an_approval_that_fills_no_open_place_is_refused_and_withdrawn(desk: Desk) -> None:
    transaction = await desk.held()
    for name in ("olaf", "otto"):
        assert await desk.approve(name, transaction, "officer") == "held"
    assert await desk.approve("oona", transaction, "officer") == Reason.TRANSACTION_OVER.code
    assert len((await desk.record(transaction)).approvals) == 2
    withdrawn = {name for entry in desk.sink.entries for name in getattr(entry, "records", ())}
    assert desk.acts("transaction.approved")[-1].id in withdrawn
    assert await desk.approve("cara", transaction, "controller", acr="aal3") == "approved"


async def test_a_person_with_both_roles_fills_one_place_and_makes_room(desk: Desk) -> None:
    transaction = await desk.held()
    assert await desk.approve("both", transaction, "officer", "controller", acr="aal3") == "held"
    assert await desk.approve("both", transaction, "officer", "controller", acr="aal3") == "held", "counts once"
    assert await desk.approve("olaf", transaction, "officer") == "held"
    assert await desk.approve("otto", transaction, "officer") == "approved", "the first one counts as the controller"


async def test_each_place_asks_for_its_own_level(desk: Desk) -> None:
    transaction = await desk.held()
    assert await desk.approve("cara", transaction, "controller") == Reason.APPROVER_WEAK.code
    assert await desk.approve("both", transaction, "officer", "controller") == "held", "as an officer"
    assert await desk.approve("olaf", transaction, "officer") == "held"
    assert await desk.approve("otto", transaction, "officer") == Reason.TRANSACTION_OVER.code
    # signed in more strongly, the same person can fill the place of the controller
    assert await desk.approve("both", transaction, "officer", "controller", acr="aal3") == "held"
    assert await desk.approve("otto", transaction, "officer") == "approved"


async def test_only_the_roles_of_the_newest_credential_count(desk: Desk) -> None:
    transaction = await desk.held()
    both = await desk.person("both", "officer", "controller", acr="aal3")
    await desk.person("both", "officer", acr="aal3")
    assert told(await desk.enforcer.approvals.approve(both, transaction, "yes")) == "held"
    (given,) = (await desk.record(transaction)).approvals
    assert given.roles == ("officer",)


async def test_who_loses_one_of_two_roles_counts_for_the_other(desk: Desk) -> None:
    transaction = await desk.held()
    await desk.approve("both", transaction, "officer", "controller", acr="aal3")
    await desk.person("both", "officer", acr="aal3")
    await desk.approve("olaf", transaction, "officer")
    assert await desk.approve("otto", transaction, "officer") == Reason.TRANSACTION_OVER.code
    assert await desk.approve("cara", transaction, "controller", acr="aal3") == "approved"


async def test_a_role_lost_after_the_last_approval_stops_the_run(desk: Desk) -> None:
    transaction = await desk.held()
    await desk.approve("cara", transaction, "controller", acr="aal3")
    await desk.approve("olaf", transaction, "officer")
    await desk.approve("otto", transaction, "officer")
    await desk.person("cara", "officer", acr="aal3")

    assert await desk.enforcer.approvals.lacks_quorum(await desk.record(transaction))
    verdict = await desk.ask("refund", desk.login(), body=BODY, idempotency="k")
    assert (verdict.fallback.name, verdict.snapshot.transaction.state) == ("refuse", "denied")


async def test_each_role_finds_it_once_in_its_list(desk: Desk) -> None:
    transaction = await desk.held()
    for roles, found in (
        (("officer",), [transaction]),
        (("controller",), [transaction]),
        (("officer", "controller"), [transaction]),
        (("clerk",), []),
        (("controller\nofficer",), []),
    ):
        person = (await desk.person("someone", *roles)).principal
        assert person is not None
        listed = await desk.enforcer.approvals.list_decidable(person, state="held", limit=9)
        assert [name for name, _ in listed] == found


async def test_operators_fill_any_place_each_by_name(desk: Desk) -> None:
    transaction = await desk.held()
    decide = desk.enforcer.approvals.decide_as_operator
    assert told(await decide(transaction, "transaction.approved", ("Ann", "Ben"), "known")) == "held"
    assert told(await decide(transaction, "transaction.approved", ("Cid",), "known")) == "approved"


async def test_a_hold_from_before_several_roles_is_read_and_approved_as_it_was(desk: Desk) -> None:
    transaction = await desk.held()
    keys = Keys(transaction=transaction)
    before = (await desk.enforcer.repository.load(keys)).snapshot
    boss = (await desk.person("boss", "supervisor")).principal
    assert boss is not None
    old: dict[str, Any] = {"hold": "", "approvers": (), "role": "supervisor", "count": 2, "acr": ""}
    given = (Approval(boss.account_key, boss.pseudonym, desk.clock.now(), "seen"),)
    record = replace(before.transaction, **old, approvals=given)
    assert await desk.store.commit(keys, before, replace(before, transaction=record))

    # the policy of such a store asked for supervisors; here no hold does, so an operator approves beside them
    assert (await desk.record(transaction)).required == (Approvers("supervisor", 2),)
    decide = desk.enforcer.approvals.decide_as_operator
    assert told(await decide(transaction, "transaction.approved", ("Ann",), "known")) == "approved"
    approved = await desk.record(transaction)
    assert not await desk.enforcer.approvals.lacks_quorum(approved)
    await desk.person("boss", "clerk")
    assert await desk.enforcer.approvals.lacks_quorum(approved)


def test_a_record_without_approvers_requires_nobody() -> None:
    assert TransactionRecord("none").required == ()
    assert TransactionRecord("held", role="boss").roles == {"boss"}
