"""Random requests to two policies at once, by the driver of the run time: finds one that only one of them admits.

Each policy has records of its own. A walk ends at the first request that only one of them admits or evaluates. If only
one of them offered a proof of identity or an approval before, what the other admits then counts for nothing: the first
one's records differ by what was done with its offer, and not doing it would lead to the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.record_keys import account_key, session_key
from authguard.core.request import Evidence, NotProven, Principal, Proven
from authguard.core.snapshot import Keys, Snapshot, blank
from authguard.encryption import PayloadCipher
from authguard.errors import MachineFaultError
from authguard.evaluation import staff_acts
from authguard.evaluation.account_status import read_statements
from authguard.evaluation.decision import Decision, NeedsBody
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.driver import Evaluation, withdraw_if_signed_out
from authguard.evaluation.request import AccessRequest, Body, RequestFacts, add_ledgers
from authguard.evaluation.resolver import Resolver
from authguard.evaluation.transactions import bind_request
from authguard.policy.diff.fallbacks import OFFERS
from tests.support.harness import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from authguard.core.policy import Policy
    from authguard.core.request import Operation

SUBJECT: Final = "alice"
NOW: Final = 1_800_000_000.0
CIPHER: Final = PayloadCipher((b"k" * 32,))
#: seconds after an event until the next step: a sign-in at the same instant would count on one side only
AFTER_EVENT: Final = 0.25
#: shares of the steps
WAITS, EVENTS, ANSWERS = 0.22, 0.07, 0.13
#: what no request of the caller does: the app's reports, a failing service, an operator
OUTSIDE: Final[dict[str, Callable[[Evaluation], object]]] = {
    **{
        name: partial(Evaluation.send, name=name, cause="test")
        for name in (
            "service.engaged",
            "service.released",
            "service.impaired",
            "account.unreachable",
            "verification.unavailable",
            "verification.failed",
            "verification.doubted",
        )
    },
    "session revoked": staff_acts.revoke_session,
    "signed out everywhere": staff_acts.sign_out_account,
    "account reinstated": staff_acts.reinstate_account,
    "verification reset": staff_acts.reset_verification,
}


class CountedIds:
    """Ids of transactions, one after the other."""

    def __init__(self) -> None:
        self._numbers = count()

    def record(self, now: float) -> str:
        del now
        return f"r{next(self._numbers)}"

    def secret(self) -> str:
        return f"t{next(self._numbers)}"


@dataclass
class Side:
    """One policy with its records.

    Attributes:
        policy: compiled.
        records: of the service, of the account, of each session, transaction and ledger, by key.
        ids: of transactions.
        asked: method of the proof of identity that the last request was asked for; empty for none.
        held: transaction of the last request, if it waits for an approval.
        running: transaction of the last request, if the app has to settle it.
    """

    policy: Policy
    records: dict[object, Any] = field(default_factory=dict)
    ids: CountedIds = field(default_factory=CountedIds)
    asked: str = ""
    held: str = ""
    running: str = ""

    def __post_init__(self) -> None:
        self.blank = blank(self.policy.initial)
        self.resolver = Resolver(
            self.policy.operations, self.policy.otherwise, (), admits=self.policy.admits_unnamed, hosts=frozenset()
        )

    def load(self, keys: Keys) -> Snapshot:
        return replace(
            self.blank,
            service=self.records.get("service", self.blank.service),
            account=self.records.get(keys.account, self.blank.account),
            session=self.records.get(keys.session, self.blank.session),
            transaction=self.records.get(keys.transaction, self.blank.transaction),
            ledgers={key: self.records[key] for _, key in keys.ledgers if key in self.records},
        )

    def save(self, keys: Keys, before: Snapshot, after: Snapshot) -> None:
        named = {
            "service": "service",
            "account": keys.account,
            "session": keys.session,
            "transaction": keys.transaction,
        }
        for name, key in named.items():
            record = getattr(after, name)
            if key and record != getattr(before, name):
                self.records[key] = replace(record, version=record.version + 1)
        for key, record in after.ledgers.items():
            self.records[key] = record

    def act(self, keys: Keys, now: float, *acts: Callable[[Evaluation], object]) -> None:
        """Do what no request does, after the timers that are due."""
        before = self.load(keys)
        evaluation = Evaluation(self.policy, before, now, keys)
        try:
            evaluation.catch_up()
            for act in acts:
                act(evaluation)
        except MachineFaultError:  # timers that form a loop: such a policy is not accepted
            return
        self.save(keys, before, evaluation.snapshot)

    def request(self, action: Action, now: float) -> Outcome | Reason:
        """Evaluate a request and store what it changes; return its outcome, or why it has none."""
        scope = {"path": action.path, "root_path": "", "headers": []}
        found = self.resolver.find(action.method, action.path, scope)
        if isinstance(found, Reason):
            return found
        if not isinstance(action.credential, Proven):
            return self._decide(found, action, RequestFacts(now=now, credential=action.credential), Keys())
        principal = action.credential.principal
        reports = read_statements(self.policy, principal).reports if self.policy.accounts else {}
        keys = Keys(principal.account_key, principal.session_key)
        access = AccessRequest(operation=found, evidence=action.evidence, method=action.method)
        binding = bind_request(
            access,
            principal,
            Body(action.body, action.path.encode(), "application/json"),
            self.ids,
            self.policy.digest,
            CIPHER,
        )
        keys = replace(keys, transaction=binding.transaction)
        facts = RequestFacts(
            now=now,
            credential=action.credential,
            keys=keys,
            reports=reports,
            channel=action.channel,
            has_body=True,
            binding=binding,
        )
        return self._decide(found, action, add_ledgers(self.policy, access, facts), keys)

    def _decide(self, operation: Operation, action: Action, facts: RequestFacts, keys: Keys) -> Outcome | Reason:
        access = AccessRequest(operation=operation, evidence=action.evidence, method=action.method)
        keys = replace(keys, ledgers=facts.keys.ledgers)
        before = self.load(keys)
        facts = replace(facts, credential=withdraw_if_signed_out(self.policy, facts.credential, before))
        self.asked = self.held = self.running = ""
        try:
            found = evaluate(self.policy, access, facts, before, CIPHER)
        except MachineFaultError:
            return Reason.GUARD_FAULT
        if isinstance(found, NeedsBody):
            return Reason.BODY_MALFORMED
        if not isinstance(found, Decision):
            return found
        self.save(keys, before, found.snapshot)
        kind = found.fallback.kind
        self.asked = found.fallback.methods[0] if kind is Outcome.VERIFY else ""
        self.held = keys.transaction if kind is Outcome.HOLD else ""
        self.running = keys.transaction if kind in ADMITTING and found.running else ""
        return kind


@dataclass(frozen=True)
class Action:
    """One request, the same for both policies."""

    method: str
    path: str
    credential: Proven | NotProven
    evidence: Evidence
    body: bytes
    channel: str


def sign_in(random: Random, policies: tuple[Policy, Policy], now: float, sid: str, at: float) -> Proven:
    """Return a proven credential of one session: mostly a strong one of a customer who may do everything."""
    is_plain = random.random() < 0.6
    issuer = next(iter(policies[0].issuers))
    scopes = sorted(frozenset().union(*(one.scopes for policy in policies for one in policy.all_operations)))
    levels = sorted({*policies[0].assurance.order, *policies[1].assurance.order, *policies[0].assurance.map, ""})
    claims = {}
    for source in (*policies[0].accounts, *policies[1].accounts):
        if source.claim and (is_plain or random.random() < 0.9):
            known = [*sorted(source.map), "strange"]
            claims[source.claim] = "ok" if is_plain or random.random() < 0.5 else random.choice(known)
    agents = sorted(str(one.client) for policy in policies for one in policy.agents)
    actor = random.choice([*agents, "stranger"]) if not is_plain and random.random() < 0.4 else ""
    strong = policies[0].assurance.order[-1] if policies[0].assurance.order else ""
    client = random.choice(agents) if agents and not is_plain and random.random() < 0.3 else "app"
    principal = Principal(
        issuer=issuer,
        subject=SUBJECT,
        client=client,
        sid=sid,
        actor=actor,
        chain=((issuer, actor),) if actor else (),
        token_scopes=frozenset(
            scopes if is_plain or random.random() < 0.6 else random.sample(scopes, len(scopes) // 2)
        ),
        acr=strong if is_plain or random.random() < 0.5 else random.choice(levels),
        auth_time=at if is_plain or random.random() < 0.8 else 0.0,
        issued_at=now,
        expires_at=now + 300,
        content=msgspec.json.encode(claims),
        fingerprint=fingerprint(f"{sid}-{at}-{now}"),
        account_key=account_key(issuer, SUBJECT),
        session_key=session_key(issuer, SUBJECT, client, sid),
        pseudonym="pseudonym",
    )
    return Proven(principal)


def find_admission(
    random: Random, first: Policy, second: Policy, paths: list[tuple[str, str]], steps: int
) -> tuple[int, list[str]]:
    """Walk until only one of two policies admits a request.

    Args:
        random: seeded.
        first: compiled.
        second: compiled.
        paths: method and path of the requests.
        steps: most steps.

    Returns:
        Which policy admits it, 0 or 1, and what led there with the request itself; -1 if there is none.
    """
    walk = Walk(random, (Side(first), Side(second)), paths)
    ahead = [False, False]
    for _ in range(steps):
        found = walk.step()
        if Reason.GUARD_FAULT in found:
            return -1, []  # timers that form a loop: such a policy is not accepted
        admits = [one in ADMITTING for one in found]
        if admits[0] != admits[1]:
            return (-1, []) if ahead[admits.index(False)] else (admits.index(True), walk.story)
        if isinstance(found[0], Reason) is not isinstance(found[1], Reason):
            return -1, []
        if found[0] != found[1]:
            ahead = [was or one in OFFERS for was, one in zip(ahead, found, strict=True)]
    return -1, []


#: what an action that asks for nothing brings
NOTHING: Final = (Outcome.DENY, Outcome.DENY)
Found = tuple[Outcome | Reason, Outcome | Reason]


class Walk:
    """Random actions on both sides.

    Attributes:
        story: what happened so far.
    """

    def __init__(self, random: Random, sides: tuple[Side, Side], paths: list[tuple[str, str]]) -> None:
        self._random = random
        self._sides = sides
        self._paths = paths
        self._policies = (sides[0].policy, sides[1].policy)
        self._waits = sorted({timer.after for policy in self._policies for timer in policy.timers.declared})
        self._channels = ["", *sorted({name for policy in self._policies for name in policy.channels.trusts})]
        self._issuer = next(iter(sides[0].policy.issuers))
        self._signed: dict[str, float] = {}
        self._now = NOW
        self.story: list[str] = []

    def step(self) -> Found:
        """Let time pass, send an event, answer an offer, or send a request; return its outcomes."""
        random, chance = self._random, self._random.random()
        sid = random.choice(("s1", "s1", "s1", "s2"))
        keys = Keys(account_key(self._issuer, SUBJECT), session_key(self._issuer, SUBJECT, "app", sid))
        if chance < WAITS:
            timed = random.choice(self._waits) + random.choice((-1.0, 1.0))
            wait = max(0.5, random.choice((timed, timed, 1.0, 30.0)))
            self._now += wait + random.random() / 2  # no two moments are equal
            self.story.append(f"wait {wait:g}")
        elif chance < WAITS + EVENTS:
            name = random.choice(sorted(OUTSIDE))
            for side in self._sides:
                side.act(keys, self._now, OUTSIDE[name])
            self.story.append(name)
            self._now += AFTER_EVENT
        elif chance < WAITS + EVENTS + ANSWERS:
            self.story.append(_answer(random, self._sides, keys, self._now))
            self._now += AFTER_EVENT
        else:
            return self._request(sid)
        return NOTHING

    def _request(self, sid: str) -> Found:
        random, now = self._random, self._now
        if sid not in self._signed or random.random() < 0.25:
            self._signed[sid] = now
        credential: Proven | NotProven = sign_in(random, self._policies, now, sid, self._signed[sid])
        if random.random() < 0.05:
            credential = NotProven("missing", Reason.CREDENTIAL_MISSING)
        method, path = random.choice(self._paths)
        amount = random.choice((1, 50, 90, 400, 600, 900, 5_000))
        body = msgspec.json.encode({"amount": str(amount), "currency": "EUR", "to": "bob"})
        evidence = Evidence(idempotency=random.choice(("k1", "k2", f"k{len(self.story)}")))
        action = Action(method, path, credential, evidence, body, random.choice(self._channels))
        found = self._sides[0].request(action, now), self._sides[1].request(action, now)
        if all(isinstance(one, Reason) for one in found):
            # Nobody has seen this sign-in. Shown later, it counts if the session's state began before it: so a session
            # that ends sooner may let it in. `docs/policies.md` names this as what `policy diff` does not tell.
            self._signed.pop(sid, None)
        self.story.append(f"{now - NOW:g}: {method} {path}, {describe(credential)}, {amount}: {found[0]} / {found[1]}")
        return found


def describe(credential: Proven | NotProven) -> str:
    """Return what matters of a credential."""
    if not isinstance(credential, Proven):
        return "by nobody"
    who = credential.principal
    age = f"signed in at {who.auth_time - NOW:g}" if who.auth_time else "without a sign-in time"
    return f"by {who.sid} {who.actor or who.client} {who.acr} {who.content.decode()} {age}"


def _answer(random: Random, sides: tuple[Side, Side], keys: Keys, now: float) -> str:
    """Answer what was offered last: a proof of identity, an approval, or the app's response."""
    passed = random.random() < 0.7
    for side in sides:
        if side.asked:
            side.act(keys, now, _event("verification.started"), _event(f"verification.{PASSED[passed]}"))
        elif side.held:
            side.act(replace(keys, transaction=side.held), now, _event(f"transaction.{APPROVED[passed]}"))
        elif side.running:
            side.act(replace(keys, transaction=side.running), now, _event(f"transaction.{COMMITTED[passed]}"))
    return f"answered: {'yes' if passed else 'no'}"


PASSED: Final = ("failed", "passed")
APPROVED: Final = ("denied", "approved")
COMMITTED: Final = ("failed", "committed")


def _event(name: str) -> Callable[[Evaluation], object]:
    return partial(Evaluation.send, name=name, cause="test")
