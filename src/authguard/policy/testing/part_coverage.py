"""Coverage of a policy's parts by its scenarios: operations, their needs, limits, statuses, timers, flags and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core import flags
from authguard.core.outcomes import Reason
from authguard.core.own_conditions import label_or_empty
from authguard.core.tiers import EXCEEDED, UNMEASURED
from authguard.evaluation.flags import CLEARED_EVENT, EXPIRED_EVENT, SET_EVENT
from authguard.evaluation.operation_index import WEBSOCKET
from authguard.evaluation.staff_acts import PERSON_CAUSE
from authguard.policy.compiler import load
from authguard.policy.schema.units import format_duration
from authguard.policy.testing.coverage import CoverageItem
from authguard.policy.testing.happening import APP, AccountReport
from authguard.policy.testing.rule_coverage import cover_rules, describe_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.testing.request import ScenarioDecision
    from authguard.policy.testing.scenario import ScenarioRun

#: the shipped policy whose timers its own scenarios cover
STANDARD: Final = "standard"


class PartCoverage(Struct, frozen=True, kw_only=True):
    """The coverage of the parts of a policy.

    Attributes:
        total: number of the parts.
        uncovered: those that no scenario covers.
        idle: conditions of rules that may be left out without any other answer; they are no parts.
    """

    total: int
    uncovered: tuple[CoverageItem, ...]
    idle: tuple[CoverageItem, ...] = ()

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
    parts = [*_operations(policy, answers), *_matches(policy, run), *_statuses(policy, run), *_timers(policy, run)]
    parts += [*_flags(policy, run), *cover_rules(policy, answers)]
    uncovered = tuple(item for item, is_covered in parts if not is_covered)
    return PartCoverage(total=len(parts), uncovered=uncovered, idle=describe_idle(policy))


def _operations(policy: Policy, answers: list[ScenarioDecision]) -> Iterator[tuple[CoverageItem, bool]]:
    asked: dict[str, list[ScenarioDecision]] = {}
    for answer in answers:
        if answer.cell:
            asked.setdefault(answer.operation, []).append(answer)
    for index, operation in enumerate(policy.operations):
        found = asked.get(operation.name, [])
        yield _item("operation", index, operation.name, policy), bool(found)
        for need, dimension, values in _needs(operation):
            is_lacked = any(answer.conditions[dimension] in values for answer in found)
            yield _item("need", index, f"{operation.name} {need}", policy), is_lacked


def _matches(policy: Policy, run: ScenarioRun) -> Iterator[tuple[CoverageItem, bool]]:
    """Yield what no cell tells: requests and handshakes that no operation matches, and requests without their key."""
    asked = [
        (step.ask, answer)
        for result in run.results
        for step, answer in zip((one for one in result.scenario.steps if one.ask), result.answers, strict=False)
        if step.ask
    ]
    unmatched = {
        ask.method == WEBSOCKET
        for ask, answer in asked
        if answer.operation == policy.otherwise.name or answer.reason == Reason.OPERATION_UNNAMED.code
    }
    if policy.operations:
        yield _item("match", 0, "a request that no operation matches", policy), False in unmatched
    if any(operation.match.websocket for operation in policy.operations):
        yield _item("match", 0, "a handshake that no operation matches", policy), True in unmatched
    for index, operation in enumerate(policy.operations):
        found = [answer for ask, answer in asked if operation.name in {ask.operation, answer.operation}]
        if operation.idempotency:
            is_lacked = any(answer.reason == Reason.IDEMPOTENCY_MISSING.code for answer in found)
            yield _item("need", index, f"{operation.name} without `Idempotency-Key`", policy), is_lacked


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


def _statuses(policy: Policy, run: ScenarioRun) -> Iterator[tuple[CoverageItem, bool]]:
    """Yield each status that a source's map names: a token states it, or the source reports its state."""
    steps = [step for result in run.results for step in result.scenario.steps]
    claims = [step.ask.token.claims for step in steps if step.ask and step.ask.token]
    happened = [one for step in steps for one in step.when]
    for index, source in enumerate(policy.accounts):
        stated = {label_or_empty(one[source.claim]) for one in claims if source.claim in one}
        names = {source.name, source.name.partition(":")[0]}
        reported = {one.state for one in happened if isinstance(one, AccountReport) and one.source in names}
        reported |= {one.removeprefix("account.") for one in happened if isinstance(one, str)}
        for status, state in source.map.items():
            yield _item("status", index, f"{status} of {source.name}", policy), status in stated or state in reported


def _timers(policy: Policy, run: ScenarioRun) -> Iterator[tuple[CoverageItem, bool]]:
    """Yield each timer of the policy's own, and whether it fell due in one of its states."""
    inherited = load(STANDARD).timers.declared
    for index, timer in enumerate(policy.timers.declared):
        machine = timer.event.partition(".")[0]
        if timer in inherited:
            continue
        armed = {
            state
            for (name, state), timers in policy.timers.armed.items()
            if name == machine
            and state in (timer.states or (state,))
            and any(one.event == timer.event for one in timers)
        }
        if armed:
            label = f"{timer.event} after {format_duration(timer.after)}"
            is_covered = any(event == timer.event and state in armed for event, state in run.timers)
            yield _item("timer", index, label, policy), is_covered


def _item(kind: str, index: int, label: str, policy: Policy) -> CoverageItem:
    return CoverageItem(kind=kind, index=index, label=label, origin=policy.file)
