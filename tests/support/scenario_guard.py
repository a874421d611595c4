"""Runs a scenario twice: by the simulator, and by the real guard over ASGI, with the same tokens, bodies and acts.

The simulator notes the facts of every request and every act. The guard gets them as requests with signed tokens, as
responses of the app, and as acts of its app and its operators. Only records that a scenario supposes are stored
directly.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx2
from msgspec.structs import replace

from authguard import AuthGuard
from authguard.core.decision_table import CONDITIONS, DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.deployment import Verifier
from authguard.core.events import MACHINES
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Operation, Proven
from authguard.core.snapshot import Keys
from authguard.evaluation.decision import Decision, Verdict
from authguard.policy.testing.deployment import STATUS, Deployment, request_line
from authguard.policy.testing.events import Attempt, EventPlayer
from authguard.policy.testing.request import ImpossibleError, ScenarioDecision
from authguard.policy.testing.simulator import NO_BODY, START_TIME, Simulator
from authguard.records.entries import DecisionEntry, RefusalEntry
from authguard.runtime.rollback import Rollback
from authguard.testing import FakeClock, Mint
from tests.campaign.world import KEYS_FILE, PSEUDONYM_KEY, _composed, prepare
from tests.support.harness import ListSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import Snapshot
    from authguard.core.verification import IncompleteMethod, MethodResult, VerifierVerdict
    from authguard.evaluation.request import AccessRequest, Body, RequestFacts
    from authguard.policy.testing.request import ScenarioRequest
    from authguard.policy.testing.scenario import Scenario, Step

SECRET: Final = "gateway-secret-of-the-scenarios-that-is-long-enough"
DOUBLES: Final = "tests.campaign.doubles"
#: result of a verifier -> the customer's answer to the double that gives it
ANSWERS: Final = {"passed": "right", "failed": "wrong", "doubted": "doubt", "unavailable": "down"}


class Unsupported(Exception):  # noqa: N818 - no error of the code under test
    """The scenario has a part that is not sent to a guard: a described operation, or an outage of keys."""


class Sent(NamedTuple):
    """A request, and what the simulator decided."""

    at: float
    method: str
    target: str
    credential: Credential
    body: Body
    channel: str
    key: str
    runs: bool = False
    expected: ScenarioDecision | None = None


class Supposed(NamedTuple):
    """Records that are stored without a request."""

    at: float
    keys: Keys
    changed: Mapping[str, Any]


class Act(NamedTuple):
    """An act besides requests: an event, with its verdict, transaction or answers."""

    at: float
    event: str
    verdict: Verdict | None = None
    keys: Keys = Keys()
    value: str = ""


class TracedSimulator(Simulator):
    """A simulator that notes what happens."""

    def __init__(self, deployment: Deployment, given: Mapping[str, str]) -> None:
        self.trace: list[Sent | Supposed | Act] = []
        self._line = ("", "")
        self._chosen = ""
        super().__init__(deployment, given)

    def suppose(self, keys: Keys, before: Snapshot, after: Snapshot) -> None:
        """Note the changed records."""
        super().suppose(keys, before, after)
        names = ("service", "account", "session", "transaction", "ledgers")
        changed = {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}
        self.trace.append(Supposed(self.now, keys, changed))

    def ask(self, asked: ScenarioRequest) -> ScenarioDecision:
        """Note the request with its decision."""
        if not asked.operation and not asked.target:
            raise Unsupported("an operation that only its risk and effect describe")
        found = self.deployment.find_operation(asked)
        line = (asked.method, asked.target.encode()) if isinstance(found, Reason) else request_line(found, asked)
        self._line = line[0], line[1].decode()
        if line[0] == "websocket":
            raise Unsupported("a handshake")
        before = len(self.trace)
        answer = super().ask(asked)
        last = self.trace[-1] if len(self.trace) > before else None
        if isinstance(last, Sent):
            self.trace[-1] = last._replace(expected=answer)
        else:
            credential = NotProven("missing", Reason.CREDENTIAL_MISSING)
            self.trace.append(Sent(self.now, *self._line, credential, NO_BODY, "", "", expected=answer))
        return answer

    def _facts(self, operation: Operation, credential: Credential, asked: ScenarioRequest) -> RequestFacts:
        facts = super()._facts(operation, credential, asked)
        self._chosen = facts.channel
        return facts

    def decide(
        self, request: AccessRequest, credential: Credential, asked: ScenarioRequest, body: Body = NO_BODY
    ) -> Any:
        decided = super().decide(request, credential, asked, body)
        line = ("GET", "/.authguard/session") if request.operation is STATUS else self._line
        runs = isinstance(decided, Decision) and decided.running
        key = request.evidence.idempotency
        self.trace.append(Sent(self.now, *line, credential, body, self._chosen, key, runs))
        return decided


class TracedPlayer(EventPlayer):
    """A player of events that notes the acts."""

    def __init__(self, simulator: TracedSimulator) -> None:
        super().__init__(simulator)
        self._traced = simulator
        self._is_noted = False

    def _note(self, event: str, principal: Principal | None = None, value: str = "") -> None:
        simulator = self._traced
        verdict = simulator.verdict(principal) if principal else None
        simulator.trace.append(Act(simulator.now, event, verdict, simulator.all_keys, value))

    def _skip(self, event: str) -> None:
        super()._skip(event)
        self._is_noted = True

    def _send_service(self, event: str) -> None:
        super()._send_service(event)
        self._note(event)

    def _report_account(self, state: str) -> None:
        self._is_noted = False
        super()._report_account(state)
        if not self._is_noted:
            self._note(f"account.{state}", self._principal() if state != "reinstated" else None)

    def _session(self, trigger: str, following: Any, asked: Any) -> None:
        super()._session(trigger, following, asked)
        if trigger in ("revoked", "ended"):
            self._note(f"session.{trigger}", self._principal() if trigger == "ended" else None)

    def _verification(self, trigger: str, asked: Any) -> None:
        self._is_noted = False
        if trigger not in ("started", "reset"):
            self._principal()  # a report needs the request of a customer
        super()._verification(trigger, asked)
        if not self._is_noted:
            self._note(f"verification.{trigger}", None if trigger == "reset" else self._principal())

    def _send_answers(
        self, attempt: Attempt, result: MethodResult | IncompleteMethod, results: dict[str, VerifierVerdict]
    ) -> bool:
        verdict = self._traced.verdict(attempt.principal)
        is_sent = super()._send_answers(attempt, result, results)
        if is_sent:
            self._is_noted = True
            value = f"{attempt.method.name}:{result if isinstance(result, str) else ''}"
            simulator = self._traced
            simulator.trace.append(Act(simulator.now, "answer", verdict, simulator.all_keys, value))
        return is_sent

    def _transaction(self, trigger: str) -> None:
        self._is_noted = False
        if not self._simulator.transaction or self._simulator.transaction not in self._simulator.operations:
            raise Unsupported("an event of a transaction that no request named")
        super()._transaction(trigger)
        if not self._is_noted:
            self._note(f"transaction.{trigger}")


class GatedApp:
    """The guarded app: a request that runs a transaction waits for the response that the scenario gives it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.response = asyncio.Event()
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body", False):
            pass
        status = 200
        if (b"x-gate", b"1") in scope["headers"]:
            self.entered.set()
            await self.response.wait()
            status = self.status
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})


class ScenarioGuard:
    """A real guard of a policy that a trace is sent to."""

    def __init__(self, policy: Policy, folder: Path) -> None:
        issuer = next(iter(policy.issuers.values()))
        issuers = {
            name: replace(
                one, discovery=False, discovery_url="", jwks_uri="", key_file=KEYS_FILE, secret_env="", template=""
            )
            for name, one in policy.issuers.items()
        }
        verifiers = {name: Verifier(name=name, type="python", call=f"{DOUBLES}:otp") for name in policy.verifiers}
        self.policy = replace(policy, issuers=issuers, verifiers=verifiers)
        self.clock = FakeClock(START_TIME)
        self.mint = Mint.create(self.clock, issuer=issuer.issuer, audience=issuer.audience[0])
        (folder / KEYS_FILE).write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        self.sink = ListSink()
        self.app = GatedApp()
        self.running: asyncio.Task[Any] | None = None
        with _composed(self.policy, self.sink):
            self.guard = AuthGuard(
                self.app,
                folder / "campaign.yaml",
                store="memory",
                audit_log=folder / "audit.jsonl",
                pseudonym_key=PSEUDONYM_KEY,
                signing_key=folder / "signing.key",
                allowed_modules=(DOUBLES,),
                clock=self.clock,
                environ={policy.channels.secret_env or "NO_SECRET": SECRET},
            )
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://app.example")

    async def close(self) -> None:
        """Let the app respond, and close the guard."""
        await self._respond(500)
        await self.client.aclose()
        await self.guard.enforcer.close()

    async def play(self, item: Sent | Supposed | Act) -> str:
        """Send one item; return the difference of a request's decision, empty for none."""
        self.clock.advance(max(0.0, item.at - self.clock.now()))
        await self.guard.enforcer.open()
        if isinstance(item, Supposed):
            await self._store(item)
            return ""
        if isinstance(item, Act):
            await self._act(item)
            return ""
        return await self._send(item)

    async def _store(self, item: Supposed) -> None:
        repository = self.guard.enforcer.repository
        before = (await repository.load(item.keys)).snapshot
        changed = {
            name: record if name == "ledgers" else replace(record, version=getattr(before, name).version)
            for name, record in item.changed.items()
        }
        if "ledgers" in changed:
            changed["ledgers"] = {
                key: replace(one, version=before.ledgers[key].version) for key, one in changed["ledgers"].items()
            }
        await repository.save(item.keys, before, replace(before, **changed))

    def _token(self, credential: Credential) -> str:
        if isinstance(credential, Proven):
            return self._sign(credential.principal.claims)
        match credential.condition:
            case "missing":
                return ""
            case "expired":
                now = self.clock.now()
                return self._sign({"iat": now - 400, "exp": now - 100, "auth_time": now - 400})
            case "rejected" if credential.reason is Reason.AUDIENCE_WRONG:
                return self._sign({"aud": "another-service"})
            case "rejected":
                return f"{self._sign({})[:-8]}AAAAAAAA"
            case _:
                raise Unsupported("an outage of the issuer's keys")

    def _sign(self, claims: Mapping[str, Any]) -> str:
        own = claims if "exp" in claims else {}
        drop = [name for name in self.mint.claims() if own and name not in own and "iss" in own]
        return self.mint.mint(drop=drop, **claims)

    async def _send(self, item: Sent) -> str:
        headers: dict[str, str] = {}
        token = self._token(item.credential)
        if token:
            headers["authorization"] = f"Bearer {token}"
        if item.key:
            headers["idempotency-key"] = item.key
        channels = self.policy.channels
        if item.channel:
            if not channels.header:
                raise Unsupported("a channel that no header names")
            headers |= {channels.header: item.channel, channels.secret_header: SECRET}
        if item.body.content:
            headers["content-type"] = item.body.content_type
        if item.runs:
            headers["x-gate"] = "1"
        begin = len(self.sink.entries)
        sending = self.client.request(item.method, item.target, headers=headers, content=item.body.content)
        if item.runs:
            await self._respond(500)
            self.running = asyncio.ensure_future(sending)
            entered = asyncio.ensure_future(self.app.entered.wait())
            await asyncio.wait({self.running, entered}, return_when=asyncio.FIRST_COMPLETED)
            entered.cancel()
        else:
            await sending
        decided = [one for one in self.sink.entries[begin:] if isinstance(one, DecisionEntry | RefusalEntry)]
        return "" if item.expected is None else _compare(item.expected, decided)

    async def _respond(self, status: int) -> None:
        """Let the app answer the running request."""
        if self.running is not None:
            self.app.status = status
            self.app.response.set()
            await self.running
        self.running = None
        self.app.entered, self.app.response = asyncio.Event(), asyncio.Event()

    async def _act(self, act: Act) -> None:
        machine, _, trigger = act.event.partition(".")
        if act.event == "answer":
            await self._answer(act)
        elif act.event in ("account.reinstated", "session.revoked", "verification.reset"):
            await self._act_as_staff(act)
        elif machine == "service":
            await self._change_service(act.event)
        elif machine == "account":
            await self._report_account(act, trigger)
        elif machine == "transaction":
            await self._settle(trigger, act.keys)
        elif act.verdict is not None:
            await self.guard.enforcer.reports.report(act.verdict, act.event)
        else:
            raise Unsupported(act.event)

    async def _answer(self, act: Act) -> None:
        method, _, result = act.value.partition(":")
        if result == "contradicted" or act.verdict is None:
            raise Unsupported("a contradiction of verifiers")
        answer = {"answer": ANSWERS[result]} if result else {}
        answers = dict.fromkeys(self.policy.methods[method].verifiers, answer) if result else {}
        await self.guard.enforcer.verifications.answer(act.verdict, method, answers)

    async def _act_as_staff(self, act: Act) -> None:
        staff, keys = self.guard.enforcer.staff_actions, act.keys
        if act.event == "account.reinstated":
            await staff.reinstate(keys.account, "customer", "operator", "scenario")
        elif act.event == "session.revoked":
            await staff.end_session(keys.session, keys.account, "operator", "scenario")
        else:
            await staff.reset(keys.session, keys.account, "operator", "scenario")

    async def _change_service(self, event: str) -> None:
        rollback = Rollback(self.guard.enforcer.repository)
        match event:
            case "service.engaged":
                await rollback.engage("operator", "scenario")
            case "service.released":
                await rollback.release("operator", "scenario")
            case "service.impaired":
                await self.guard.control.report("service.impaired", "scenario")
            case _:
                raise Unsupported(event)

    async def _report_account(self, act: Act, state: str) -> None:
        """Let another session of the customer bring a token with the status that the policy maps to a state."""
        principal = act.verdict.principal if act.verdict else None
        source = next((one for one in self.policy.accounts if one.claim and state in one.map.values()), None)
        if state == "unrecognised":
            source = next((one for one in self.policy.accounts if one.claim), None)
        if principal is None or source is None or source.claim.startswith("/"):
            raise Unsupported(f"a report of {state}")
        status = next((word for word, mapped in source.map.items() if mapped == state), "no such status")
        now = self.clock.now()
        claims = {**principal.claims, "sid": "reporter", "iat": now, "exp": now + 300, source.claim: status}
        headers = {"authorization": f"Bearer {self._sign(claims)}"}
        await self.client.request("GET", "/.authguard/session", headers=headers)

    async def _settle(self, trigger: str, keys: Keys) -> None:
        if trigger in ("committed", "failed", "lost") and self.running is not None:
            await self._respond({"committed": 200, "failed": 409, "lost": 500}[trigger])
            return
        record = (await self.guard.enforcer.repository.load(keys)).snapshot.transaction
        if trigger not in ("approved", "denied", "committed", "failed"):
            raise Unsupported(f"transaction.{trigger}")
        names = tuple(f"approver {number}" for number in range(max(1, record.count)))
        over = tuple(limit.name for limit in self.policy.operation_limits.get(record.operation, ()))
        await self.guard.enforcer.approvals.decide_as_operator(
            keys.transaction, f"transaction.{trigger}", names, "scenario", over if trigger == "approved" else ()
        )


def _compare(expected: ScenarioDecision, entries: list[DecisionEntry | RefusalEntry]) -> str:
    """Return how the decision in the log differs from the simulator's; empty if it does not."""
    if len(entries) != 1:
        return f"{len(entries)} records of one request"
    (entry,) = entries
    if isinstance(entry, RefusalEntry):
        same = (expected.rule, expected.reason) == (None, entry.reason)
        return "" if same else f"refused for {entry.reason}, and not {expected.outcome} ({expected.reason})"
    cell = dict(zip(DIMENSIONS, entry.cell, strict=True))
    seen: dict[str, str] = {"outcome": entry.outcome, "fallback": entry.fallback, "reason": entry.reason}
    said: dict[str, str] = {"outcome": expected.outcome, "fallback": expected.fallback, "reason": expected.reason}
    seen |= {name: cell[name] for name in CONDITIONS}
    said |= dict(expected.conditions)
    if cell["credential"] in PROVEN_CREDENTIALS:
        seen |= {name: cell[name] for name in MACHINES[:4]}
        said |= {name: expected.states[name] for name in MACHINES[:4]}
    return "; ".join(
        f"{name}: the guard {value}, the scenario {said.get(name)}"
        for name, value in seen.items()
        if value != said.get(name)
    )


class Comparison(NamedTuple):
    """The requests of a scenario that a guard decided, and how it decided otherwise."""

    compared: int
    differences: tuple[str, ...]
    unsupported: str = ""


def _refuse_happenings(policy: Policy, scenario: Scenario, step: Step) -> None:
    """Refuse what only the simulator plays, so that the scenario is compared up to there."""
    if scenario.at or scenario.flags or policy.own_conditions:
        raise Unsupported("a given time or flag, or a condition of the policy's own")
    if step.approve or step.deny or step.app is not None or not all(isinstance(one, str) for one in step.when):
        raise Unsupported("what a person or the app does")
    if step.ask and (step.ask.flags or step.ask.amount):
        raise Unsupported("a flag or an amount of a request")


async def compare_with_guard(
    policy: Policy, scenario: Scenario, folder: Path, *, simulated: Policy | None = None
) -> Comparison:
    """Run a scenario by the simulator and by a real guard.

    Args:
        policy: compiled, with issuers.
        scenario: parsed with the policy.
        folder: empty, or used for such a run before; it gets the keys.
        simulated: another policy for the simulator, to plant a difference; ``None`` for the same.

    Returns:
        The number of requests that both decided, and the differences. A scenario with an event that cannot happen is
            compared up to that event.
    """
    if not (folder / "signing.key").exists():
        prepare(folder)
    simulator = TracedSimulator(Deployment(simulated or policy), scenario.given)
    player = TracedPlayer(simulator)
    unsupported = ""
    try:
        for step in scenario.steps:
            _refuse_happenings(policy, scenario, step)
            simulator.advance(step.after)
            player.play(step.when, step.ask)
            if step.ask:
                simulator.ask(step.ask)
    except (ImpossibleError, Unsupported) as error:
        unsupported = str(error)
    guard = ScenarioGuard(policy, folder)
    differences: list[str] = []
    compared = 0
    try:
        for item in simulator.trace:
            found = await guard.play(item)
            if isinstance(item, Sent) and item.expected is not None:
                compared += 1
                if found:
                    differences.append(f"{item.method} {item.target}: {found}")
    except Unsupported as error:
        unsupported = str(error)
    finally:
        await guard.close()
    return Comparison(compared, tuple(differences), unsupported)
