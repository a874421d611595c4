"""Identity verification through the enforcer: each verifier result has a next step, and guessing gains nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from authguard.core.outcomes import Outcome
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.errors import VerificationRefusedError
from authguard.records.entries import ActEntry
from tests.support.harness import POLICY, EnforcerHarness, ScriptedVerifier, outcome, states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.evaluation.decision import Verdict
    from authguard.runtime.verification import NextStep

TWO = POLICY.replace(
    '  otp: {type: http, url: "http://127.0.0.1:9/otp", pass_at: 0.9, fail_at: 0.4}\n',
    '  otp: {type: http, url: "http://127.0.0.1:9/otp", pass_at: 0.9, fail_at: 0.4}\n'
    '  kba: {type: http, url: "http://127.0.0.1:9/kba", pass_at: 0.9, fail_at: 0.4}\n',
)
SEPARATE = TWO.replace("alternate: {all: [otp]", "alternate: {all: [kba]")
RIGHT = {"otp": {"answer": "123456"}}
WRONG = {"otp": {"answer": "000000"}}


class Talk:
    """A customer with a weak sign-in, who has to verify their identity."""

    def __init__(self, text: str = POLICY, **verifiers: ScriptedVerifier) -> None:
        self.otp = verifiers.setdefault("otp", ScriptedVerifier())
        self.desk = EnforcerHarness(text, verifiers=verifiers)
        self.token = self.login()

    def login(self, sid: str = "s1") -> bytes:
        """Sign in weakly."""
        return self.desk.login(sid=sid, acr="aal1")

    async def balance(self, token: bytes | None = None) -> Verdict:
        """Request an operation that needs a verified identity."""
        return await self.desk.ask("balance", token or self.token, method="GET")

    async def say(
        self, answers: Mapping[str, Mapping[str, str]], method: str = "default", token: bytes | None = None
    ) -> NextStep:
        """Send an answer in the conversation, as the app passes it on."""
        chat = await self.desk.ask("chat", token or self.token)
        return await self.desk.enforcer.verifications.answer(chat, method, answers)

    async def word(self, answers: Mapping[str, Mapping[str, str]], method: str = "default") -> str:
        """Send an answer, and return the name of the next step."""
        return (await self.say(answers, method)).fallback.name


async def test_the_right_answer_opens_what_asked_for_proof() -> None:
    talk = Talk()
    assert outcome(await talk.balance()) == ("verify", "prove_identity")
    step = await talk.say(RIGHT)
    assert (step.fallback.name, step.operation.name) == ("allow", "balance")
    assert outcome(await talk.balance()) == ("allow", "allow")


async def test_the_wrong_answer_is_an_attempt_and_three_end_with_a_person_and_cool_down() -> None:
    talk = Talk()
    words = [await talk.word(WRONG) for _ in range(4)]
    assert words == ["prove_identity", "prove_identity", "to_a_person", "to_a_person"]
    assert len(talk.otp.asked) == 3
    assert outcome(await talk.balance()) == ("handoff", "to_a_person")
    talk.desk.clock.advance(8 * 60)
    await talk.balance()
    talk.desk.clock.advance(8 * 60)
    assert outcome(await talk.balance()) == ("verify", "prove_identity")
    assert await talk.word(RIGHT) == "allow"


async def test_an_outage_is_no_attempt_and_the_way_opens_again_by_itself() -> None:
    talk = Talk()
    talk.otp.script = [Unavailable("timeout")] * 8
    for _ in range(8):
        assert await talk.word(RIGHT) == "try_later"
        assert states(await talk.balance())["verification"] == "unavailable"
        talk.desk.clock.advance(121)
        assert outcome(await talk.balance()) == ("verify", "prove_identity")
    assert await talk.word(RIGHT) == "allow"


async def test_an_outage_of_one_alternative_costs_nothing_where_the_other_is_not_answered() -> None:
    talk = Talk(TWO.replace("default: {all: [otp]", "default: {any: [otp, kba]"), kba=ScriptedVerifier(right="rex"))
    for number in range(6):
        talk.otp.script = [Unavailable("timeout")]
        assert (await talk.say(RIGHT, token=talk.login(f"s{number}"))).wanted == ("kba",)
        talk.desk.clock.advance(20)
    assert outcome(await talk.balance()) == ("verify", "prove_identity")
    assert (await talk.say({"kba": {"answer": "rex"}}, token=talk.login("s5"))).fallback.name == "allow"


async def test_attempts_that_an_outage_gave_back_count_again_as_they_go_on() -> None:
    kba = ScriptedVerifier(right="rex")
    talk = Talk(TWO.replace("default: {all: [otp]", "default: {any: [otp, kba]"), kba=kba)
    tokens = [talk.login(f"s{number}") for number in range(6)]
    attempts = []
    for token in tokens:
        talk.otp.script = [Unavailable("timeout")]
        attempts.append((await talk.say(RIGHT, token=token)).attempt)
    kba.gate = asyncio.Event()
    guess = {"kba": {"answer": "guess"}}
    running = [asyncio.create_task(talk.say(guess, token=token)) for token in tokens]
    await until(lambda: len(kba.asked) == 3)
    await settled(running)
    kba.gate.set()
    await asyncio.gather(*running)
    for token in tokens:
        await talk.say(guess, token=token)
    assert [question.attempt for question in kba.asked] == attempts[:3], "the same attempts, and no more of them"
    assert outcome(await talk.balance()) == ("handoff", "to_a_person")


@pytest.mark.parametrize(("patience", "seconds", "asked"), [("2s", 9, 1), ("2s", 11, 2), ("100s", 150, 1)])
async def test_an_answer_is_waited_for_as_long_as_its_method_may_take(patience: str, seconds: int, asked: int) -> None:
    talk = Talk(POLICY.replace("pass_at: 0.9", f"timeout: {patience}, pass_at: 0.9"))
    talk.otp.gate = asyncio.Event()
    first = asyncio.create_task(talk.say(RIGHT))
    await until(lambda: len(talk.otp.asked) == 1)
    talk.desk.clock.advance(seconds)
    second = asyncio.create_task(talk.say(RIGHT))
    await settled([first, second])
    assert len(talk.otp.asked) == asked
    talk.otp.gate.set()
    await asyncio.gather(first, second)


async def test_a_verifier_that_raises_is_unavailable_and_no_fault() -> None:
    talk = Talk()
    talk.otp.script = [RuntimeError("down")]
    assert await talk.word(RIGHT) == "try_later"
    acts = [entry for entry in talk.desk.sink.of(ActEntry) if isinstance(entry, ActEntry)]
    assert (acts[-1].act, acts[-1].by, acts[-1].note) == (
        "verification.unavailable",
        "default",
        "otp unavailable (error)",
    )


async def test_doubt_wants_another_method_and_the_same_one_launders_nothing() -> None:
    talk = Talk(SEPARATE, kba=ScriptedVerifier())
    talk.otp.script = [Doubted(0.6)]
    assert await talk.word(RIGHT) == "prove_otherwise"
    assert await talk.word(RIGHT) == "prove_otherwise", "the doubted method is not taken"
    assert len(talk.otp.asked) == 1
    other = talk.login("another-session")
    assert (await talk.say(RIGHT, token=other)).fallback.name != "allow", "nor in another session"
    assert len(talk.otp.asked) == 1
    assert await talk.word({"kba": {"answer": "123456"}}, "alternate") == "allow"


async def test_a_doubt_among_alternatives_is_laundered_neither_by_asking_again_nor_by_beginning_anew() -> None:
    talk = Talk(
        TWO.replace("default: {all: [otp]", "default: {any: [otp, kba]"),
        otp=ScriptedVerifier(script=[Doubted(0.6)]),
        kba=ScriptedVerifier(right="rex"),
    )
    assert (await talk.say(RIGHT)).wanted == ("kba",), "the other alternative may still pass"
    assert (await talk.say(RIGHT)).wanted == ("kba",)
    other = talk.login("another-session")
    assert (await talk.say(RIGHT, token=other)).fallback.name != "allow"
    assert len(talk.otp.asked) == 1
    assert (await talk.say({"kba": {"answer": "rex"}})).fallback.name == "allow", "by the other one, in this attempt"


async def test_of_two_attempts_at_once_the_pass_counts_for_nothing_where_the_other_was_doubted() -> None:
    talk = Talk(SEPARATE, kba=ScriptedVerifier())
    talk.otp.gate, talk.otp.script = asyncio.Event(), [Doubted(0.6), Passed()]
    tokens = [talk.login(f"s{number}") for number in range(2)]
    running = [asyncio.create_task(talk.say(RIGHT, token=token)) for token in tokens]
    await until(lambda: len(talk.otp.asked) == 2)
    talk.otp.gate.set()
    await asyncio.gather(*running)
    assert [states(await talk.balance(token))["verification"] for token in tokens] == ["exhausted", "exhausted"]


async def test_attempts_that_are_kept_open_are_not_answered_all_at_once_when_their_window_is_over() -> None:
    kba = ScriptedVerifier(right="rex")
    talk = Talk(TWO.replace("default: {all: [otp]", "default: {all: [otp, kba]"), kba=kba)
    tokens = [talk.login(f"s{number}") for number in range(9)]
    for start in range(0, 9, 3):
        for token in tokens[start : start + 3]:
            assert (await talk.say(RIGHT, token=token)).wanted == ("kba",)
        for _ in range(2):
            talk.desk.clock.advance(8 * 60)
            tokens = [talk.desk.refreshed(token) for token in tokens]
            for token in tokens:
                await talk.desk.ask("chat", token)
    for token in tokens:
        await talk.say({**RIGHT, "kba": {"answer": "guess"}}, token=token)
    assert len(kba.asked) == 3


@pytest.mark.parametrize("said", [None, True, 0.99, "passed", object(), Passed])
async def test_an_answer_of_another_type_is_none(said: object) -> None:
    talk = Talk()
    talk.otp.script = [said]  # type: ignore[list-item]  # on purpose
    assert await talk.word(RIGHT) == "try_later"
    assert talk.desk.sink.of(ActEntry)[-1].note == "otp unavailable (nonsense)"  # type: ignore[union-attr]


async def test_doubt_in_every_method_ends_with_a_person() -> None:
    talk = Talk(SEPARATE, kba=ScriptedVerifier(script=[Doubted(0.5)]))
    talk.otp.script = [Doubted(0.6)]
    await talk.say(RIGHT)
    assert await talk.word({"kba": {"answer": "x"}}, "alternate") == "to_a_person"


async def test_a_doubt_that_the_app_reports_voids_an_attempt_under_way() -> None:
    talk = Talk()
    talk.otp.gate = asyncio.Event()
    chat = await talk.desk.ask("chat", talk.token)
    running = asyncio.create_task(talk.say(RIGHT))
    await until(lambda: bool(talk.otp.asked))
    await talk.desk.enforcer.reports.report(chat, "verification.doubted")
    talk.otp.gate.set()
    assert (await running).fallback.name == "prove_otherwise"
    assert states(await talk.balance())["verification"] == "ambiguous"
    assert talk.desk.sink.of(ActEntry)[-1].act == "verification.superseded"  # type: ignore[union-attr]


@pytest.mark.parametrize("sessions", [1, 50])
async def test_fifty_guesses_at_once_are_no_more_than_the_attempts(sessions: int) -> None:
    talk = Talk()
    talk.otp.gate = asyncio.Event()
    tokens = [talk.login(f"s{number % sessions}") for number in range(50)]
    guesses = [{"otp": {"answer": f"{number:06}"}} for number in range(50)]
    pairs = zip(guesses, tokens, strict=True)
    running = [asyncio.create_task(talk.say(guess, token=token)) for guess, token in pairs]
    await until(lambda: len(talk.otp.asked) == min(sessions, 3))
    await settled(running)
    talk.otp.gate.set()
    await asyncio.gather(*running)
    for guess, token in zip(guesses, tokens, strict=True):
        await talk.say(guess, token=token)
    assert len(talk.otp.asked) == 3


async def test_guesses_in_flight_lock_nobody_out_when_the_service_then_turns_out_to_be_down() -> None:
    talk = Talk()
    talk.otp.gate = asyncio.Event()
    talk.otp.script = [Unavailable("timeout")] * 3
    running = [asyncio.create_task(talk.say(RIGHT, token=talk.login(f"s{number}"))) for number in range(3)]
    await until(lambda: len(talk.otp.asked) == 3)
    busy = await talk.say(RIGHT, token=talk.login("s9"))
    assert (busy.fallback.kind, busy.fallback.status) == ("retry", 409)
    talk.otp.gate.set()
    await asyncio.gather(*running)
    talk.otp.gate = None
    assert (await talk.say(RIGHT, token=talk.login("s9"))).fallback.name == "allow"


async def test_a_code_is_sent_once_and_answered_in_the_same_attempt() -> None:
    talk = Talk(otp=ScriptedVerifier(sends=True))
    begun = await talk.say({})
    assert (begun.wanted, bool(begun.attempt)) == (("otp",), True)
    assert len(talk.otp.begun) == 1
    assert (await talk.say(RIGHT)).fallback.name == "allow"
    assert talk.otp.asked[0].attempt == begun.attempt == talk.otp.begun[0].attempt


async def test_an_answer_to_a_code_that_was_never_sent_sends_one_instead() -> None:
    talk = Talk(otp=ScriptedVerifier(sends=True))
    step = await talk.say(RIGHT)
    assert (step.wanted, len(talk.otp.begun), len(talk.otp.asked)) == (("otp",), 1, 0)


async def test_codes_that_are_asked_for_and_never_answered_are_attempts() -> None:
    talk = Talk(otp=ScriptedVerifier(sends=True))
    for number in range(5):
        await talk.say({}, token=talk.login(f"s{number}"))
    assert len(talk.otp.begun) == 3


async def test_two_verifiers_may_be_answered_one_after_the_other() -> None:
    talk = Talk(TWO.replace("default: {all: [otp]", "default: {all: [otp, kba]"), kba=ScriptedVerifier(right="rex"))
    step = await talk.say(RIGHT)
    assert step.wanted == ("kba",)
    assert outcome(await talk.balance()) == ("verify", "prove_identity")
    step = await talk.say({"kba": {"answer": "rex"}})
    assert step.fallback.name == "allow"
    assert len(talk.otp.asked) == 1


async def test_in_a_sequence_the_second_is_not_asked_before_the_first_passed() -> None:
    text = TWO.replace("default: {all: [otp]", "default: {sequence: [otp, kba]")
    kba = ScriptedVerifier(right="rex")
    talk = Talk(text, kba=kba)
    step = await talk.say({"otp": {"answer": "no"}, "kba": {"answer": "rex"}})
    assert step.fallback.name == "prove_identity"
    assert (len(talk.otp.asked), len(kba.asked)) == (1, 0)
    assert (await talk.say({**RIGHT, "kba": {"answer": "rex"}})).fallback.name == "allow"


async def test_two_services_that_contradict_each_other_leave_it_ambiguous() -> None:
    text = TWO.replace("default: {all: [otp]", "default: {quorum: 1, of: [otp, kba]")
    talk = Talk(text, otp=ScriptedVerifier(script=[Passed()]), kba=ScriptedVerifier(script=[Failed()]))
    await talk.say({**RIGHT, "kba": {"answer": "rex"}})
    assert states(await talk.balance())["verification"] == "ambiguous"


async def test_after_an_attempt_in_vain_the_next_waits_and_waits_longer() -> None:
    talk = Talk(
        POLICY.replace("{all: [otp], attempts: 3, per: 15m}", "{all: [otp], attempts: 3, per: 15m, backoff: 10s}")
    )
    await talk.say(WRONG)
    step = await talk.say(RIGHT)
    assert (step.fallback.kind, step.fallback.after) == ("retry", 10.0)
    talk.desk.clock.advance(10)
    await talk.say(WRONG)
    assert (await talk.say(RIGHT)).fallback.after == 20.0
    talk.desk.clock.advance(20)
    assert await talk.word(RIGHT) == "allow"


async def test_a_caller_that_goes_away_loses_nothing_and_gains_nothing() -> None:
    talk = Talk()
    talk.otp.gate = asyncio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(talk.say, RIGHT)
        await until(lambda: bool(talk.otp.asked))
        group.cancel_scope.cancel()
        talk.otp.gate.set()
    assert outcome(await talk.balance()) == ("allow", "allow")


async def test_an_attempt_whose_process_died_stands_in_nobodys_way_for_long() -> None:
    talk = Talk()
    talk.otp.gate = asyncio.Event()
    lost = asyncio.create_task(talk.say(RIGHT))
    await until(lambda: bool(talk.otp.asked))
    other = Talk(otp=ScriptedVerifier())
    other.desk.enforcer.repository.store = talk.desk.store  # what another process sees
    other.desk.check.known = talk.desk.check.known
    assert (await other.say(RIGHT, token=talk.token)).fallback.kind == "retry"
    other.desk.clock.advance(121)
    assert (await other.say(RIGHT, token=talk.login())).fallback.name == "allow"
    talk.otp.gate.set()
    await lost


async def test_only_a_method_that_the_table_names_now_is_taken() -> None:
    talk = Talk(SEPARATE, kba=ScriptedVerifier())
    step = await talk.say({"kba": {"answer": "123456"}}, "alternate")
    assert (step.fallback.name, step.fallback.methods) == ("prove_identity", ("default",))
    assert outcome(await talk.balance()) == ("verify", "prove_identity")


async def test_answers_are_bounded_and_belong_to_somebody() -> None:
    talk = Talk()
    with pytest.raises(VerificationRefusedError):
        await talk.say(RIGHT, "unheard-of")
    with pytest.raises(VerificationRefusedError):
        await talk.say({"otp": {"answer": "x" * 513}})
    with pytest.raises(VerificationRefusedError):
        await talk.say({f"v{number}": {} for number in range(17)})
    health = await talk.desk.ask("health", method="GET")
    with pytest.raises(VerificationRefusedError):
        await talk.desk.enforcer.verifications.answer(health, "default", RIGHT)


async def until(holds: object) -> None:
    """Run other tasks until a condition holds; fail after many iterations."""
    assert callable(holds)
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


async def settled(running: list[asyncio.Task[NextStep]]) -> None:
    """Run other tasks until no more of them end."""
    for _ in range(500):
        await asyncio.sleep(0)
    assert running


async def test_an_agent_proves_nothing_for_a_customer_in_the_talk_either() -> None:
    verifier = ScriptedVerifier()
    desk = EnforcerHarness(verifiers={"otp": verifier})
    talk = await desk.ask("chat", desk.login(acr="aal1", actor="concierge"))
    step = await desk.enforcer.verifications.answer(talk, "default", {"otp": {"answer": "123456"}})
    assert (step.fallback.kind, step.snapshot.session.verification) == ("deny", "unverified")
    assert not verifier.asked


OVER_LIMIT = (
    SEPARATE.replace("  alternate: {all: [kba], attempts: 2", "  alternate: {all: [kba], attempts: 3")
    + """
decisions:
  - when: {risk: high, limit: exceeded, transaction: none, service: live, account: normal, session: active,
           credential: good, scope: granted, actor: subject, verification: [unverified, pending, failed]}
    do: prove_large
fallbacks:
  prove_large: {kind: verify, methods: [alternate], attempts: 3, per: 15m, then: to_a_person}
"""
)
LARGE = {"amount": 600, "currency": "EUR"}


async def test_a_method_that_only_a_request_over_its_limit_names_is_taken() -> None:
    talk = Talk(OVER_LIMIT, kba=ScriptedVerifier())
    asked = await talk.desk.ask("refund", talk.token, body=LARGE, idempotency="k")
    assert (outcome(asked), asked.fallback.methods) == (("verify", "prove_large"), ("alternate",))
    wrong = await talk.say({"kba": {"answer": "000000"}}, "alternate")
    assert (wrong.fallback.name, wrong.operation.name) == ("prove_large", "refund"), (
        "a wrong code is told from a right one"
    )
    right = await talk.say({"kba": {"answer": "123456"}}, "alternate")
    assert (right.fallback.name, right.operation.name) != ("prove_large", "refund")
    assert states(await talk.desk.ask("chat", talk.token))["verification"] == "verified"


BOTH = (
    SEPARATE
    + """
fallbacks:
  prove_identity: {kind: verify, methods: [default, alternate], attempts: 9, per: 15m, then: to_a_person}
"""
)


async def test_a_reply_names_only_methods_that_are_taken() -> None:
    talk = Talk(BOTH, kba=ScriptedVerifier())
    assert (await talk.balance()).fallback.methods == ("default", "alternate")
    for _ in range(3):
        step = await talk.say(WRONG)
    assert step.fallback.methods == ("alternate",), "three attempts are all that `default` has"
    assert (await talk.balance()).fallback.methods == ("alternate",)
    assert (await talk.say({"kba": {"answer": "123456"}}, "alternate")).fallback.kind is Outcome.ALLOW


async def test_where_every_method_is_spent_a_person_takes_over() -> None:
    talk = Talk(BOTH, kba=ScriptedVerifier())
    for _ in range(3):
        await talk.say(WRONG)
    for _ in range(2):
        step = await talk.say({"kba": {"answer": "000000"}}, "alternate")
    assert step.fallback.name == "to_a_person"
    assert outcome(await talk.balance()) == ("handoff", "to_a_person")
