"""What scenarios leave out: of a policy's transitions and rules, those that no scenario takes, each with its place.

What counts is what a policy is answerable for: each transition and rule that it writes itself; each inherited rule that
leads to a fallback to which it gives another kind; each inherited transition that answers for a state that it adds, and
then taken from such a state. The rest is inherited as it was, and the scenarios of what it extends take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authguard.core.events import MACHINES
from authguard.policy.testing.scenario import format_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.policy.compiled_policy import Policy
    from authguard.policy.testing.scenario import ScenarioRun


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageItem:
    """One transition or one rule that a policy is answerable for.

    Attributes:
        kind: ``transition`` or ``rule``.
        machine: of a transition; empty for a rule.
        index: of the line in its machine, or of the rule in the table, from 0.
        sources: of a transition, the states from which taking it counts.
        words: as a person reads it.
        origin: where it was written, ``file:line``.
    """

    kind: str
    machine: str = ""
    index: int
    sources: frozenset[str] = frozenset()
    label: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a policy its scenarios take.

    Attributes:
        transitions: that it is answerable for.
        rules: that it is answerable for.
        untaken: of both, those that no scenario takes.
        inherited: how many more transitions and rules it inherits unchanged.
    """

    transitions: tuple[CoverageItem, ...]
    rules: tuple[CoverageItem, ...]
    uncovered: tuple[CoverageItem, ...]
    inherited: int

    def count_covered(self, items: Iterable[CoverageItem]) -> int:
        """Count those that some scenario takes."""
        return sum(item not in self.uncovered for item in items)

    def percent(self, items: tuple[CoverageItem, ...]) -> float:
        """Give the share that some scenario takes, 0 to 100; 100 of nothing."""
        return 100.0 * self.count_covered(items) / len(items) if items else 100.0

    @property
    def min_percent(self) -> float:
        """The lower of the two percentages."""
        return min(self.percent(self.transitions), self.percent(self.rules))


def measure_coverage(policy: Policy, run: ScenarioRun) -> Coverage:
    """Hold what scenarios took against what a policy is answerable for.

    Args:
        policy: that they ran on.
        run: what they came to (`authguard.policy.testing.scenario.run_scenarios`).
    """
    transitions = tuple(_transitions(policy))
    rules = tuple(
        CoverageItem(kind="rule", index=rule.index, label=rule.name, origin=rule.origin)
        for rule in policy.table.rules
        if _is_own(policy, rule.origin) or rule.do in policy.changes.fallbacks
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
            sources = answers.get(index, set())  # none for an inherited line that is overridden wholly
            counted = sources if _is_own(policy, origin) else sources & added
            if counted:
                yield CoverageItem(
                    kind="transition",
                    machine=name,
                    index=index,
                    sources=frozenset(counted),
                    label=f"{name}: {format_line(line)}",
                    origin=origin,
                )


def _is_own(policy: Policy, origin: str) -> bool:
    return origin.rpartition(":")[0] == policy.file
