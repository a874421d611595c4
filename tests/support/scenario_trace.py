"""Notes what the simulator of a scenario does: each request with its facts and its decision, and each act besides."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Operation, Proven
from authguard.core.snapshot import Keys
from authguard.evaluation.decision import Decision, Verdict
from authguard.policy.testing.deployment import STATUS, Deployment, request_line
from authguard.policy.testing.events import Attempt, EventPlayer
from authguard.policy.testing.happening import AccountReport, FlagChange, PersonAct, read_flags
from authguard.policy.testing.simulator import NO_BODY, NOTHING, START_TIME, UNNAMED, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import Snapshot
    from authguard.core.verification import IncompleteMethod, MethodResult, VerifierVerdict
    from authguard.evaluation.request import AccessRequest, Body, RequestFacts
    from authguard.policy.testing.happening import Happening
    from authguard.policy.testing.request import ScenarioDecision, ScenarioRequest
    from authguard.policy.testing.scenario import Scenario


class Unsupported(Exception):  # noqa: N818 - no error of the code under test
    """The scenario has a part that is not sent to a guard, such as an operation that is only described."""


class Sent(NamedTuple):
    """A request, and what the simulator decided."""

    at: float
    method: str
    target: str
    credential: Credential
    body: Body
    channel: str
    key: str
    gate: int = 0
    app: int | None = None
    brought: Mapping[str, str] = NOTHING
    expected: ScenarioDecision | None = None


class Supposed(NamedTuple):
    """Records that are stored without a request."""

    at: float
    keys: Keys
    changed: Mapping[str, Any]


class Act(NamedTuple):
    """An act besides requests: an event, with its verdict, transaction or answers.

    Attributes:
        at: epoch seconds UTC.
        event: ``machine.trigger``, ``answer`` of a verification, ``app`` (the app answers a request), ``person`` (an
            approver decides), ``flag`` or ``report`` of a source.
        verdict: of the customer's request.
        keys: of the customer's records.
        value: of an answer.
        gate: of the request that the app answers.
        status: of that answer; 0 for none.
        person: roles of an approver, and their number; nobody denies with number 0.
        change: of a flag, with whether it is given.
        report: of a source.
    """

    at: float
    event: str
    verdict: Verdict | None = None
    keys: Keys = Keys()
    value: str = ""
    gate: int = 0
    status: int = 0
    person: tuple[tuple[str, ...], int] = ((), 0)
    change: FlagChange | None = None
    report: AccountReport | None = None


class Found(NamedTuple):
    """The states that a step leaves, of the machines and the flags."""

    at: float
    keys: Keys
    states: Mapping[str, str]


class TracedSimulator(Simulator):
    """A simulator that notes what happens."""

    def __init__(self, deployment: Deployment, scenario: Scenario) -> None:
        self.trace: list[Sent | Supposed | Act | Found] = []
        self._line = ("", "")
        self._chosen = ""
        self._brought: Mapping[str, str] = NOTHING
        self._gates: dict[str, int] = {}
        super().__init__(
            deployment, scenario.given, now=scenario.at or START_TIME, supposes=True, is_dated=bool(scenario.at)
        )
        self.set_flags(scenario.flags)

    def note_act(self, event: str, **facts: Any) -> None:
        """Note an act, with the keys of the customer."""
        self.trace.append(Act(self.now, event, keys=self.all_keys, **facts))

    def note_states(self) -> None:
        """Note the states that a step leaves; a transaction that no request named has none in the guard."""
        states = {**self.states(), **read_flags(self)}
        if self.transaction in {"", UNNAMED}:
            del states["transaction"]
        keys = replace(self.all_keys, transaction="") if self.transaction == UNNAMED else self.all_keys
        self.trace.append(Found(self.now, keys, states))

    def find_gate(self) -> int:
        """Return the number of the request that runs the transaction; 0 for none."""
        return self._gates.get(self.transaction, 0)

    def set_flags(self, values: Mapping[str, str]) -> None:
        """Note the flags that the scenario supposes."""
        super().set_flags(values)
        for name, value in values.items():
            self.note_act("flag", change=FlagChange(flag=name, value=value, by=""))

    def decide_by_people(self, approvals: Iterable[tuple[str, ...]], *, denies: bool) -> None:
        """Note each person's decision, when it is made."""
        for roles in approvals:
            super().decide_by_people((roles,), denies=False)
            self.note_act("person", person=(roles, self._people))
        if denies:
            super().decide_by_people((), denies=True)
            self.note_act("transaction.denied")

    def answer(self, status: int) -> bool:
        """Note the answer to a request that runs; that of another is known when it is sent."""
        admitted = self._admitted
        found = super().answer(status)
        if admitted is not None and admitted[2]:
            self.note_act("app", gate=self._gates[admitted[1].transaction], status=status)
            return found
        place, sent = next((n, one) for n, one in reversed([*enumerate(self.trace)]) if isinstance(one, Sent))
        self.trace[place] = sent._replace(app=status)
        return found

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
        self._chosen, self._brought = facts.channel, facts.brought
        return facts

    def decide(
        self, request: AccessRequest, credential: Credential, asked: ScenarioRequest, body: Body = NO_BODY
    ) -> Any:
        decided = super().decide(request, credential, asked, body)
        line = ("GET", "/.authguard/session") if request.operation is STATUS else self._line
        gate = len(self.trace) + 1 if isinstance(decided, Decision) and decided.running else 0
        if gate:
            self._gates[self.transaction] = gate
        key = request.evidence.idempotency
        brought = self._brought if isinstance(credential, Proven) else NOTHING
        self.trace.append(Sent(self.now, *line, credential, body, self._chosen, key, gate, brought=brought))
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
        simulator.note_act(event, verdict=verdict, value=value, gate=simulator.find_gate())

    def play(self, events: Sequence[str | Happening], asked: ScenarioRequest | None) -> None:
        """Note changes of flags, and reports of one source, which are no events."""
        if all(isinstance(one, str | PersonAct) for one in events):
            super().play(events, asked)
            return
        if len(events) > 1:
            for _, group in groupby(events, key=lambda one: isinstance(one, str | PersonAct) or id(one)):
                self.play(tuple(group), asked)
            return
        (one,) = events
        verdict = self._traced.verdict(self._principal())
        super().play(events, asked)
        if isinstance(one, FlagChange):
            self._traced.note_act("flag", verdict=verdict, change=one)
        elif isinstance(one, AccountReport):
            self._traced.note_act("report", verdict=verdict, report=one)

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
            self._traced.note_act("answer", verdict=verdict, value=value)
        return is_sent

    def _transaction(self, trigger: str) -> None:
        self._is_noted = False
        if not self._simulator.transaction or self._simulator.transaction not in self._simulator.operations:
            raise Unsupported("an event of a transaction that no request named")
        super()._transaction(trigger)
        if not self._is_noted:
            self._note(f"transaction.{trigger}")
