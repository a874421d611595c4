"""One decision explained: which rule decided, why none above it did, what the caller gets, what would have to change.

Rules of this file:
- Exact, by the rules' boxes: no cell is enumerated, and "nearest" means that no fewer dimensions would do.
- A dimension that was not named is `any` where the answer is the same for all its values; else its default is stated.
- Past the budget the answer about what would have to change is `undecided`; nothing is assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.boxes import MAX_BOXES, Box, Space, intersect, is_empty
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome
from authguard.errors import MachineFaultError
from authguard.policy.checks import attribution
from authguard.policy.explain.explanation import Change, ExplainedValue, Explanation, Remedy, SkippedRule
from authguard.policy.explain.nearest import SETTLED, find_nearest
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.outcomes import Fallback, LocalizedText
    from authguard.core.request import Operation
    from authguard.policy.checks.reachability import Step
    from authguard.policy.compiled_policy import Policy

#: ways to be allowed that are told; there may be more of the same length
SHOWN: Final = 8


def explain_decision(
    policy: Policy,
    given: Mapping[str, str],
    operation: str = "",
    *,
    budget: int = MAX_BOXES,
    steps: int = attribution.MAX_STEPS,
) -> Explanation:
    """Explain one decision.

    Args:
        policy: compiled, so proved to decide every cell.
        given: dimension -> value, as far as it is named; what is not is found as the rules of this file say.
        operation: its name, which settles ``risk`` and ``effect``; empty for a sensitive write, or what `otherwise`
            says, unless those are given.
        budget: boxes to look at for what would have to change, at the most.
        steps: events to look at for the paths, at the most.

    Raises:
        MachineFaultError: a dimension, a value or the operation is not in this policy.
    """
    wanted = _operation(policy, operation)
    asked = dict(given)
    if operation or not set(SETTLED) & set(given):
        asked |= {"risk": wanted.risk, "effect": wanted.effect}
    space = Space(policy.table.values)
    defaults = _defaults(policy)
    cell = tuple(asked.get(dimension, defaults[dimension]) for dimension in DIMENSIONS)
    rule = policy.table.decide(cell)  # refuses a value that is in no dimension's set
    boxes = tuple(space.box(one.when) for one in policy.table.rules)
    point = space.box({dimension: (value,) for dimension, value in zip(DIMENSIONS, cell, strict=True)})
    region = _widened(point, boxes, rule.index, space, [name for name in DIMENSIONS if name not in asked])
    fallback = policy.fallbacks[rule.do]
    possible = _possible(policy, wanted, space)
    targets = {Outcome.ALLOW} if fallback.kind is Outcome.RESTRICT else ADMITTING
    letting = [one.index for one in policy.table.rules if policy.fallbacks[one.do].kind in targets]
    found = () if fallback.kind is Outcome.ALLOW else find_nearest(boxes, letting, point, possible, budget)
    shown = tuple(found or ())[:SHOWN]
    here = dict(zip(DIMENSIONS, cell, strict=True))
    routes = attribution.find_paths(policy, here, [_states(space, box) for _, box in shown], steps) if shown else ()
    ways = tuple(
        _way(policy, wanted, (cell, box), index, route) for (index, box), route in zip(shown, routes, strict=True)
    )
    return Explanation(
        policy=policy.name,
        digest=policy.digest,
        operation=operation,
        standing=tuple(_standing(given, asked, cell, (point, region))),
        rule=rule.name,
        origin=rule.origin,
        when=_when(policy, rule),
        fallback=rule.do,
        fallback_origin=policy.origins.get(f"fallback:{rule.do}", ""),
        outcome=fallback.kind.value,
        status=_status(fallback),
        say=dict(sorted(_words(policy, cell, fallback).texts.items())),
        attempts=(fallback.attempts, fallback.per, fallback.then) if fallback.attempts else (),
        passed=tuple(_passed(policy, boxes, region, rule.index)),
        ways=ways,
        more=len(found or ()) - len(ways),
        undecided=found is None,
        notes=tuple(_impossible(wanted, space, point, possible, operation)),
    )


def _operation(policy: Policy, name: str) -> Operation:
    if not name:
        return policy.otherwise
    for operation in policy.all_operations:
        if operation.name == name:
            return operation
    raise MachineFaultError(f"`{name}` is no operation of this policy")


def _defaults(policy: Policy) -> dict[str, str]:
    """Give what a dimension is unless somebody says otherwise, as for scenarios."""
    account = {} if policy.accounts else {"account": "normal"}  # with no source, every account is
    return {
        **policy.initial,
        **DEFAULT_STATES,
        **account,
        **DEFAULT_CONDITIONS,
        "risk": policy.otherwise.risk,
        "effect": policy.otherwise.effect,
    }


def _widened(point: Box, boxes: Sequence[Box], decided: int, space: Space, unnamed: Sequence[str]) -> Box:
    """Let every unnamed dimension take any value, as long as one rule still decides the whole box."""
    region = point
    for dimension in unnamed:
        place = DIMENSIONS.index(dimension)
        wider = (*region[:place], space.whole[place], *region[place + 1 :])
        inside = intersect(wider, boxes[decided]) == wider
        if inside and all(is_empty(intersect(wider, earlier)) for earlier in boxes[:decided]):
            region = wider
    return region


def _standing(
    given: Mapping[str, str], asked: Mapping[str, str], cell: Sequence[str], boxes: tuple[Box, Box]
) -> Iterator[ExplainedValue]:
    point, region = boxes
    for place, (dimension, value) in enumerate(zip(DIMENSIONS, cell, strict=True)):
        if dimension in asked:
            known = "given" if dimension in given else "operation"
        else:
            known = "default" if region[place] == point[place] else "any"
        yield ExplainedValue(dimension=dimension, value=value, known=known)


def _passed(policy: Policy, boxes: Sequence[Box], region: Box, decided: int) -> Iterator[SkippedRule]:
    for rule in policy.table.rules[:decided]:
        common = intersect(region, boxes[rule.index])
        missed = tuple(dimension for dimension, mask in zip(DIMENSIONS, common, strict=True) if not mask)
        yield SkippedRule(rule=rule.name, origin=rule.origin, dimensions=missed)


def _when(policy: Policy, rule: Rule) -> dict[str, tuple[str, ...]]:
    return {
        dimension: tuple(value for value in known if value in rule.when[dimension])
        for dimension, known in policy.table.values.items()
        if dimension in rule.when
    }


def _status(fallback: Fallback) -> int:
    if fallback.kind in (*ADMITTING, Outcome.REPEAT):  # the app's answer, now or the first time
        return 0
    return fallback.status or RESPONSES[fallback.kind][0]


def _words(policy: Policy, cell: Sequence[str], fallback: Fallback) -> LocalizedText:
    rolled_back = fallback.kind is Outcome.HANDOFF and cell[0] == policy.rollback_state
    return policy.rollback_message if rolled_back and policy.rollback_message.texts else fallback.message


def _possible(policy: Policy, operation: Operation, space: Space) -> Box:
    """Give the values that a request for this operation can have at all."""
    values: dict[str, tuple[str, ...]] = {}
    if not operation.scopes and not operation.roles:
        values["scope"] = ("granted",)
    if not operation.max_age:  # with one, a request without a credential is insufficient too
        values["assurance"] = ("met", "insufficient") if operation.acr else ("met",)
    if not operation.limits:
        values["limit"] = ("within",)
    if not policy.channels.declared:
        values["channel"] = ("same",)
    if not policy.agents:
        values["actor"] = ("subject", "stranger")
    return space.box(values)


def _impossible(operation: Operation, space: Space, point: Box, possible: Box, name: str) -> Iterator[str]:
    if not name:
        return
    because = {
        "scope": "it needs none",
        "assurance": "it needs no more",
        "limit": "it has none",
        "channel": "the policy declares no channels",
        "actor": "the policy names no agents",
    }
    for place, dimension in enumerate(DIMENSIONS):
        if not point[place] & possible[place]:
            value = space.witness(point)[place]
            yield f"{dimension} is never `{value}` for `{operation.name}`: {because[dimension]}"


def _states(space: Space, box: Box) -> dict[str, tuple[str, ...]]:
    """Give the states of every machine that a box holds."""
    return {
        machine: tuple(value for bit, value in enumerate(space.values[machine]) if box[place] >> bit & 1)
        for place, machine in enumerate(MACHINES)
    }


def _way(
    policy: Policy, operation: Operation, cell_and_box: tuple[Sequence[str], Box], index: int, route: Sequence[Step]
) -> Remedy:
    cell, box = cell_and_box
    rule = policy.table.rules[index]
    changes = []
    for place, (dimension, known) in enumerate(policy.table.values.items()):
        to = tuple(value for bit, value in enumerate(known) if box[place] >> bit & 1)
        if cell[place] in to:
            continue
        by = (
            attribution.condition_actor(operation, dimension, to)
            if dimension in CONDITIONS
            else _movers(dimension, route)
        )
        changes.append(Change(dimension=dimension, now=cell[place], to=to, by=by))
    return Remedy(
        outcome=policy.fallbacks[rule.do].kind.value,
        rule=rule.name,
        origin=rule.origin,
        changes=tuple(changes),
        path=tuple(map(attribution.format_step, route)),
    )


def _movers(machine: str, route: Sequence[Step]) -> str:
    own = [step for step in route if step.event.partition(".")[0] == machine] or list(route)
    by = dict.fromkeys("the clock" if step.since else attribution.event_actor(step.event) for step in own)
    return "; then ".join(by) or "nobody: no events were found that lead there"
