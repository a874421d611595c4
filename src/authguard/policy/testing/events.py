"""Events of a scenario: each is brought about as it comes about at run time, or the scenario says what cannot happen.

- A timer's event: time passes until it is due. One that would move nothing never falls due, and nothing happens.
- A sign-in: a token with a new sign-in reaches the guard, and may prove identity.
- A report: the source that the policy maps to the state reports it, or the app does where the policy lists it.
- A verification: an attempt with a method that the table offers now, or the app's report of its result.
- A transaction: the app's response settles it, or an operator acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from authguard.core.approvers import count_places
from authguard.core.events import NOT_REPORTS
from authguard.core.request import Operation
from authguard.core.snapshot import Approval, Keys, Report
from authguard.core.verification import (
    Doubted,
    Failed,
    IncompleteMethod,
    MethodResult,
    Passed,
    Unavailable,
    VerifierVerdict,
)
from authguard.evaluation import booking, staff_acts, transactions
from authguard.evaluation.approval import ActRefusedError, add_approvals
from authguard.evaluation.decision import AppResponse
from authguard.evaluation.driver import APP_SOURCE, NO_SOURCE, apply_reports
from authguard.evaluation.reports import apply_account_report, send_report
from authguard.evaluation.verification import Claim, apply_result, claim_attempt, exhaust_methods, offered_methods
from authguard.policy.testing.deployment import STATUS
from authguard.policy.testing.happening import ACT_EVENTS, Happening, PersonAct, check_authority, play_change
from authguard.policy.testing.request import ImpossibleError, ScenarioRequest
from authguard.policy.testing.token import TokenSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authguard.core.request import Principal
    from authguard.core.verification import Method
    from authguard.evaluation.driver import Evaluation
    from authguard.policy.testing.simulator import Simulator

#: events that timers send, and nobody else
_TIMED: Final = frozenset(
    {
        *("service.recovered", "service.repaired", "account.aged", "session.idled", "session.aged"),
        *("verification.cooled", "verification.aged", "transaction.lapsed"),
    }
)
#: result of an attempt -> the answer of each verifier
_ANSWERS: Final[Mapping[str, VerifierVerdict]] = {
    "passed": Passed(),
    "failed": Failed(),
    "doubted": Doubted(0.5),
    "contradicted": Failed(),
    "unavailable": Unavailable("timeout"),
}
_RESULTS: Final[Mapping[str, MethodResult]] = {
    "passed": "passed",
    "failed": "failed",
    "doubted": "doubted",
    "contradicted": "contradicted",
    "unavailable": "unavailable",
}
#: status of the app that commits a transaction, and that of no response
_DONE: Final = AppResponse(200)
_NO_RESPONSE: Final = AppResponse(0)
#: longest list of events that a sign-in looks ahead in
_PROVES: Final = "verification.passed"


class Attempt(NamedTuple):
    """A running attempt to verify identity, and who answers."""

    method: Method
    principal: Principal


class EventPlayer:
    """Brings about the events of one scenario."""

    __slots__ = ("_attempt", "_brought", "_simulator")

    def __init__(self, simulator: Simulator) -> None:
        """Start without events."""
        self._simulator = simulator
        #: events that the last sign-in has already brought about
        self._brought: set[str] = set()
        self._attempt: Attempt | None = None

    def play(self, events: Sequence[str | Happening], asked: ScenarioRequest | None) -> None:
        """Bring about events in order.

        Args:
            events: ``machine.trigger``, or what a source or a person does.
            asked: the request that follows, whose token a sign-in brings; ``None`` for none.

        Raises:
            ImpossibleError: one of them cannot come about; the message says why.
        """
        self._brought = set()
        for place, event in enumerate(events):
            self._simulator.tick()
            following = [one for one in events[place + 1 :] if isinstance(one, str)]
            if isinstance(event, str):
                self._play(event, following, asked)
            elif isinstance(event, PersonAct):
                check_authority(self._simulator.policy, event)
                self._play(ACT_EVENTS[event.act], following, asked)
            else:
                play_change(self._simulator, event)

    def _play(self, event: str, following: Sequence[str], asked: ScenarioRequest | None) -> None:
        machine, _, trigger = event.partition(".")
        if event in self._brought:
            self._brought.discard(event)
        elif event in _TIMED or (event == "transaction.lost" and not self._moves(event)):
            if self._moves(event):
                self._simulator.wait_for(event)
            else:
                self._skip(event)
        elif machine == "service":
            self._send_service(event)
        elif machine == "account":
            self._report_account(trigger)
        elif machine == "session":
            self._session(trigger, following, asked)
        elif machine == "verification":
            self._verification(trigger, asked)
        else:
            self._transaction(trigger)

    def _moves(self, event: str) -> bool:
        machine, _, trigger = event.partition(".")
        state = self._simulator.states()[machine]
        return self._simulator.policy.machines[machine].table[state, trigger].moves

    def _skip(self, event: str) -> None:
        """Note the line of an event that moves nothing, so that nobody sends it."""
        records = self._simulator.records
        records.note(records.load(self._simulator.all_keys), [event], [])

    def _change(self, apply: Callable[[Evaluation], object], keys: Keys | None = None) -> None:
        simulator = self._simulator
        simulator.records.change(simulator.all_keys if keys is None else keys, simulator.now, apply)

    def _send_service(self, event: str) -> None:
        if event == "service.impaired":
            self._change(lambda evaluation: send_report(evaluation, event), Keys())
        elif event == "service.faulted":
            self._change(lambda one: one.send(event, "guard", (("faulted", one.now),)), Keys())
        else:
            self._change(lambda one: one.send(event, "operator"), Keys())

    # accounts

    def _report_account(self, state: str) -> None:
        simulator = self._simulator
        policy = simulator.policy
        if state == "reinstated":
            self._change(staff_acts.reinstate_account)
            return
        if state in NOT_REPORTS:  # `unreachable`; `aged` is a timer's
            if not policy.asks_directories and not self._moves("account.unreachable"):
                self._skip("account.unreachable")
                return
            if not policy.asks_directories:
                raise ImpossibleError("`account.unreachable` cannot happen: the policy asks no directory")
            self._change(lambda evaluation: apply_reports(evaluation, {}, unreachable=True))
            return
        source = simulator.source_of(state)
        if not source:
            message = f"`account.{state}` cannot happen: no source of the policy reports it"
            raise ImpossibleError(f"{message}, and `reports.app` does not list it")
        if source == APP_SOURCE:
            verdict = simulator.verdict(self._principal())
            self._change(lambda evaluation: apply_account_report(evaluation, verdict, state))
        else:
            reports = {} if source == NO_SOURCE else {source: Report(state, simulator.now)}
            self._change(lambda evaluation: apply_reports(evaluation, reports, unreachable=False))

    def _principal(self) -> Principal:
        """Return the principal of the last proven request, or that of a plain one."""
        if self._simulator.principal is None:
            self._simulator.present()
        principal = self._simulator.principal
        if principal is None:
            raise ImpossibleError("nobody is signed in")
        return principal

    # sessions

    def _session(self, trigger: str, following: Sequence[str], asked: ScenarioRequest | None) -> None:
        if trigger == "revoked":
            self._change(staff_acts.revoke_session)
            return
        if trigger == "ended":
            self._change(lambda evaluation: send_report(evaluation, "session.ended"))
            return
        simulator = self._simulator
        is_new = trigger == "renewed" or not simulator.has_signed_in
        if is_new:
            simulator.sign_in()
        decided = simulator.present(self._sign_in_request(asked, following) if is_new else None)
        if trigger == "renewed" and "session.renewed" not in decided.events:
            raise ImpossibleError("`session.renewed` cannot happen: the tokens of the issuer state no new sign-in")
        self._brought = {event for event in decided.events if event.startswith("verification.")}

    def _sign_in_request(self, asked: ScenarioRequest | None, following: Sequence[str]) -> ScenarioRequest:
        """Return the request whose token states a new sign-in: that of the following request, by the customer."""
        policy = self._simulator.policy
        plain = asked if asked is not None else ScenarioRequest(operation=STATUS.name)
        weak = {name: value for name, value in plain.conditions.items() if name in ("risk", "effect", "assurance")}
        if weak.get("assurance") == "stale":
            del weak["assurance"]
        token = plain.token or TokenSpec()
        token = replace(token, age=None, actor=())
        if _PROVES in following and policy.identity:
            needed = self._level_of(plain)
            stronger = max(needed, policy.identity, key=policy.assurance.rank)
            token = replace(token, acr=stronger)
        return replace(plain, conditions=weak, token=token, channel=plain.channel)

    def _level_of(self, asked: ScenarioRequest) -> str:
        found = self._simulator.deployment.find_operation(asked)
        return found.acr if isinstance(found, Operation) else ""

    # verification

    def _verification(self, trigger: str, asked: ScenarioRequest | None) -> None:
        event = f"verification.{trigger}"
        if trigger == "reset":
            self._attempt = None
            self._change(staff_acts.reset_verification)
        elif trigger == "started":
            if not self._claim(asked) and self._moves(event):
                raise ImpossibleError(f"`{event}` cannot happen: the policy offers no method in these states")
        elif trigger in _ANSWERS and (self._attempt or (trigger == "passed" and self._moves(event))):
            if self._attempt is None and not self._claim(asked):
                raise ImpossibleError(f"`{event}` cannot happen: no attempt is running, and no method is offered")
            if self._attempt is not None:
                self._answer(self._attempt, _RESULTS[trigger])
        elif trigger == "passed":
            self._skip(event)
        else:
            self._change(lambda evaluation: send_report(evaluation, event))

    def _claim(self, asked: ScenarioRequest | None) -> bool:
        """Begin an attempt with a method that is offered; return whether there is one."""
        for principal in self._simulator.candidates(asked):
            for name in offered_methods(self._simulator.policy, self._simulator.verdict(principal)):
                attempt = Attempt(self._simulator.policy.methods[name], principal)
                # the verifiers wait for the customer's answers
                if self._send_answers(attempt, IncompleteMethod(attempt.method.verifiers), {}):
                    self._attempt = attempt
                    return True
        self._skip("verification.started")
        return False

    def _answer(self, attempt: Attempt, result: MethodResult) -> None:
        self._attempt = None
        self._send_answers(attempt, result, dict.fromkeys(attempt.method.verifiers, _ANSWERS[result]))

    def _send_answers(
        self, attempt: Attempt, result: MethodResult | IncompleteMethod, results: dict[str, VerifierVerdict]
    ) -> bool:
        """Claim the attempt and apply a result of its verifiers; return whether it could be claimed."""
        simulator = self._simulator
        verdict = simulator.verdict(attempt.principal)
        method = attempt.method
        claimed: list[object] = []
        self._change(
            lambda evaluation: claimed.append(claim_attempt(evaluation, verdict, method, simulator.ids)), verdict.keys
        )
        found = claimed[0]
        if not isinstance(found, Claim):
            return False

        def settle(evaluation: Evaluation) -> None:
            is_current = apply_result(
                evaluation,
                method,
                found.attempt,
                results=results,
                amount=result,
                principal=attempt.principal,
                channel=verdict.channel,
            )
            if is_current and not isinstance(result, IncompleteMethod):
                exhaust_methods(evaluation, verdict)

        self._change(settle, verdict.keys)
        return True

    # transactions

    def _transaction(self, trigger: str) -> None:
        simulator, event = self._simulator, f"transaction.{trigger}"
        simulator.begin_transaction()
        keys = simulator.all_keys
        if not self._moves(event) and trigger != "approved":
            self._skip(event)
        elif trigger == "approved":
            self._approve(keys)
        elif trigger in ("committed", "failed", "lost") and self._moves("transaction.lost"):
            self._settle(trigger, keys)
        elif trigger == "altered":
            self._change(lambda one: one.send(event, "caller"), keys)
        elif trigger in ("held", "started"):
            self._change(lambda one: one.send(event, "guard"), keys)
        else:
            self._change(lambda one: one.send(event, "operator"), keys)

    def _approve(self, keys: Keys) -> None:
        """Let as many operators approve as the transaction needs, with every limit that it exceeds."""
        if not self._moves("transaction.approved"):
            self._skip("transaction.approved")
            return

        def apply(evaluation: Evaluation) -> None:
            record = evaluation.snapshot.transaction
            over = tuple(sorted(booking.known_limits(evaluation.policy, record)))
            added = [
                Approval(b"", f"approver {number}", evaluation.now, "", over)
                for number in range(max(1, count_places(record.required)) - len(record.approvals))
            ]
            add_approvals(evaluation, keys.transaction, record.approvals, added, "operator")

        try:
            self._change(apply, keys)
        except ActRefusedError as error:
            raise ImpossibleError(f"`transaction.approved` cannot happen: {error.reason.code}") from None

    def _settle(self, trigger: str, keys: Keys) -> None:
        """Let the app respond to the running request."""
        operation = self._simulator.operations.get(keys.transaction)
        failed_on = operation.failed_on if operation else self._simulator.policy.otherwise.failed_on
        response = _DONE if trigger == "committed" else _NO_RESPONSE
        if trigger == "failed":
            if not failed_on:
                raise ImpossibleError("`transaction.failed` cannot happen: the operation's `failed_on` is empty")
            response = AppResponse(min(failed_on))
        cipher = self._simulator.cipher
        self._change(
            lambda evaluation: transactions.settle(evaluation, keys.transaction, response, failed_on, cipher), keys
        )
