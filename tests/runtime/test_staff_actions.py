"""Staff reinstate, reset, end and sign out as the policy lets them, recorded with the reason, never for themselves."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.asgi.endpoints import own_operations
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key, session_key
from authguard.core.request import Evidence
from authguard.core.snapshot import Keys, Snapshot
from authguard.errors import AuditError
from authguard.evaluation.decision import Verdict
from authguard.evaluation.request import AccessRequest
from authguard.records.entries import ActEntry
from tests.support.harness import ISSUER, POLICY, EnforcerHarness, states

STAFFED = POLICY + "staff: {claim: roles, authority: {reinstate: desk-lead, reset: desk-lead}}\n"
ALICE = account_key(ISSUER, "alice")
SESSION = session_key(ISSUER, "alice", "app", "s1")
STAFF_OPERATION = next(one for one in own_operations("") if one.risk == "staff")


class Desk(EnforcerHarness):
    """An enforcer with staff."""

    def __init__(self) -> None:
        super().__init__(STAFFED)
        self.acts_of = self.enforcer.staff_actions

    async def lead(self, name: str = "lead", *roles: str, **facts: Any) -> Verdict:
        """Return the verdict on the request of a member of staff."""
        self.clock.advance(1)
        claims = {"account_status": "ok", "roles": list(roles or ("desk-lead",))}
        header = self.login(name, sid=f"{name}-{self.clock.now()}", claims=claims, **facts)
        request = AccessRequest(operation=STAFF_OPERATION, evidence=Evidence(authorization=header), method="POST")
        verdict = await self.enforcer.decide(request)
        assert isinstance(verdict, Verdict)
        return verdict

    async def snapshot(self) -> Snapshot:
        return (await self.enforcer.repository.load(Keys(ALICE, SESSION))).snapshot

    def acts(self) -> list[ActEntry]:
        """Return the acts of people, without those of the guard."""
        return [one for one in self.sink.of(ActEntry) if isinstance(one, ActEntry) and one.note]


async def test_a_reinstated_account_is_normal_until_a_newer_report_says_otherwise() -> None:
    desk = Desk()
    old = desk.login(claims={"account_status": "locked"})
    assert states(await desk.ask("chat", old))["account"] == "locked"

    assert await desk.acts_of.reinstate_as_staff(await desk.lead(), "", "alice", "called in") is Reason.DECIDED

    assert (await desk.snapshot()).account.state == "normal"
    assert states(await desk.ask("chat", old))["account"] == "normal", "the report from before counts no longer"
    desk.clock.advance(1)
    again = desk.login(claims={"account_status": "locked"})
    assert states(await desk.ask("chat", again))["account"] == "locked"
    (act,) = desk.acts()
    assert (act.act, act.note) == ("account.reinstated", "called in")


@pytest.mark.parametrize(
    ("roles", "facts"),
    [(("supervisor",), {}), (("desk-lead",), {"client": "concierge"}), (("desk-lead",), {"actor": "concierge"})],
    ids=["another role", "an agent's token", "an agent for them"],
)
async def test_whoever_lacks_the_role_changes_nothing(roles: tuple[str, ...], facts: dict[str, Any]) -> None:
    desk = Desk()
    await desk.ask("chat", desk.login(claims={"account_status": "locked"}))
    verdict = await desk.lead("somebody", *roles, **facts)

    assert await desk.acts_of.reinstate_as_staff(verdict, "", "alice", "why") is Reason.STAFF_UNAUTHORISED
    assert await desk.acts_of.reset_as_staff(verdict, SESSION, ALICE, "why") is Reason.STAFF_UNAUTHORISED
    assert (await desk.snapshot()).account.state == "locked"
    assert desk.acts() == []


async def test_nobody_acts_on_their_own_account_or_session() -> None:
    desk = Desk()
    lead = await desk.lead()
    assert lead.principal is not None

    assert await desk.acts_of.reinstate_as_staff(lead, "", "lead", "why") is Reason.STAFF_INVOLVED
    own = lead.principal.session_key
    assert await desk.acts_of.reset_as_staff(lead, own, b"", "why") is Reason.STAFF_INVOLVED
    assert await desk.acts_of.reset_as_staff(lead, SESSION, lead.principal.account_key, "why") is Reason.STAFF_INVOLVED
    assert desk.acts() == []


async def test_an_account_that_nobody_knows_is_answered_like_any_other() -> None:
    desk = Desk()

    assert await desk.acts_of.reinstate_as_staff(await desk.lead(), "", "nobody-yet", "why") is Reason.DECIDED


async def test_an_issuer_that_the_policy_does_not_have_is_malformed() -> None:
    desk = Desk()
    verdict = await desk.lead()

    assert await desk.acts_of.reinstate_as_staff(verdict, "https://other.test", "a", "w") is Reason.BODY_MALFORMED
    assert desk.acts() == []


async def test_an_ended_session_opens_only_by_a_later_sign_in() -> None:
    desk = Desk()
    token = desk.login()
    await desk.ask("chat", token)

    await desk.acts_of.end_session(SESSION, ALICE, "anna", "lost telephone")

    assert states(await desk.ask("chat", token))["session"] == "revoked"
    assert states(await desk.ask("chat", desk.refreshed(token)))["session"] == "revoked"
    desk.clock.advance(1)
    assert states(await desk.ask("chat", desk.login()))["session"] == "active"


async def test_a_signed_out_account_is_signed_out_of_sessions_that_nobody_has_seen_yet() -> None:
    desk = Desk()
    seen, unseen = desk.login(), desk.login(sid="s2")
    await desk.ask("chat", seen)

    await desk.acts_of.sign_out(ALICE, "name", "anna", "stolen")

    for token in (seen, unseen):
        assert not (await desk.ask("chat", token)).admits
    desk.clock.advance(2)
    assert (await desk.ask("chat", desk.login(sid="s3"))).admits


async def test_an_act_that_cannot_be_recorded_changes_nothing() -> None:
    desk = Desk()
    token = desk.login()
    await desk.ask("chat", token)
    desk.sink.broken = AuditError("full")

    with pytest.raises(AuditError):
        await desk.acts_of.end_session(SESSION, ALICE, "anna", "why")

    desk.sink.broken = None
    assert states(await desk.ask("chat", token))["session"] == "active"
