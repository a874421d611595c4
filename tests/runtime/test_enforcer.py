"""Sequences of requests through the enforcer: caller, history, outcome, and the next step."""

from __future__ import annotations

import asyncio

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.evaluation.decision import AppResponse, Refusal
from authguard.records.entries import DecisionEntry, TransitionEntry
from authguard.runtime.rollback import Rollback
from tests.support.harness import POLICY, EnforcerHarness, fingerprint, outcome, states

REFUND = {"amount": 12.5, "currency": "EUR"}


async def test_a_customer_without_a_token_is_asked_to_sign_in_and_moves_nothing() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat")
    assert outcome(verdict) == ("challenge", "sign_in")
    assert states(verdict)["session"] == "absent"
    assert not desk.sink.of(TransitionEntry)


async def test_a_signed_in_customer_chats_and_every_request_has_exactly_one_decision() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for _ in range(3):
        assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    assert len(desk.sink.of(DecisionEntry)) == 3


async def test_a_token_that_expired_mid_conversation_is_refreshed_and_the_conversation_goes_on() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await desk.ask("chat", token)
    desk.clock.advance(301)
    new = desk.refreshed(token)
    desk.check.known[token] = NotProven("expired", Reason.TOKEN_EXPIRED)
    assert outcome(await desk.ask("chat", token)) == ("challenge", "sign_in_again")
    verdict = await desk.ask("chat", new)
    assert outcome(verdict) == ("allow", "allow")
    assert states(verdict)["session"] == "active"


async def test_an_idle_session_is_not_revived_by_a_refreshed_token_but_by_a_fresh_sign_in() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await desk.ask("chat", token)
    desk.clock.advance(16 * 60)
    verdict = await desk.ask("chat", desk.refreshed(token))
    assert outcome(verdict) == ("step_up", "sign_in_fresh")
    assert states(verdict)["session"] == "idle"
    assert verdict.max_age == 60, "a sign-in later than the moment at which the session became idle"
    verdict = await desk.ask("chat", desk.login())
    assert outcome(verdict) == ("allow", "allow")
    assert states(verdict)["session"] == "active"


async def test_a_sign_in_between_falling_idle_and_the_next_look_counts_as_fresh() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await desk.ask("chat", token)
    desk.clock.advance(20 * 60)
    again = desk.login()
    desk.clock.advance(5)
    verdict = await desk.ask("chat", again)
    assert outcome(verdict) == ("allow", "allow")


async def test_an_active_person_is_never_idle_and_still_signs_in_again_after_twelve_hours() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for _ in range(12 * 6):
        assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
        desk.clock.advance(10 * 60)
        token = desk.refreshed(token)
    verdict = await desk.ask("chat", token)
    assert outcome(verdict) == ("step_up", "sign_in_fresh")
    assert states(verdict)["session"] == "expired"


async def test_an_agents_traffic_does_not_keep_the_person_present() -> None:
    desk = EnforcerHarness()
    person = desk.login()
    agent = desk.login(actor="concierge", auth_time=desk.clock.now())
    await desk.ask("chat", person)
    for _ in range(4):
        desk.clock.advance(4 * 60)
        verdict = await desk.ask("chat", agent)
    assert states(verdict)["session"] == "idle"
    assert outcome(verdict) == ("step_up", "sign_in_fresh")


async def test_a_forged_token_that_names_a_victim_moves_nothing_of_theirs() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    keys = (await desk.ask("chat", token)).keys
    before = (await desk.enforcer.repository.load(keys)).snapshot
    for condition, reason in (
        ("rejected", Reason.SIGNATURE_INVALID),
        ("expired", Reason.TOKEN_EXPIRED),
        ("unproven", Reason.KEYS_UNREACHABLE),
    ):
        desk.check.known[b"Bearer forged"] = NotProven(condition, reason)  # type: ignore[arg-type]
        verdict = await desk.ask("refund", b"Bearer forged", body=REFUND)
        assert not verdict.admits
    assert (await desk.enforcer.repository.load(keys)).snapshot == before
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")


async def test_an_outage_of_the_issuer_is_later_and_never_a_bad_token() -> None:
    desk = EnforcerHarness()
    desk.check.known[b"Bearer x"] = NotProven("unproven", Reason.KEYS_UNREACHABLE)
    assert outcome(await desk.ask("chat", b"Bearer x")) == ("retry", "try_later")


async def test_a_strong_sign_in_proves_identity_once_and_what_aged_wants_a_new_proof() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    assert outcome(await desk.ask("balance", token, method="GET")) == ("allow", "allow")
    for _ in range(4):
        desk.clock.advance(10 * 60)
        token = desk.refreshed(token)
        await desk.ask("chat", token)
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("verify", "prove_identity")
    assert states(verdict)["verification"] == "unverified"
    assert outcome(await desk.ask("balance", desk.login(), method="GET")) == ("allow", "allow")


async def test_a_sign_in_from_a_clock_that_is_ahead_proves_identity_once_and_no_more() -> None:
    desk = EnforcerHarness()
    token = desk.login(auth_time=desk.clock.now() + 25)
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("allow", "allow")
    await desk.enforcer.reports.report(verdict, "verification.moved")
    desk.clock.advance(5)
    assert outcome(await desk.ask("balance", desk.refreshed(token), method="GET")) == ("verify", "prove_identity")


async def test_a_weak_sign_in_proves_no_identity() -> None:
    desk = EnforcerHarness()
    assert outcome(await desk.ask("balance", desk.login(acr="aal1"), method="GET")) == ("verify", "prove_identity")


async def test_doubt_is_not_laundered_by_signing_in_again() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdict = await desk.ask("chat", token)
    await desk.enforcer.reports.report(verdict, "verification.doubted")
    assert outcome(await desk.ask("balance", token, method="GET")) == ("verify", "prove_otherwise")
    desk.clock.advance(60)
    verdict = await desk.ask("balance", desk.login(), method="GET")
    assert outcome(verdict) == ("verify", "prove_otherwise")
    assert states(verdict)["verification"] == "ambiguous"


async def test_doubt_is_not_laundered_by_a_session_of_its_own() -> None:
    desk = EnforcerHarness()
    for event in ("verification.doubted", "verification.failed", "verification.contradicted"):
        verdict = await desk.ask("chat", desk.login(event, sid="one"))
        await desk.enforcer.reports.report(verdict, event)
        desk.clock.advance(10)
        elsewhere = await desk.ask("balance", desk.login(event, sid="two"), method="GET")
        assert outcome(elsewhere) == ("verify", "prove_identity"), event
    desk.clock.advance(15 * 60)
    assert outcome(await desk.ask("balance", desk.login(event, sid="three"), method="GET")) == ("allow", "allow")


async def test_three_failed_verifications_end_with_a_person_and_cool_down() -> None:
    desk = EnforcerHarness()
    token = desk.login(acr="aal1")
    verdict = await desk.ask("chat", token)
    for _ in range(3):
        assert outcome(await desk.ask("balance", token, method="GET")) == ("verify", "prove_identity")
        await desk.enforcer.reports.report(verdict, "verification.failed")
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("handoff", "to_a_person")
    assert verdict.reason is Reason.ATTEMPTS_SPENT
    assert states(verdict)["verification"] == "exhausted"
    for _ in range(2):
        desk.clock.advance(8 * 60)
        token = desk.refreshed(token)
        verdict = await desk.ask("chat", token)
    verdict = await desk.ask("balance", token, method="GET")
    assert outcome(verdict) == ("verify", "prove_identity")


async def test_attempts_are_counted_per_person_and_not_per_session() -> None:
    desk = EnforcerHarness()
    for number in range(3):
        verdict = await desk.ask("chat", desk.login(acr="aal1", sid=f"s{number}"))
        await desk.enforcer.reports.report(verdict, "verification.failed")
    verdict = await desk.ask("balance", desk.login(acr="aal1", sid="s9"), method="GET")
    assert outcome(verdict) == ("handoff", "to_a_person")


async def test_a_verification_service_that_is_down_is_later_and_opens_again_by_itself() -> None:
    desk = EnforcerHarness()
    token = desk.login(acr="aal1")
    verdict = await desk.ask("chat", token)
    await desk.enforcer.reports.report(verdict, "verification.unavailable")
    assert outcome(await desk.ask("balance", token, method="GET")) == ("retry", "try_later")
    desk.clock.advance(121)
    assert outcome(await desk.ask("balance", token, method="GET")) == ("verify", "prove_identity")


async def test_a_step_up_loop_ends_with_a_person_and_parallel_requests_are_one_attempt() -> None:
    desk = EnforcerHarness()
    strong = desk.login()
    await desk.ask("balance", strong, method="GET")
    for number in range(3):
        weak = desk.login(acr="aal1", fingerprint=fingerprint(f"weak-{number}"))
        for _ in range(5):
            verdict = await desk.ask("refund", weak, body=REFUND, idempotency="k")
            assert outcome(verdict) == ("step_up", "step_up")
            assert verdict.acr_values == ("aal2", "urn:example:2fa")
            assert verdict.max_age == 300
    verdict = await desk.ask(
        "refund", desk.login(acr="aal1", fingerprint=fingerprint("weak-9")), body=REFUND, idempotency="k"
    )
    assert outcome(verdict) == ("handoff", "to_a_person")
    assert verdict.ticket


async def test_a_refund_runs_once_and_its_repeat_gets_the_first_answer() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdict = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    assert (outcome(verdict), verdict.running) == (("allow", "allow"), True)
    busy = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    assert outcome(busy) == ("retry", "busy")
    await desk.enforcer.reports.settle(verdict, AppResponse(200, "application/json", b'{"refunded": true}'))
    again = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    assert outcome(again) == ("repeat", "say_again")
    assert again.snapshot.transaction.answer == b'{"refunded": true}'


async def test_the_same_key_with_another_body_is_refused() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdict = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    await desk.enforcer.reports.settle(verdict, AppResponse(200, "application/json", b"{}"))
    refusal = await desk.ask_any("refund", token, body={"amount": 13, "currency": "EUR"}, idempotency="k1")
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TRANSACTION_ALTERED


async def test_a_refund_over_the_limit_is_held_and_altered_is_denied() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    large = {"amount": 501, "currency": "EUR"}
    verdict = await desk.ask("refund", token, body=large, idempotency="k1")
    assert outcome(verdict) == ("hold", "await_approval")
    assert states(verdict)["transaction"] == "held"
    assert outcome(await desk.ask("refund", token, body=large, idempotency="k1")) == ("hold", "waiting")
    other = {"amount": 502, "currency": "EUR"}
    altered = await desk.ask("refund", token, body=other, transaction=verdict.transaction)
    assert outcome(altered) == ("deny", "refuse")
    assert states(altered)["transaction"] == "denied"


async def test_somebody_elses_transaction_looks_like_a_missing_one() -> None:
    desk = EnforcerHarness()
    large = {"amount": 501, "currency": "EUR"}
    verdict = await desk.ask("refund", desk.login(), body=large, idempotency="k1")
    mallory = desk.login("mallory")
    foreign = await desk.ask_any("refund", mallory, body=large, transaction=verdict.transaction)
    missing = await desk.ask_any("refund", mallory, body=large, transaction="no-such-transaction")
    assert isinstance(foreign, Refusal)
    assert isinstance(missing, Refusal)
    assert foreign.reason is missing.reason is Reason.TRANSACTION_UNKNOWN


async def test_a_refund_that_the_app_refused_gives_the_budget_back() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for number in range(4):
        body = {"amount": 400, "currency": "EUR"}
        verdict = await desk.ask("refund", token, body=body, idempotency=f"k{number}")
        assert outcome(verdict) == ("allow", "allow"), number
        await desk.enforcer.reports.settle(verdict, AppResponse(409, "", b""))


async def test_the_daily_budget_counts_all_of_a_persons_refunds() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    kinds = []
    for number in range(3):
        body = {"amount": 400, "currency": "EUR"}
        verdict = await desk.ask("refund", token, body=body, idempotency=f"k{number}")
        kinds.append(verdict.fallback.kind.value)
        if verdict.running:
            await desk.enforcer.reports.settle(verdict, AppResponse(200, "", b""))
    assert kinds == ["allow", "allow", "hold"]


async def test_a_refund_whose_amount_cannot_be_read_is_refused() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for number, body in enumerate(
        (b"", b"{", b'{"amount": NaN, "currency": "EUR"}', b'{"amount": 1, "currency": "USD"}')
    ):
        verdict = await desk.ask("refund", token, body=body, idempotency=f"k{number}")
        assert outcome(verdict) == ("deny", "refuse"), body


async def test_a_refund_without_an_idempotency_key_is_told_what_to_send() -> None:
    desk = EnforcerHarness()
    refusal = await desk.ask_any("refund", desk.login(), body=REFUND)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.IDEMPOTENCY_MISSING


async def test_an_app_that_died_over_a_refund_leaves_it_in_doubt_and_with_a_person() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdict = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    desk.clock.advance(121)
    again = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    assert states(again)["transaction"] == "in_doubt"
    assert outcome(again) == ("handoff", "to_a_person")
    await desk.enforcer.reports.settle(verdict, AppResponse(200, "", b""))
    late = await desk.ask("refund", token, body=REFUND, idempotency="k1")
    assert outcome(late) == ("repeat", "say_again")


async def test_unusual_accounts_get_what_the_policy_says() -> None:
    for status, operation, expected in (
        ("locked", "chat", ("restrict", "read_only")),
        ("locked", "refund", ("handoff", "to_a_person")),
        ("estate", "chat", ("handoff", "to_a_person")),
        ("never heard of", "chat", ("restrict", "read_only")),
        ("never heard of", "balance", ("handoff", "to_a_person")),
        ("kid", "balance", ("allow", "allow")),
        ("kid", "refund", ("handoff", "to_a_person")),
    ):
        desk = EnforcerHarness()
        token = desk.login(claims={"account_status": status})
        verdict = await desk.ask(operation, token, body=REFUND, idempotency="k")
        assert outcome(verdict) == expected, (status, operation)


async def test_restricted_scopes_are_an_intersection() -> None:
    desk = EnforcerHarness()
    token = desk.login(claims={"account_status": "locked"}, token_scopes=frozenset({"chat", "refunds", "other"}))
    verdict = await desk.ask("chat", token)
    assert verdict.token_scopes == {"chat"}


async def test_a_stale_claim_lifts_nothing_and_a_newer_one_does() -> None:
    desk = EnforcerHarness()
    now = desk.clock.now()
    ok_then = desk.login(issued_at=now - 60)
    frozen_now = desk.login(claims={"account_status": "frozen"}, issued_at=now)
    assert states(await desk.ask("chat", frozen_now))["account"] == "suspended"
    assert states(await desk.ask("chat", ok_then))["account"] == "suspended"
    desk.clock.advance(10)
    assert states(await desk.ask("chat", desk.login()))["account"] == "normal"


async def test_what_the_app_reports_stays_whatever_the_claims_say() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login())
    await desk.enforcer.reports.report(verdict, "account.restricted", note="odd behaviour")
    desk.clock.advance(30)
    assert states(await desk.ask("chat", desk.login()))["account"] == "restricted"


async def test_a_sign_out_ends_the_session_for_every_token_of_it() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdict = await desk.ask("chat", token)
    await desk.enforcer.reports.end_session(verdict)
    for held in (token, desk.refreshed(token)):
        verdict = await desk.ask("chat", held)
        assert outcome(verdict) == ("terminate", "end_session")
    desk.clock.advance(1)
    verdict = await desk.ask("chat", desk.login())
    assert outcome(verdict) == ("allow", "allow")


async def test_a_sign_in_from_an_issuer_whose_clock_is_ahead_revives_nothing_that_it_was_known_for() -> None:
    desk = EnforcerHarness()
    token = desk.login(auth_time=desk.clock.now() + 20)
    verdict = await desk.ask("chat", token)
    desk.clock.advance(5)
    await desk.enforcer.reports.end_session(verdict)
    desk.clock.advance(5)
    assert outcome(await desk.ask("chat", desk.refreshed(token))) == ("terminate", "end_session")


@pytest.mark.parametrize("ahead", [0, 20])
async def test_a_sign_out_everywhere_ends_every_session_and_a_fresh_sign_in_is_the_way_back(ahead: int) -> None:
    desk = EnforcerHarness()
    phone, laptop = (desk.login(sid=name, auth_time=desk.clock.now() + ahead) for name in ("phone", "laptop"))
    await desk.ask("chat", laptop)
    verdict = await desk.ask("chat", phone)
    desk.clock.advance(5)
    await desk.enforcer.reports.end_session(verdict, everywhere=True)
    desk.clock.advance(5)
    unseen = desk.login(sid="tablet", auth_time=desk.clock.now() - 60)
    for held in (phone, desk.refreshed(phone), laptop, desk.refreshed(laptop), unseen):
        assert outcome(await desk.ask("chat", held)) == ("terminate", "end_session")
    desk.clock.advance(30)
    for fresh in (desk.login(sid="phone"), desk.login(sid="laptop"), desk.login(sid="tablet")):
        assert outcome(await desk.ask("chat", fresh)) == ("allow", "allow")
    assert outcome(await desk.ask("chat", desk.login("somebody-else", auth_time=desk.clock.now() - 3_600))) == (
        "allow",
        "allow",
    )


async def test_an_issuer_without_sids_has_one_session_for_each_client_of_a_person() -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login(sid=""))
    await desk.enforcer.reports.end_session(verdict)
    desk.clock.advance(1)
    old = desk.login(sid="", auth_time=desk.clock.now() - 60)
    assert outcome(await desk.ask("chat", old)) == ("terminate", "end_session")
    assert outcome(await desk.ask("chat", desk.login(sid=""))) == ("allow", "allow")


async def test_two_requests_that_refresh_at_once_go_on_in_one_session() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    await desk.ask("chat", token)
    desk.clock.advance(60)
    first, second = desk.refreshed(token), desk.refreshed(token)
    verdicts = await asyncio.gather(desk.ask("chat", first), desk.ask("chat", second), desk.ask("chat", token))
    assert {outcome(verdict) for verdict in verdicts} == {("allow", "allow")}
    assert len({verdict.keys.session for verdict in verdicts}) == 1


async def test_rolled_back_sends_everybody_to_a_person_and_recovers_by_itself_after_release() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    switch = Rollback(desk.enforcer.repository)
    await switch.engage("operator-1", "drill")
    assert outcome(await desk.ask("chat", token)) == ("handoff", "to_a_person")
    assert outcome(await desk.ask("chat")) == ("handoff", "to_a_person")
    assert outcome(await desk.ask("health", method="GET")) == ("allow", "allow")
    await switch.release("operator-1", "over")
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    assert outcome(await desk.ask("refund", token, body=REFUND, idempotency="k")) == ("hold", "await_approval")
    desk.clock.advance(15 * 60 + 1)
    verdict = await desk.ask("refund", desk.login(), body=REFUND, idempotency="k2")
    assert states(verdict)["service"] == "live"
    assert outcome(verdict) == ("allow", "allow")


async def test_rolled_back_says_the_words_that_the_policy_has_for_it() -> None:
    desk = EnforcerHarness(POLICY + 'rollback: {message: {default: "You are now talking to our team."}}\n')
    assert (await desk.ask("chat")).fallback.message.find((), "") == ""
    await Rollback(desk.enforcer.repository).engage("operator", "drill")
    verdict = await desk.ask("chat", desk.login())
    assert verdict.fallback.message.find((), "") == "You are now talking to our team."
    gone = await desk.ask("balance", desk.login(claims={"account_status": "estate"}), method="GET")
    assert gone.fallback.message.find((), "") == "You are now talking to our team."


async def test_an_agent_reads_but_its_refund_waits_for_a_person() -> None:
    desk = EnforcerHarness()
    person = desk.login()
    await desk.ask("balance", person, method="GET")
    agent = desk.login(actor="concierge")
    assert outcome(await desk.ask("balance", agent, method="GET")) == ("allow", "allow")
    assert outcome(await desk.ask("refund", agent, body=REFUND, idempotency="k")) == ("hold", "await_approval")


async def test_a_stranger_who_acts_for_a_subject_is_refused() -> None:
    desk = EnforcerHarness()
    assert outcome(await desk.ask("chat", desk.login(actor="unknown-bot"))) == ("deny", "refuse")


async def test_what_nobody_named_is_a_sensitive_write() -> None:
    desk = EnforcerHarness()
    assert outcome(await desk.ask("otherwise", desk.login(acr="aal1"))) == ("verify", "prove_identity")


async def test_a_hand_off_opens_one_ticket_however_often_it_is_asked_for() -> None:
    desk = EnforcerHarness()
    token = desk.login(claims={"account_status": "estate"})
    tickets = {(await desk.ask("chat", token)).ticket for _ in range(5)}
    assert len(tickets) == 1
    assert tickets != {""}


def _taking(actor: str) -> EnforcerHarness:
    """Return a desk with a chat that admits only some actors."""
    return EnforcerHarness(
        POLICY.replace("effect: read, scopes: [chat]}", f"effect: read, scopes: [chat], actor: {actor}}}", 1)
    )


async def test_an_operation_may_demand_an_agent() -> None:
    desk = _taking("required")
    assert outcome(await desk.ask("chat", desk.login(actor="concierge"))) == ("allow", "allow")
    assert outcome(await desk.ask("chat", desk.login(client="concierge"))) == ("allow", "allow")
    assert outcome(await desk.ask("chat", desk.login())) == ("deny", "refuse")
    assert outcome(await desk.ask("chat", desk.login(actor="unknown-bot"))) == ("deny", "refuse")


async def test_an_operation_may_forbid_agents() -> None:
    desk = _taking("forbidden")
    assert outcome(await desk.ask("chat", desk.login())) == ("allow", "allow")
    assert outcome(await desk.ask("chat", desk.login(actor="concierge"))) == ("deny", "refuse")
    assert outcome(await desk.ask("chat", desk.login(client="concierge"))) == ("deny", "refuse")
    assert outcome(await desk.ask("chat", desk.login(subject="app"))) == ("deny", "refuse")


async def test_a_person_whom_an_operation_does_not_take_is_present_all_the_same() -> None:
    desk = _taking("required")
    token = desk.login()
    for _ in range(12):
        verdict = await desk.ask("chat", token)
        desk.clock.advance(120)
    assert outcome(verdict) == ("deny", "refuse")
    assert states(verdict)["session"] == "active"


@pytest.mark.parametrize(
    ("levels", "asked"),
    [
        ("{map: {gold: aal2, silver: aal1}}", ("gold",)),
        ("{claim: acr, map: {'2': aal2, '3': aal2}}", ("2", "3")),
        ("{claim: own_acr, map: {'urn:mfa': aal2}}", ("urn:mfa",)),
        ("{claim: amr, map: {mfa: aal2}}", ("aal2",)),
        ("{map: {silver: aal1}}", ("aal2",)),
    ],
    ids=["the source of acr", "acr", "the issuer's own acr", "another claim", "no value of this level"],
)
async def test_a_step_up_asks_for_what_the_issuer_can_be_asked_for(levels: str, asked: tuple[str, ...]) -> None:
    own = f"    levels: {levels}\n    claims: {{acr: own_acr}}\n"
    desk = EnforcerHarness(POLICY.replace("    keys: {file: keys.json}\n", f"    keys: {{file: keys.json}}\n{own}", 1))
    await desk.ask("balance", desk.login(), method="GET")
    verdict = await desk.ask("refund", desk.login(acr="aal1"), body=REFUND, idempotency="k")
    assert outcome(verdict) == ("step_up", "step_up")
    assert verdict.acr_values == asked
