"""Property: whatever happens around a token that states no sign-in time, a mere refresh never revives a session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.core.outcomes import ADMITTING
from authguard.core.owners import TOGETHER
from authguard.core.verification import Doubted, Failed, Unavailable
from tests.support.harness import EnforcerHarness, ScriptedVerifier, outcome, states

if TYPE_CHECKING:
    from authguard.core.snapshot import Keys
    from authguard.core.verification import VerifierVerdict
    from authguard.evaluation.decision import Verdict

#: the session that the owner uses, and others of the same subject that a refresh token can name
SIDS: Final = ("", "known")
ENDINGS: Final = frozenset({"end", "end everywhere", "staff", "staff everywhere"})
#: result of the verifier for a step
RESULTS: Final[dict[str, VerifierVerdict]] = {
    "wrong": Failed(),
    "doubt": Doubted(0.5),
    "outage": Unavailable("timeout"),
}
STEPS: Final = st.lists(
    st.one_of(
        st.sampled_from(["refresh", "old", "agent", "balance", "refund", *RESULTS, *sorted(ENDINGS)]),
        st.sampled_from([1.0, 40.0, 901.0, 1_900.0, 43_201.0, 200_000.0]),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=150)
@given(steps=STEPS, sid=st.sampled_from(SIDS), first=st.sampled_from(["aal1", "aal2"]))
def test_no_refresh_moves_an_ended_session_to_active(steps: list[str | float], sid: str, first: str) -> None:
    asyncio.run(_play(steps, sid, first))


async def _play(steps: list[str | float], sid: str, acr: str) -> None:
    verifier = ScriptedVerifier(right="nobody knows")
    desk = EnforcerHarness(verifiers={"otp": verifier})
    old = desk.login(auth_time=0.0, sid=sid, acr=acr)
    verdict = await desk.ask("chat", old)
    assert outcome(verdict) == ("allow", "allow")
    keys = verdict.keys
    has_ended = False
    for step in steps:
        has_ended = has_ended or await _has_ended(desk, keys)
        if isinstance(step, float):
            desk.clock.advance(step)
            continue
        token = old if step == "old" else desk.refreshed(old)
        if step == "agent":
            token = desk.login(auth_time=0.0, sid=sid, acr=acr, actor="concierge")
        operation = step if step in {"balance", "refund"} else "chat"
        verdict = await desk.ask(operation, token, body={"amount": 1, "currency": "EUR"}, idempotency="key")
        if has_ended:
            assert verdict.fallback.kind not in ADMITTING, (step, states(verdict))
            assert states(verdict)["session"] != "active"
        if step in RESULTS and verdict.principal is not None:
            for method in ("default", "alternate"):
                verifier.script = [RESULTS[step]]
                await desk.enforcer.verifications.answer(verdict, method, {"otp": {"answer": "no"}})
            verifier.script = []
        if step in ENDINGS:
            has_ended = await _end(desk, step, verdict, keys) or has_ended


async def _has_ended(desk: EnforcerHarness, keys: Keys) -> bool:
    """Return whether the session is not active, also by a timer that no request has fired."""
    snapshot = (await desk.enforcer.repository.load(keys)).snapshot
    due, _ = desk.policy.timers.fire_due(desk.policy.machines, snapshot, desk.clock.now(), TOGETHER)
    return due.session.state != "active"


async def _end(desk: EnforcerHarness, step: str, verdict: Verdict, keys: Keys) -> bool:
    """Sign out, as the customer if the request was admitted or as staff; return whether that was done."""
    staff = desk.enforcer.staff_actions
    is_done = verdict.admits or step.startswith("staff")
    if step == "staff":
        await staff.end_session(keys.session, keys.account, "operator", "stolen")
    elif step == "staff everywhere":
        await staff.sign_out(keys.account, "alice", "operator", "stolen")
    elif is_done:
        await desk.enforcer.reports.end_session(verdict, everywhere=step == "end everywhere")
    desk.clock.advance(2.0)
    return is_done


@pytest.mark.parametrize("sid", SIDS)
async def test_the_verifiers_pass_is_what_moves_it(sid: str) -> None:
    desk = EnforcerHarness(verifiers={"otp": ScriptedVerifier()})
    old = desk.login(auth_time=0.0, sid=sid)
    verdict = await desk.ask("chat", old)
    await desk.enforcer.reports.end_session(verdict)
    desk.clock.advance(2)
    verdict = await desk.ask("chat", desk.refreshed(old))
    step = await desk.enforcer.verifications.answer(verdict, "default", {"otp": {"answer": "123456"}})
    assert (step.fallback.name, step.snapshot.session.state) == ("allow", "active")
    assert (await desk.ask("chat", desk.refreshed(old))).admits
