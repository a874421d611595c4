"""Coverage of a policy by its scenarios: the transitions and rules that no scenario takes, each with its place.

A policy must cover each transition and rule in its file, each inherited rule with a fallback that the policy gives
another kind, and each inherited transition from a state that the policy adds, taken from that state. Everything else
is inherited unchanged, and the scenarios of the base policy cover it. A rule that no scenario takes is left out if the
driver never derives one of its cells, and so is an inherited transition by a report that no source makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.core.decision_table import CONDITIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES, NOT_REPORTS
from authguard.policy.table.boxes import MAX_BOXES, BoxCoverage, Space, find_skips, intersect, reach_of
from authguard.policy.table_space import policy_space
from authguard.policy.testing.deployment import complete_policy, find_sources
from authguard.policy.testing.scenario import format_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from authguard.core.policy import Policy
    from authguard.policy.table.boxes import Box
    from authguard.policy.testing.scenario import ScenarioRun


class CoverageItem(Struct, frozen=True, kw_only=True):
    """One transition or rule that the scenarios of a policy must cover.

    Attributes:
        kind: ``transition`` or ``rule``.
        machine: the machine of a transition; empty for a rule.
        index: the line's index in its machine, or the rule's index in the table, from 0.
        sources: the source states that count for a transition.
        label: a readable description.
        origin: the place in the policy, ``file:line``.
    """

    kind: str
    machine: str = ""
    index: int
    sources: frozenset[str] = frozenset()
    label: str
    origin: str


class Coverage(Struct, frozen=True, kw_only=True):
    """The coverage of a policy by its scenarios.

    Attributes:
        transitions: the transitions that the scenarios must cover.
        rules: the rules that the scenarios must cover.
        uncovered: the transitions and rules that no scenario takes.
        inherited: the number of transitions and rules that are inherited unchanged.
    """

    transitions: tuple[CoverageItem, ...]
    rules: tuple[CoverageItem, ...]
    uncovered: tuple[CoverageItem, ...]
    inherited: int

    def count_covered(self, items: Iterable[CoverageItem]) -> int:
        """Return the number of items that a scenario takes."""
        return sum(item not in self.uncovered for item in items)

    def percent(self, items: tuple[CoverageItem, ...]) -> float:
        """Return the percentage of items that a scenario takes, 0 to 100; 100 if there are no items."""
        return 100.0 * self.count_covered(items) / len(items) if items else 100.0

    @property
    def min_percent(self) -> float:
        """Return the lower of the two percentages."""
        return min(self.percent(self.transitions), self.percent(self.rules))


def measure_coverage(policy: Policy, run: ScenarioRun) -> Coverage:
    """Compare what the scenarios took with what they must cover.

    Args:
        policy: the policy that the scenarios ran on.
        run: their results (`authguard.policy.testing.scenario.run_scenarios`).
    """
    transitions = tuple(_transitions(complete_policy(policy)))
    counted = [one for one in policy.table.rules if is_own(policy, one.origin) or one.do in policy.changes.fallbacks]
    idle = _idle_rules(policy, {rule.index for rule in counted} - run.rules)
    rules = tuple(
        CoverageItem(kind="rule", index=rule.index, label=rule.name, origin=rule.origin)
        for rule in counted
        if rule.index not in idle
    )
    declared = len(policy.table.rules) + sum(len(machine.spec.lines) for machine in policy.machines.values())
    return Coverage(
        transitions=transitions,
        rules=rules,
        uncovered=(
            *(item for item in rules if item.index not in run.rules),
            *(
                item
                for item in transitions
                if not any((item.machine, item.index, source) in run.edges for source in item.sources)
            ),
        ),
        inherited=declared - len(transitions) - len(rules),
    )


def _transitions(policy: Policy) -> Iterator[CoverageItem]:
    for name in MACHINES:
        machine = policy.machines[name]
        added = policy.changes.states.get(name, frozenset())
        answers: dict[int, set[str]] = {}
        for (source, _), edge in machine.table.items():
            answers.setdefault(edge.line, set()).add(source)
        for index, line in enumerate(machine.spec.lines):
            origin = policy.origins[f"line:{name}:{index}"]
            sources = answers.get(index, set())  # empty for an inherited line that is overridden completely
            own = is_own(policy, origin)
            counted = sources if own else {one for one in sources & added if _can_take(policy, name, index, one)}
            if counted:
                yield CoverageItem(
                    kind="transition",
                    machine=name,
                    index=index,
                    sources=frozenset(counted),
                    label=f"{name}: {format_line(line)}",
                    origin=origin,
                )


def _can_take(policy: Policy, name: str, index: int, source: str) -> bool:
    """Return whether a line can be taken from a state: an account moves by a report only if a source reports it."""
    return name != "account" or any(
        trigger in NOT_REPORTS or not edge.moves or bool(find_sources(policy, trigger))
        for (state, trigger), edge in policy.machines[name].table.items()
        if state == source and edge.line == index
    )


def _idle_rules(policy: Policy, indexes: AbstractSet[int]) -> AbstractSet[int]:
    """Return the rules that only decide cells which the driver never derives: they guard against other machines."""
    space = policy_space(policy)
    underived = find_underived_boxes(policy, space)
    return {
        index
        for index in indexes
        if (boxes := find_boxes(policy, space, index)) is not None
        and all(any(intersect(box, none) == box for none in underived) for box in boxes)
    }


def find_boxes(policy: Policy, space: Space, index: int) -> tuple[Box, ...] | None:
    """Return the cells that a rule decides or skips; ``None`` if the table exceeds the budget of boxes.

    Args:
        policy: with total machines.
        space: of its table.
        index: of the rule.
    """
    rules = policy.table.rules
    skips = () if rules[index].skips else find_skips(rules)
    proof = reach_of(
        tuple(space.box(rule.when) for rule in rules), space.whole, MAX_BOXES, space.impossible_boxes, skips
    )
    return proof.reaches[index] if isinstance(proof, BoxCoverage) else None


def find_underived_boxes(policy: Policy, space: Space) -> tuple[Box, ...]:
    """Return boxes of cells that the driver never derives.

    Args:
        policy: with total machines.
        space: of its table.
    """
    moved = policy.machines["verification"].table
    left = {state for state in space.values["verification"] if moved[state, "moved"].dest != state}
    unproven = set(CONDITIONS["credential"]).difference(PROVEN_CREDENTIALS)
    # a switch of the channel moves the verification first; an unproven caller has no records
    return (
        space.box({"channel_change": {"switched"}, "verification": left}),
        *(
            space.box({"credential": unproven, machine: set(space.values[machine]) - {policy.initial[machine]}})
            for machine in MACHINES
            if machine != "service"
        ),
    )


def is_own(policy: Policy, origin: str) -> bool:
    """Return whether a place is in the policy's own file."""
    return origin.rpartition(":")[0] == policy.file
