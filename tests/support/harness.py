"""Harness of driver and shell tests: a small policy, and an enforcer in memory with a scripted check."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key, session_key
from authguard.core.request import UNSEEN, Evidence, NotProven, Principal, Proven
from authguard.core.verification import Failed, Passed
from authguard.encryption import PayloadCipher
from authguard.evaluation.decision import Refusal, Verdict
from authguard.evaluation.request import AccessRequest, Body
from authguard.policy.compiler import load
from authguard.records.chain import GENESIS, ChainedLine, parse_line, render_line
from authguard.runtime.enforcer import Enforcer
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.journal import Journal
from authguard.stores.memory import MemoryStore
from authguard.testing import FakeClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Unseen
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import AccountDirectory, ConditionSource, IssuerStatus, Question, Store, Verifier
    from authguard.records.chain import LineTemplate
    from authguard.records.entries import Entry

MISSING = NotProven("missing", Reason.CREDENTIAL_MISSING)
ISSUER = "https://issuer.test"
AUDIENCE = "https://agent.test"

POLICY = """\
authguard: 1
name: test-desk
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
agents: [{issuer: https://issuer.test, client: concierge}]
accounts:
  - from: claim
    claim: account_status
    map: {ok: normal, frozen: suspended, locked: locked, estate: deceased, kid: minor}
operations:
  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}
  - {name: live, match: {websocket: /live}, risk: routine, effect: read, scopes: [chat]}
  - {name: balance, match: {path: '/balance', method: GET}, risk: sensitive, effect: read, scopes: [accounts]}
  - name: refund
    match: {path: '/orders/{order_id}/refund', method: POST}
    risk: high
    effect: write
    scopes: [refunds]
    assurance: {acr: aal2, max_age: 5m}
    amount: {at: /amount, currency: {at: /currency}}
    limits:
      - {amount: 500 EUR, per: call}
      - {amount: 1000 EUR, per: 1d, by: subject}
      - {calls: 5, per: 10m, by: session}
    idempotency: required
otherwise: {risk: sensitive, effect: write}
reports:
  app: [account.dormant, account.minor, account.delegated, account.restricted, account.unrecognised, account.locked,
        account.suspended, account.compromised, account.merged, account.deceased, account.closed]
assurance: {order: [aal1, aal2, aal3], map: {'urn:example:2fa': aal2}}
identity: {credential: aal2}
verifiers:
  otp: {type: http, url: "http://127.0.0.1:9/otp", pass_at: 0.9, fail_at: 0.4}
methods:
  default: {all: [otp], attempts: 3, per: 15m}
  alternate: {all: [otp], attempts: 2, per: 15m}
"""

#: what a test appends that lets a second issuer speak
OWN_STAFF = "staff: {claim: roles, issuer: https://issuer.test}\n"


@lru_cache(maxsize=64)
def policy_of(text: str = POLICY) -> Policy:
    """Compile a policy from its text."""
    return load("test-desk.yaml", text=text.encode())


def fingerprint(text: str) -> str:
    """Give what the log would call a credential by."""
    return sha256(text.encode()).hexdigest()[:16]


def signed_in(subject: str = "alice", *, at: float, sid: str = "s1", **facts: object) -> Proven:
    """Prove somebody who signed in at a moment, strongly and just now unless told otherwise."""
    principal = Principal(
        issuer=ISSUER,
        subject=subject,
        client="app",
        sid=sid,
        token_scopes=frozenset({"chat", "accounts", "refunds"}),
        acr="aal2",
        auth_time=at,
        issued_at=at,
        expires_at=at + 300,
        content=b'{"account_status":"ok"}',
        fingerprint=fingerprint(f"{subject}-{at}"),
        account_key=account_key(ISSUER, subject),
        session_key=session_key(ISSUER, subject, "app", sid),
        pseudonym=f"pseudonym-{len(subject)}",
    )
    if "claims" in facts:
        facts["content"] = msgspec.json.encode(facts.pop("claims"))
    return Proven(replace(principal, **facts))  # the facts of a test are its own


@dataclass
class ScriptedCheck:
    """A credential check that answers what the test put down for an `Authorization` value."""

    known: dict[bytes, Credential] = field(default_factory=dict)
    seen: dict[bytes, Credential] = field(default_factory=dict)
    checks: int = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def prefetch(self, now: float) -> None:
        """Nothing to fetch."""

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Know no issuer."""
        return ()

    def get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Remember what was checked before and is still in the script."""
        del now
        if not evidence.authorization:
            return MISSING
        found = self.known.get(evidence.authorization)
        return found if found is not None and found is self.seen.get(evidence.authorization) else UNSEEN

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Have no key at hand, so that `check` is asked."""
        del evidence, now
        return UNSEEN

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Answer by the script."""
        del now
        self.checks += 1
        found = self.known.get(evidence.authorization, NotProven("rejected", Reason.SIGNATURE_INVALID))
        self.seen[evidence.authorization] = found
        return found


@dataclass
class ScriptedVerifier:
    """A verifier that answers what the test wrote down; `right` is what the customer has to say, if nothing else is."""

    script: list[VerifierVerdict | Exception] = field(default_factory=list)
    right: str = "123456"
    interactive: bool = True
    sends: bool = False
    max_duration: float = 5.0
    asked: list[Question] = field(default_factory=list)
    begun: list[Question] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def begin(self, question: Question) -> Passed:
        """Send something."""
        self.begun.append(question)
        return Passed()

    async def verify(self, question: Question) -> VerifierVerdict:
        """Answer by the script, and when that is over by what the customer says."""
        self.asked.append(question)
        if self.gate is not None:
            await self.gate.wait()
        if self.script:
            said = self.script.pop(0)
            if isinstance(said, Exception):
                raise said
            return said
        return Passed() if question.answers.get("answer") == self.right else Failed()


def read_back(line: bytes) -> Entry:
    """Read a line of the log."""
    linked = parse_line(line)
    assert isinstance(linked, ChainedLine)
    return linked.entry


class ListSink:
    """A log in a list."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.secured: list[int] = []
        self.broken: Exception | None = None

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def append(self, entry: Entry) -> int:
        """Keep a line."""
        if self.broken:
            raise self.broken
        self.entries.append(entry)
        return len(self.entries)

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Keep a line that was pressed, as the entry that it is."""
        line, _ = render_line(template, record, at, trace, len(self.entries), GENESIS)
        return self.append(read_back(line))

    async def flush(self, position: int) -> None:
        """Note that the line was asked to be durable."""
        self.secured.append(position)

    def of(self, kind: type[Entry]) -> list[Entry]:
        """Give the lines of one kind."""
        return [entry for entry in self.entries if isinstance(entry, kind)]


class CountingIds:
    """Ids that count."""

    def __init__(self) -> None:
        self._records = itertools.count(1)
        self._secrets = itertools.count(1)

    def record(self, now: float) -> str:
        """Count records."""
        del now
        return f"r{next(self._records)}"

    def secret(self) -> str:
        """Count secrets."""
        return f"secret{next(self._secrets):026d}"


class EnforcerHarness:
    """An enforcer on memory, and the short way to ask it."""

    def __init__(
        self,
        text: str = POLICY,
        *,
        store: Store | None = None,
        directories: Mapping[str, AccountDirectory] | None = None,
        verifiers: Mapping[str, Verifier] | None = None,
        channel_secrets: tuple[bytes, ...] = (),
        condition_sources: Mapping[str, ConditionSource] | None = None,
        condition_secrets: Mapping[str, tuple[bytes, ...]] | None = None,
    ) -> None:
        self.policy = policy_of(text)
        self.clock = FakeClock()
        self.sink = ListSink()
        self.store = store or MemoryStore()
        self.check = ScriptedCheck()
        self.ids = CountingIds()
        self.enforcer = Enforcer(
            policy=self.policy,
            store=self.store,
            journal=Journal(self.policy.digest, self.sink, self.ids, self.policy.audit.request),
            checker=self.check,
            desk=StoreDesk(self.store),
            clock=self.clock,
            ids=self.ids,
            cipher=PayloadCipher((b"k" * 32,)),
            directories=directories or {},
            verifiers=verifiers or {},
            channel_secrets=channel_secrets,
            condition_sources=condition_sources or {},
            condition_secrets=condition_secrets or {},
        )

    def login(self, subject: str = "alice", **facts: Any) -> bytes:
        """Sign somebody in now, and give the header value that proves it."""
        proven = signed_in(subject, at=self.clock.now(), **facts)
        header = f"Bearer {len(self.check.known)}".encode()
        self.check.known[header] = proven
        return header

    def refreshed(self, header: bytes) -> bytes:
        """Refresh a token: a new one of the same sign-in."""
        old = self.check.known[header]
        assert isinstance(old, Proven)
        now = self.clock.now()
        principal = replace(old.principal, issued_at=now, expires_at=now + 300, fingerprint=fingerprint(f"again-{now}"))
        new = f"Bearer {len(self.check.known)}".encode()
        self.check.known[new] = Proven(principal)
        return new

    async def ask(
        self, operation: str, header: bytes = b"", *, body: object = None, method: str = "POST", **evidence: str
    ) -> Verdict:
        """Ask for an operation; it must meet a cell."""
        answer = await self.ask_any(operation, header, body=body, method=method, **evidence)
        assert isinstance(answer, Verdict), answer
        return answer

    async def ask_any(
        self, operation: str, header: bytes = b"", *, body: object = None, method: str = "POST", **evidence: str
    ) -> Verdict | Refusal:
        """Ask for an operation."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""

        async def parse_line() -> Body:
            return Body(content, f"/{operation}".encode(), "application/json")

        wanted = next((item for item in self.policy.operations if item.name == operation), self.policy.otherwise)
        found = Evidence(authorization=header, **evidence)  # type: ignore[arg-type]  # all of them are text
        ask = AccessRequest(
            operation=wanted,
            evidence=found,
            method=method,
            read_body=parse_line,
        )
        cached = self.enforcer.cached_decider.decide(ask)
        return cached if isinstance(cached, Verdict) else await self.enforcer.decide(ask, cached)


def outcome(verdict: Verdict) -> tuple[str, str]:
    """Tell what happened in two words: the outcome and the fallback."""
    return verdict.fallback.kind.value, verdict.fallback.name


def states(verdict: Verdict) -> dict[str, str]:
    """Tell where the machines stand."""
    names = ("service", "account", "session", "verification", "transaction")
    return dict(zip(names, verdict.snapshot.states(), strict=True))
