"""A policy's own tests as values: each scenario is a story of steps, and what a person expects of them.

Everything is pure: no request, no clock, no store. `authguard.policy.testing.simulator` plays a scenario and
`authguard.policy.testing.coverage` tells what none of them takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.policy.problem import Place
from authguard.policy.testing.simulator import ScenarioRequest, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.machine import Line
    from authguard.policy.compiled_policy import Policy
    from authguard.policy.testing.simulator import ScenarioDecision

#: what a scenario need not say: a live session; every other machine in its initial state
DEFAULT_STATES: Final = {"session": "active"}
#: what a request is unless the scenario says otherwise: the first value of each condition
DEFAULT_CONDITIONS: Final = {name: values[0] for name, values in CONDITIONS.items() if name not in ("risk", "effect")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a story: time passes, things happen, something is asked, something must come of it.

    Attributes:
        place: where it was written.
        after: seconds that pass first, with every timer that falls due in them.
        when: events, stepped in order.
        ask: what is asked then; ``None`` for a step that asks for nothing.
        outcome: expected; empty for no expectation.
        fallback: expected name, ``allow`` for an admission; empty for no expectation.
        states: machine -> state expected when the question is asked.
    """

    place: Place = field(default_factory=Place)
    after: float = 0.0
    when: tuple[str, ...] = ()
    ask: ScenarioRequest | None = None
    outcome: str = ""
    fallback: str = ""
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One expectation that a person would sign.

    Attributes:
        name: a sentence.
        place: where it was written.
        given: machine -> state, in full.
        steps: of the story, at least one.
        variant: which of the listed values this one plays, as in ``operation `chat` ``; empty where none is listed.
    """

    name: str
    place: Place = field(default_factory=Place)
    given: Mapping[str, str]
    steps: tuple[Step, ...]
    variant: str = ""

    @property
    def title(self) -> str:
        """The name, and the variant where there are several."""
        return f"{self.name} ({self.variant})" if self.variant else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """What one scenario came to.

    Attributes:
        scenario: as read.
        answers: one per step that asked; empty where none did.
        states: machine -> state at the end.
        differences: what was expected and not met, one phrase each; empty where it passed.
    """

    scenario: Scenario
    answers: tuple[ScenarioDecision, ...]
    states: Mapping[str, str]
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """What all scenarios of a policy came to.

    Attributes:
        results: in the order given.
        edges: (machine, index of the line, state that it left) of every line that answered.
        rules: indexes of the rules that decided.
    """

    results: tuple[ScenarioResult, ...]
    edges: frozenset[tuple[str, int, str]]
    rules: frozenset[int]

    @property
    def failed(self) -> tuple[ScenarioResult, ...]:
        """The scenarios that did not come out as expected."""
        return tuple(result for result in self.results if result.differences)

    def uncovered_lines(self, policy: Policy) -> tuple[tuple[str, int], ...]:
        """Give (machine, index) of each line, inherited ones too, that no scenario takes."""
        taken = {(machine, index) for machine, index, _ in self.edges}
        declared = ((name, index) for name in MACHINES for index in range(len(policy.machines[name].spec.lines)))
        return tuple(line for line in declared if line not in taken)

    def uncovered_rules(self, policy: Policy) -> tuple[Rule, ...]:
        """Give each rule, inherited ones too, that no scenario takes."""
        return tuple(rule for rule in policy.table.rules if rule.index not in self.rules)


def run_scenarios(policy: Policy, scenarios: Iterable[Scenario]) -> ScenarioRun:
    """Play scenarios against a compiled policy.

    Args:
        policy: total, with a table that has no gap.
        scenarios: whose names resolve in it (`authguard.policy.testing.parser.parse_scenarios`).

    Raises:
        MachineFaultError: a scenario names a state, event or value that the policy does not have.
    """
    edges: set[tuple[str, int, str]] = set()
    rules: set[int] = set()
    results = []
    for scenario in scenarios:
        simulator = Simulator(policy, scenario.given)
        answers: list[ScenarioDecision] = []
        differences: list[str] = []
        for number, step in enumerate(scenario.steps, 1):
            simulator.advance(step.after)
            for event in step.when:
                simulator.raise_event(event)
            states = simulator.states()
            answer = simulator.ask(step.ask) if step.ask else None
            if answer:
                answers.append(answer)
            prefix = f"step {number}: " if len(scenario.steps) > 1 else ""
            differences += [prefix + difference for difference in _compare(step, answer, states)]
        edges |= simulator.edges
        rules |= {answer.rule.index for answer in answers}
        results.append(
            ScenarioResult(
                scenario=scenario, answers=tuple(answers), states=simulator.states(), differences=tuple(differences)
            )
        )
    return ScenarioRun(results=tuple(results), edges=frozenset(edges), rules=frozenset(rules))


def _compare(step: Step, answer: ScenarioDecision | None, states: Mapping[str, str]) -> Iterator[str]:
    by = f" (rule {answer.rule.name}, {answer.rule.origin})" if answer else ""
    if answer and step.outcome not in ("", answer.outcome):
        yield f"the outcome is `{answer.outcome}`, not `{step.outcome}`{by}"
    if answer and step.fallback not in ("", answer.fallback):
        yield f"the fallback is `{answer.fallback}`, not `{step.fallback}`{by}"
    for machine, state in step.states.items():
        if states[machine] != state:
            yield f"`{machine}` is `{states[machine]}`, not `{state}`"


def format_line(line: Line) -> str:
    """Write a line of a machine as a person reads it."""
    return f"{' or '.join(line.triggers)}: {' or '.join(line.sources)} -> {line.dest}"
