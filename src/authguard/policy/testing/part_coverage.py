"""Coverage of the parts of a policy by its scenarios: operations, their needs, limits, flags, and conditions of rules.

A condition of a rule of the policy's own is covered by a request that meets all others of the rule and not this one:
so a scenario tells what the condition is for (the masking form of MC/DC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.core import flags
from authguard.core.decision_table import DIMENSIONS
from authguard.core.extra_dimensions import OPERATION, operation_value
from authguard.core.possible_values import find_possible
from authguard.core.tiers import EXCEEDED, UNMEASURED
from authguard.evaluation.flags import CLEARED_EVENT, EXPIRED_EVENT, SET_EVENT
from authguard.evaluation.staff_acts import PERSON_CAUSE
from authguard.policy.testing.coverage import CoverageItem, is_own
from authguard.policy.testing.happening import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.decision_table import Rule
    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.testing.request import ScenarioDecision
    from authguard.policy.testing.scenario import ScenarioRun


class PartCoverage(Struct, frozen=True, kw_only=True):
    """The coverage of the parts of a policy.

    Attributes:
        total: number of the parts.
        uncovered: those that no scenario covers.
    """

    total: int
    uncovered: tuple[CoverageItem, ...]

    @property
    def percent(self) -> float:
        """The percentage of the parts that a scenario covers, 0 to 100; 100 if there are none."""
        return 100.0 * (1 - len(self.uncovered) / self.total) if self.total else 100.0


def measure_parts(policy: Policy, run: ScenarioRun) -> PartCoverage:
    """Compare what the scenarios did with the parts of a policy.

    Args:
        policy: the policy that the scenarios ran on.
        run: their results (`authguard.policy.testing.scenario.run_scenarios`).
    """
    answers = [answer for result in run.results for answer in result.answers]
    parts = [*_operations(policy, answers), *_flags(policy, run)]
    for rule in policy.table.rules:
        if is_own(policy, rule.origin):
            parts += _conditions(policy, rule, answers)
    return PartCoverage(total=len(parts), uncovered=tuple(item for item, is_covered in parts if not is_covered))


def _operations(policy: Policy, answers: list[ScenarioDecision]) -> Iterator[tuple[CoverageItem, bool]]:
    asked: dict[str, list[ScenarioDecision]] = {}
    for answer in answers:
        asked.setdefault(answer.operation, []).append(answer)
    for index, operation in enumerate(policy.operations):
        found = asked.get(operation.name, [])
        yield _item("operation", index, operation.name, policy), bool(found)
        for need, dimension, values in _needs(operation):
            is_lacked = any(answer.conditions[dimension] in values for answer in found)
            yield _item("need", index, f"{operation.name} {need}", policy), is_lacked


def _needs(operation: Operation) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield what a request for an operation may lack: in words, as a dimension, and as its values."""
    if operation.scopes:
        yield "without its scopes", "scope", frozenset({"missing"})
    if operation.roles:
        yield "without its roles", "scope", frozenset({"missing"})
    if operation.acr:
        yield "with a weaker sign-in", "assurance", frozenset({"insufficient"})
    if operation.max_age:
        yield "with an older sign-in", "assurance", frozenset({"stale"})
    if operation.actor != "any":
        yield "by another actor", "actor", frozenset({"stranger"})
    for limit in operation.limits:
        if limit.tier:
            yield f"over its limit `{limit.tier}`", "limit", frozenset({limit.tier})
    if operation.limits and not all(limit.tier for limit in operation.limits):
        yield "over its limits", "limit", frozenset({EXCEEDED})
    if operation.has_amount and operation.limits:
        yield "with an amount that cannot be read", "limit", frozenset({UNMEASURED})


def _flags(policy: Policy, run: ScenarioRun) -> Iterator[tuple[CoverageItem, bool]]:
    for index, flag in enumerate(policy.flags):
        changes = {(event, cause) for name, event, cause in run.flag_changes if name == flag.name}
        for way, event, causes in _ways(flag):
            is_covered = any(one == event and cause in causes for one, cause in changes)
            yield _item("flag", index, f"{flag.name} {way}", policy), is_covered


def _ways(flag: Flag) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield the ways in which a flag changes: in words, as the event in the log, and as its causes."""
    for setter in flag.set_by:
        if setter.app:
            yield "set by the app", SET_EVENT, frozenset({APP})
        elif setter.role:
            yield f"set by `{setter.role}`", SET_EVENT, frozenset({PERSON_CAUSE})
        else:
            causes = {f"transaction.{setter.event}"} | ({APP} if setter.event == flags.COMMITTED else set())
            yield f"set by `{', '.join(setter.operations)}` ({setter.event})", SET_EVENT, frozenset(causes)
    if flag.cleared_by:
        yield "cleared by a person", CLEARED_EVENT, frozenset({PERSON_CAUSE})
    if flag.expires != float("inf"):
        yield "expired", EXPIRED_EVENT, frozenset({"timer"})


def _conditions(policy: Policy, rule: Rule, answers: list[ScenarioDecision]) -> Iterator[tuple[CoverageItem, bool]]:
    places = {name: place for place, name in enumerate((*DIMENSIONS, *policy.table.extra))}
    wanted = [(name, places[name], values) for name, values in rule.when.items()]
    missed = {
        tuple(name for name, place, values in wanted if answer.cell[place] not in values)
        for answer in answers
        if answer.cell
    }
    for name, _, values in wanted:
        if not _can_miss(policy, rule, name):
            continue
        label = f"{rule.name}: `{name}` other than {' or '.join(sorted(values))}"
        item = CoverageItem(kind="condition", index=rule.index, label=label, origin=rule.origin)
        yield item, (name,) in missed


def _can_miss(policy: Policy, rule: Rule, name: str) -> bool:
    """Return whether a request that meets the rule's other conditions on its operation can miss this one."""
    values, runs_once = rule.when[name], name == "transaction" and policy.initial[name] in rule.when[name]
    for operation in policy.all_operations:
        brought = find_possible(policy, operation) | {OPERATION: (operation_value(operation, policy.operation_limits),)}
        others = (one for one in ("risk", "effect", OPERATION) if one != name and one in rule.when)
        if not all(brought[one][0] in rule.when[one] for one in others):
            continue
        if runs_once and not (operation.transactional or operation.idempotency):
            continue
        if not set(brought.get(name, policy.table.values[name])) <= values:
            return True
    return False


def _item(kind: str, index: int, label: str, policy: Policy) -> CoverageItem:
    return CoverageItem(kind=kind, index=index, label=label, origin=policy.file)
