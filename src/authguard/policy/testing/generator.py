"""Drafts of scenarios for uncovered rules and transitions: shortest events, a request, a placeholder for the answer.

A draft omits today's answer on purpose: a person writes the expected answer, and `policy test` compares.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.policy.checks.reachability import Reachability, Unreachable
from authguard.policy.table.boxes import BoxCoverage, Space, reach
from authguard.policy.testing.parser import PLACEHOLDER
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES, Scenario, Step
from authguard.policy.testing.simulator import ScenarioRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.policy import Policy
    from authguard.policy.checks.reachability import Path
    from authguard.policy.testing.coverage import Coverage, CoverageItem

HEADER: Final = f"""\
# A draft of scenarios for the rules and transitions that no scenario covers, each with the shortest path to it.
# Name each scenario with a sentence, replace `{PLACEHOLDER}` with the answer that you expect, and run
# `authguard policy test`. If the policy answers otherwise, either the policy or the expectation is wrong.
"""


class ScenarioDraft(Struct, frozen=True, kw_only=True):
    """A draft of a scenario for one transition or rule.

    Attributes:
        item: the transition or rule.
        scenario: the scenario without an expectation; ``None`` if no events lead to the item.
    """

    item: CoverageItem
    scenario: Scenario | None


def generate_drafts(policy: Policy, coverage: Coverage) -> tuple[ScenarioDraft, ...]:
    """Draft a scenario for every transition and rule that no scenario takes.

    Args:
        policy: the compiled policy.
        coverage: its coverage.
    """
    search = Reachability.of(policy)
    return tuple(
        ScenarioDraft(
            item=item,
            scenario=_draft_for_rule(policy, search, item)
            if item.kind == "rule"
            else _draft_for_transition(policy, search, item),
        )
        for item in coverage.uncovered
    )


def _draft_for_rule(policy: Policy, search: Reachability, item: CoverageItem) -> Scenario | None:
    proof = reach(policy.table.rules, Space(policy.table.values))
    if not isinstance(proof, BoxCoverage):
        return None  # the table exceeds the box budget, so a person has to find the path
    found = search.cell(proof.reaches[item.index])
    if isinstance(found, Unreachable):
        return None
    cell, path = found
    asked = dict(zip(DIMENSIONS, cell, strict=True))
    risk, effect = asked["risk"], asked["effect"]
    conditions = {name: asked[name] for name in DEFAULT_CONDITIONS}
    operation = next((one for one in policy.all_operations if (one.risk, one.effect) == (risk, effect)), None)
    name = operation.name if operation else ""
    ask = ScenarioRequest(operation=name, conditions={**conditions, "risk": risk, "effect": effect})
    return _scenario(policy, item, path.events, ask)


def _draft_for_transition(policy: Policy, search: Reachability, item: CoverageItem) -> Scenario | None:
    place = MACHINES.index(item.machine)
    path = search.find_path(lambda states: states[place] in item.sources)
    if isinstance(path, Unreachable):
        return None
    machine = policy.machines[item.machine]
    source = path.states[item.machine]
    trigger = next(one for one in machine.spec.triggers if machine.table[source, one].line == item.index)
    after = {**path.states, item.machine: machine.table[source, trigger].dest}
    events = (*path.events, f"{item.machine}.{trigger}")
    return _scenario(policy, item, events, _distinguishing_request(policy, path, after))


def _distinguishing_request(policy: Policy, path: Path, after: Mapping[str, str]) -> ScenarioRequest:
    """Return the first request whose answer differs between the two states, else the first that is not public."""
    asks = [ask for ask in _requests(policy) if ask.conditions["risk"] != "public"]

    def answer(states: Mapping[str, str], ask: ScenarioRequest) -> str:
        known = {**states, **ask.conditions}
        return policy.table.decide(tuple(known[dimension] for dimension in DIMENSIONS)).do

    return next((ask for ask in asks if answer(path.states, ask) != answer(after, ask)), asks[0])


def _requests(policy: Policy) -> Iterator[ScenarioRequest]:
    for one in policy.all_operations:
        yield ScenarioRequest(
            operation=one.name, conditions={**DEFAULT_CONDITIONS, "risk": one.risk, "effect": one.effect}
        )
    if not policy.admits_unnamed:
        other = policy.otherwise
        yield ScenarioRequest(conditions={**DEFAULT_CONDITIONS, "risk": other.risk, "effect": other.effect})


def _scenario(policy: Policy, item: CoverageItem, events: tuple[str, ...], ask: ScenarioRequest) -> Scenario:
    return Scenario(
        name=f"{item.kind} {item.label}, {item.origin}",
        given=dict(policy.initial),
        steps=(Step(when=events, ask=ask),),
    )


def format_drafts(policy: Policy, drafts: tuple[ScenarioDraft, ...]) -> str:
    """Format drafts as a scenario file, which `policy test` refuses until a person has completed it.

    Args:
        policy: the policy of the drafts.
        drafts: from `generate_drafts`.
    """
    blocks = [HEADER, *(_block(policy, draft) for draft in drafts)]
    return (
        "\n".join(blocks) if drafts else "# The scenarios cover every rule and transition: there is nothing to draft.\n"
    )


def _block(policy: Policy, draft: ScenarioDraft) -> str:
    if draft.scenario is None:
        item = draft.item
        return f"# No events were found that lead to {item.kind} {item.label} ({item.origin}).\n"
    (step,) = draft.scenario.steps
    given = [
        f"{name}: {state}"
        for name, state in policy.initial.items()
        if state != {**policy.initial, **DEFAULT_STATES}[name]
    ]
    lines = [f"- name: {json.dumps(draft.scenario.name)}"]
    lines += [f"  given: {{{', '.join(given)}}}"] if given else []
    lines += [f"  when: [{', '.join(step.when)}]"] if step.when else []
    lines.append(f"  ask: {{{', '.join(_format_request(step))}}}")
    expected = [f"outcome: {PLACEHOLDER}", f"fallback: {PLACEHOLDER}"]
    if draft.item.machine:
        expected.append(f"states: {{{draft.item.machine}: {PLACEHOLDER}}}")
    lines.append(f"  then: {{{', '.join(expected)}}}")
    return "\n".join(lines) + "\n"


def _format_request(step: Step) -> Iterator[str]:
    if step.ask is None:
        return
    named = {"operation": step.ask.operation} if step.ask.operation else {}
    own = {} if named else {name: step.ask.conditions[name] for name in ("risk", "effect")}
    unusual = {
        name: step.ask.conditions[name]
        for name, usual in DEFAULT_CONDITIONS.items()
        if step.ask.conditions[name] != usual
    }
    for name, value in {**named, **own, **unusual}.items():
        yield f"{name}: {value}"
