"""Ways to be allowed, each run as a scenario by the driver: one that does not end in an admission is not a way.

A path of possible events is longer or shorter than what really happens: the driver may send none of them, or others. So
a path is run from the given states. If its last event does not lead on, another path is searched without that event.
"""

from __future__ import annotations

from collections import deque
from itertools import islice, product
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import OPERATION
from authguard.errors import MachineFaultError
from authguard.policy.checks import attribution
from authguard.policy.checks.reachability import Reachability, Step
from authguard.policy.explain.nearest import SETTLED
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.scenario import Scenario, ScenarioResult, run_scenarios
from authguard.policy.testing.scenario import Step as ScenarioStep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from authguard.core.outcomes import Outcome
    from authguard.core.policy import Policy
    from authguard.policy.table.boxes import Box, Space

    Path = tuple[Step, ...]
    States = tuple[str, ...]

#: paths that are searched for one way
MAX_PATHS: Final = 12
#: combinations of conditions that are run for one way
MAX_CONDITIONS: Final = 12
#: other paths that are searched if one leads to its states, and the request is not admitted
MAX_OTHERS: Final = 2
#: most events that all searches of one explanation examine
MAX_STEPS: Final = 30_000
#: scenarios that are run for one explanation
MAX_RUNS: Final = 48
_STARTED: Final = Step("verification.started")
_PASSED: Final = Step("verification.passed")


class Way(Struct, frozen=True):
    """A way that leads to an admission.

    Attributes:
        path: the events before the request.
        values: dimension -> its value for the request, of the states after these events.
        rule: index of the rule that decides then.
        outcome: of the request.
    """

    path: tuple[Step, ...]
    values: Mapping[str, str]
    rule: int
    outcome: str


class WayFinder:
    """Finds ways from a cell, and runs each.

    Attributes:
        is_exhausted: whether the bound of runs was reached, so that a way may have been missed.
    """

    def __init__(self, policy: Policy, cell: Mapping[str, str], operation: str, steps: int) -> None:
        """Prepare the runs.

        Args:
            policy: compiled.
            cell: dimension -> value, where the customer stands.
            operation: name of the requested one; empty for one that its risk and effect describe.
            steps: most events that all searches together examine.
        """
        self._policy: Final = policy
        self._cell: Final = cell
        self._operation: Final = operation
        self._steps: Final = steps
        self._search: Final = Reachability.of(policy)
        self._deployment: Final = Deployment(policy)
        self._closures: Final[dict[str, set[str]]] = {}
        self._given: Final = {machine: cell[machine] for machine in MACHINES}
        #: (state, event) that does not lead on as the search has it
        self._never: Final[set[tuple[str, str]]] = set()
        self._runs = self._examined = 0
        self.is_exhausted = False

    def find(self, space: Space, box: Box, targets: Collection[Outcome]) -> Way | None:
        """Return a way into a box of admitted cells; ``None`` if no run of one is admitted.

        Args:
            space: the dimensions of the table.
            box: cells that a rule admits.
            targets: accepted outcomes.
        """
        wanted = {
            name: tuple(value for bit, value in enumerate(space.values[name]) if box[place] >> bit & 1)
            for place, name in enumerate(space.values)
        }
        for conditions in islice(self._conditions(wanted), MAX_CONDITIONS):
            way = self._find_path(wanted, conditions, targets)
            if way is not None:
                return way
        return None

    def reachable(self, machine: str) -> set[str]:
        """Return the states that possible events of one machine lead to, whatever the others do."""
        if machine not in self._closures:
            found, pending = {self._cell[machine]}, [self._cell[machine]]
            while pending:
                leads = {move.edge.dest for move in self._search.moves[machine, pending.pop()]} - found
                found |= leads
                pending += leads
            self._closures[machine] = found
        return self._closures[machine]

    def _conditions(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
        """Yield the conditions of the request: what holds, and each value of what has to change."""
        names = [name for name in wanted if name not in MACHINES and name not in SETTLED]
        values = [(self._cell[name],) if self._cell[name] in wanted[name] else wanted[name] for name in names]
        return (dict(zip(names, one, strict=True)) for one in product(*values))

    def _find_path(
        self, wanted: Mapping[str, Sequence[str]], conditions: Mapping[str, str], targets: Collection[Outcome]
    ) -> Way | None:
        goal = tuple(wanted[machine] for machine in MACHINES)
        avoided: set[tuple[States, str]] = set()
        for _ in range(MAX_PATHS):
            path = self._shortest(goal, avoided)
            if path is None:
                return None
            for steps in _variants(path):
                if self._runs >= MAX_RUNS:
                    self.is_exhausted = True
                    return None
                result = self._run(steps, conditions)
                answer = result.answers[-1] if result.answers and not result.differences else None
                if answer is not None and answer.rule is not None and answer.outcome in targets:
                    states = {machine: answer.states[machine] for machine in MACHINES}
                    return Way(steps, {**self._cell, **conditions, **states}, answer.rule.index, answer.outcome)
            if not path or len(avoided) >= MAX_OTHERS:
                return None
            broken = self._find_broken(path)
            if broken is None:
                avoided.add((self._predict(path[:-1]), path[-1].event))
            else:
                self._never.add(broken)
        return None

    def _shortest(self, goal: Sequence[Collection[str]], avoided: Collection[tuple[States, str]]) -> Path | None:
        """Return the shortest path of possible events to a goal that nothing is known against; ``None`` without one."""
        changing = {name for name, known in zip(MACHINES, goal, strict=True) if self._cell[name] not in known}
        # of a customer, session and verification change with most events; the other machines need not, in most ways
        focus = changing | {"session", "verification"}
        path = self._search_path(goal, avoided, focus)
        return path if path is not None else self._search_path(goal, avoided, frozenset(MACHINES))

    def _search_path(
        self, goal: Sequence[Collection[str]], avoided: Collection[tuple[States, str]], moving: Collection[str]
    ) -> Path | None:
        """Return the shortest path on which only some machines move."""
        began = tuple(self._cell[machine] for machine in MACHINES)
        came: dict[States, Path] = {began: ()}
        waiting = deque([began])
        while waiting:
            if self._examined > self._steps:
                self.is_exhausted = True
                return None
            states = waiting.popleft()
            if all(state in known for state, known in zip(states, goal, strict=True)):
                return came[states]
            for place, machine in enumerate(MACHINES):
                for move in (
                    () if machine not in moving else attribution.order_moves(self._search.moves[machine, states[place]])
                ):
                    self._examined += 1
                    if (states, move.event) in avoided:
                        continue
                    if (states[place], move.event) in self._never:
                        continue
                    after = self._search.after(states, place, move)
                    if after is not None and after not in came:
                        came[after] = (*came[states], Step(move.event, move.wait, move.since))
                        waiting.append(after)
        return None

    def _find_broken(self, path: Path) -> tuple[str, str] | None:
        """Return the first event of a path that does not lead on as the search has it, with its machine's state."""
        for place, step in enumerate(path, 1):
            machine = MACHINES.index(step.event.partition(".")[0])
            self._runs += 1
            result = self._play(Scenario(name="path", given=self._given, steps=(_play_only(path[:place]),)))
            if result.differences or result.states[MACHINES[machine]] != self._predict(path[:place])[machine]:
                return self._predict(path[: place - 1])[machine], step.event
        return None

    def _predict(self, path: Path) -> States:
        """Return the states after a path, as the search has them."""
        states = tuple(self._cell[machine] for machine in MACHINES)
        for step in path:
            place = MACHINES.index(step.event.partition(".")[0])
            move = next(one for one in self._search.moves[MACHINES[place], states[place]] if one.event == step.event)
            states = self._search.after(states, place, move) or states
        return states

    def _run(self, path: Path, conditions: Mapping[str, str]) -> ScenarioResult:
        """Run the events of a path, and then the request."""
        self._runs += 1
        settled = {name: self._cell[name] for name in SETTLED if name != OPERATION}
        wanted = conditions if self._operation else {**conditions, **settled}
        ask = ScenarioRequest(operation=self._operation, conditions=wanted)
        step = replace(_play_only(path), ask=ask)
        return self._play(Scenario(name="way", given=self._given, steps=(step,)))

    def _play(self, scenario: Scenario) -> ScenarioResult:
        try:
            return run_scenarios(self._policy, [scenario], deployment=self._deployment).results[0]
        except MachineFaultError as error:
            return ScenarioResult(scenario=scenario, answers=(), states=scenario.given, differences=(str(error),))


def _play_only(path: Path) -> ScenarioStep:
    return ScenarioStep(when=tuple(one.event for one in path))


def _variants(path: Path) -> Iterator[Path]:
    """Yield a path, and what a customer can do besides: sign in afresh before or after it, or verify their identity.

    A sign-in may prove identity where no method is offered. After a wait, the last one may be too old.
    """
    yield path
    renewed = Step("session.renewed")
    if any(one.event == _STARTED.event for one in path):
        place = next(place for place, one in enumerate(path) if one.event == _STARTED.event)
        yield (*path[:place], renewed, *path[place:])
    yield (*path, renewed)
    yield (*path, _STARTED, _PASSED)
    yield (*path, renewed, _STARTED, _PASSED)
