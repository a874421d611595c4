"""A policy's own tests: each scenario steps the machines, asks the table once, and compares with what it expects.

Everything is pure: no request, no clock, no store. What the scenarios never take, lines and rules, is reported too,
so that a policy's owner sees what nobody has thought through yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.decisions import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES, Event
from authguard.core.machine import Line, step
from authguard.core.snapshot import PLACES, Snapshot, blank
from authguard.policy.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.decisions import Rule
    from authguard.policy.compiled import Policy

#: what a scenario need not say: a live session; every other machine in its initial state
GIVEN: Final = {"session": "active"}
#: what a request is unless the scenario says otherwise: the first value of each condition
ASKED: Final = {name: values[0] for name, values in CONDITIONS.items() if name not in ("risk", "effect")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One expectation that a person would sign.

    Attributes:
        name: a sentence.
        place: where it was written.
        given: machine -> state, in full.
        when: events, stepped in order.
        operation: the operation asked for; empty for one of the guard's own endpoints.
        conditions: condition -> value, in full.
        outcome: expected; empty for no expectation.
        fallback: expected name, ``allow`` for an admission; empty for no expectation.
        states: machine -> state expected after the events.
    """

    name: str
    place: Place = field(default_factory=Place)
    given: Mapping[str, str]
    when: tuple[str, ...] = ()
    operation: str = ""
    conditions: Mapping[str, str]
    outcome: str = ""
    fallback: str = ""
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one scenario came to.

    Attributes:
        scenario: as read.
        outcome: got.
        fallback: got.
        rule: that decided, as the log names it.
        states: machine -> state after the events.
        differences: what was expected and not met, one phrase each; empty where it passed.
    """

    scenario: Scenario
    outcome: str
    fallback: str
    rule: str
    states: Mapping[str, str]
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all scenarios of a policy came to.

    Attributes:
        results: in the order given.
        lines: how many lines the machines have, and rules the table.
        rules: see above.
        untaken_lines: (machine, index) of the lines that no scenario takes.
        untaken_rules: the rules that no scenario takes.
    """

    results: tuple[Result, ...]
    lines: int
    rules: int
    untaken_lines: tuple[tuple[str, int], ...]
    untaken_rules: tuple[Rule, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The scenarios that did not come out as expected."""
        return tuple(result for result in self.results if result.differences)


def run(policy: Policy, scenarios: Iterable[Scenario]) -> Report:
    """Run scenarios against a compiled policy.

    Args:
        policy: total, with a table that has no gap.
        scenarios: whose names resolve in it (`authguard.policy.scenario_reader.read_scenarios`).

    Raises:
        MachineFault: a scenario names a state, event or value that the policy does not have.
    """
    lines: set[tuple[str, int]] = set()
    rules: set[int] = set()
    results = []
    for scenario in scenarios:
        snapshot = _step(policy, scenario, lines)
        states = dict(zip(MACHINES, snapshot.states(), strict=True))
        rule = policy.table.decide(tuple({**states, **scenario.conditions}[dimension] for dimension in DIMENSIONS))
        rules.add(rule.index)
        results.append(_compare(policy, scenario, rule, states))
    declared = [(name, index) for name in MACHINES for index in range(len(policy.machines[name].spec.lines))]
    return Report(
        results=tuple(results),
        lines=len(declared),
        rules=len(policy.table.rules),
        untaken_lines=tuple(line for line in declared if line not in lines),
        untaken_rules=tuple(rule for rule in policy.table.rules if rule.index not in rules),
    )


def _step(policy: Policy, scenario: Scenario, lines: set[tuple[str, int]]) -> Snapshot:
    """Step a scenario's events from its given states, and note the lines that answered."""
    snapshot = blank(policy.initial)
    for machine, state in scenario.given.items():
        record, state_field, _ = PLACES[machine]
        changed = msgspec.structs.replace(getattr(snapshot, record), **{state_field: state})
        snapshot = msgspec.structs.replace(snapshot, **{record: changed})
    for at, name in enumerate(scenario.when, 1):
        before = snapshot
        snapshot, moved = step(policy.machines, before, Event(name=name, at=float(at), cause="scenario"))
        sources = {(transition.machine, transition.event): transition.source for transition in moved}
        pending = [name]
        for event in pending:  # grows: an event that stays put leaves no transition, so its line is looked up
            machine, _, trigger = event.partition(".")
            state = sources.get((machine, trigger), getattr(getattr(snapshot, PLACES[machine][0]), PLACES[machine][1]))
            edge = policy.machines[machine].table[state, trigger]
            lines.add((machine, edge.line))
            pending.extend(edge.raises)
    return snapshot


def _compare(policy: Policy, scenario: Scenario, rule: Rule, states: Mapping[str, str]) -> Result:
    outcome = policy.fallbacks[rule.do].kind.value
    differences = []
    if scenario.outcome not in ("", outcome):
        differences.append(f"the outcome is `{outcome}`, not `{scenario.outcome}`")
    if scenario.fallback not in ("", rule.do):
        differences.append(f"the fallback is `{rule.do}`, not `{scenario.fallback}`")
    differences += [
        f"`{machine}` is `{states[machine]}`, not `{state}`"
        for machine, state in scenario.states.items()
        if states[machine] != state
    ]
    return Result(
        scenario=scenario,
        outcome=outcome,
        fallback=rule.do,
        rule=rule.name,
        states=states,
        differences=tuple(differences),
    )


def describe(line: Line) -> str:
    """Write a line of a machine as a person reads it."""
    return f"{' or '.join(line.triggers)}: {' or '.join(line.sources)} -> {line.dest}"
