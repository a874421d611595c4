"""Every source of an account's state is read, and a status that the policy does not know is never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.evaluation.account_status import MAX_STATUS_LENGTH
from authguard.ports import AccountStatus, Unreachable
from authguard.records.entries import ActEntry
from tests.support.harness import POLICY, EnforcerHarness, outcome, states

if TYPE_CHECKING:
    from authguard.core.request import Principal

DIRECTORY = POLICY.replace(
    "accounts:\n", 'accounts:\n  - {from: python, call: "desk.accounts:status", max_age: 5m, timeout: 500ms}\n'
)
SOURCE = "python:desk.accounts:status"


class Directory:
    """A directory that answers as the test says."""

    def __init__(self, answer: AccountStatus | Unreachable | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Answer."""
        self.asked.append(principal.subject)
        if isinstance(self.answer, Exception):
            raise self.answer
        return replace(self.answer, at=now) if isinstance(self.answer, AccountStatus) else self.answer


def acts(desk: EnforcerHarness) -> list[ActEntry]:
    return [one for one in desk.sink.of(ActEntry) if isinstance(one, ActEntry) and one.act == "account.unrecognised"]


@pytest.mark.parametrize(
    ("status", "state"),
    [("ok", "normal"), ("frozen", "suspended"), ("OK", "unrecognised"), ("normal", "unrecognised")],
)
async def test_a_status_of_a_claim_counts_as_the_policy_maps_it(status: str, state: str) -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login(claims={"account_status": status}))

    assert states(verdict)["account"] == state


@pytest.mark.parametrize("value", [["ok"], {"status": "ok"}, True])
async def test_a_status_that_is_no_scalar_of_the_map_is_unrecognised(value: object) -> None:
    desk = EnforcerHarness()

    assert states(await desk.ask("chat", desk.login(claims={"account_status": value})))["account"] == "unrecognised"


async def test_a_claim_that_is_missing_reports_nothing() -> None:
    desk = EnforcerHarness()

    assert states(await desk.ask("chat", desk.login(claims={})))["account"] == "unknown"


async def test_an_unmapped_status_is_recorded_once_for_each_report_cut_and_escaped() -> None:
    desk = EnforcerHarness()
    token = desk.login(claims={"account_status": "odd\n\x1b[31m" + "x" * 200})
    for _ in range(3):
        await desk.ask("chat", token)

    (act,) = acts(desk)
    assert "\n" not in act.note
    assert "\x1b" not in act.note
    assert len(act.note) <= 4 * MAX_STATUS_LENGTH
    assert "alice" not in str(act)


async def test_the_directory_is_asked_for_the_person_of_the_token_and_the_strictest_source_counts() -> None:
    directory = Directory(AccountStatus("restricted", 0.0))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})

    assert states(await desk.ask("chat", desk.login("bob")))["account"] == "restricted"
    assert directory.asked == ["bob"]


async def test_nobody_is_looked_up_for_a_request_without_a_proven_credential() -> None:
    directory = Directory(AccountStatus("normal", 0.0))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    await desk.ask("chat")
    await desk.ask("chat", b"Bearer forged")

    assert directory.asked == []


async def test_a_directory_that_does_not_answer_opens_nothing() -> None:
    directory = Directory(Unreachable("down"))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    verdict = await desk.ask("balance", desk.login(claims={}))

    assert outcome(verdict)[0] not in {"allow", "restrict"}


async def test_a_directory_that_falls_refuses_the_request() -> None:
    directory: Any = Directory(LookupError("broken"))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    answer: Any = await desk.ask_any("balance", desk.login())

    assert not getattr(answer, "admits", False)
    assert "broken" not in str(answer)
