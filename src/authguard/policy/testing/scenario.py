"""Scenarios, the tests of a policy: steps with events, requests and expected answers.

Everything is pure: no ASGI request, no clock, no store. `authguard.policy.testing.simulator` lets the driver decide its
requests, and `authguard.policy.testing.coverage` lists what no scenario takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING
from authguard.policy.problem import Place
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.events import EventPlayer
from authguard.policy.testing.happening import Happening, read_flags
from authguard.policy.testing.reply_detail import compare_details
from authguard.policy.testing.request import ImpossibleError, ScenarioRequest
from authguard.policy.testing.simulator import START_TIME, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.machine import Line
    from authguard.core.policy import Policy
from authguard.policy.testing.request import ScenarioDecision

#: default states of a scenario: an active session; every other machine is in its initial state
DEFAULT_STATES: Final = {"session": "active"}
#: default conditions of a request: the first value of each condition
DEFAULT_CONDITIONS: Final = {name: values[0] for name, values in CONDITIONS.items() if name not in ("risk", "effect")}

#: outcomes with which the app runs
_RUNS: Final = frozenset(one.value for one in ADMITTING)
NOT_ADMITTED: Final = "the app answers only a request that was admitted"


class Step(Struct, frozen=True, kw_only=True):
    """One step of a scenario: time passes, events occur, a request is decided, the answer is compared.

    Attributes:
        place: its place in the file.
        after: seconds that pass first; timers that fall due in this time are raised.
        when: events to raise, in order.
        ask: the request to decide; ``None`` if the step has none.
        outcome: the expected outcome; empty if any.
        fallback: the expected fallback, ``allow`` for an admission; empty if any.
        reason: the expected code of the reason; empty if any.
        times: how often the step is repeated; the parser has done so.
        details: expected details of the reply (`authguard.policy.testing.reply_detail`).
        states: machine or flag -> the expected state at the time of the request.
        approve: the roles of each person who approves before the request, in order.
        deny: role of a person who denies before the request; empty for nobody.
        app: status of the app's answer after the request, 0 for no answer; ``None`` if it has not answered yet.
    """

    place: Place = field(default_factory=Place)
    after: float = 0.0
    when: tuple[str | Happening, ...] = ()
    ask: ScenarioRequest | None = None
    outcome: str = ""
    fallback: str = ""
    reason: str = ""
    times: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    approve: tuple[tuple[str, ...], ...] = ()
    deny: str = ""
    app: int | None = None


class Scenario(Struct, frozen=True, kw_only=True):
    """One expectation about a policy.

    Attributes:
        name: a sentence.
        place: its place in the file.
        given: machine -> initial state, for every machine.
        flags: flag -> its value at the start; a flag that is left out is clear.
        at: start, epoch seconds UTC, from which clock conditions follow; 0 for any time, at which they are as typed.
        steps: at least one step.
        variant: the chosen values of a scenario with lists, as in ``operation `chat` ``; empty if it has no list.
    """

    name: str
    place: Place = field(default_factory=Place)
    given: Mapping[str, str]
    steps: tuple[Step, ...]
    flags: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0
    variant: str = ""

    @property
    def title(self) -> str:
        """Return the name, with the variant if there are several."""
        return f"{self.name} ({self.variant})" if self.variant else self.name


class ScenarioResult(Struct, frozen=True, kw_only=True):
    """The result of one scenario.

    Attributes:
        scenario: as parsed.
        answers: one decision per step with a request.
        states: machine -> state at the end.
        differences: one phrase per failed expectation; empty if the scenario passed.
    """

    scenario: Scenario
    answers: tuple[ScenarioDecision, ...]
    states: Mapping[str, str]
    differences: tuple[str, ...]


class ScenarioRun(Struct, frozen=True, kw_only=True):
    """The results of all scenarios of a policy.

    Attributes:
        results: in the given order.
        edges: (machine, index of the line, source state) of every transition line that was taken.
        rules: indexes of the rules that decided, or skipped their phase.
        flag_changes: (flag, event, cause) of every change of a flag.
        timers: (event, source state) of every timer that fell due.
    """

    results: tuple[ScenarioResult, ...]
    edges: frozenset[tuple[str, int, str]]
    rules: frozenset[int]
    flag_changes: frozenset[tuple[str, str, str]] = frozenset()
    timers: frozenset[tuple[str, str]] = frozenset()

    @property
    def failed(self) -> tuple[ScenarioResult, ...]:
        """Return the scenarios with differences."""
        return tuple(result for result in self.results if result.differences)

    def uncovered_lines(self, policy: Policy) -> tuple[tuple[str, int], ...]:
        """Return (machine, index) of each transition line, also inherited ones, that no scenario takes."""
        taken = {(machine, index) for machine, index, _ in self.edges}
        declared = ((name, index) for name in MACHINES for index in range(len(policy.machines[name].spec.lines)))
        return tuple(line for line in declared if line not in taken)

    def uncovered_rules(self, policy: Policy) -> tuple[Rule, ...]:
        """Return each rule, also inherited ones, that no scenario takes."""
        return tuple(rule for rule in policy.table.rules if rule.index not in self.rules)


def start_simulator(deployment: Deployment, scenario: Scenario) -> Simulator:
    """Return a simulator in the states, with the flags and at the time that a scenario supposes."""
    simulator = Simulator(
        deployment, scenario.given, now=scenario.at or START_TIME, supposes=True, is_dated=bool(scenario.at)
    )
    simulator.set_flags(scenario.flags)
    return simulator


def run_scenarios(
    policy: Policy, scenarios: Iterable[Scenario], *, deployment: Deployment | None = None
) -> ScenarioRun:
    """Run scenarios against a compiled policy.

    Args:
        policy: total, with a table without gaps.
        scenarios: with names that resolve in the policy (`authguard.policy.testing.parser.parse_scenarios`).
        deployment: of the policy, if it is kept for several calls; ``None`` to make one.

    Raises:
        MachineFaultError: a scenario names a state, event or value that the policy does not have.
    """
    edges: set[tuple[str, int, str]] = set()
    flag_changes: set[tuple[str, str, str]] = set()
    timers: set[tuple[str, str]] = set()
    rules: set[int] = set()
    results = []
    deployment = deployment or Deployment(policy)
    for scenario in scenarios:
        simulator = start_simulator(deployment, scenario)
        answers: list[ScenarioDecision] = []
        differences: list[str] = []
        player = EventPlayer(simulator)
        for number, step in enumerate(scenario.steps, 1):
            prefix = f"step {number}: " if len(scenario.steps) > 1 else ""
            try:
                simulator.advance(step.after)
                player.play(step.when, step.ask)
                simulator.decide_by_people(step.approve, denies=bool(step.deny))
                answer = simulator.ask(step.ask) if step.ask else None
                if answer is None and step.app is not None and not simulator.answer(step.app):
                    differences.append(prefix + NOT_ADMITTED)
            except ImpossibleError as error:
                differences.append(f"{prefix}{error}")
                break
            if answer:
                answers.append(answer)
            states = {**(answer.states if answer else simulator.states()), **read_flags(simulator)}
            found = [*_compare(step, answer, states)]
            if answer and step.details:
                found += compare_details(deployment.policy, answer, step.details)
            differences += [prefix + difference for difference in found]
            if answer and step.app is not None and not (answer.outcome in _RUNS and simulator.answer(step.app)):
                differences.append(prefix + NOT_ADMITTED)
        edges |= simulator.records.edges
        flag_changes |= simulator.records.flag_changes
        timers |= simulator.records.timers
        rules |= {one.index for answer in answers for one in answer.trace}
        results.append(
            ScenarioResult(
                scenario=scenario, answers=tuple(answers), states=simulator.states(), differences=tuple(differences)
            )
        )
    return ScenarioRun(
        results=tuple(results),
        edges=frozenset(edges),
        rules=frozenset(rules),
        flag_changes=frozenset(flag_changes),
        timers=frozenset(timers),
    )


def _compare(step: Step, answer: ScenarioDecision | None, states: Mapping[str, str]) -> Iterator[str]:
    if answer:
        by = f" (rule {answer.rule.name}, {answer.rule.origin})" if answer.rule else f" ({answer.reason})"
        yield from answer.differences
        if step.outcome not in ("", answer.outcome):
            yield f"the outcome is `{answer.outcome}`, not `{step.outcome}`{by}"
        if step.fallback not in ("", answer.fallback):
            yield f"the fallback is `{answer.fallback or 'none'}`, not `{step.fallback}`{by}"
        if step.reason not in ("", answer.reason):
            yield f"the reason is `{answer.reason}`, not `{step.reason}`{by}"
    for machine, state in step.states.items():
        if states[machine] != state:
            yield f"`{machine}` is `{states[machine]}`, not `{state}`"


def format_line(line: Line) -> str:
    """Format a transition line for people."""
    return f"{' or '.join(line.triggers)}: {' or '.join(line.sources)} -> {line.dest}"
