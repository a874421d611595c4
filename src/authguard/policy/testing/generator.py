"""Drafts of scenarios for uncovered rules and transitions: shortest events, a request, a placeholder for the answer.

A draft omits today's answer on purpose: a person writes the expected answer, and `policy test` compares.
"""

from __future__ import annotations

import json
from itertools import islice, product
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import CHANNEL, OPERATION
from authguard.core.flags import SET
from authguard.evaluation.extra_values import Given, read_extra
from authguard.policy.checks.reachability import Reachability, Unreachable
from authguard.policy.table.boxes import Space, intersect, is_empty
from authguard.policy.table_space import policy_space
from authguard.policy.testing.coverage import find_boxes
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.parser import PLACEHOLDER
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES, Scenario, Step, run_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Cell
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.checks.reachability import Path
    from authguard.policy.table.boxes import Box
    from authguard.policy.testing.coverage import Coverage, CoverageItem

#: cells of a rule that are tried as the start of a draft
MAX_CELLS: Final = 1_000
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
    search, deployment = Reachability.of(policy), Deployment(policy)
    return tuple(
        ScenarioDraft(
            item=item,
            scenario=_draft_for_rule(policy, deployment, search, item)
            if item.kind == "rule"
            else _draft_for_transition(policy, deployment, search, item),
        )
        for item in coverage.uncovered
    )


def _draft_for_rule(
    policy: Policy, deployment: Deployment, search: Reachability, item: CoverageItem
) -> Scenario | None:
    space = policy_space(policy)
    boxes = find_boxes(policy, space, item.index)
    if boxes is None:
        return None  # the table exceeds the box budget, so a person has to find the path
    found = search.cell(boxes)
    if not isinstance(found, Unreachable):
        cell, path = found
        drafted = _scenario(
            policy, item, path.events, _request_at(policy, cell), policy.initial, flags=_flags_at(policy, cell)
        )
        if _takes_rule(policy, deployment, drafted, item.index):
            return drafted
    for cell in islice((space.witness(one) for box in boxes for one in _parts(policy, space, box)), MAX_CELLS):
        given = dict(zip(MACHINES, cell, strict=False))
        drafted = _scenario(policy, item, (), _request_at(policy, cell), given, flags=_flags_at(policy, cell))
        if _takes_rule(policy, deployment, drafted, item.index):
            return drafted
    return None


def _parts(policy: Policy, space: Space, box: Box) -> Iterator[Box]:
    """Yield the parts of a box with one state of every machine, one risk and one effect."""
    # the last ones vary first, since requests differ most by session, risk and effect
    fixed = ("service", "account", "transaction", "verification", "session", "risk", "effect", *policy.table.extra)
    known = [
        [value for value in space.values[name] if not is_empty(intersect(box, space.box({name: {value}})))]
        for name in fixed
    ]
    for chosen in product(*known):
        yield intersect(box, space.box({name: {value} for name, value in zip(fixed, chosen, strict=True)}))


def _request_at(policy: Policy, cell: Cell) -> ScenarioRequest:
    """Return a request of the conditions of a cell, with those that differ from the usual ones."""
    asked = dict(zip(policy.table.values, cell, strict=True))
    described = {name: asked[name] for name in ("risk", "effect")}
    alike = [one for one in policy.all_operations if (one.risk, one.effect) == tuple(described.values())]
    operation = next((one for one in alike if one.name == asked.get(OPERATION, one.name)), None)
    known = {**DEFAULT_CONDITIONS, **{one.name: one.values[0] for one in policy.own_conditions if one.name in asked}}
    unusual = {name: asked[name] for name, usual in known.items() if asked[name] != usual}
    if asked["credential"] not in PROVEN_CREDENTIALS:
        unusual = {"credential": asked["credential"]}  # nothing else is known of an unproven caller
    channel = asked.get(CHANNEL, "")
    return replace(
        _request_of(operation, unusual, described), channel=channel if channel in policy.channels.trusts else ""
    )


def _flags_at(policy: Policy, cell: Cell) -> dict[str, str]:
    """Return the flags that are set in a cell."""
    asked = dict(zip(policy.table.values, cell, strict=True))
    return {flag.name: SET for flag in policy.flags if asked.get(flag.name) == SET}


def _takes_rule(policy: Policy, deployment: Deployment, drafted: Scenario, index: int) -> bool:
    """Return whether a scenario takes a rule, and says nothing that the driver contradicts."""
    run = run_scenarios(policy, [drafted], deployment=deployment)
    return index in run.rules and not run.failed


def _draft_for_transition(
    policy: Policy, deployment: Deployment, search: Reachability, item: CoverageItem
) -> Scenario | None:
    place = MACHINES.index(item.machine)
    path = search.find_path(lambda states: states[place] in item.sources)
    if isinstance(path, Unreachable):
        return None
    machine = policy.machines[item.machine]
    reached = path.states[item.machine]
    trigger = next(one for one in machine.spec.triggers if machine.table[reached, one].line == item.index)
    after = {**path.states, item.machine: machine.table[reached, trigger].dest}
    events = (*path.events, f"{item.machine}.{trigger}")
    ask = _distinguishing_request(policy, path, after)
    drafts = [_scenario(policy, item, events, ask, policy.initial)]
    for source in sorted(item.sources):
        for one in machine.spec.triggers:
            if machine.table[source, one].line == item.index:
                given = {**DEFAULT_STATES, "account": "normal", item.machine: source}
                drafts.append(_scenario(policy, item, (f"{item.machine}.{one}",), ask, given))
    return next((one for one in drafts if _takes_transition(policy, deployment, one, item)), None)


def _takes_transition(policy: Policy, deployment: Deployment, drafted: Scenario, item: CoverageItem) -> bool:
    run = run_scenarios(policy, [drafted], deployment=deployment)
    return not run.failed and any((item.machine, item.index, source) in run.edges for source in item.sources)


def _distinguishing_request(policy: Policy, path: Path, after: Mapping[str, str]) -> ScenarioRequest:
    """Return the first request whose answer differs between the two states, else the first that is not public."""
    asks = [one for one in _requests(policy) if one.risk != "public"]

    def answer(states: Mapping[str, str], asked: Operation) -> str:
        known = {**states, **DEFAULT_CONDITIONS, "risk": asked.risk, "effect": asked.effect}
        cell = tuple(known[dimension] for dimension in DIMENSIONS)
        return policy.table.decide(cell + read_extra(policy, asked, Given())).do

    found = next((ask for ask in asks if answer(path.states, ask) != answer(after, ask)), asks[0])
    named = found if found in policy.all_operations else None
    return _request_of(named, {}, {"risk": found.risk, "effect": found.effect})


def _requests(policy: Policy) -> Iterator[Operation]:
    yield from policy.all_operations
    if not policy.admits_unnamed:
        yield policy.otherwise


def _request_of(
    operation: Operation | None, conditions: Mapping[str, str], described: Mapping[str, str]
) -> ScenarioRequest:
    """Return a request of an operation, or one that only its risk and effect describe."""
    if operation is None:
        return ScenarioRequest(conditions={**described, **conditions})
    return ScenarioRequest(operation=operation.name, conditions=conditions)


def _scenario(
    policy: Policy,
    item: CoverageItem,
    events: tuple[str, ...],
    ask: ScenarioRequest,
    given: Mapping[str, str],
    *,
    flags: Mapping[str, str] | None = None,
) -> Scenario:
    return Scenario(
        name=f"{item.kind} {item.label}, {item.origin}",
        given={**policy.initial, **given},
        flags=flags or {},
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
        for name, state in draft.scenario.given.items()
        if state != {**policy.initial, **DEFAULT_STATES}[name]
    ]
    lines = [f"- name: {json.dumps(draft.scenario.name)}"]
    given += [f"{name}: {value}" for name, value in draft.scenario.flags.items()]
    lines += [f"  given: {{{', '.join(given)}}}"] if given else []
    lines += [f"  when: [{', '.join(map(str, step.when))}]"] if step.when else []
    lines.append(f"  ask: {{{', '.join(_format_request(step))}}}")
    expected = [f"outcome: {PLACEHOLDER}", f"fallback: {PLACEHOLDER}"]
    if draft.item.machine:
        expected.append(f"states: {{{draft.item.machine}: {PLACEHOLDER}}}")
    lines.append(f"  then: {{{', '.join(expected)}}}")
    return "\n".join(lines) + "\n"


def _format_request(step: Step) -> Iterator[str]:
    if step.ask is None:
        return
    named = {"operation": step.ask.operation, "channel": step.ask.channel}
    for name, value in {**named, **step.ask.conditions}.items():
        if value:
            yield f"{name}: {value}"
