"""The enforcer against the model: random people, clocks, signals, crashes and stores, and what holds after each step.

`make test` walks a seeded slice; `make soak` sets ``AUTHGUARD_MODEL_STEPS`` and walks 100,000 steps.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, seed, settings
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

from authguard.core.entries import Decided, Faulted, Moved, Refused, Withdrawn
from authguard.core.events import TIGHTENING
from authguard.core.facts import NotProven, Proven
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys
from authguard.errors import AuditError, StoreError
from authguard.policy.reading import read_draft
from authguard.runtime.rollback import Rollback
from authguard.runtime.verdict import Answer, Refusal, Verdict
from tests.kit import POLICY
from tests.model.promises import Promises
from tests.model.rig import Killed, Rig

if TYPE_CHECKING:
    from authguard.core.facts import Principal
    from authguard.core.snapshot import Snapshot
    from authguard.runtime.verdict import Ask
    from authguard.runtime.walk import Walk

STEPS = int(os.environ.get("AUTHGUARD_MODEL_STEPS", "1500"))
AT_A_TIME = 50
#: steps of one test, so that a long walk shows how far it came
SLICE = 10_000
FAULTS = (AuditError, StoreError, TimeoutError)

_DRAFT = read_draft("test-desk.yaml", text=POLICY.encode()).draft
assert _DRAFT is not None
NEVER = [item for item in _DRAFT.invariants if item.never]
DIMENSIONS = ("service", "account", "session", "verification", "transaction")
CONDITIONS = ("credential", "risk", "effect", "scope", "assurance", "limit", "channel", "actor")

OPERATIONS = st.sampled_from(["health", "chat", "live", "balance", "balance", "refund", "refund", "unnamed"])
SUBJECTS = st.sampled_from(["al", "bob", "carol", "dan"])
SESSIONS = st.sampled_from(["s1", "s2"])
KEYS = st.sampled_from(["k1", "k2", "k3", ""])
AMOUNTS = st.sampled_from([1, 12.5, 400, 400, 400, 501, "nonsense"])
DEADLY = ("compromised", "merged", "deceased", "closed")
EVENTS = st.sampled_from([*sorted(TIGHTENING), "account.minor", "account.suspended"])
LAST = st.sampled_from([f"account.{state}" for state in DEADLY])
#: what would end most walks at once happens in few of them
RARELY = st.integers(0, 4).map(lambda odds: odds == 0)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "acr": st.sampled_from(["aal1", "urn:example:2fa", "invented"]),
        "actor": st.sampled_from(["concierge", "mallory"]),
        "token_scopes": st.sampled_from([frozenset({"chat"}), frozenset[str]()]),
        "claims": st.sampled_from([{}, *({"account_status": word} for word in ("frozen", "locked", "kid", "never"))]),
    },
)
BAD = st.sampled_from(
    [
        NotProven("rejected", Reason.SIGNATURE_INVALID),
        NotProven("expired", Reason.TOKEN_EXPIRED),
        NotProven("unproven", Reason.KEYS_UNREACHABLE),
    ]
)
JUMPS = st.sampled_from([0.5, 5, 16, 61, 121, 299, 301, 899, 900, 1801, 3_601, 43_201, 86_401, 259_201])
BACK = st.sampled_from([1, 31, 600, 3_600, 80_000])


class Deployment(RuleBasedStateMachine):
    """Everything that can happen to one guarded deployment."""

    steps = 0
    met: Counter[str] = Counter()
    tokens = Bundle("tokens")
    verdicts = Bundle("verdicts")
    rig: Rig

    @initialize(kind=st.sampled_from(["memory", "sqlite"]))
    def opens(self, kind: str) -> None:
        self.rig = Rig(kind)
        self.promises = Promises()
        self.promises.tick(self.rig.clock.now())
        self.highest = self.rig.clock.now()
        self.ran: tuple[tuple[bytes, str, str, object], Verdict] | None = None

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.stop()

    # who comes

    @rule(target=tokens, subject=SUBJECTS, sid=SESSIONS, skew=st.sampled_from([0, 0, 0, 25, -20]), facts=FACTS)
    def signs_in(self, subject: str, sid: str, skew: float, facts: dict[str, Any]) -> bytes:
        return self.rig.sign_in(subject, skew=skew, sid=sid, **facts)

    @rule(target=tokens, subject=SUBJECTS, sid=SESSIONS)
    def signs_in_for_long(self, subject: str, sid: str) -> bytes:
        return self.rig.sign_in(subject, skew=0, lifetime=3_600, sid=sid)

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

    @precondition(lambda self: self.ran)
    @rule(target=verdicts, status=st.sampled_from([0, 200, 200, 409, 500]))
    def what_ran_is_answered_and_asked_again(self, status: int) -> Any:
        assert self.ran
        asked, verdict = self.ran
        if status:
            self.the_app_answers(verdict, status)
        return self.ask(*asked)

    @rule(target=verdicts, token=tokens, operation=OPERATIONS, times=st.integers(2, 4))
    def asks_again_and_again(self, token: bytes, operation: str, times: int) -> Any:
        answers = [self.ask(token, operation, "", 1) for _ in range(times)]
        return answers[-1]

    @rule(token=tokens, others=st.lists(tokens, min_size=1, max_size=3), operation=OPERATIONS, key=KEYS)
    def many_ask_at_once(self, token: bytes, others: list[bytes], operation: str, key: str) -> None:
        self.rig.tape.events.clear()
        asks = [self.rig.ask(operation, each, _body(400), key) for each in (token, *others)]
        for one in asks:
            self.show(one)

        async def together() -> list[Any]:
            return await asyncio.gather(*(self.rig.answer(one) for one in asks))

        answers = self.rig.run(together())
        assert len(self.standing()) == len(asks) or "log" in self.rig.tape.broke
        for one, answer in zip(asks, answers, strict=True):
            self.look(one, answer, key, 400)
        self.rig.tape.broke.clear()

    @rule()
    def somebody_comes_without_a_token(self) -> None:
        self.ask(b"", "chat", "", 1)

    # what the app and others say

    @rule(verdict=verdicts, event=EVENTS)
    def the_app_reports(self, verdict: Verdict, event: str) -> None:
        if verdict.principal is None:
            return
        after = self.act(self.rig.enforcer.reports.report(verdict, event))
        if after is None:
            return
        who, now = verdict.principal, self.rig.clock.now()
        if event in ("session.ended", "session.revoked"):
            self.promises.end(who.session_key, now)
        if event.endswith(("doubted", "contradicted")) and after.session.verification == "ambiguous":
            self.promises.doubted[who.session_key] = now

    @rule(verdict=verdicts, event=LAST, happens=RARELY)
    def the_account_ends(self, verdict: Verdict, event: str, *, happens: bool) -> None:
        who = verdict.principal
        if happens and who is not None and self.act(self.rig.enforcer.reports.report(verdict, event)) is not None:
            self.promises.dead.add(who.account_key)

    @rule(verdict=verdicts)
    def the_customer_signs_out(self, verdict: Verdict) -> None:
        who = verdict.principal
        if who is not None and self.act(self.rig.enforcer.reports.end_session(verdict)) is not None:
            self.promises.end(who.session_key, self.rig.clock.now())

    @rule(verdict=verdicts, happens=RARELY)
    def the_issuer_revokes_every_sign_in_so_far(self, verdict: Verdict, *, happens: bool) -> None:
        who, now = verdict.principal, self.rig.clock.now()
        if who is None or not happens:
            return

        def bar(walk: Walk) -> None:
            walk.amend("account", not_before=max(now, walk.snapshot.account.not_before))

        if self.act(self.rig.enforcer.standing.change(Keys(who.account_key), bar)) is not None:
            self.promises.barred[who.account_key] = max(now, self.promises.barred.get(who.account_key, now))

    @rule(verdict=verdicts, status=st.sampled_from([200, 201, 409, 500, 0]))
    def an_app_answers(self, verdict: Verdict, status: int) -> None:
        self.the_app_answers(verdict, status)

    def the_app_answers(self, verdict: Verdict, status: int) -> None:
        if verdict.running:
            self.act(self.rig.enforcer.reports.settle(verdict, Answer(status, "application/json", b"{}")))
            if 400 <= status < 500 and verdict.principal is not None:
                self.promises.spent[verdict.principal.account_key].clear()

    @rule(happens=RARELY)
    def an_operator_pulls_the_agent_back(self, *, happens: bool) -> None:
        if not happens:
            return
        done = self.act(Rollback(self.rig.enforcer.standing).engage("operator", "drill"))
        self.promises.pulled = done is not None

    @precondition(lambda self: self.promises.pulled)
    @rule()
    def an_operator_lets_it_act_again(self) -> None:
        self.promises.pulled = False
        self.act(Rollback(self.rig.enforcer.standing).release("operator", "drill"))

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
            self.met["killed"] += 1
        self.rig.restart()

    @rule()
    def it_restarts(self) -> None:
        self.rig.restart()

    @precondition(lambda self: self.rig.kind == "sqlite")
    @rule()
    def what_is_over_is_forgotten(self) -> None:
        self.rig.run(self.rig.inner.prune(self.rig.clock.now() - self.rig.policy.retention))  # type: ignore[union-attr]  # by the precondition

    # what holds

    @invariant()
    def counted(self) -> None:
        Deployment.steps += 1

    def ask(self, token: bytes, operation: str, key: str, amount: object) -> Any:
        """Ask once, and look at all that came of it."""
        self.rig.tape.events.clear()
        one = self.rig.ask(operation, token, _body(amount), key)
        proven = self.show(one)
        before = self.rig.stored()
        answer, afresh = self.rig.decide(one)
        if not self.rig.tape.broke:
            assert told(answer) == told(afresh), "what was remembered is not what judging afresh gives"
        if not proven:
            assert self.rig.stored() == before, "a credential that proves nobody moved what is stored"
        self.in_order(answer)
        self.look(one, answer, key, amount)
        if isinstance(answer, Verdict) and answer.admits:
            self.saved(answer)
        self.rig.tape.broke.clear()
        if _admits(answer) and answer.running:
            self.ran = ((token, operation, key, amount), answer)
        return answer if isinstance(answer, Verdict) and answer.admits else multiple()

    def show(self, one: Ask) -> bool:
        """Note a credential that is about to be shown; tell whether it proves somebody here."""
        now = self.rig.clock.now()
        found = self.rig.check.judge(one.evidence.authorization, now)
        proven = isinstance(found, Proven) and one.operation.risk != "public"
        if proven and isinstance(found, Proven):
            self.promises.shown(found.principal, now, acts=not found.principal.actor)
        return proven

    def standing(self) -> list[str]:
        """Give the ids of what was decided, refused or failed since the last look, and was not withdrawn."""
        lines = [entry for kind, entry in self.rig.tape.events if kind == "line"]
        void = {record for entry in lines if isinstance(entry, Withdrawn) for record in entry.records}
        return [entry.id for entry in lines if isinstance(entry, Decided | Refused | Faulted) and entry.id not in void]

    def in_order(self, answer: Verdict | Refusal) -> None:
        """One record stands for the request; it was written before anything was saved, and saved before it was told."""
        broken_log = "log" in self.rig.tape.broke
        assert self.standing() == [answer.record] or (broken_log and not _admits(answer)), self.rig.tape.events
        places = {kind: place for place, (kind, _) in enumerate(self.rig.tape.events)}
        if _admits(answer) and "saved" in places:
            assert places["line"] < places["saved"], "something was saved before it was recorded"
        for place, (kind, entry) in enumerate(self.rig.tape.events):
            if kind == "line" and isinstance(entry, Moved) and entry.decision == answer.record:
                assert any(later == "saved" for later, _ in self.rig.tape.events[place:]) or not _admits(answer)

    def look(self, one: Ask, answer: Verdict | Refusal, key: str, amount: object) -> None:
        """Look at one answer, as a person would."""
        now = self.rig.clock.now()
        kind = answer.fallback.kind.value if isinstance(answer, Verdict) else answer.reason.code
        self.met[kind] += 1
        if not isinstance(answer, Verdict) or not answer.admits:
            return
        cell = dict(zip((*DIMENSIONS, *CONDITIONS), answer.cell, strict=True)) | {"outcome": kind}
        for item in NEVER:
            forbidden = all(cell[name] in values for name, values in item.never.items())
            assert not forbidden, f"the policy's invariant `{item.name}` was broken"
        if one.operation.risk == "public":
            return
        found = self.rig.check.judge(one.evidence.authorization, now)
        assert isinstance(found, Proven), "somebody was admitted who proved nothing"
        self.promises.admitted(answer, found.principal, now)
        if answer.running:
            assert isinstance(amount, int | float)
            self.promises.runs(found.principal, key, amount, now)

    def saved(self, verdict: Verdict) -> None:
        """What an admission stands on is in the store, unless nothing of it ever moved."""
        if len([kind for kind, _ in self.rig.tape.events if kind == "saved"]) == 1 and not self.rig.tape.broke:
            stored: Snapshot = self.rig.run(self.rig.inner.load(verdict.keys, self.rig.enforcer.standing.blank))
            assert stored.states() == verdict.snapshot.states()

    def act(self, doing: Any) -> Any:
        """Let something happen outside a request; nothing is known of it where it fails."""
        try:
            done = self.rig.run(doing)
        except (*FAULTS, RuntimeError):
            done = None
        self.rig.tape.broke.clear()
        return done


def told(answer: Verdict | Refusal) -> tuple[Any, ...]:
    """Give what a caller or the log could tell two answers apart by, but for their records."""
    if isinstance(answer, Refusal):
        return ("refused", answer.reason)
    parts = (answer.fallback, answer.reason, answer.cell, answer.rule, answer.token_scopes, answer.channel)
    whose = (answer.keys.account, answer.keys.session)  # the id of a transaction that nobody named is random
    return (*parts, *whose, answer.acr_values, answer.max_age, answer.running, answer.snapshot, answer.at)


def _admits(answer: Verdict | Refusal) -> bool:
    return isinstance(answer, Verdict) and answer.admits


def _body(amount: object) -> bytes:
    return json.dumps({"amount": amount, "currency": "EUR"}).encode()


@pytest.mark.parametrize("slice_", range(-(-STEPS // SLICE)))
def test_the_enforcer_keeps_every_promise(slice_: int) -> None:
    wanted = min(SLICE, STEPS)
    walk = settings(
        max_examples=-(-wanted // AT_A_TIME),
        stateful_step_count=AT_A_TIME,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    Deployment.steps = 0
    Deployment.met.clear()
    walks = itertools.count(slice_ * SLICE)
    while Deployment.steps < wanted:
        run_state_machine_as_test(seed(next(walks))(Deployment), settings=walk)
    assert {"allow", "challenge", "handoff", "step_up", "retry"} <= set(Deployment.met), "the walk met too little"
