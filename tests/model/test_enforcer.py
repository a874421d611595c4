"""The enforcer against the model: random people, clocks, signals, crashes and stores, and what holds after each step.

`make test` walks a seeded slice; `make soak` sets ``AUTHGUARD_MODEL_STEPS`` and walks 100,000 steps.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authguard.core.snapshot import Keys
from authguard.errors import AuditError, StoreError
from authguard.evaluation.decision import AppResponse
from authguard.runtime import refusal_window
from authguard.runtime.rollback import Rollback
from authguard.stores import memory, sqlite
from tests.model.enforcer_harness import Killed, Rig
from tests.model.invariants import Promises
from tests.model.observer import Looker
from tests.model.strategies import (
    AMOUNTS,
    BACK,
    BAD,
    COMES,
    EVENTS,
    FACTS,
    JUMPS,
    KEYS,
    LAST,
    OPERATIONS,
    RARELY,
    SESSIONS,
    SKEWS,
    SUBJECTS,
)
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.core.request import NotProven
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation

#: every token of the issuer is to state the time of the sign-in, so sessions are forgotten
DATED = POLICY.replace("    algorithms: [ES256]\n", "    algorithms: [ES256]\n    evidence: auth_time\n")
STEPS = int(os.environ.get("AUTHGUARD_MODEL_STEPS", "1500"))
AT_A_TIME = 50
#: seconds that a token lives here at the least
LIFETIME = 300
#: steps of one test, so that a long walk shows how far it came
#: steps from which on a walk has met every kind of outcome that the last check asks for
LONG = 10_000
SLICE = 10_000
#: a planted bug is to be found, and not to be told in few steps
PHASES = (Phase.generate, Phase.shrink)[: 1 if "AUTHGUARD_NO_SHRINKING" in os.environ else 2]
FAULTS = (AuditError, StoreError, TimeoutError)


class Deployment(RuleBasedStateMachine):
    """Everything that can happen to one guarded deployment."""

    steps = 0
    tokens = Bundle("tokens")
    verdicts = Bundle("verdicts")
    rig: Rig

    @initialize(kind=st.sampled_from(["memory", "sqlite"]), promised=st.booleans())
    def opens(self, kind: str, *, promised: bool) -> None:
        self.rig = Rig(kind, DATED if promised else POLICY)
        self.promises = Promises()
        self.promises.tick(self.rig.clock.now())
        self.highest = self.rig.clock.now()
        self.numbers = itertools.count()
        self.looker = Looker(self.rig, self.promises)

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.stop()

    # who comes

    @rule(target=tokens, subject=SUBJECTS, sid=SESSIONS, skew=SKEWS, facts=FACTS)
    def signs_in(self, subject: str, sid: str, skew: float, facts: dict[str, Any]) -> bytes:
        return self.rig.sign_in(subject, skew=skew, sid=sid, **facts)

    @rule(target=tokens, subject=SUBJECTS, sid=SESSIONS, actor=st.sampled_from(["", "concierge"]))
    def signs_in_for_long(self, subject: str, sid: str, actor: str) -> bytes:
        return self.rig.sign_in(subject, skew=0, lifetime=3_600, sid=sid, actor=actor)

    @rule(target=tokens, subject=SUBJECTS, sid=st.sampled_from(["", "u1", "u2"]), skew=st.sampled_from([0, 0, -20]))
    def comes_without_a_sign_in_time(self, subject: str, sid: str, skew: float) -> bytes:
        return self.rig.sign_in(subject, skew=skew, lifetime=3_600, sid=sid, auth_time=0.0)

    @rule(subject=SUBJECTS, sid=st.sampled_from(["", "u1", "u2"]), seconds=JUMPS, ends=st.booleans())
    def refreshes_without_a_sign_in_time(self, subject: str, sid: str, seconds: float, *, ends: bool) -> None:
        token = self.rig.sign_in(subject, skew=0, sid=sid, auth_time=0.0)
        verdict = self.looker.ask(token, "chat", "", 1)
        if verdict is not None and ends:
            self.signs_out(verdict)
        self.time_passes(seconds)
        for _ in range(2):
            self.looker.ask(self.rig.refresh(token), "chat", "", 1)
            self.time_passes(1)

    @rule(target=tokens, token=tokens)
    def refreshes(self, token: bytes) -> bytes:
        return self.rig.refresh(token)

    @rule(target=tokens, bad=BAD)
    def forges(self, bad: NotProven) -> bytes:
        return self.rig.bad(bad)

    # what they ask

    @rule(target=verdicts, subject=SUBJECTS, sid=SESSIONS, operation=OPERATIONS, key=KEYS, amount=AMOUNTS)
    def signs_in_and_asks(self, subject: str, sid: str, operation: str, key: str, amount: object) -> Any:
        return self.ask(self.rig.sign_in(subject, skew=0, sid=sid), operation, key, amount)

    @rule(target=verdicts, token=tokens, operation=OPERATIONS, key=KEYS, amount=AMOUNTS)
    def asks(self, token: bytes, operation: str, key: str, amount: object) -> Any:
        return self.ask(token, operation, key, amount)

    @rule(target=verdicts, token=tokens, operation=OPERATIONS)
    def refreshes_and_asks(self, token: bytes, operation: str) -> Any:
        return self.ask(self.rig.refresh(token), operation, "k1", 1)

    @rule(target=verdicts, token=tokens, operation=OPERATIONS, seconds=JUMPS)
    def asks_and_asks_again_later(self, token: bytes, operation: str, seconds: float) -> Any:
        for _ in range(3):
            self.ask(token, operation, "", 1)
        self.time_passes(seconds)
        return self.ask(token, operation, "", 1)

    @rule(subject=SUBJECTS, sid=SESSIONS, seconds=st.sampled_from([899, 900, 1_801]))
    def an_agent_asks_and_asks_again_later(self, subject: str, sid: str, seconds: float) -> None:
        token = self.rig.sign_in(subject, skew=0, lifetime=3_600, sid=sid, actor="concierge")
        for _ in range(3):
            self.looker.ask(token, "chat", "", 1)
        self.time_passes(seconds)
        self.looker.ask(token, "chat", "", 1)

    @rule(target=tokens, subject=SUBJECTS, words=st.permutations(["ok", "frozen", "kid", "locked"]))
    def the_issuer_changes_its_mind_and_an_older_token_comes_later(self, subject: str, words: list[str]) -> bytes:
        """The tokens come in the order of `words`, but were issued in another: the newest counts."""
        issued = []
        for word in sorted(words):
            issued.append((word, self.rig.sign_in(subject, skew=0, sid="s1", claims={"account_status": word})))
            self.time_passes(5)
        for word in words:
            self.looker.ask(dict(issued)[word], "chat", "", 1)
        return issued[0][1]

    @rule(target=verdicts, subject=SUBJECTS, sid=SESSIONS, skew=SKEWS, seconds=st.one_of(st.just(1.0), JUMPS))
    def signs_out_and_asks_again(self, subject: str, sid: str, skew: float, seconds: float) -> Any:
        token = self.rig.sign_in(subject, skew=skew, sid=sid)
        verdict = self.looker.ask(token, "chat", "", 1)
        if verdict is not None:
            self.signs_out(verdict)
        self.time_passes(seconds)
        return self.ask(token if seconds < LIFETIME else self.rig.refresh(token), "chat", "", 1)

    @rule(subject=SUBJECTS, amounts=st.lists(AMOUNTS, min_size=3, max_size=5), status=st.sampled_from([0, 200, 409]))
    def is_refunded_again_and_again(self, subject: str, amounts: list[object], status: int) -> None:
        token = self.rig.sign_in(subject, skew=0, sid="s1")
        for amount in amounts:
            verdict = self.looker.ask(token, "refund", f"key {next(self.numbers)}", amount)
            if verdict is not None and status:
                self.the_app_answers(verdict, status)

    @rule(subject=SUBJECTS, operation=OPERATIONS, times=st.integers(2, 4), alike=st.booleans(), known=st.booleans())
    def races_with_itself(self, subject: str, operation: str, times: int, *, alike: bool, known: bool) -> None:
        token = self.rig.sign_in(subject, skew=0, sid="s1")
        if known:
            self.ask(token, "chat", "", 1)
        keys = [f"key {next(self.numbers)}" for _ in range(times)]
        self.looker.ask_at_once([token] * times, operation, keys[:1] * times if alike else keys, 400)

    @precondition(lambda self: self.looker.ran)
    @rule(target=verdicts, status=st.sampled_from([0, 200, 200, 409, 500]))
    def what_ran_is_answered_and_asked_again(self, status: int) -> Any:
        assert self.looker.ran
        asked, verdict = self.looker.ran
        if status:
            self.the_app_answers(verdict, status)
        return self.ask(*asked)

    @rule(token=tokens, operations=st.lists(OPERATIONS, min_size=2, max_size=3))
    def asks_again_and_again(self, token: bytes, operations: list[str]) -> None:
        for operation in [each for each in operations for _ in range(3)]:
            self.looker.ask(token, operation, "", 1)

    @rule(tokens=st.lists(tokens, min_size=2, max_size=4), operation=OPERATIONS, key=KEYS)
    def many_ask_at_once(self, tokens: list[bytes], operation: str, key: str) -> None:
        self.looker.ask_at_once(tokens, operation, [key] * len(tokens), 400)

    @rule()
    def somebody_comes_without_a_token(self) -> None:
        self.looker.ask(b"", "chat", "", 1)

    # what the app and others say

    @rule(verdict=verdicts, event=EVENTS, comes=COMES)
    def the_app_reports(self, verdict: Verdict, event: str, comes: str) -> None:
        who, now = verdict.principal, self.rig.clock.now()
        if who is None:
            return
        after = self.act(self.rig.enforcer.reports.report(verdict, event))
        if after is None:
            return
        if event in ("session.ended", "session.revoked"):
            self.promises.end(who.session_key, now)
        if event.endswith(("doubted", "contradicted")) and after.session.verification == "ambiguous":
            self.promises.doubt(who.session_key, now)
        if event.endswith(("doubted", "contradicted", "failed")):
            self.promises.suspected[who.account_key] = now
        if after.session.verification == "exhausted":
            self.promises.exhausted(who.session_key, now)
        self.comes(verdict, comes, "balance")

    @rule(verdict=verdicts, event=LAST, back=BACK, comes=COMES, happens=RARELY)
    def the_account_ends(self, verdict: Verdict, event: str, back: float, comes: str, *, happens: bool) -> None:
        who = verdict.principal
        if who is None or not happens:
            return
        self.act(self.rig.enforcer.reports.report(verdict, "account.minor"))
        self.the_clock_steps_back(back)
        if self.act(self.rig.enforcer.reports.report(verdict, event)) is not None:
            self.promises.dead.add(who.account_key)
        self.comes(verdict, comes, "chat")

    @rule(verdict=verdicts, again=st.booleans(), comes=COMES)
    def the_customer_signs_out(self, verdict: Verdict, comes: str, *, again: bool) -> None:
        if verdict.principal is None:
            return
        self.signs_out(verdict)
        if again:
            self.time_passes(5)
            between = self.signs_in_again(verdict)
            self.time_passes(5)
            self.signs_out(verdict)
            self.ask(between, "chat", "", 1)
        self.comes(verdict, comes, "chat")

    @rule(verdict=verdicts, comes=COMES, happens=RARELY)
    def the_issuer_revokes_every_sign_in_so_far(self, verdict: Verdict, comes: str, *, happens: bool) -> None:
        who, now = verdict.principal, self.rig.clock.now()
        if who is None or not happens:
            return

        def bar(walk: Evaluation) -> None:
            walk.update_record("account", not_before=max(now, walk.snapshot.account.not_before))

        if self.act(self.rig.enforcer.repository.change(Keys(who.account_key), bar)) is not None:
            self.promises.barred[who.account_key] = max(now, self.promises.barred.get(who.account_key, now))
        self.comes(verdict, comes, "chat")

    @rule(verdict=verdicts, status=st.sampled_from([200, 201, 409, 500, 0]))
    def an_app_answers(self, verdict: Verdict, status: int) -> None:
        self.the_app_answers(verdict, status)

    def the_app_answers(self, verdict: Verdict, status: int) -> None:
        if verdict.running:
            self.act(self.rig.enforcer.reports.settle(verdict, AppResponse(status, "application/json", b"{}")))
            if 400 <= status < 500 and verdict.principal is not None:
                self.promises.refused(verdict.principal, verdict.transaction)

    @rule(happens=RARELY)
    def an_operator_pulls_the_agent_back(self, *, happens: bool) -> None:
        if not happens:
            return
        done = self.act(Rollback(self.rig.enforcer.repository).engage("operator", "drill"))
        self.promises.pulled = done is not None

    @precondition(lambda self: self.promises.pulled)
    @rule()
    def an_operator_lets_it_act_again(self) -> None:
        self.promises.pulled = False
        self.act(Rollback(self.rig.enforcer.repository).release("operator", "drill"))

    # what goes wrong

    @rule(seconds=JUMPS)
    def time_passes(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)
        self.highest = max(self.highest, self.rig.clock.now())
        self.promises.tick(self.rig.clock.now())

    @rule(seconds=BACK)
    def the_clock_steps_back(self, seconds: float) -> None:
        """Never more than a day below the highest: what `Policy.retention` bears."""
        self.rig.clock.set(max(self.rig.clock.now() - seconds, self.highest - 86_400))
        self.promises.tick(self.rig.clock.now())

    @rule(calls=st.integers(1, 9), error=st.sampled_from([StoreError, TimeoutError, RuntimeError]))
    def something_will_fail(self, calls: int, error: type[Exception]) -> None:
        self.rig.tape.fuse, self.rig.tape.error = calls, error

    @rule(token=tokens, operation=OPERATIONS, key=KEYS, calls=st.integers(1, 9))
    def the_process_dies_over_a_request(self, token: bytes, operation: str, key: str, calls: int) -> None:
        self.rig.tape.fuse, self.rig.tape.error = calls, Killed
        try:
            self.ask(token, operation, key, 1)
        except Killed:
            Looker.met["killed"] += 1
            self.promises.lose_sight()
        self.rig.restart()

    @rule()
    def it_restarts(self) -> None:
        self.rig.restart()

    # what holds

    @invariant()
    def counted(self) -> None:
        Deployment.steps += 1

    def ask(self, token: bytes, operation: str, key: str, amount: object) -> Any:
        """Ask, and keep the verdict for later rules if it admits."""
        verdict = self.looker.ask(token, operation, key, amount)
        return multiple() if verdict is None else verdict

    def comes(self, verdict: Verdict, how: str, operation: str) -> None:
        """The customer of an earlier request comes again, if at all: with the same token, or with a new sign-in."""
        match how:
            case "the same":
                self.ask(self.looker.tokens[verdict.record], operation, "", 1)
            case "fresh":
                self.ask(self.signs_in_again(verdict), operation, "", 1)
            case "elsewhere" if verdict.principal is not None:
                elsewhere = self.rig.sign_in(verdict.principal.subject, skew=0, sid="elsewhere")
                self.ask(elsewhere, operation, "", 1)

    def signs_in_again(self, verdict: Verdict) -> bytes:
        """Sign the customer of an earlier request in anew, in the same session."""
        assert verdict.principal is not None
        return self.rig.sign_in(verdict.principal.subject, skew=0, sid=verdict.principal.sid)

    def signs_out(self, verdict: Verdict) -> None:
        """Sign the customer of an earlier request out."""
        who = verdict.principal
        if who is not None and self.act(self.rig.enforcer.reports.end_session(verdict)) is not None:
            self.promises.end(who.session_key, self.rig.clock.now())

    def act(self, doing: Any) -> Any:
        """Let something happen outside a request; nothing is known of it where it fails."""
        try:
            done = self.rig.run(doing)
        except (*FAULTS, RuntimeError):
            done = None
        self.rig.tape.broke.clear()
        return done


@pytest.mark.parametrize("slice_", range(-(-STEPS // SLICE)))
def test_the_enforcer_keeps_every_promise(slice_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for store, looks in ((memory, 2 * memory.SHARDS), (sqlite, 1_000)):
        monkeypatch.setattr(store, "SWEEP_COUNT", looks)  # finds expired records in one sweep
    monkeypatch.setattr(refusal_window, "MAX_RECORDED_PER_S", 1_000_000)  # each refusal has a record of its own
    wanted = min(SLICE, STEPS)
    walk = settings(
        max_examples=-(-wanted // AT_A_TIME),
        stateful_step_count=AT_A_TIME,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        phases=PHASES,
    )
    Deployment.steps = 0
    Looker.met.clear()
    walks = itertools.count(slice_ * SLICE)
    while Deployment.steps < wanted:
        run_state_machine_as_test(seed(next(walks))(Deployment), settings=walk)
    # a short slice meets what it meets; only a long walk can be asked to have met them all
    asked = {"allow", "challenge", "handoff", "step_up", "retry"} if STEPS > LONG else {"allow", "challenge"}
    assert asked <= set(Looker.met), "the walk met too little"
