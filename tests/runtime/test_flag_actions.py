"""People set and clear flags: recorded before the change, with whose flag and why."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.amount import UnreadableValueError
from authguard.records.entries import ActEntry, TransitionEntry
from authguard.runtime.flag_actions import FlagActions, FlagOwner
from tests.evaluation.test_flags import BODY, DAY, Desk
from tests.support.harness import outcome

if TYPE_CHECKING:
    from authguard.core.flags import Flag


class Counter(Desk):
    """The desk, with the acts of people on its flags."""

    @property
    def actions(self) -> FlagActions:
        return self.house.enforcer.flag_actions

    def flag(self, name: str) -> Flag:
        found = self.actions.find(name)
        assert found is not None
        return found

    async def change(self, name: str, *, sets: bool, **owner: Any) -> None:
        await self.actions.change(self.flag(name), FlagOwner(**owner), sets=sets, by="ines", why="asked")


async def test_a_person_sets_and_clears_a_flag_of_an_account() -> None:
    desk = Counter()
    await desk.chat()
    owner = {"account": desk.account, "subject": "pseudonym-5"}
    await desk.change("fraud", sets=True, **owner)
    assert await desk.balance() == "to_fraud"
    assert await desk.actions.find_expiry(desk.flag("fraud"), FlagOwner(**owner)) == inf
    await desk.change("fraud", sets=False, **owner)
    assert await desk.balance() == "allow"
    acts: Any = desk.house.sink.of(ActEntry)
    assert [(one.act, one.flag, one.by, one.note) for one in acts if one.flag] == [
        ("flag.set", "fraud", "ines", "asked"),
        ("flag.cleared", "fraud", "ines", "asked"),
    ]
    about = [
        one for one in desk.house.sink.entries if "fraud" in {getattr(one, "flag", ""), getattr(one, "machine", "")}
    ]
    kinds = [type(one) for one in about]
    assert kinds == [ActEntry, TransitionEntry] * 2, "the act is recorded before the change"


async def test_a_payee_is_watched_for_everybody() -> None:
    desk = Counter()
    await desk.chat()
    await desk.change("watched", sets=True, payee="de-89")
    assert outcome(await desk.refund("a"))[1] == "watched"
    assert outcome(await desk.refund("b", to="DE90"))[0] == "allow"
    desk.later(90 * DAY)
    await desk.chat()
    assert outcome(await desk.refund("c"))[0] == "allow"
    assert BODY["to"] == "DE89"


async def test_an_owner_that_does_not_fit_changes_nothing() -> None:
    desk = Counter()
    for owner in ({"payee": "x"}, {}, {"account": b"a" * 16, "payee": "x"}, {"session": b"s" * 16}):
        with pytest.raises(ValueError, match="is kept by subject"):
            await desk.change("fraud", sets=True, **owner)
    with pytest.raises(UnreadableValueError):
        await desk.change("watched", sets=True, payee="-- --")
    assert not desk.house.sink.of(ActEntry)[1:]


async def test_a_change_that_cannot_be_recorded_is_not_made() -> None:
    desk = Counter()
    await desk.chat()
    desk.house.sink.broken = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        await desk.change("fraud", sets=True, account=desk.account)
    desk.house.sink.broken = None
    assert await desk.balance() == "allow"
