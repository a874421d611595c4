"""Coverage of a policy's own rules by its scenarios: each condition and the phase; and conditions without effect.

A condition is covered by a request that meets all others of its rule and not this one (the masking form of MC/DC). The
phase is covered by a request that meets all conditions and that a rule of an earlier phase decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import DIMENSIONS, PHASES
from authguard.core.extra_dimensions import OPERATION, operation_value
from authguard.core.possible_values import find_possible
from authguard.policy.table.boxes import MAX_BOXES, BoxCoverage, find_skips, intersect, is_empty, reach_of, subtract
from authguard.policy.table_space import policy_space
from authguard.policy.testing.coverage import CoverageItem, find_underived_boxes, is_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.policy import Policy
    from authguard.policy.testing.request import ScenarioDecision

#: dimensions that follow from the operation
_OF_OPERATION = ("risk", "effect", OPERATION)


def find_idle_conditions(policy: Policy) -> tuple[tuple[int, str], ...]:
    """Return (index of the rule, dimension) of each condition of its own that may be left out without any other answer.

    Args:
        policy: with total machines. Conditions of rules that skip a phase are not judged, and none is if the table is
            too complex.
    """
    rules, space = policy.table.rules, policy_space(policy)
    boxes = tuple(space.box(rule.when) for rule in rules)
    nowhere = (*space.impossible_boxes, *(one for one in find_underived_boxes(policy, space) if not is_empty(one)))
    proof = reach_of(boxes, space.whole, MAX_BOXES, nowhere, find_skips(rules))
    if not isinstance(proof, BoxCoverage):
        return ()
    found = []
    for rule in rules:
        if rule.skips or not is_own(policy, rule.origin):
            continue
        later = [
            box
            for other in rules[rule.index + 1 :]
            if other.do != rule.do or other.skips
            for box in proof.reaches[other.index]
        ]
        for name in rule.when:
            wider = space.box({other: values for other, values in rule.when.items() if other != name})
            added = [*subtract(wider, boxes[rule.index])]
            if all(is_empty(intersect(box, one)) for one in added for box in later):
                found.append((rule.index, name))
    return tuple(found)


def cover_rules(policy: Policy, answers: Sequence[ScenarioDecision]) -> Iterator[tuple[CoverageItem, bool]]:
    """Yield each condition and each phase of the policy's own rules, and whether an answer covers it.

    Args:
        policy: the policy that the scenarios ran on.
        answers: to the requests of its scenarios.
    """
    idle = frozenset(find_idle_conditions(policy))
    with_cells = [answer for answer in answers if answer.cell]
    for rule in policy.table.rules:
        if is_own(policy, rule.origin):
            yield from _conditions(policy, rule, with_cells, {name for index, name in idle if index == rule.index})
            yield from _phase(policy, rule, with_cells)


def describe_idle(policy: Policy) -> tuple[CoverageItem, ...]:
    """Return the conditions of the policy's own rules that say nothing."""
    rules = policy.table.rules
    return tuple(
        CoverageItem(kind="condition", index=index, label=f"{rules[index].name}: `{name}`", origin=rules[index].origin)
        for index, name in find_idle_conditions(policy)
    )


def _conditions(
    policy: Policy, rule: Rule, answers: Iterable[ScenarioDecision], idle: set[str]
) -> Iterator[tuple[CoverageItem, bool]]:
    places = {name: place for place, name in enumerate((*DIMENSIONS, *policy.table.extra))}
    wanted = [(name, places[name], values) for name, values in rule.when.items()]
    missed = {tuple(name for name, place, values in wanted if answer.cell[place] not in values) for answer in answers}
    for name, _, values in wanted:
        if name in idle or not _can_miss(policy, rule, name):
            continue
        yield _item(rule, f"`{name}` other than {' or '.join(sorted(values))}"), (name,) in missed


def _phase(policy: Policy, rule: Rule, answers: Iterable[ScenarioDecision]) -> Iterator[tuple[CoverageItem, bool]]:
    order = PHASES.index(rule.phase)
    earlier = [one for one in policy.table.rules if PHASES.index(one.phase) < order and not one.skips]
    if not any(_may_meet_both(policy, rule, one) for one in earlier):
        return
    is_covered = any(
        answer.rule is not None
        and PHASES.index(answer.rule.phase) < order
        and rule.matches(answer.cell, policy.table.extra)
        for answer in answers
    )
    yield _item(rule, f"met, and decided before its phase `{rule.phase}`"), is_covered


def _may_meet_both(policy: Policy, rule: Rule, other: Rule) -> bool:
    """Return whether some operation can bring a cell that meets both rules."""
    if any(not values & other.when[name] for name, values in rule.when.items() if name in other.when):
        return False
    return any(
        all(
            set(brought[name]) & values for one in (rule, other) for name, values in one.when.items() if name in brought
        )
        for brought in _all_brought(policy)
    )


def _all_brought(policy: Policy) -> Iterator[dict[str, tuple[str, ...]]]:
    for operation in policy.all_operations:
        yield find_possible(policy, operation) | {OPERATION: (operation_value(operation, policy.operation_limits),)}


def _can_miss(policy: Policy, rule: Rule, name: str) -> bool:
    """Return whether a request that meets the rule's other conditions on its operation can miss this one."""
    values, runs_once = rule.when[name], name == "transaction" and policy.initial[name] in rule.when[name]
    for operation, brought in zip(policy.all_operations, _all_brought(policy), strict=True):
        others = (one for one in _OF_OPERATION if one != name and one in rule.when)
        if not all(brought[one][0] in rule.when[one] for one in others):
            continue
        if runs_once and not (operation.transactional or operation.idempotency):
            continue
        if not set(brought.get(name, policy.table.values[name])) <= values:
            return True
    return False


def _item(rule: Rule, label: str) -> CoverageItem:
    return CoverageItem(kind="condition", index=rule.index, label=f"{rule.name}: {label}", origin=rule.origin)
