"""The states in which each event can occur: after a proven credential, and where the table lets a transaction begin."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from authguard.core.decision_table import CONDITIONS, PROVEN_CREDENTIALS
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.table.boxes import Undecided
from authguard.policy.table.coverage import compute_coverage
from authguard.policy.table_space import any_space

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from authguard.core.decision_table import Rule
    from authguard.core.policy import Policy
    from authguard.policy.checks.state_space import StateSet, StateSpace
    from authguard.policy.draft import Draft

#: (risk, effect) pairs of the guard's own endpoints
_OWN_REQUESTS = frozenset({("self", "read"), ("self", "write"), ("staff", "read"), ("staff", "write")})


class EventGuards:
    """The states in which each event can occur.

    Attributes:
        rules: rules of the table.
        space: dimensions of the table.
        requests: the (risk, effect) pairs of the operations and of the guard's own endpoints.
    """

    def __init__(self, policy: Draft | Policy, states: StateSpace) -> None:
        """Read the policy.

        Args:
            policy: a compiled policy, or a draft with total machines and resolved names.
            states: of its machines.
        """
        self._states = states
        given: tuple[Rule, ...] = getattr(policy, "rules", None) or policy.table.rules  # type: ignore[union-attr]
        self.rules = tuple(given)
        self.space = any_space(policy)
        self._outcomes = {Outcome.ALLOW: frozenset({Outcome.ALLOW})} | {
            name: frozenset(_chain(policy, name)) for name in policy.fallbacks
        }
        pairs = {(operation.risk, operation.effect) for operation in policy.all_operations}
        opening = {(one.risk, one.effect) for one in policy.all_operations if one.transactional}
        if not policy.operations:  # a base policy: its operations are unknown
            pairs = {(risk, effect) for risk in CONDITIONS["risk"] for effect in CONDITIONS["effect"]}
            opening = {pair for pair in pairs if pair[1] == "write"}
        self.requests = frozenset(pairs) | _OWN_REQUESTS
        self._opening = opening
        self._known: dict[str, StateSet] = {}

    @cached_property
    def known_callers(self) -> StateSet:
        """The states after a proven credential; before one, only service and account move."""
        session = self._states.machines["session"]
        whole, initial = self._states.whole, self._states.having("session", session.initial)
        accepts = any(arrow.mask & initial for arrow in self._states.arrows("session.accepted"))
        return whole & ~initial if accepts else whole

    def of(self, event: str) -> StateSet:
        """Return the states in which an event can occur."""
        if event not in self._known:
            self._known[event] = self._find(event)
        return self._known[event]

    def _find(self, event: str) -> StateSet:
        if event.startswith(("service.", "account.")) or event in ("session.accepted", "session.revoked"):
            return self._states.whole
        if event == "transaction.held":
            return self.known_callers & self._deciding(frozenset({Outcome.HOLD}), self.requests)
        if event == "transaction.started":
            new = self._states.having("transaction", self._states.machines["transaction"].initial)
            first = self._deciding(ADMITTING, self._opening)
            return self.known_callers & (new & first | ~new & self._deciding(ADMITTING, self.requests))
        return self.known_callers

    def _deciding(self, kinds: frozenset[Outcome], requests: Collection[tuple[str, str]]) -> StateSet:
        """Return the states in which the table can give one of some outcomes to a proven caller."""
        proof = compute_coverage(self.rules, self.space)
        if isinstance(proof, Undecided):
            return self._states.whole  # the policy is refused; a search for examples may go on
        rules = [place for place, rule in enumerate(self.rules) if not rule.skips and self._outcomes[rule.do] & kinds]
        found = 0
        for risk, effect in sorted(requests):
            box = self.space.box({"risk": {risk}, "effect": {effect}, "credential": set(PROVEN_CREDENTIALS)})
            found |= proof.project(rules, box, self._states.slabs)
        return found


def _chain(policy: Draft | Policy, name: str) -> Iterator[Outcome]:
    """Yield the outcomes of a fallback and of those that follow when attempts are spent."""
    seen: set[str] = set()
    while name in policy.fallbacks and name not in seen:
        seen.add(name)
        yield policy.fallbacks[name].kind
        name = policy.fallbacks[name].then
