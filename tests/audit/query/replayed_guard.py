"""A real guard whose log is replayed: the same requests under two policies, and what a replay says of the first log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.index import open_index
from authguard.audit.query.replay import Replay, replay
from authguard.core.flags import COMMITTED
from authguard.core.request import Principal, Proven
from authguard.evaluation.decision import AppResponse, Refusal, Verdict
from authguard.records.entries import DecisionEntry
from authguard.runtime.flag_actions import FlagOwner
from tests.audit.logs import write
from tests.support.harness import EnforcerHarness, fingerprint, policy_of, signed_in

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.query.replay_result import ReplayResult
    from authguard.stores.sqlite import SqliteStore


@dataclass
class Person:
    """A credential: when its person signed in, relative to the first request, and what the token says."""

    subject: str = "alice"
    sid: str = "s1"
    at: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Ask:
    """One request, after some seconds: of whom, for which operation, and what happens afterwards."""

    operation: str
    who: Person | None = None
    wait: float = 0.0
    body: object = None
    key: str = ""
    report: str = ""
    status: int = 200
    operator: str = ""


class Run:
    """One guard under one policy, and its answers in the order of the requests."""

    def __init__(self, text: str, store: SqliteStore | None = None) -> None:
        self.guard = EnforcerHarness(text, store=store)
        self.answers: list[tuple[str, str]] = []
        self.records: list[str] = []
        #: numbers of the requests that the app reported about
        self.reported: set[int] = set()

    async def go(self, asks: list[Ask], reported: set[int] | None = None) -> Run:
        """Send the requests, with the app's reports about admitted ones; of a second run, about those of the first."""
        await self.guard.enforcer.open()
        begin = self.guard.clock.now()
        for number, one in enumerate(asks):
            self.guard.clock.set(self.guard.clock.now() + one.wait)
            await self._act(one)
            answer = await self._ask(one, begin)
            self.answers.append(_words(answer))
            self.records.append(answer.record)
            if isinstance(answer, Verdict) and answer.admits:
                if answer.running:
                    await self.guard.enforcer.reports.settle(answer, AppResponse(one.status))
                elif (COMMITTED, one.operation) in self.guard.policy.flag_setters:
                    await self.guard.enforcer.reports.commit_flags(answer)
                if one.report and answer.principal is not None and (reported is None or number in reported):
                    self.reported.add(number)
                    everywhere = one.report == "everywhere"
                    if one.report.startswith("flag "):
                        name = one.report.removeprefix("flag ")
                        if self.guard.enforcer.flag_actions.find(name) is not None:
                            await self.guard.enforcer.reports.set_flag(answer, name)
                    elif everywhere:
                        await self.guard.enforcer.reports.end_session(answer, everywhere=True)
                    else:
                        await self.guard.enforcer.reports.report(answer, one.report)
        await self.guard.enforcer.close()
        return self

    async def _act(self, one: Ask) -> None:
        acts = self.guard.enforcer.staff_actions
        if one.operator and one.who is not None:
            principal = _principal(one.who, 0.0)
            if one.operator == "reinstate":
                await acts.reinstate(principal.account_key, principal.pseudonym, "op", "why")
            elif flag := self.guard.enforcer.flag_actions.find(one.operator.rpartition(" ")[2]):
                owner = FlagOwner(account=principal.account_key, subject=principal.pseudonym)
                sets = one.operator.startswith("set ")
                await self.guard.enforcer.flag_actions.change(flag, owner, sets=sets, by="op", why="why")
            elif one.operator == "impaired":
                await self.guard.enforcer.reports.report_service("service.impaired")

    async def _ask(self, one: Ask, begin: float) -> Verdict | Refusal:
        if one.who is None:
            return await self.guard.ask_any(one.operation, method="GET")
        principal = _principal(one.who, begin)
        header = f"Bearer {principal.fingerprint}".encode()
        self.guard.check.known.setdefault(header, Proven(principal))
        more = {"idempotency": one.key} if one.key else {}
        return await self.guard.ask_any(one.operation, header, body=one.body, **more)

    def write(self, path: Path) -> Path:
        """Write the log."""
        write(path, *self.guard.sink.entries)
        return path


def _principal(who: Person, begin: float) -> Principal:
    facts = dict(who.facts)
    credential = signed_in(who.subject, at=begin + who.at, sid=who.sid, **facts)
    principal = credential.principal
    named = fingerprint(f"{who.subject} {who.sid} {who.at} {sorted(map(str, facts.items()))}")
    return msgspec.structs.replace(
        principal, fingerprint=named, expires_at=principal.issued_at + 10**7, pseudonym=f"the-{who.subject}"
    )


def _words(answer: Verdict | Refusal) -> tuple[str, str]:
    if isinstance(answer, Verdict):
        return answer.fallback.kind.value, answer.fallback.name
    return "refused", answer.reason.code


def replayed(log: Path, text: str) -> ReplayResult:
    """Replay a log under a policy."""
    with open_index(log, fresh=True) as index:
        return replay(index, policy_of(text), own_operations("/.authguard"))


@dataclass
class Compared:
    """What a replay said, beside what a second run did."""

    old: Run
    new: Run
    wrong: list[str]
    differ: int
    unknown: list[str]
    result: ReplayResult


async def compare(path: Path, old: str, new: str, asks: list[Ask], store: SqliteStore | None = None) -> Compared:
    """Run the requests under both policies, and replay the first log under the second."""
    first = await Run(old, store).go(asks)
    second = await Run(new).go(asks, first.reported)
    log = first.write(path)
    wrong, unknown, differ = [], [], 0
    own = own_operations("/.authguard")
    with open_index(log, fresh=True) as index:
        said = {one.id: found for one, found in Replay(index, policy_of(new), own).decide_records(float("inf"))}
        result = replay(index, policy_of(new), own)
    decisions = {one.id for one in first.guard.sink.of(DecisionEntry)}
    for number, record in enumerate(first.records):
        if record not in decisions:
            continue
        found, did = said[record], second.answers[number]
        differ += did != first.answers[number]
        if found.problem:
            unknown.append(f"{number} {asks[number].operation}: {found.problem}")
        elif (found.outcome, found.fallback) != did:
            wrong.append(f"{number} {asks[number]}: was {first.answers[number]}, replay {found}, did {did}")
    return Compared(first, second, wrong, differ, unknown, result)
