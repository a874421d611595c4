"""Replay of windows: one record covers many requests without a proven caller, and names at most their operation.

Such a record says only that the requests were refused, or that they were admitted to a public operation. It is the same
under another policy if that holds for every operation, condition and state of the service that they could have had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.audit.query.replay_states import NO_CIPHER
from authguard.core.decision_table import CONDITIONS, PROVEN_CREDENTIALS
from authguard.core.outcomes import ADMITTING, Reason
from authguard.core.request import NotProven
from authguard.core.snapshot import blank
from authguard.errors import MachineFaultError
from authguard.evaluation.decision import Decision
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.request import AccessRequest, RequestFacts

if TYPE_CHECKING:
    from authguard.audit.query.replay_parts import PartComparison
    from authguard.core.policy import Policy
    from authguard.core.request import Operation

_REASONS: Final = tuple(Reason)
#: reasons that stand for a condition of the credential, on which the table decides
CREDENTIAL_REASONS: Final = frozenset(one.code for one in _REASONS[: _REASONS.index(Reason.CREDENTIAL_AMBIGUOUS)])
_UNPROVEN: Final = tuple(one for one in CONDITIONS["credential"] if one not in PROVEN_CREDENTIALS)


def is_window(reason: str) -> bool:
    """Return whether a refusal's reason is that of decisions by the table, so that its record is a window."""
    return reason in CREDENTIAL_REASONS or reason == Reason.DECIDED.code


class WindowReplay:
    """Decides whether windows of a recorded policy say the same under another policy."""

    def __init__(self, policy: Policy) -> None:
        """Store the policy, whose operations a window may cover."""
        self._policy: Final = policy
        self._operations: Final = policy.all_operations
        self._admitted: Final[dict[str, frozenset[bool]]] = {}

    def is_same(self, reason: str, operation: str, comparison: PartComparison) -> bool:
        """Return whether the requests of a window are refused or admitted as before.

        Args:
            reason: of the window.
            operation: of a window of public admissions; else empty.
            comparison: of its policy with the other one.
        """
        public = {one.name for one in self._operations if one.risk == "public"}
        if reason == Reason.DECIDED.code:
            return operation in public and comparison.matches_same(operation) and self._admits(operation) == {True}
        if not comparison.reads_same or any(
            not (comparison.demands_same(name) and comparison.matches_same(name)) for name in public
        ):
            return False
        return all(self._admits(one.name) == {False} for one in self._operations if one.name not in public)

    def _admits(self, name: str) -> frozenset[bool]:
        """Return whether an operation admits requests without a proven caller: sometimes, never, or always."""
        if name not in self._admitted:
            operation = next(one for one in self._operations if one.name == name)
            self._admitted[name] = frozenset(self._outcomes(operation))
        return self._admitted[name]

    def _outcomes(self, operation: Operation) -> set[bool]:
        found: set[bool] = set()
        initial = blank(self._policy.initial)
        for state in self._policy.machines["service"].spec.states:
            before = replace(initial, service=replace(initial.service, state=state))
            for condition in ("missing",) if operation.risk == "public" else _UNPROVEN:
                credential = NotProven(condition, Reason.CREDENTIAL_MISSING)  # type: ignore[arg-type]  # a closed set
                facts = RequestFacts(now=0.0, credential=credential)
                try:
                    decision = evaluate(self._policy, AccessRequest(operation=operation), facts, before, NO_CIPHER)
                except MachineFaultError:
                    return {True, False}
                found.add(isinstance(decision, Decision) and decision.fallback.kind in ADMITTING)
        return found
