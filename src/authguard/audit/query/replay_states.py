"""Replay by states: runs the driver on every recorded request, from the first one, and carries the states on.

Rules of this file:
- The states are those that the other policy would have led to. A record that was stored before the log begins, and one
  that an event changed which the log does not hold completely, is lost: what depends on it is undetermined.
- An event outside a request is applied as the guard applies it, by the same functions; any other one loses its records.
- The app's answer is known only where the app ran. What the app reported, it reported about an admitted request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard.audit.query.recorded_conditions import bring_conditions
from authguard.audit.query.recorded_input import (
    REPEATED,
    UnknownInputError,
    build_binding,
    build_principal,
    build_request,
    build_unproven,
)
from authguard.audit.query.replay_result import ReplayedDecision
from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES, TIGHTENING
from authguard.core.flags import COMMITTED, PAYEE_DIMENSIONS
from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.request import NotProven, Proven
from authguard.core.snapshot import Keys, Snapshot, blank
from authguard.errors import MachineFaultError
from authguard.evaluation import flags, reports, staff_acts, transactions
from authguard.evaluation.account_status import read_statements
from authguard.evaluation.booking import follow_transaction
from authguard.evaluation.decision import NEEDS_BODY, AppResponse, Decision, NeedsBody, Verdict
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.driver import Evaluation, withdraw_if_signed_out
from authguard.evaluation.request import NO_CREDENTIAL, RequestFacts, add_ledgers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.audit.query.recorded_input import RecordedDecision
    from authguard.audit.query.replay_parts import PartComparison
    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import AccountRecord, LedgerRecord, ServiceRecord, SessionRecord, TransactionRecord

_CREDENTIAL: Final = DIMENSIONS.index("credential")
_RISK: Final = DIMENSIONS.index("risk")
#: verdicts of admitted requests that are remembered for the app's reports
MAX_VERDICTS: Final = 50_000
#: ledger dimensions whose owner no record names
_UNNAMED: Final = frozenset({*PAYEE_DIMENSIONS, "client"})
#: act of the log -> the change that it made
_ACTS: Final[Mapping[str, Callable[[Evaluation], None]]] = {
    "account.reinstated": staff_acts.reinstate_account,
    "verification.reset": staff_acts.reset_verification,
    "session.revoked": staff_acts.revoke_session,
    "account.signed_out": staff_acts.sign_out_account,
}
#: acts without an effect on a record
_HARMLESS: Final = frozenset({"account.unrecognised", "handoff.opened", "started", "stopped"})
#: note of a sign-out of all sessions of an account
EVERYWHERE: Final = "signed out everywhere"


class _NoCipher:
    """Stores nothing: no bodies and responses are in the log."""

    @staticmethod
    def encrypt(content: bytes, about: bytes) -> bytes:
        del content, about
        return b""

    @staticmethod
    def decrypt(ciphertext: bytes, about: bytes) -> bytes:
        del ciphertext, about
        return b""

    @staticmethod
    def keyed_digest(content: bytes) -> str:
        del content
        return ""


#: the cipher of a replay
NO_CIPHER: Final = _NoCipher()


class StateReplay:
    """States under the other policy, from the beginning of a log.

    Args:
        policy: the other policy.
        operations: name -> operation of it, with the guard's own.
        own: names of the guard's own operations.
    """

    def __init__(self, policy: Policy, operations: Mapping[str, Operation], own: frozenset[str]) -> None:
        self._policy: Final = policy
        self._operations: Final = operations
        self._own: Final = own
        self._blank: Final = blank(policy.initial)
        self._service: ServiceRecord = self._blank.service
        self._accounts: dict[str, AccountRecord] = {}
        self._sessions: dict[str, SessionRecord] = {}
        self._transactions: dict[str, TransactionRecord] = {}
        self._ledgers: dict[bytes, LedgerRecord] = {}
        #: session -> the subject whose requests it had
        self._owners: dict[str, str] = {}
        #: (kind, name) of a lost record -> why
        self._lost: dict[tuple[str, str], str] = {}
        #: decision -> its verdict, while the app may report or answer
        self._verdicts: dict[str, Verdict] = {}
        #: decisions that are not admitted under the other policy
        self._refused: set[str] = set()
        #: (kind, name) of records of which the log holds the first request
        self._begun: set[tuple[str, str]] = set()
        #: (kind, name) of records that were stored before some recorded request
        self._stored: set[tuple[str, str]] = set()
        self._has_begun = False
        self._runs_same = False
        self._answers_same = False

    def decide(self, one: RecordedDecision, comparison: PartComparison) -> ReplayedDecision:
        """Decide a recorded request, and store the states.

        Args:
            one: the decision, with the facts of its credential.
            comparison: of its policy with the other one.
        """
        try:
            return self._decide(one, comparison)
        except (UnknownInputError, MachineFaultError) as error:
            why = str(error)
        self.lose(one, "an earlier request is undetermined")
        return ReplayedDecision.unknown(why)

    def lose(self, one: RecordedDecision, why: str) -> None:
        """Lose the records of a decision that could not be replayed."""
        subject = one.subject or self._owners.get(one.session, "")
        self._lose(("account", subject), ("session", one.session), ("transaction", one.transaction), why=why)
        operation = self._operations.get(one.operation)
        for limit in operation.limits if operation else ():
            if limit.by not in {"subject", "session"}:
                self._lose(("limit", limit.name), why=why)

    def lose_keys(self, subject: str, session: str, transaction: str, why: str) -> None:
        """Lose records that changed in a way that the log does not hold completely."""
        record = self._transactions.get(transaction)
        if record is not None:
            subject, session = subject or record.account.decode(), session or record.session.hex()
        self._lose(("account", subject), ("session", session), ("transaction", transaction), why=why)

    def lose_service(self, why: str) -> None:
        """Lose the state of the service, on which every decision depends."""
        self._lost["service", ""] = why

    def _lose(self, *records: tuple[str, str], why: str) -> None:
        for kind, name in records:
            if name:
                self._lost.setdefault((kind, name), why)

    def _decide(self, one: RecordedDecision, comparison: PartComparison) -> ReplayedDecision:
        operation = self._operations.get(one.operation)
        if operation is None:
            raise UnknownInputError(f"the policy has no operation `{one.operation}`")
        if one.operation not in self._own and not comparison.matches_same(one.operation):
            raise UnknownInputError("the policy matches requests to operations otherwise")
        if not self._has_begun and one.cell[0] != self._service.state:
            self.lose_service("the service moved before the log begins")
        self._has_begun = True
        self._runs_same = comparison.runs_same(one.operation)
        self._answers_same = comparison.answers_same
        if ("service", "") in self._lost:
            raise UnknownInputError(self._lost["service", ""])
        if len(one.cell) != len(DIMENSIONS):
            raise UnknownInputError("its cell has other dimensions")
        was_public = one.cell[_RISK] == "public"
        if was_public != (operation.risk == "public") and was_public:
            raise UnknownInputError("the credential of a public operation is not checked")
        if not comparison.reads_same and operation.risk != "public":
            raise UnknownInputError("the policy reads credentials, accounts, channels or agents otherwise")
        if operation.risk == "public":
            return self._decide_unproven(one, operation, NO_CREDENTIAL)
        if one.cell[_CREDENTIAL] not in PROVEN_CREDENTIALS and one.reason != Reason.SIGNED_OUT.code:
            return self._decide_unproven(one, operation, build_unproven(one, one.cell[_CREDENTIAL]))
        return self._decide_proven(one, operation, comparison)

    def _decide_unproven(self, one: RecordedDecision, operation: Operation, credential: NotProven) -> ReplayedDecision:
        facts = RequestFacts(now=one.at, credential=credential, channel=one.channel)
        facts = bring_conditions(self._policy, operation, one.context, facts)
        before = replace(self._blank, service=self._service)
        decision = evaluate(self._policy, build_request(operation, one), facts, before, NO_CIPHER)
        if isinstance(decision, NeedsBody):
            raise UnknownInputError("its body was not read")
        if isinstance(decision, Decision):
            self._service = decision.snapshot.service
        return _answer(decision)

    def _decide_proven(
        self, one: RecordedDecision, operation: Operation, comparison: PartComparison
    ) -> ReplayedDecision:
        subject = one.subject or self._owners.get(one.session, "")
        if not subject or not one.session:
            raise UnknownInputError("its record does not name the session and the subject")
        self._check_ledgers(one, operation)
        principal, answers = build_principal(self._policy, one, subject)
        if operation.roles and one.text("roles") == "?":
            raise UnknownInputError("its record does not hold the roles of the token")
        found = read_statements(self._policy, principal, answers)
        credential: Proven | NotProven = Proven(principal)
        facts = RequestFacts(
            now=one.at,
            credential=credential,
            keys=Keys(principal.account_key, principal.session_key),
            channel=one.channel,
            reports=found.reports,
            unreachable=bool(one.facts.get("unreachable")),
        )
        facts = bring_conditions(self._policy, operation, one.context, facts)
        request = build_request(operation, one)
        decision: Decision | Reason | NeedsBody = NEEDS_BODY
        if not operation.reads_body and one.text("asked") != "id":
            decision = self._evaluate(request.operation, one, facts, principal)
        if isinstance(decision, NeedsBody):
            measured, binding = build_binding(
                self._policy,
                operation,
                one,
                measures_same=comparison.measures_same(operation.name),
                limits_same=comparison.limits_same(operation.name),
            )
            keys = replace(facts.keys, transaction=binding.transaction)
            decision = self._evaluate(
                measured, one, replace(facts, has_body=True, binding=binding, keys=keys), principal
            )
        return _answer(decision)

    def _check_ledgers(self, one: RecordedDecision, operation: Operation) -> None:
        if operation.ledger_dimensions & _UNNAMED:
            raise UnknownInputError("its record does not name the payee or the client that a limit counts by")
        for limit in operation.limits:
            if ("limit", limit.name) in self._lost:
                raise UnknownInputError(self._lost["limit", limit.name])
        if "ledgers" in one.text("stored").split() and not self._ledgers:
            raise UnknownInputError("earlier requests that its limit counts are not in the log")

    def _evaluate(
        self, operation: Operation, one: RecordedDecision, facts: RequestFacts, principal: Principal
    ) -> Decision | Reason | NeedsBody:
        """Evaluate a request as the enforcer does, and store the states of a decision."""
        request = build_request(operation, one)
        if operation.ledger_dimensions:
            facts = add_ledgers(self._policy, request, facts)
        held = self._transactions.get(facts.keys.transaction, self._blank.transaction)
        if transactions.is_of_other_session(held, facts.keys):  # its timers may raise events in its own session
            self._change(held.keys(facts.keys.transaction), held.account.decode(), one.at, bool)
        before = self._load(one, facts.keys, principal.pseudonym)
        facts = replace(facts, credential=withdraw_if_signed_out(self._policy, facts.credential, before))
        if before.transaction.approvals or one.facts.get("lacks_quorum"):
            raise UnknownInputError("the log does not hold whether its approvers may still approve")
        decision = evaluate(self._policy, request, facts, before, NO_CIPHER)
        if not isinstance(decision, Decision):
            return decision
        if decision.fallback.kind is Outcome.HOLD and not before.transaction.version:
            self._check_held(principal.account_key)
        self._store(facts.keys, principal.pseudonym, before, decision.snapshot)
        self._owners[one.session] = principal.pseudonym
        self._remember(one, facts, decision, principal)
        return decision

    def _load(self, one: RecordedDecision, keys: Keys, subject: str) -> Snapshot:
        """Return the states of a request's records."""
        stored = one.text("stored").split()
        session, transaction = one.session, keys.transaction
        records: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("account", subject, self._accounts),
            ("session", session, self._sessions),
            ("transaction", transaction, self._transactions),
        )
        for kind, name, known in records:
            if not name:
                continue
            if kind in stored:
                self._stored.add((kind, name))
            elif REPEATED not in one.facts and (kind, name) in self._stored:  # it was deleted, and begins again
                self._stored.discard((kind, name))
                self._lost.pop((kind, name), None)
                known.pop(name, None)
            if (kind, name) in self._lost:
                raise UnknownInputError(self._lost[kind, name])
            if kind not in stored and REPEATED not in one.facts:
                self._begun.add((kind, name))
            if (kind, name) not in self._begun:
                self._lost[kind, name] = f"the {kind} was stored before, by a request that is not in the log"
                raise UnknownInputError(self._lost[kind, name])
        return Snapshot(
            service=self._service,
            account=self._accounts.get(subject, self._blank.account),
            session=self._sessions.get(session, self._blank.session),
            transaction=self._transactions.get(transaction, self._blank.transaction),
            ledgers={key: self._ledgers[key] for _, key in keys.ledgers if key in self._ledgers},
        )

    def _store(self, keys: Keys, subject: str, before: Snapshot, after: Snapshot) -> None:
        """Store changed records, with the next version."""
        if after.service is not before.service:
            self._service = replace(after.service, version=after.service.version + 1)
        if after.account is not before.account and subject:
            self._accounts[subject] = replace(after.account, version=after.account.version + 1)
        if after.session is not before.session and keys.session:
            self._sessions[keys.session.hex()] = replace(after.session, version=after.session.version + 1)
        if after.transaction is not before.transaction and keys.transaction:
            self._transactions[keys.transaction] = replace(after.transaction, version=after.transaction.version + 1)
        for key, record in after.ledgers.items():
            if record is not before.ledgers.get(key):
                self._ledgers[key] = replace(record, version=record.version + 1)

    def _check_held(self, account: bytes) -> None:
        held = [one for one in self._transactions.values() if one.account == account and one.role and not one.approvals]
        if len(held) >= self._policy.transactions.max_held:
            raise UnknownInputError("the log does not hold how many transactions of the account wait")

    def _remember(self, one: RecordedDecision, facts: RequestFacts, decision: Decision, principal: Principal) -> None:
        """Keep the verdict for the app's reports and its answer; lose what an unknown answer changes."""
        admits, ran = decision.fallback.kind in ADMITTING, Outcome(one.outcome) in ADMITTING
        if decision.opened and not one.transaction:
            # later requests of this transaction are compared with one that the log does not hold
            self._lose(("transaction", facts.keys.transaction), why="its first request opened no transaction")
        answered = ran and bool(one.transaction) and self._runs_same
        if decision.running and not answered:
            self.lose_keys(
                principal.pseudonym, one.session, facts.keys.transaction, "the app did not answer an earlier request"
            )
        if not admits:
            self._refused.add(one.id)
            return
        if not self._answers_same and (COMMITTED, one.operation) in self._policy.flag_setters and not decision.running:
            why = "the log does not hold the app's answer to an earlier request, which sets a flag"
            self.lose_keys(principal.pseudonym, one.session, "", why)
        if len(self._verdicts) >= MAX_VERDICTS:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[one.id] = Verdict(
            decision=decision, record=one.id, credential=Proven(principal), keys=facts.keys, at=one.at
        )

    def apply_transition(  # noqa: PLR0917 - the members of a record
        self, event: str, at: float, cause: str, subject: str, session: str, transaction: str, decision: str, note: str
    ) -> None:
        """Apply a recorded transition outside a request."""
        machine = event.partition(".")[0]
        if cause in {"timer", "account"} or "." in cause:
            return  # the timers of the other policy run by themselves, and its machines raise their own events
        if machine not in MACHINES:
            verdict = self._verdicts.get(decision)
            if cause != staff_acts.PERSON_CAUSE and verdict is not None:  # the app set it
                self._change_flag(machine, at, verdict.keys, subject, sets=event.endswith(f".{flags.SET_EVENT}"))
            return
        if machine == "service":
            moments = (("faulted", at),) if event in {"service.impaired", "service.faulted"} else ()
            self._change(Keys(), "", at, lambda evaluation: _send(evaluation, event, cause, moments))
            return
        if cause == staff_acts.PERSON_CAUSE and machine != "transaction":
            return  # the act before it was applied
        if decision in self._refused:
            return  # the app did not run
        verdict = self._verdicts.get(decision)
        if machine == "transaction" and verdict is not None and cause == "app":
            self._settle(verdict, event, at)
        elif verdict is not None and self._is_report(event, cause):
            self._report(verdict, event, at, everywhere=note == EVERYWHERE)
        else:
            self.lose_keys(subject, session, transaction, f"the log does not hold how `{event}` came about")

    def apply_act(  # noqa: PLR0917 - the members of a record
        self, act: str, at: float, unmoved: str, subject: str, session: str, transaction: str, decision: str, note: str
    ) -> None:
        """Apply a recorded act; of `events.unmoved`, with its events, separated by commas."""
        if act in _HARMLESS or not (subject or session or transaction):
            return
        change = _ACTS.get(act)
        if change is not None and not decision:
            subject = subject or self._owners.get(session, "")
            keys = Keys(subject.encode(), bytes.fromhex(session))
            self._change(keys, subject, at, change)
            return
        if act == "events.unmoved":
            if decision in self._refused:
                return
            verdict = self._verdicts.get(decision)
            if verdict is not None and self._is_report(unmoved, "app"):
                self._report(verdict, unmoved, at, everywhere=note == EVERYWHERE)
                return
            if change is None and unmoved in {"verification.reset", "account.reinstated", "session.revoked"}:
                return  # the act of a person, which was applied
        self.lose_keys(subject, session, transaction, f"the log does not hold what `{act}` changed")

    def apply_flag_act(self, act: str, flag: str, at: float, subject: str, session: str) -> None:
        """Apply a recorded change of a flag by a person."""
        keys = Keys(subject.encode(), bytes.fromhex(session))
        self._change_flag(flag, at, keys, subject, sets=act.endswith(f".{flags.SET_EVENT}"))

    def _change_flag(self, name: str, at: float, keys: Keys, subject: str, *, sets: bool) -> None:
        """Set or clear a flag of the other policy; a request with a payee is undetermined anyway."""
        found = next((flag for flag in self._policy.flags if flag.name == name), None)
        if found is None or found.by in PAYEE_DIMENSIONS:
            return
        change = flags.set_flag if sets else flags.clear_flag
        self._change(keys, subject, at, lambda evaluation: change(evaluation, found, "replay"))

    @staticmethod
    def _is_report(event: str, cause: str) -> bool:
        return "app" in cause.split(",") and (event in TIGHTENING or event.startswith("account."))

    def _report(self, verdict: Verdict, event: str, at: float, *, everywhere: bool) -> None:
        def apply(evaluation: Evaluation) -> None:
            if event.startswith("account."):
                reports.apply_account_report(evaluation, verdict, event.partition(".")[2])
                return
            reports.send_report(evaluation, event)
            if everywhere:
                staff_acts.sign_out_account(evaluation)

        subject = verdict.principal.pseudonym if verdict.principal else ""
        self._change(Keys(verdict.keys.account, verdict.keys.session), subject, at, apply)

    def _settle(self, verdict: Verdict, event: str, at: float) -> None:
        trigger, failed_on = event.partition(".")[2], verdict.operation.failed_on
        status = {"committed": 200, "failed": min(failed_on, default=0), "lost": 0}.get(trigger, 0)
        if not verdict.decision.running:
            return
        response = AppResponse(status)
        subject = verdict.principal.pseudonym if verdict.principal else ""

        def apply(evaluation: Evaluation) -> None:
            transactions.settle(evaluation, verdict.keys.transaction, response, failed_on, NO_CIPHER)
            follow_transaction(evaluation, verdict.keys.transaction)

        self._change(verdict.keys, subject, at, apply)

    def _change(self, keys: Keys, subject: str, at: float, apply: Callable[[Evaluation], object]) -> None:
        """Change records as the guard does outside a request: timers first."""
        lost = [("account", subject), ("session", keys.session.hex()), ("transaction", keys.transaction)]
        if any(one in self._lost for one in lost):
            return
        before = Snapshot(
            service=self._service,
            account=self._accounts.get(subject, self._blank.account),
            session=self._sessions.get(keys.session.hex(), self._blank.session),
            transaction=self._transactions.get(keys.transaction, self._blank.transaction),
            ledgers={key: self._ledgers[key] for _, key in keys.ledgers if key in self._ledgers},
        )
        evaluation = Evaluation(self._policy, before, at, keys)
        try:
            evaluation.catch_up()
            apply(evaluation)
        except MachineFaultError as error:
            self.lose_keys(subject, keys.session.hex(), keys.transaction, str(error))
            return
        self._store(keys, subject, before, evaluation.snapshot)


def _send(evaluation: Evaluation, event: str, cause: str, moments: tuple[tuple[str, float], ...]) -> None:
    evaluation.send(event, cause, moments)


def _answer(decision: Decision | Reason | NeedsBody) -> ReplayedDecision:
    if isinstance(decision, Decision):
        fallback = decision.fallback
        return ReplayedDecision(fallback.kind.value, fallback.name, decision.rule)
    if isinstance(decision, Reason):
        return ReplayedDecision.refused(decision)
    raise UnknownInputError("its body was not read")
