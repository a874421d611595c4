"""Replay by cells: if the machines move as before, the recorded states are those of the other policy, too.

Rules of this file:
- What a request demands is computed from the recorded facts if the other policy demands something else.
- A decision that differs may change later states, limits and counts. Their values are unknown from then on, until the
  end of the log; a later decision is determined if it is the same for all values.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.audit.query.recorded_input import UnknownInputError, build_principal
from authguard.audit.query.replay_result import ReplayedDecision
from authguard.core import conditions
from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.extra_dimensions import CHANNEL, OPERATION, channel_value, operation_value
from authguard.core.flags import CLEAR
from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.request import NO_LEDGERS, Principal
from authguard.core.snapshot import AccountRecord, Keys, SessionRecord, blank
from authguard.core.staff import effective_roles
from authguard.evaluation.attempts import spend_attempts
from authguard.evaluation.driver import Evaluation
from authguard.evaluation.recorded_facts import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.query.recorded_input import RecordedDecision
    from authguard.audit.query.replay_parts import PartComparison
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Operation

#: most cells of one decision with unknown values
MAX_CELLS: Final = 4_096
_PLACE: Final = {name: place for place, name in enumerate(DIMENSIONS)}
#: dimensions that a differing decision may change for the later requests of a session or an account
_CHANGING: Final = ("account", "session", "verification", "transaction", "limit")
_STATEFUL: Final = frozenset({Outcome.HOLD, Outcome.VERIFY, Outcome.TERMINATE, Outcome.REPEAT})


class NeedsFactsError(Exception):
    """The decision depends on facts of its own line, and not only on its template."""


class CellReplay:
    """Decisions of the other policy on recorded cells.

    Args:
        policy: the other policy.
        operations: name -> operation of it, with the guard's own.
        own: names of the guard's own operations.
        begin: time of the first record of the log, epoch seconds UTC.
    """

    def __init__(
        self, policy: Policy, operations: Mapping[str, Operation], own: frozenset[str], begin: float = float("inf")
    ) -> None:
        self._policy: Final = policy
        self._operations: Final = operations
        self._own: Final = own
        self._begin: Final = begin
        self._names_actors: Final = any(source.delegations_at for source in policy.accounts)
        #: subject or session -> whether a decision on it differed
        self._diverged: set[str] = set()
        #: limits that other callers' decisions count against, of which one differed
        self._limits: set[str] = set()
        #: subject -> counted attempts
        self._accounts: dict[str, AccountRecord] = {}
        #: subjects whose attempts are all in the log
        self._counted: set[str] = set()
        self._held: dict[str, int] = {}
        #: decision that the other policy refuses -> its subject and session
        self._stopped: dict[str, set[str]] = {}

    def decide(
        self, one: RecordedDecision, comparison: PartComparison, *, has_facts: bool, moved: bool = False
    ) -> ReplayedDecision:
        """Decide a recorded request.

        Args:
            one: the decision; only what its template has, if not `has_facts`.
            comparison: of its policy with the other one.
            has_facts: whether `one` has the values and facts of its line.
            moved: whether the recorded decision moved a machine.

        Raises:
            NeedsFactsError: the result depends on the line.
        """
        try:
            found = self._decide(one, comparison, has_facts=has_facts)
        except UnknownInputError as error:
            found = ReplayedDecision.unknown(str(error))
        if has_facts:
            self._diverge(one, found, moved=moved)
        elif (found.problem or self._may_diverge(one, found) or self._stops(one, found)) and one.cell[
            _PLACE["credential"]
        ] in PROVEN_CREDENTIALS:
            raise NeedsFactsError
        return found

    def _decide(self, one: RecordedDecision, comparison: PartComparison, *, has_facts: bool) -> ReplayedDecision:
        operation = self._operations.get(one.operation)
        is_own = one.operation in self._own
        if operation is None:
            raise UnknownInputError(f"the policy has no operation `{one.operation}`")
        if not is_own and not comparison.matches_same(one.operation):
            raise UnknownInputError("the policy matches requests to operations otherwise")
        if len(one.cell) != len(DIMENSIONS):
            raise UnknownInputError("its cell has other dimensions")
        was_public = one.cell[_PLACE["risk"]] == "public"
        if was_public and operation.risk != "public":
            raise UnknownInputError("the credential of a public operation is not checked")
        cell = dict(zip(DIMENSIONS, one.cell, strict=True))
        cell |= {"risk": operation.risk, "effect": operation.effect, "actor": self._actor(one, has_facts=has_facts)}
        unknown: tuple[str, ...] = ()
        if cell["credential"] in PROVEN_CREDENTIALS and operation.risk != "public":
            if not is_own and not comparison.demands_same(one.operation):
                if not has_facts:
                    raise NeedsFactsError
                self._demand(cell, operation, one)
            unknown = self._unknown_dimensions(one, operation)
        elif one.reason == Reason.SIGNED_OUT.code and one.session in self._diverged:
            raise UnknownInputError("an earlier decision of its session differs")
        else:
            self._make_unproven(cell, operation)
        return self._find(one, operation, cell, unknown, comparison, has_facts=has_facts, is_own=is_own)

    def _actor(self, one: RecordedDecision, *, has_facts: bool) -> str:
        """Return the recorded actor; records from before representatives had a value hold them as agents."""
        recorded = one.cell[_PLACE["actor"]]
        if recorded != "agent" or not one.actor or not self._names_actors:
            return recorded
        if not has_facts:
            raise NeedsFactsError
        return recorded if one.text("actor_agent") else "representative"

    def _make_unproven(self, cell: dict[str, str], operation: Operation) -> None:
        """Set what a request without a proven caller lacks (`authguard.evaluation.decision_point`)."""
        if operation.risk == "public":
            initial = self._policy.initial
            cell |= {name: initial[name] for name in ("account", "session", "verification", "transaction")}
            cell |= {"credential": "missing", "actor": "subject"}
            cell["channel_change"] = "unknown" if self._policy.channels.declared else "same"
        cell["scope"] = conditions.check_scope(operation, NO_LEDGERS, NO_LEDGERS)
        cell["assurance"] = "insufficient" if operation.acr or operation.max_age else "met"
        cell["limit"] = "unmeasured" if operation.limits else "within"

    def _demand(self, cell: dict[str, str], operation: Operation, one: RecordedDecision) -> None:
        """Compute what the operation demands from the recorded facts."""
        principal, _ = build_principal(self._policy, one, one.subject)
        if operation.roles and one.text("roles") == UNKNOWN:
            raise UnknownInputError("its record does not hold the roles of the token")
        acting = conditions.classify_actor(principal, self._policy.agents)
        held = effective_roles(operation, principal, acting, self._policy.role_sources)
        proven_at = principal.auth_time or one.number("verified_at")
        cell["scope"] = conditions.check_scope(operation, principal.token_scopes, held)
        cell["assurance"] = conditions.check_assurance(
            operation, principal, proven_at, self._policy.assurance.rank, one.at
        )
        if cell["session"] in self._policy.live_session_states:
            session = SessionRecord(state=cell["session"])
            cell["credential"] = conditions.classify_credential(
                principal, session, cell["assurance"], authenticated_at=principal.auth_time, is_live=True
            )
        cell["actor"] = acting if operation.actor == "any" else conditions.restrict_actor(operation, acting)

    def _unknown_dimensions(self, one: RecordedDecision, operation: Operation) -> tuple[str, ...]:
        if not self._diverged.isdisjoint({one.subject, one.session} - {""}):
            return _CHANGING if operation.limits else _CHANGING[:-1]
        return ("limit",) if any(limit.name in self._limits for limit in operation.limits) else ()

    def _find(
        self,
        one: RecordedDecision,
        operation: Operation,
        cell: dict[str, str],
        unknown: tuple[str, ...],
        comparison: PartComparison,
        *,
        has_facts: bool,
        is_own: bool,
    ) -> ReplayedDecision:
        table = self._policy.table
        is_proven = cell["credential"] in PROVEN_CREDENTIALS
        known = {
            **cell,
            OPERATION: operation_value(operation, self._policy.operation_limits),
            CHANNEL: channel_value(self._policy, one.channel if is_proven else ""),
            **({} if is_proven else {flag.name: CLEAR for flag in self._policy.flags}),
            **one.context,
        }
        missing = [name for name in table.extra if name not in known]
        values = [
            (known[name],) if name not in unknown and known.get(name) in options else options
            for name, options in table.values.items()
        ]
        if prod(map(len, values)) > MAX_CELLS:
            raise UnknownInputError("an earlier decision of its session differs")
        rules = {(rule := table.decide(tuple(one))).index: rule for one in product(*values)}
        found: dict[tuple[str, str], ReplayedDecision] = {}
        for rule in rules.values():
            fallback = self._policy.fallbacks[rule.do]
            for answer in self._count(one, operation, fallback, comparison, bool(unknown), has_facts=has_facts):
                self._check_run(one, operation, answer, comparison, has_facts=has_facts, is_own=is_own)
                found[answer.kind.value, answer.name] = ReplayedDecision(answer.kind.value, answer.name, rule.name)
        if len(found) > 1:
            why = "the log does not hold how many attempts were left"
            if missing:
                why = f"its record does not hold `{missing[0]}`, on which the result depends"
            raise UnknownInputError("an earlier decision of its session or its limits differs" if unknown else why)
        return next(iter(found.values()))

    def _count(
        self,
        one: RecordedDecision,
        operation: Operation,
        fallback: Fallback,
        comparison: PartComparison,
        is_unknown: bool,  # noqa: FBT001 - named by its only caller
        *,
        has_facts: bool,
    ) -> tuple[Fallback, ...]:
        """Return what answers: the fallback, or what follows when no attempts are left; both if that is unknown."""
        if not fallback.attempts or one.cell[_PLACE["credential"]] not in PROVEN_CREDENTIALS:
            return (fallback,)
        recorded = one.rule.partition(":")[2]
        same = recorded == fallback.name and comparison.counts_same(fallback.name)
        if has_facts and one.credential and fallback.kind is not Outcome.VERIFY:
            counted = self._spend(one, operation, fallback)
        if same and not is_unknown and one.fallback in self._policy.fallbacks:
            return (self._policy.fallbacks[one.fallback],)
        if not has_facts:
            raise NeedsFactsError
        both = fallback, self._policy.fallbacks[fallback.then]
        if fallback.kind is Outcome.VERIFY or not one.credential:
            return both
        return (counted,) if one.at - self._begin >= fallback.per or one.subject in self._counted else both

    def _spend(self, one: RecordedDecision, operation: Operation, fallback: Fallback) -> Fallback:
        initial = blank(self._policy.initial)
        if one.subject not in self._accounts and "stored" in one.facts and "account" not in one.text("stored").split():
            self._counted.add(one.subject)
        account = self._accounts.get(one.subject, initial.account)
        evaluation = Evaluation(self._policy, replace(initial, account=account), one.at, Keys())
        principal = Principal(issuer="", subject=one.subject, fingerprint=one.credential)
        answer, _ = spend_attempts(evaluation, operation, principal, fallback)
        self._accounts[one.subject] = evaluation.snapshot.account
        return answer

    def _check_run(
        self,
        one: RecordedDecision,
        operation: Operation,
        answer: Fallback,
        comparison: PartComparison,
        *,
        has_facts: bool,
        is_own: bool,
    ) -> None:
        """Refuse to say that a request is admitted or held, if that depends on what the log does not hold."""
        admits, recorded = answer.kind in ADMITTING, Outcome(one.outcome)
        if is_own or not (admits or answer.kind is Outcome.HOLD) or answer.kind is recorded:
            return
        if not comparison.runs_same(one.operation):
            raise UnknownInputError("the policy runs the operation otherwise")
        if operation.idempotency and not (recorded in ADMITTING or recorded is Outcome.HOLD):
            if not has_facts:
                raise NeedsFactsError
            if not one.text("asked"):
                raise UnknownInputError("the caller sent no `Idempotency-Key`")
        if answer.kind is Outcome.HOLD:
            if not has_facts:
                raise NeedsFactsError
            self._held[one.subject] = self._held.get(one.subject, 0) + 1
            if self._held[one.subject] > self._policy.transactions.max_held:
                raise UnknownInputError("the log does not hold how many transactions of the account wait")

    def follow(self, decision: str) -> None:
        """Note an event that followed a decision: if the other policy refuses it, the event would not have been."""
        self._diverged |= self._stopped.get(decision, set())

    @staticmethod
    def _stops(one: RecordedDecision, found: ReplayedDecision) -> bool:
        """Return whether the app ran, and does not under the other policy."""
        return Outcome(one.outcome) in ADMITTING and found.outcome not in ADMITTING

    def _may_diverge(self, one: RecordedDecision, found: ReplayedDecision) -> bool:
        """Return whether a decision that differs may change the states, limits or counts of later requests."""
        if (found.outcome, found.fallback) == (one.outcome, one.fallback):
            return False
        operation = self._operations.get(one.operation)
        kinds = {Outcome(one.outcome), Outcome(found.outcome)}
        old, new = self._policy.fallbacks.get(one.fallback), self._policy.fallbacks.get(found.fallback)
        counts = any(fallback is None or fallback.attempts for fallback in (old, new))
        admits = {kind in ADMITTING for kind in kinds}
        runs = operation is None or operation.transactional or bool(operation.limits) or operation.idempotency
        return bool(kinds & _STATEFUL) or counts or (len(admits) > 1 and runs)

    def _diverge(self, one: RecordedDecision, found: ReplayedDecision, *, moved: bool) -> None:
        if one.cell[_PLACE["credential"]] not in PROVEN_CREDENTIALS:
            return
        if self._stops(one, found):
            self._stopped[one.id] = {one.subject, one.session} - {""}
        if one.operation not in self._operations and not moved and Outcome(one.outcome) not in _STATEFUL:
            return  # the other policy refuses the request without a decision, and this one changed nothing
        if found.problem or self._may_diverge(one, found):
            self._diverged |= {one.subject, one.session} - {""}
            operation = self._operations.get(one.operation)
            self._limits |= {limit.name for limit in operation.limits} if operation else set()
