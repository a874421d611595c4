"""Check that every cell that can lead to an outcome gives what the outcome needs (`authguard.core.outcomes.NEEDS`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import CONDITIONS, PROVEN_CREDENTIALS
from authguard.core.machine import expand
from authguard.core.outcomes import ALLOW, NEEDS, Need, Outcome
from authguard.policy.checks.demands import total_machines
from authguard.policy.checks.table import find_evidence, follow_then, prove_table
from authguard.policy.problem import Problem
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.outcomes import Fallback
    from authguard.policy.draft import Draft

    #: dimension -> values
    Conditions = Mapping[str, Iterable[str]]

UNPROVEN: Final = frozenset(CONDITIONS["credential"]) - set(PROVEN_CREDENTIALS)
PROVEN: Final = frozenset(PROVEN_CREDENTIALS)
#: operations of the app that change something
WRITES: Final[Conditions] = {"risk": ("routine", "sensitive", "high"), "effect": ("write",)}


def check_outcome_needs(draft: Draft) -> Iterator[Problem]:
    """Check that no rule leads to an outcome where one of its requirements is not given."""
    proof, space = prove_table(draft), table_space(draft)
    if proof is None or not any(spec.name == "transaction" for spec, _ in total_machines(draft)):
        return
    boxes = {
        need: [space.box({key: set(values) for key, values in one.items()}) for one in unmet]
        for need, unmet in unmet_conditions(draft).items()
    }
    unproven = space.box({"credential": set(UNPROVEN)})
    deciders = {box: proof.deciders(box) for some in boxes.values() for box in some}
    for rule in draft.rules:
        for fallback, is_first in _outcomes(draft, rule):
            for need in NEEDS.get(fallback.kind, ()):
                for box in boxes[need]:
                    if not is_first and box == unproven:
                        continue  # attempts are counted for proven callers only
                    if rule.index in deciders[box]:
                        yield Problem(
                            code="outcome-unmet",
                            place=draft.place(f"decisions[{rule.index}]", "decisions"),
                            message=_message(rule, fallback, need),
                            **find_evidence(draft, proof, rule.index, box, proof.example(rule.index, box)),
                            advice=_ADVICE[need],
                        )
                        break


def unmet_conditions(draft: Draft) -> Mapping[Need, tuple[Conditions, ...]]:
    """Return for each requirement the cells that do not give it.

    Args:
        draft: with a total transaction machine.
    """
    spec = draft.machines["transaction"]
    edges = expand(spec).edges
    startable = {state for state in spec.states if edges[state, "started"].moves}
    # one that is approved already is for the check of `approved-held`
    waiting = {state for state in spec.states if edges[edges[state, "held"].dest, "approved"].moves} | startable
    entered: dict[str, set[str]] = {}
    for (_, trigger), edge in edges.items():
        if edge.moves:
            entered.setdefault(edge.dest, set()).add(trigger)
    finished = {state for state, triggers in entered.items() if triggers == {"committed"}} - {spec.initial}
    states = set(spec.states)
    return {
        Need.CREDENTIAL: ({"credential": UNPROVEN},),
        Need.STARTABLE: (
            {**WRITES, "risk": ("high",), "credential": UNPROVEN},
            {**WRITES, "credential": PROVEN, "transaction": states - startable},
        ),
        Need.WAITING: ({"credential": PROVEN, "transaction": states - waiting},),
        Need.FINISHED: ({"credential": PROVEN, "transaction": states - finished},),
    }


def _outcomes(draft: Draft, rule: Rule) -> Iterator[tuple[Fallback, bool]]:
    """Yield the fallbacks of a rule, and whether each applies without spent attempts."""
    if rule.do == Outcome.ALLOW:
        yield ALLOW, True
    for place, name in enumerate(follow_then(draft, rule.do)):
        if name != Outcome.ALLOW:
            yield draft.fallbacks[name], place == 0


def _message(rule: Rule, fallback: Fallback, need: Need) -> str:
    name = "" if fallback.name == fallback.kind else f" by `{fallback.name}`"
    return (
        f"rule `{rule.name}` ({rule.origin or 'unplaced'}) leads to `{fallback.kind.value}`{name} without {need.value}"
    )


_ADVICE: Final = {
    Need.CREDENTIAL: "put a rule for `credential: [missing, expired, rejected, unproven]` before it",
    Need.STARTABLE: "put rules for the other states of `transaction` before it, as the standard policy has them",
    Need.WAITING: "add the states of `transaction` to its `when` that wait, or put rules for the others before it",
    Need.FINISHED: "add to its `when` the states of `transaction` that only `committed` leads to",
}
