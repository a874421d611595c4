"""The hand-off desk: one ticket for each account and queue, and none lost in a race."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.errors import StoreError
from authguard.ports import Ticket
from authguard.runtime.handoff import NAMESPACE, FiledTicket, NoTicket, StoreDesk
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = 1_800_000_000.0
TICKET = Ticket(
    id="first",
    queue="fraud",
    opened=NOW,
    operation="pay",
    subject="p-1",
    account="aa",
    session="bb",
    states={"account": "locked", "session": "active"},
    assurance={"acr": "urn:high", "auth_time": NOW - 5.5},
    decisions=((NOW - 1, "pay", "verify", "r1"), (NOW, "pay", "handoff", "r2")),
    record="r2",
)
_numbers = count()


def another(**fields: object) -> Ticket:
    """Return a ticket of a later request of the same account."""
    return replace(TICKET, id=f"later {next(_numbers)}", opened=NOW + 1, **fields)  # type: ignore[arg-type]  # any field


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryStore | SqliteStore]:
    """Return each embedded store."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "records.db")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def desk(store: MemoryStore | SqliteStore) -> StoreDesk:
    """Return a desk on each store."""
    return StoreDesk(store)


async def test_a_ticket_is_kept_whole(desk: StoreDesk) -> None:
    assert await desk.open_ticket(TICKET) == TICKET
    assert await desk.tickets(10) == (FiledTicket(TICKET, "open", "", NOW),)


async def test_a_flood_of_refused_requests_makes_one_ticket(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    assert [await desk.open_ticket(another()) for _ in range(50)] == [TICKET] * 50
    assert len(await desk.tickets(10)) == 1


async def test_a_flood_reads_and_does_not_write() -> None:
    class OnlyOnce(MemoryStore):
        async def add(self, namespace: str, name: str, value: bytes) -> bytes:
            assert not await self.list_keys(namespace, 1), "the store was written to again"
            return await super().add(namespace, name, value)

    desk = StoreDesk(OnlyOnce())
    await desk.open_ticket(TICKET)
    await desk.open_ticket(another())


async def test_of_64_that_open_at_once_all_get_the_same_ticket(desk: StoreDesk) -> None:
    kept = await asyncio.gather(*(desk.open_ticket(another()) for _ in range(64)))
    assert len({ticket.id for ticket in kept}) == 1
    assert len(await desk.tickets(10)) == 1


async def test_another_account_and_another_queue_get_tickets_of_their_own(desk: StoreDesk) -> None:
    tickets = [TICKET, another(account="ab"), another(queue="care"), another(account="a", queue="afraud")]
    for ticket in tickets:
        assert await desk.open_ticket(ticket) == ticket
    assert {filed.ticket.id for filed in await desk.tickets(10)} == {ticket.id for ticket in tickets}


async def test_tickets_come_oldest_first_and_no_more_than_asked_for(desk: StoreDesk) -> None:
    for number in (3, 1, 2):
        await desk.open_ticket(another(account=f"{number:02}", subject=f"p-{number}"))
    await desk.open_ticket(replace(TICKET, account="ff"))
    listed = await desk.tickets(10)
    assert [filed.ticket.opened for filed in listed] == [NOW, NOW + 1, NOW + 1, NOW + 1]
    assert len(await desk.tickets(2)) == 2


async def test_whoever_takes_a_ticket_first_keeps_it(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    taken = FiledTicket(TICKET, "taken", "ada", NOW + 5)
    assert await desk.take("first", "ada", NOW + 5) == taken
    assert await desk.take("first", "bob", NOW + 6) == taken
    assert await desk.tickets(10) == (taken,)


async def test_of_many_who_take_at_once_one_does(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    answers = await asyncio.gather(*(desk.take("first", f"agent {n}", NOW) for n in range(16)))
    assert len({answer.by for answer in answers if isinstance(answer, FiledTicket)}) == 1
    assert not [answer for answer in answers if isinstance(answer, NoTicket)]


async def test_a_taken_ticket_is_still_the_one_that_a_new_request_gets(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    await desk.take("first", "ada", NOW + 5)
    assert await desk.open_ticket(another()) == TICKET
    assert (await desk.tickets(10))[0].state == "taken"


@pytest.mark.parametrize("taken", [True, False])
async def test_after_closing_the_next_hand_off_opens_a_new_ticket(desk: StoreDesk, *, taken: bool) -> None:
    await desk.open_ticket(TICKET)
    if taken:
        await desk.take("first", "Ada", NOW + 5)
    assert await desk.close("first", "ada", NOW + 9, override=not taken) == FiledTicket(
        TICKET, "closed", "ada", NOW + 9
    )
    assert await desk.tickets(10) == ()
    new = another()
    assert await desk.open_ticket(new) == new


async def test_only_who_took_a_ticket_closes_it(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    assert await desk.close("first", "ada", NOW) == FiledTicket(TICKET, "open", "", NOW)
    taken = await desk.take("first", "ada", NOW)
    assert await desk.close("first", "omar", NOW + 1) == taken
    assert await desk.tickets(10) == (taken,)


async def test_what_is_closed_or_was_never_there_cannot_be_taken_or_closed(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    await desk.take("first", "ada", NOW)
    await desk.close("first", "ada", NOW)
    new = another()
    await desk.open_ticket(new)
    for answer in (await desk.take("first", "ada", NOW), await desk.close("first", "ada", NOW)):
        assert answer == NoTicket("first")
    assert await desk.tickets(10) == (FiledTicket(new, "open", "", NOW + 1),)


async def test_of_many_who_close_at_once_one_does_and_no_new_ticket_goes_with_it(desk: StoreDesk) -> None:
    await desk.open_ticket(TICKET)
    closing = [desk.close("first", f"agent {n}", NOW, override=True) for n in range(16)]
    opening = [desk.open_ticket(another()) for _ in range(16)]
    answers = await asyncio.gather(*closing, *opening)
    assert len([answer for answer in answers if isinstance(answer, FiledTicket)]) == 1
    given_out = {answer.id for answer in answers if isinstance(answer, Ticket)} - {"first"}
    assert {filed.ticket.id for filed in await desk.tickets(10)} == given_out


class Interfering(MemoryStore):
    """A store in which another writer always comes first."""

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        return bool(not old and await super().replace(namespace, name, old, new))


async def test_a_ticket_that_others_keep_changing_is_an_error_in_the_end() -> None:
    desk = StoreDesk(Interfering())
    await desk.open_ticket(TICKET)
    for change in (desk.take("first", "ada", NOW), desk.close("first", "ada", NOW, override=True)):
        with pytest.raises(StoreError, match="changed by another process"):
            await change


@pytest.mark.parametrize(
    "damaged",
    [b"nothing", b"[]", b"{}", b'{"ticket": {}}', b'{"ticket": {"decisions": 1}}', b'{"ticket": {"x": 1}}', b"7"],
)
async def test_a_damaged_ticket_is_an_error_and_no_second_one_is_opened(
    store: MemoryStore | SqliteStore, damaged: bytes
) -> None:
    desk = StoreDesk(store)
    await desk.open_ticket(TICKET)
    (name,) = await store.list_keys(NAMESPACE, 10)
    await store.put(NAMESPACE, name, damaged)
    with pytest.raises(StoreError, match="cannot be read back"):
        await desk.open_ticket(another())
    with pytest.raises(StoreError, match="cannot be read back"):
        await desk.tickets(10)
    assert await store.get(NAMESPACE, name) == damaged


@given(
    st.lists(st.tuples(st.sampled_from(["open", "take", "close"]), st.sampled_from(["aa", "bb"]), st.integers(0, 3)))
)
def test_any_sequence_leaves_at_most_one_ticket_an_account_and_loses_none(steps: list[tuple[str, str, int]]) -> None:
    async def main() -> None:
        desk, waiting, every = StoreDesk(MemoryStore()), dict[str, str](), list[str]()
        for step, account, which in steps:
            chosen = every[which] if which < len(every) else "unknown"
            if step == "open":
                kept = await desk.open_ticket(new := another(account=account))
                assert kept.id == waiting.setdefault(account, new.id)
                every.append(kept.id)
            elif step == "take":
                assert isinstance(await desk.take(chosen, "ada", NOW), FiledTicket) == (chosen in waiting.values())
            else:
                closed = await desk.close(chosen, "ada", NOW, override=True)
                assert isinstance(closed, FiledTicket) == (chosen in waiting.values())
                waiting = {at: id_ for at, id_ in waiting.items() if id_ != chosen}
            assert {filed.ticket.id for filed in await desk.tickets(10)} == set(waiting.values())

    asyncio.run(main())
