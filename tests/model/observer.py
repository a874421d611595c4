"""Invariants after each request, checked from outside on the log and in the store."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import structs

from authguard.core.decision_table import DIMENSIONS
from authguard.core.request import Proven
from authguard.evaluation.decision import Refusal, Verdict
from authguard.policy.loading.loader import load_draft
from authguard.records.entries import DecisionEntry, FaultEntry, RefusalEntry, TransitionEntry, WithdrawalEntry
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.core.request import Principal
    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.request import AccessRequest
    from tests.model.enforcer_harness import Rig
    from tests.model.invariants import Promises

_DRAFT = load_draft("test-desk.yaml", text=POLICY.encode()).draft
assert _DRAFT is not None
NEVER = [item for item in _DRAFT.invariants if item.never]


class Looker:
    """Asks the enforcer of a rig, and looks at all that comes of it.

    Attributes:
        met: how often each outcome was met, over all walks.
    """

    met: ClassVar[Counter[str]] = Counter()

    def __init__(self, rig: Rig, promises: Promises) -> None:
        self.rig = rig
        self.promises = promises
        self.ran: tuple[tuple[bytes, str, str, object], Verdict] | None = None
        self.tokens: dict[str, bytes] = {}

    def ask(self, token: bytes, operation: str, key: str, amount: object) -> Verdict | None:
        """Ask once, and look at all that came of it; give the verdict if it admits."""
        self.rig.tape.events.clear()
        one = self.rig.ask(operation, token, key, _body(amount))
        proven = self.show(one)
        before = self.rig.stored()
        answer, afresh = self.rig.decide(one)
        if not self.rig.tape.broke:
            assert told(answer) == told(afresh), "what was remembered is not what judging afresh gives"
        if not proven:
            left = self.rig.stored().items()  # a change of the service may sweep what is expired
            assert left <= before.items(), "a credential that proves nobody moved what is stored"
        self.in_order(answer)
        self.look(one, answer, key, amount)
        self.stands_as_said(answer)
        if not isinstance(answer, Verdict) or not answer.admits:
            self.rig.tape.broke.clear()
            return None
        self.saved(answer)
        self.tokens[answer.record] = token
        self.rig.tape.broke.clear()
        if answer.running:
            self.ran = ((token, operation, key, amount), answer)
        return answer

    def ask_at_once(self, tokens: list[bytes], operation: str, keys: list[str], amount: object) -> None:
        """Ask several times at once, and look at each answer."""
        self.rig.tape.events.clear()
        asks = [self.rig.ask(operation, *each, _body(amount)) for each in zip(tokens, keys, strict=True)]
        for one in asks:
            self.show(one)

        async def together() -> list[Verdict | Refusal]:
            return await asyncio.gather(*(self.rig.answer(one) for one in asks))

        answers = self.rig.run(together())
        assert len(self.standing()) == len(asks) or "log" in self.rig.tape.broke
        for one, answer, key in zip(asks, answers, keys, strict=True):
            self.look(one, answer, key, amount)
        self.rig.tape.broke.clear()

    def show(self, one: AccessRequest) -> bool:
        """Note a credential that is about to be shown; tell whether it proves somebody here."""
        now = self.rig.clock.now()
        found = self.rig.check.evaluate(one.evidence.authorization, now)
        proven = isinstance(found, Proven) and one.operation.risk != "public"
        if proven and isinstance(found, Proven):
            self.promises.shown(found.principal, now, acts=not found.principal.actor)
        return proven

    def standing(self) -> list[str]:
        """Give the ids of what was decided, refused or failed since the last look, and was not withdrawn."""
        lines = [entry for kind, entry in self.rig.tape.events if kind == "line"]
        void = {record for entry in lines if isinstance(entry, WithdrawalEntry) for record in entry.records}
        return [
            entry.id
            for entry in lines
            if isinstance(entry, DecisionEntry | RefusalEntry | FaultEntry) and entry.id not in void
        ]

    def in_order(self, answer: Verdict | Refusal) -> None:
        """One record stands for the request; it was written before anything was saved, and saved before it was told."""
        broken_log = "log" in self.rig.tape.broke
        assert self.standing() == [answer.record] or (broken_log and not _admits(answer)), self.rig.tape.events
        places = {kind: place for place, (kind, _) in enumerate(self.rig.tape.events)}
        if _admits(answer) and "saved" in places:
            assert places["line"] < places["saved"], "something was saved before it was recorded"
        for place, (kind, entry) in enumerate(self.rig.tape.events):
            if kind == "line" and isinstance(entry, TransitionEntry) and entry.decision == answer.record:
                assert any(later == "saved" for later, _ in self.rig.tape.events[place:]) or not _admits(answer)

    def look(self, one: AccessRequest, answer: Verdict | Refusal, key: str, amount: object) -> None:
        """Look at one answer, as a person would."""
        now = self.rig.clock.now()
        kind = answer.fallback.kind.value if isinstance(answer, Verdict) else answer.reason.code
        self.met[kind] += 1
        self.note(one, answer, now)
        if not isinstance(answer, Verdict) or not answer.admits:
            return
        cell = dict(zip(DIMENSIONS, answer.cell, strict=True)) | {"outcome": kind}
        for item in NEVER:
            forbidden = all(cell[name] in values for name, values in item.never.items())
            assert not forbidden, f"the policy's invariant `{item.name}` was broken"
        if one.operation.risk == "public":
            return
        found = self.rig.check.evaluate(one.evidence.authorization, now)
        assert isinstance(found, Proven), "somebody was admitted who proved nothing"
        self.promises.admitted(answer, found.principal, now)
        if answer.running:
            assert isinstance(amount, int | float)
            self.promises.runs(found.principal, key, answer.transaction, amount, now)

    def note(self, one: AccessRequest, answer: Verdict | Refusal, now: float) -> None:
        """Note what the answer says of the session, or that nothing is known of it."""
        found = self.rig.check.evaluate(one.evidence.authorization, now)
        if not isinstance(found, Proven) or not isinstance(answer, Verdict):
            return
        if answer.principal is not None:
            self.promises.decided(answer.principal, now)
            self.heard(answer.principal)
        elif not answer.cell:
            self.promises.lose_sight()
        if not answer.cell or answer.snapshot.session.verification == "exhausted":
            self.promises.exhausted(found.principal.session_key, now)

    def heard(self, who: Principal) -> None:
        """Note what a token said of its account, as the policy takes it."""
        (source,) = self.rig.policy.accounts
        if source.claim in who.claims:
            state = source.map.get(str(who.claims[source.claim]), "unrecognised")
            self.promises.claim(who.account_key, who.issued_at, state, self.rig.policy.strictness)

    def stands_as_said(self, answer: Verdict | Refusal) -> None:
        """An account is never better off than the newest of its tokens says; nothing is known of it in the end."""
        if isinstance(answer, Verdict) and answer.principal is not None:
            _, said = self.promises.claimed.get(answer.principal.account_key, (0.0, "unknown"))
            rank = self.rig.policy.strictness
            stands = answer.cell[DIMENSIONS.index("account")]
            assert stands == "unknown" or rank[stands] >= rank[said], (
                f"the account is `{stands}`, though its newest token says `{said}`"
            )

    def saved(self, verdict: Verdict) -> None:
        """What an admission stands on is in the store, unless nothing of it ever moved."""
        if len([kind for kind, _ in self.rig.tape.events if kind == "saved"]) == 1 and not self.rig.tape.broke:
            stored: Snapshot = self.rig.run(self.rig.inner.load(verdict.keys, self.rig.enforcer.repository.blank))
            assert stored.states() == verdict.snapshot.states()


def told(answer: Verdict | Refusal) -> tuple[Any, ...]:
    """Give what a caller or the log could tell two answers apart by, but for their records."""
    if isinstance(answer, Refusal):
        return ("refused", answer.reason)
    parts = (answer.fallback, answer.reason, answer.cell, answer.rule, answer.token_scopes, answer.channel)
    whose = (answer.keys.account, answer.keys.session)  # the id of a transaction that nobody named is random
    # no two seals of the same request are alike
    unsealed = structs.replace(answer.snapshot.transaction, request=b"")
    snapshot = structs.replace(answer.snapshot, transaction=unsealed)
    return (*parts, *whose, answer.acr_values, answer.max_age, answer.running, snapshot, answer.at)


def _admits(answer: Verdict | Refusal) -> bool:
    return isinstance(answer, Verdict) and answer.admits


def _body(amount: object) -> bytes:
    return json.dumps({"amount": amount, "currency": "EUR"}).encode()
