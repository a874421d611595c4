"""The order and the rules by which facts become events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as amended

from authguard.core.owners import TOGETHER
from authguard.core.snapshot import Keys, Report
from authguard.evaluation.driver import Evaluation, apply_reports
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
    """A directory with an answer set by the test."""

    def __init__(self, answer: AccountStatus | Unreachable) -> None:
        self.answer = answer

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Return the set answer."""
        del principal
        return replace(self.answer, at=now) if isinstance(self.answer, AccountStatus) else self.answer


async def test_the_strictest_of_the_sources_counts() -> None:
    directory = Directory(AccountStatus("restricted", 0.0))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    verdict = await desk.ask("chat", desk.login())
    assert states(verdict)["account"] == "restricted"
    directory.answer = AccountStatus("normal", 0.0)
    desk.clock.advance(1)
    assert states(await desk.ask("chat", desk.login()))["account"] == "normal"


@pytest.mark.parametrize("status", ["never heard of", "", "unknown", "normal" * 100])
async def test_a_status_that_the_policy_does_not_know_is_unrecognised(status: str) -> None:
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: Directory(AccountStatus(status, 0.0))})
    assert states(await desk.ask("chat", desk.login()))["account"] == "unrecognised"


async def test_a_status_that_nobody_mapped_stands_in_the_log_escaped_and_once() -> None:
    directory = Directory(AccountStatus('on\nleave\u202e"' + "x" * 100, 0.0))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    verdict = await desk.ask("chat", desk.login())
    told = [entry for entry in desk.sink.of(ActEntry) if entry.act == "account.unrecognised"]
    assert [(entry.by, entry.note, entry.subject, entry.decision) for entry in told] == [
        (SOURCE, 'on\\nleave\\u202e"' + "x" * 54, "pseudonym-5", verdict.record)
    ]
    await desk.ask("chat", desk.login())  # the same report, looked at again
    assert len([entry for entry in desk.sink.of(ActEntry) if entry.act == "account.unrecognised"]) == 1


async def test_a_directory_that_is_down_leaves_what_is_known() -> None:
    directory = Directory(AccountStatus("suspended", 0.0))
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: directory})
    await desk.ask("chat", desk.login())
    directory.answer = Unreachable("timeout")
    desk.clock.advance(1)
    verdict = await desk.ask("chat", desk.login())
    assert states(verdict)["account"] == "suspended"
    assert outcome(verdict) == ("restrict", "read_only")


async def test_without_a_report_the_account_is_unknown_and_only_read() -> None:
    desk = EnforcerHarness()
    token = desk.login(claims={})
    assert outcome(await desk.ask("chat", token)) == ("restrict", "read_only")
    assert outcome(await desk.ask("balance", token, method="GET")) == ("retry", "try_later")


async def test_where_no_accounts_are_declared_each_is_normal_and_what_the_app_reports_still_counts() -> None:
    text = POLICY.replace(POLICY[POLICY.index("accounts:\n") : POLICY.index("operations:\n")], "accounts: none\n")
    desk = EnforcerHarness(text)
    verdict = await desk.ask("chat", desk.login(claims={}))
    assert states(verdict)["account"] == "normal"
    await desk.enforcer.reports.report(verdict, "account.suspended")
    desk.clock.advance(2 * 3_600)
    assert states(await desk.ask("chat", desk.login(claims={})))["account"] == "suspended"


async def test_a_sign_in_before_the_accounts_not_before_is_revoked_also_in_sessions_never_seen() -> None:
    desk = EnforcerHarness()
    old = desk.login(sid="one")
    keys = (await desk.ask("chat", old)).keys
    desk.clock.advance(10)
    account = Keys(account=keys.account)
    before = (await desk.enforcer.repository.load(account)).snapshot
    after = amended(before, account=amended(before.account, not_before=desk.clock.now()))
    assert await desk.store.commit(account, before, after)
    assert outcome(await desk.ask("chat", desk.refreshed(old))) == ("terminate", "end_session")
    unseen = desk.login(sid="two", auth_time=desk.clock.now() - 5)
    assert outcome(await desk.ask("chat", unseen)) == ("terminate", "end_session")
    desk.clock.advance(1)
    assert outcome(await desk.ask("chat", desk.login(sid="one"))) == ("allow", "allow")


@pytest.mark.parametrize("sid", ["", "known"])
async def test_a_refreshed_token_without_a_sign_in_time_does_not_revive_an_idle_session(sid: str) -> None:
    desk = EnforcerHarness()
    token = desk.login(auth_time=0.0, sid=sid)
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    desk.clock.advance(16 * 60)
    assert outcome(await desk.ask("chat", token)) == ("step_up", "sign_in_fresh")
    verdict = await desk.ask("chat", desk.refreshed(token))
    assert (outcome(verdict), verdict.cell[5], states(verdict)["session"]) == (
        ("verify", "prove_identity"),
        "undated",
        "idle",
    )
    fresh = await desk.ask("chat", desk.login(auth_time=0.0, sid="another"))
    assert outcome(fresh) == ("allow", "allow")


async def test_a_token_from_before_a_sign_out_everywhere_does_not_end_the_sign_in_after_it() -> None:
    desk = EnforcerHarness()
    old = desk.login()
    keys = (await desk.ask("chat", old)).keys
    desk.clock.advance(10)
    await desk.enforcer.staff_actions.sign_out(keys.account, "alice", "operator", "stolen")
    desk.clock.advance(10)
    honest = desk.login()
    desk.clock.advance(10)
    assert outcome(await desk.ask("chat", old)) == ("terminate", "end_session")
    assert outcome(await desk.ask("chat", honest)) == ("allow", "allow")
    assert outcome(await desk.ask("chat", desk.refreshed(old))) == ("challenge", "sign_in")
    assert outcome(await desk.ask("chat", desk.refreshed(honest))) == ("allow", "allow")


def test_the_cause_of_an_account_state_is_the_source_that_holds_it_and_not_the_newest() -> None:
    desk = EnforcerHarness(DIRECTORY, directories={SOURCE: Directory(AccountStatus("normal", 0.0))})
    now, blank = desk.clock.now(), desk.enforcer.repository.blank
    held = amended(blank.account, state="unknown", version=1, reports={"claim:kyc": Report("suspended", now - 60)})
    evaluation = Evaluation(desk.policy, amended(blank, account=held), now, TOGETHER)
    apply_reports(evaluation, {SOURCE: Report("restricted", now)}, unreachable=False)
    assert [(one.dest, one.cause) for one in evaluation.transitions] == [("suspended", "claim:kyc")]
