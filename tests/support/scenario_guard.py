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
from authguard.core import flags
from authguard.core.approvers import count_places
from authguard.core.decision_table import CONDITIONS, DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.deployment import Verifier
from authguard.core.events import MACHINES
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.core.snapshot import EMPTY_LEDGER, Report
from authguard.evaluation import booking
from authguard.evaluation.driver import apply_reports
from authguard.evaluation.operation_index import WEBSOCKET
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.happening import APP, AccountReport, FlagChange, flag_keys
from authguard.policy.testing.records import states_of
from authguard.policy.testing.request import ImpossibleError, ScenarioDecision
from authguard.policy.testing.simulator import START_TIME
from authguard.policy.testing.token import TokenFacts, TokenSpec, build_claims
from authguard.records.entries import DecisionEntry, RefusalEntry
from authguard.runtime.flag_actions import FlagOwner
from authguard.runtime.rollback import Rollback
from authguard.testing import FakeClock, Mint
from tests.campaign.world import KEYS_FILE, PSEUDONYM_KEY, _composed, prepare
from tests.support import condition_doubles
from tests.support.harness import ListSink
from tests.support.scenario_app import Gate, GatedApp, SocketClient
from tests.support.scenario_trace import Act, Found, Sent, Supposed, TracedPlayer, TracedSimulator, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authguard.core.own_conditions import OwnCondition
    from authguard.core.policy import Policy
    from authguard.core.request import Credential
    from authguard.policy.testing.scenario import Scenario

SECRET: Final = "gateway-secret-of-the-scenarios-that-is-long-enough"
DOUBLES: Final = "tests.campaign.doubles"
#: address at which no issuer publishes its keys
NOWHERE: Final = "https://127.0.0.1:9/jwks"
CONDITION_DOUBLES: Final = "tests.support.condition_doubles"
#: variable with the secret of the gateway that states conditions
CONDITION_ENV: Final = "CONDITION_SECRET"
#: result of a verifier -> the customer's answer to the double that gives it
ANSWERS: Final = {"passed": "right", "failed": "wrong", "doubted": "doubt", "unavailable": "down"}


#: prefix of the headers in which a gateway states what a scenario brings
CONDITION_HEADER: Final = "x-condition-"


class ScenarioGuard:
    """A real guard of a policy that a trace is sent to."""

    def __init__(self, policy: Policy, folder: Path, scenario: Scenario, *, has_keys: bool = True) -> None:
        issuer = next(iter(policy.issuers.values()))
        issuers = {
            name: replace(
                one,
                discovery=False,
                discovery_url="",
                jwks_uri="" if has_keys else NOWHERE,
                key_file=KEYS_FILE if has_keys else "",
                secret_env="",
                template="",
            )
            for name, one in policy.issuers.items()
        }
        verifiers = {name: Verifier(name=name, type="python", call=f"{DOUBLES}:otp") for name in policy.verifiers}
        stated = {one.name: _double_of(one, is_dated=bool(scenario.at)) for one in policy.conditions}
        self.policy = replace(
            policy,
            issuers=issuers,
            verifiers=verifiers,
            conditions=tuple(stated.values()),
            own_conditions=tuple(stated[one.name] for one in policy.own_conditions),
        )
        self.clock = FakeClock(scenario.at or START_TIME)
        self.mint = Mint.create(self.clock, issuer=issuer.issuer, audience=issuer.audience[0])
        (folder / KEYS_FILE).write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        self.sink = ListSink()
        self.app = GatedApp()
        with _composed(self.policy, self.sink):
            self.guard = AuthGuard(
                self.app,
                folder / "campaign.yaml",
                store="memory",
                audit_log=folder / "audit.jsonl",
                pseudonym_key=PSEUDONYM_KEY,
                signing_key=folder / "signing.key",
                allowed_modules=(DOUBLES, CONDITION_DOUBLES),
                clock=self.clock,
                environ={policy.channels.secret_env or "NO_SECRET": SECRET, CONDITION_ENV: SECRET},
            )
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://app.example")

    async def close(self) -> None:
        """Let the app respond, and close the guard."""
        for number in tuple(self.app.gates):
            await self._respond(number, 500)
        await self.client.aclose()
        await self.guard.enforcer.close()

    async def play(self, item: Sent | Supposed | Act | Found) -> str:
        """Send one item; return the difference of a request's decision, empty for none."""
        self.clock.advance(max(0.0, item.at - self.clock.now()))
        await self.guard.enforcer.open()
        if isinstance(item, Supposed):
            await self._store(item)
            return ""
        if isinstance(item, Act):
            await self._act(item)
            return ""
        if isinstance(item, Found):
            return await self._find(item)
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

    async def _find(self, item: Found) -> str:
        """Return how the stored states differ from those of the simulator, after the timers have run."""
        policy, keys = self.policy, flag_keys(self.policy, item.keys)
        snapshot = await self.guard.enforcer.repository.change(keys, lambda _: None)
        seen = states_of(snapshot)
        for flag in policy.flags:
            ledger = snapshot.account.ledger if flag.by == "subject" else snapshot.session.ledger
            ledger = next(
                (snapshot.ledgers.get(key, EMPTY_LEDGER).ledger for by, key in keys.ledgers if by == flag.by), ledger
            )
            seen[flag.name] = flags.SET if flags.is_set(flag, ledger, item.at) else flags.CLEAR
        return _tell({name: seen[name] for name in item.states}, item.states)

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
                return self._sign({})

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
        self._bring(item.brought, headers)
        begin = len(self.sink.entries)
        if item.gate:
            gate = self.app.gates[item.gate] = Gate()
            headers["x-gate"] = str(item.gate)
            sending = self.client.request(item.method, item.target, headers=headers, content=item.body.content)
            gate.sending = asyncio.ensure_future(sending)
            entered = asyncio.ensure_future(gate.entered.wait())
            await asyncio.wait({gate.sending, entered}, return_when=asyncio.FIRST_COMPLETED)
            entered.cancel()
            reply = None
        else:
            headers["x-status"] = str((item.app or 500) if item.app is not None else 404)
            reply = await self._request(item, headers)
        decided = [one for one in self.sink.entries[begin:] if isinstance(one, DecisionEntry | RefusalEntry)]
        if item.expected is None:
            return ""
        found = _compare(item.expected, decided)
        after = reply.headers.get("retry-after", "") if reply is not None else ""
        if not found and item.expected.retry_after and after != str(item.expected.retry_after):
            return f"retry_after: the guard {after}, the scenario {item.expected.retry_after}"
        return found

    async def _request(self, item: Sent, headers: dict[str, str]) -> httpx2.Response | None:
        """Send a request, or a handshake, whose reply has nothing to compare."""
        if item.method != WEBSOCKET:
            return await self.client.request(item.method, item.target, headers=headers, content=item.body.content)
        socket = SocketClient(item.target, headers)
        await self.guard(socket.scope, socket.receive, socket.send)
        return None

    def _bring(self, brought: Mapping[str, str], headers: dict[str, str]) -> None:
        """Let the gateway and the services state what a request brings."""
        for one in self.policy.own_conditions:
            if one.header and one.name in brought:
                headers |= {one.header: brought[one.name], one.secret_header: SECRET}
            elif one.call and one.name in brought:
                condition_doubles.RESULTS[one.name] = brought[one.name]

    async def _respond(self, number: int, status: int) -> None:
        """Let the app answer a running request."""
        gate = self.app.gates.pop(number)
        if not gate.response.done():
            gate.response.set_result(status)
        if gate.sending is not None:
            await gate.sending

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
        elif act.event in ("app", "person", "flag", "report"):
            await self._act_as_said(act)
        elif machine == "transaction":
            await self._settle(trigger, act)
        elif act.verdict is not None:
            await self.guard.enforcer.reports.report(act.verdict, act.event)
        else:
            raise Unsupported(act.event)

    async def _act_as_said(self, act: Act) -> None:
        """Do what the scenario says that the app, a person or a source does."""
        if act.event == "app":
            await self._respond(act.gate, act.status or 500)
        elif act.event == "person":
            await self._approve(act)
        elif act.change is not None:
            await self._change_flag(act, act.change)
        elif act.report is not None:
            await self._report_as_source(act, act.report)

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

    async def _approve(self, act: Act) -> None:
        """Let a person approve the transaction by the endpoint for it."""
        roles, number = act.person
        policy, now = self.policy, self.clock.now()
        issuer = policy.issuers[min(policy.role_sources, default=next(iter(policy.issuers)))]
        claims = {
            one.claim: text  # the first value of each condition, as for customers
            for one in policy.conditions
            for text, value in one.labels.items()
            if one.claim and value == one.values[0]
        }
        for source in policy.accounts:
            word = next((word for word, state in source.map.items() if state == "normal"), "")
            if source.claim and word:
                claims[source.claim] = word
        facts = TokenFacts(
            issuer=issuer,
            spec=TokenSpec(subject=f"approver-{number}", session=f"approver-{number}", claims=claims),
            scope=(),
            roles=roles,
            level="".join(policy.assurance.order[-1:]),
            auth_time=now,
            issued_at=now,
        )
        headers = {"authorization": f"Bearer {self._sign(build_claims(policy, facts))}"}
        if policy.channels.header:
            headers |= {
                policy.channels.header: next(iter(policy.channels.trusts)),
                policy.channels.secret_header: SECRET,
            }
        target = f"/.authguard/transactions/{act.keys.transaction}/approve"
        record = (await self.guard.enforcer.repository.load(act.keys)).snapshot.transaction
        body = {"reason": "scenario", "over": sorted(booking.known_limits(policy, record))}
        reply = await self.client.post(target, headers=headers, json=body)
        if reply.status_code != 200 and not reply.json().get("type", "").endswith("transaction-over"):
            raise AssertionError(f"the approval of {roles}: {reply.text}")

    async def _change_flag(self, act: Act, change: FlagChange) -> None:
        enforcer = self.guard.enforcer
        if change.by == APP and act.verdict is not None:
            keys = flag_keys(self.policy, act.verdict.keys, change.payee)
            await enforcer.reports.set_flag(replace(act.verdict, keys=keys), change.flag)
            return
        flag = next(one for one in self.policy.flags if one.name == change.flag)
        is_of_payee = flag.by in flags.PAYEE_DIMENSIONS
        owner = FlagOwner(
            account=b"" if flag.by == flags.PAYEE else act.keys.account,
            session=act.keys.session if flag.by == "session" else b"",
            payee=change.payee if is_of_payee else "",
        )
        await enforcer.flag_actions.change(flag, owner, sets=change.value == "set", by="operator", why="scenario")

    async def _report_as_source(self, act: Act, report: AccountReport) -> None:
        """Let the app report the account, or a token state it; a statement that is old is stored directly."""
        enforcer = self.guard.enforcer
        if report.source == APP and act.verdict is not None:
            await enforcer.reports.report(act.verdict, f"account.{report.state}")
            return
        if not report.age:
            await self._report_account(act, report.state)
            return
        at = self.clock.now() - report.age
        source = next(
            one.name for one in self.policy.accounts if report.source in {one.name, one.name.partition(":")[0]}
        )
        reports = {source: Report(report.state, at)}
        await enforcer.repository.change(act.keys, lambda one: apply_reports(one, reports, unreachable=False))

    async def _settle(self, trigger: str, act: Act) -> None:
        keys = act.keys
        if trigger in ("committed", "failed", "lost") and act.gate in self.app.gates:
            await self._respond(act.gate, {"committed": 200, "failed": 409, "lost": 500}[trigger])
            return
        record = (await self.guard.enforcer.repository.load(keys)).snapshot.transaction
        if trigger not in ("approved", "denied", "committed", "failed"):
            raise Unsupported(f"transaction.{trigger}")
        names = tuple(f"approver {number}" for number in range(max(1, count_places(record.required))))
        over = tuple(limit.name for limit in self.policy.operation_limits.get(record.operation, ()))
        await self.guard.enforcer.approvals.decide_as_operator(
            keys.transaction, f"transaction.{trigger}", names, "scenario", over if trigger == "approved" else ()
        )


def _double_of(one: OwnCondition, *, is_dated: bool) -> OwnCondition:
    """Return a condition as a test can bring it: by a call of a double, or by a header.

    A claim stays what it is, and so does a clock in a scenario that names a time.
    """
    if one.claim or (one.hours is not None and is_dated):
        return one
    if one.call:
        return replace(one, call=f"{CONDITION_DOUBLES}:{one.name}", max_age=0.0, failures=0)
    return replace(
        one,
        kind="header",
        hours=None,
        pointer="",
        labels={value: value for value in one.values},
        header=f"{CONDITION_HEADER}{one.name.replace('_', '-')}",
        secret_header=f"{CONDITION_HEADER}secret",
        secret_env=CONDITION_ENV,
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
    seen |= entry.context
    if cell["credential"] in PROVEN_CREDENTIALS:
        seen |= {name: cell[name] for name in MACHINES[:4]}
        said |= {name: expected.states[name] for name in MACHINES[:4]}
    return _tell(seen, said)


def _tell(seen: Mapping[str, str], said: Mapping[str, str]) -> str:
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


def _needs_outage(item: Sent) -> bool:
    return isinstance(item.credential, NotProven) and item.credential.condition == "unproven"


async def _play_outage(policy: Policy, folder: Path, scenario: Scenario, item: Sent | Supposed | Act | Found) -> str:
    """Send a request to a guard that cannot fetch its issuers' keys; an unproven caller has no records anyway."""
    guard = ScenarioGuard(policy, folder, scenario, has_keys=False)
    try:
        return await guard.play(item)
    finally:
        await guard.close()


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
    simulator = TracedSimulator(Deployment(simulated or policy), scenario)
    player = TracedPlayer(simulator)
    unsupported = ""
    try:
        for step in scenario.steps:
            simulator.advance(step.after)
            player.play(step.when, step.ask)
            simulator.decide_by_people(step.approve, denies=bool(step.deny))
            if step.ask:
                simulator.ask(step.ask)
            if step.app is not None:
                simulator.answer(step.app)
            simulator.note_states()
    except (ImpossibleError, Unsupported) as error:
        unsupported = str(error)
    guard = ScenarioGuard(policy, folder, scenario)
    differences: list[str] = []
    compared = 0
    try:
        for item in simulator.trace:
            is_outage = isinstance(item, Sent) and _needs_outage(item)
            found = await (_play_outage(policy, folder, scenario, item) if is_outage else guard.play(item))
            compared += isinstance(item, Sent) and item.expected is not None
            if found:
                differences.append(f"{f'{item.method} {item.target}' if isinstance(item, Sent) else 'then'}: {found}")
    except Unsupported as error:
        unsupported = str(error)
    finally:
        await guard.close()
    return Comparison(compared, tuple(differences), unsupported)
