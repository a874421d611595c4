"""States from which a goal is surely reached: a search backwards over what customer, clock and operator can do.

A step counts only if it leads on from every record with these states (`authguard.policy.checks.driver_probe`). So where
the driver's answer depends on more than the states, or the sources of the account decide, every answer must lead on.
The customer is one who does everything right: signs in as strongly as asked, has the scope, stays within the limits,
and passes a verification that is offered. Issuers, account sources and verifiers are assumed to answer at last.
"""

from __future__ import annotations

from functools import cached_property, reduce
from operator import and_, or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.extra_dimensions import OPERATION
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.evaluation.verification import PROVABLE_RISKS, VERIFY_OPERATION
from authguard.policy.checks.event_sources import CALLER, CLOCK, OPERATOR
from authguard.policy.table_space import policy_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from authguard.policy.checks.driver_probe import DriverProbe, Sequence, SignIn
    from authguard.policy.checks.state_space import StateSet, StateSpace
    from authguard.policy.draft import Draft
    from authguard.policy.table.boxes import Box, Slabs
    from authguard.policy.table.coverage import TableCoverage

    Join = Callable[[StateSet, StateSet], StateSet]

#: events of a person's decision
_OPERATOR_EVENTS: Final = (
    *("account.reinstated", "verification.reset", "service.engaged", "service.released"),
    *("transaction.approved", "transaction.denied", "transaction.committed", "transaction.failed"),
)
_PASSED: Final = ("verification.started", "verification.passed")
_EXHAUSTED: Final = ("verification.exhausted",)


class RequestKind(Struct, frozen=True):
    """A kind of request.

    Attributes:
        risk: of its operation.
        effect: of its operation.
        actor: who makes it: ``subject``, or ``agent`` if the operation is for agents only.
        operation: one of those that the rules do not distinguish; empty if they distinguish none.
    """

    risk: str
    effect: str
    actor: str = "subject"
    operation: str = ""

    def __str__(self) -> str:
        """Format the kind for people."""
        named = f" `{self.operation}`" if self.operation else ""
        return f"{self.risk} {self.effect}{named}{' by an agent' if self.actor == 'agent' else ''}"


#: flags may have any value
NO_FLAGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class SureStates:
    """The states from which some actors surely reach a goal.

    Attributes:
        states: the combinations of states.
    """

    def __init__(
        self,
        probe: DriverProbe,
        draft: Draft,
        proof: TableCoverage,
        states: StateSpace,
        *,
        by: frozenset[str],
        is_dated: bool,
        flags: Mapping[str, tuple[str, ...]] = NO_FLAGS,
    ) -> None:
        """Prepare the search.

        Args:
            probe: of the policy.
            draft: the policy, or the policy with transactions that stay in their initial state.
            proof: which rule of the policy decides each cell.
            states: of the draft's machines.
            by: the actors.
            is_dated: whether the customer's tokens state when the person signed in.
            flags: flag -> the values that it may have; the policy's own conditions may have any.
        """
        self.states = states
        self._flags = flags
        self._draft, self._proof, self._probe, self._by, self._is_dated = draft, proof, probe, by, is_dated
        self._kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
        self._space = policy_space(probe.policy)
        self._found: dict[tuple[StateSet, ...], StateSet] = {}
        self._ends: dict[tuple[frozenset[Outcome], RequestKind, str], StateSet] = {}
        self._groups: dict[str, list[tuple[frozenset[Sequence], StateSet]]] = {}
        session = draft.machines["session"]
        self._live = states.having("session", *sorted(probe.policy.live_session_states & set(session.states)))
        new = draft.machines["transaction"].initial
        values = self._space.values["transaction"]
        #: the states of each value in the cell of a request without a transaction
        self._new: Slabs = (*states.slabs[:-1], tuple(states.whole if one == new else 0 for one in values))

    def leading_into(self, wanted: frozenset[Outcome], kind: RequestKind, needed: StateSet) -> StateSet:
        """Return states from which a kind of request surely comes to one of some outcomes.

        Args:
            wanted: the outcomes.
            kind: of the request.
            needed: the search may end when it has found all of these.
        """
        good, undated = self._live, ~self._live
        if self._is_dated:
            good, undated = self.states.whole, 0
        ends = self._with(wanted, kind, "good") & good | self._with(wanted, kind, "undated") & undated
        offered = self._offered["good"] & good | self._offered["undated"] & undated
        found = self._search((ends, needed, offered, 0), kind, lambda target: self._pass(offered, target))
        if self._is_dated:
            return found
        # a live session whose sign-in is too old for the operation needs a date as well
        passed = self._pass(self._offered["undated"], found)
        return found & self._search((self._with(wanted, kind, "undated"), needed, passed, 1), kind, lambda _: passed)

    def _search(
        self,
        given: tuple[StateSet, StateSet, StateSet, int],
        kind: RequestKind,
        passing: Callable[[StateSet], StateSet],
    ) -> StateSet:
        """Search backwards from the states in which a request ends well.

        Args:
            given: these states, after the events of the request; states of which the search may end when it has found
                all; and a set and a number that determine `passing`.
            kind: of the request.
            passing: returns the states in which a verification leads into a set of states.
        """
        held, ending = self._with(frozenset({Outcome.HOLD}), kind, "good"), self._ending(kind)
        key = (*given, held, ending)  # kinds of requests often have the same sets
        if key not in self._found:
            self._found[key] = self._search_from(given[0], given[1], held, ending, passing)
        return self._found[key]

    def _search_from(
        self,
        ends: StateSet,
        needed: StateSet,
        held: StateSet,
        ending: StateSet,
        passing: Callable[[StateSet], StateSet],
    ) -> StateSet:
        found, before = self._request(ends), -1
        while found != before and needed & ~found:
            before = found
            found |= self.states.leave_transaction(found)
            if CALLER in self._by:
                # what a request sends does not depend on which one it is: the customer makes the one that leads on
                stays = found & ~ending | self._after(("session.ended",), found) & ending
                holds = held & self._after(("transaction.held",), found)
                found |= self._request(ends | stays | holds | passing(found))
            if found == before:  # others help only where the customer cannot go on
                found |= self._waiting(found)
        return found

    def _waiting(self, target: StateSet) -> StateSet:
        """Return the states from which the clock or an operator leads into a set of states."""
        found = self._clock(target) if CLOCK in self._by else 0
        for event in _OPERATOR_EVENTS if OPERATOR in self._by else ():
            found |= self._moving(event) & self._after((event,), target)
        return found

    def _with(self, wanted: frozenset[Outcome], kind: RequestKind, credential: str) -> StateSet:
        """Return the states in which a request comes to one of some outcomes, with its transaction or without one."""
        if (wanted, kind, credential) not in self._ends:
            self._ends[wanted, kind, credential] = self._project(wanted, kind, credential)
        return self._ends[wanted, kind, credential]

    def _project(self, wanted: frozenset[Outcome], kind: RequestKind, credential: str) -> StateSet:
        rules = [rule.index for rule in self._draft.rules if self._kinds.get(rule.do) in wanted]
        box = self._box(kind, credential)
        found = self._proof.project(rules, box, self._new)
        return found | (self._proof.project(rules, box, self.states.slabs) if self._has_transactions else 0)

    @property
    def _has_transactions(self) -> bool:
        return self.states.sizes[-1] > 1

    def _ending(self, kind: RequestKind) -> StateSet:
        """Return the states in which the decision itself may end the session."""
        credential = "good" if self._is_dated else "undated"
        return self._with(frozenset({Outcome.TERMINATE}), kind, "good") | self._with(
            frozenset({Outcome.TERMINATE}), kind, credential
        )

    def _box(self, kind: RequestKind, credential: str, **more: Iterable[str]) -> Box:
        """Return the cells of a request by a customer who does everything right."""
        conditions: dict[str, Iterable[str]] = {
            "risk": (kind.risk,),
            "effect": (kind.effect,),
            "actor": (kind.actor,),
            "credential": (credential,),
            "scope": ("granted",),
            "assurance": ("met", "stale") if credential == "undated" else ("met",),
            "limit": ("within",),
            "channel_change": ("same",),
        }
        if kind.operation and OPERATION in self._space.values:
            conditions[OPERATION] = (kind.operation,)
        return self._space.box({**conditions, **self._flags, **more})

    def may_lead_into(self, target: StateSet) -> StateSet:
        """Return the states from which some answer to a request leads into a set of states."""
        return self._request(target, or_)

    def _request(self, target: StateSet, join: Join = and_) -> StateSet:
        """Return the states from which a request, once its events are sent, is in a set of states.

        Args:
            target: the set.
            join: ``and_`` if every sequence of events that the driver may send must lead there, ``or_`` if one must.
        """
        old = self._reports(target, join)
        identified = self._identity(target, join)
        new = old if identified == target else self._reports(identified, join)
        known: dict[tuple[Sequence, StateSet], StateSet] = {}  # many states have the same sequences
        found = 0
        for is_fresh in (False, True) if CALLER in self._by and self._is_dated else (False,):
            for state, sign_in in self._sign_ins[is_fresh].items():
                after = new if sign_in.is_new else join(new, old) if sign_in.can_be_new else old
                for one in sign_in.sequences:
                    if (one, after) not in known:
                        known[one, after] = self._after(one, after)
                leads = reduce(join, (known[one, after] for one in sign_in.sequences))
                found |= self.states.having("session", state) & leads
        return found

    @cached_property
    def _sign_ins(self) -> dict[bool, dict[str, SignIn]]:
        return {
            is_fresh: {
                state: self._probe.sign_in(state, is_dated=self._is_dated, is_fresh=is_fresh)
                for state in self._draft.machines["session"].states
            }
            for is_fresh in (False, True)
        }

    def _reports(self, target: StateSet, join: Join) -> StateSet:
        return self._choose("account", self._account_reports, target, join)

    @cached_property
    def _account_reports(self) -> Mapping[str, frozenset[Sequence]]:
        return {state: self._probe.reports(state) for state in self._draft.machines["account"].states}

    def _identity(self, target: StateSet, join: Join) -> StateSet:
        if not self._draft.identity:
            return target
        return self._choose("verification", self._identity_proofs, target, join)

    @cached_property
    def _identity_proofs(self) -> Mapping[str, frozenset[Sequence]]:
        # attempts that did not pass count against a sign-in until their window has passed
        waits = CLOCK not in self._by and bool(self._offering_rules)
        doubted: frozenset[Sequence] = frozenset({()} if waits else ())
        return {state: self._probe.identity(state) | doubted for state in self._draft.machines["verification"].states}

    @cached_property
    def _offering_rules(self) -> dict[str, list[int]]:
        """Return the rules that offer each method."""
        found: dict[str, list[int]] = {}
        for rule in self._draft.rules:
            if self._kinds.get(rule.do) is Outcome.VERIFY:
                for method in self._draft.fallbacks[rule.do].methods:
                    found.setdefault(method, []).append(rule.index)
        return found

    @cached_property
    def _offered(self) -> dict[str, StateSet]:
        """Return the states in which a method is offered and taken, by the condition of the credential."""
        kinds = {(one.risk, one.effect) for one in self._draft.all_operations}
        if self._draft.base or not self._draft.operations:
            kinds = {(risk, effect) for risk in PROVABLE_RISKS for effect in ("read", "write")}
        gate = RequestKind(VERIFY_OPERATION.risk, VERIFY_OPERATION.effect)
        admits = [rule.index for rule in self._draft.rules if self._kinds.get(rule.do) in ADMITTING]
        found = {}
        for credential in ("good", "undated"):
            found[credential] = 0
            entered = self._proof.project(admits, self._box(gate, credential), self._new)
            for rules in self._offering_rules.values():
                taken = entered | self._proof.project(rules, self._box(gate, credential), self._new)
                for risk, effect in kinds:
                    if risk in PROVABLE_RISKS:
                        box = self._box(RequestKind(risk, effect), credential)
                        found[credential] |= taken & self._proof.project(rules, box, self._new)
        return found

    def _pass(self, offered: StateSet, target: StateSet) -> StateSet:
        """Return the states in which a method is offered, and a pass leads into a set of states."""
        passed = target
        if not self._is_dated:  # the pass stands in for the sign-in time
            passed = target & self._live | self._after(("session.renewed",), target) & ~self._live
        # an attempt that is continued was started before
        found = self._after(_PASSED, passed)
        found &= self._after(_PASSED[1:], passed) | ~self._moving(_PASSED[1])
        if CLOCK not in self._by:  # without waiting, the attempts may be spent
            found &= self._after(_EXHAUSTED, target)
        return offered & found

    def _clock(self, target: StateSet) -> StateSet:
        """Return the states in which a timer surely falls due, and whichever does first leads into a set of states."""
        found = self._timed
        for here, event in self._due:
            found &= self._after((event,), target) | ~here
        return found

    @cached_property
    def _due(self) -> list[tuple[StateSet, str]]:
        """Return each timer that can fall due first in its machine, with the states in which it can."""
        running = [
            (self.states.having(machine, state), event)
            for machine, spec in self._draft.machines.items()
            for state in spec.states
            for event in self._probe.due(machine, state).events
        ]
        return [(here, event) for here, event in running if here & self._moving(event)]

    @cached_property
    def _timed(self) -> StateSet:
        """The states in which a timer surely falls due."""
        machines = self._draft.machines.items()
        return reduce(
            or_,
            (
                self.states.having(machine, state)
                for machine, spec in machines
                for state in spec.states
                if self._probe.due(machine, state).is_sure
            ),
            0,
        )

    def _choose(
        self, machine: str, choices: Mapping[str, frozenset[Sequence]], target: StateSet, join: Join
    ) -> StateSet:
        """Return the states from which the sequences that their machine's state has lead into a set."""
        known: dict[Sequence, StateSet] = {}
        found = 0
        for sequences, here in self._group(machine, choices):
            for one in sequences:
                if one not in known:
                    known[one] = self._after(one, target)
            found |= here & reduce(join, (known[one] for one in sequences))
        return found

    def _group(
        self, machine: str, choices: Mapping[str, frozenset[Sequence]]
    ) -> list[tuple[frozenset[Sequence], StateSet]]:
        """Return the different choices of a machine, with the states that have each."""
        if machine not in self._groups:
            grouped: dict[frozenset[Sequence], list[str]] = {}
            for state, sequences in choices.items():
                grouped.setdefault(sequences, []).append(state)
            self._groups[machine] = [
                (sequences, self.states.having(machine, *states)) for sequences, states in grouped.items()
            ]
        return self._groups[machine]

    def _after(self, sequence: Sequence, target: StateSet) -> StateSet:
        """Return the states that are in a set after some events; an event need not move its machine."""
        for event in reversed(sequence):
            target = self.states.before(event, target)
        return target

    def _moving(self, event: str) -> StateSet:
        """Return the states that an event changes."""
        return self.states.moving(event)
