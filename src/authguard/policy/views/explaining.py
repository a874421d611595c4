"""One decision explained: which rule decided, why none above it did, what the caller gets, what would have to change.

Rules of this file:
- Exact, by the rules' boxes: no cell is enumerated, and "nearest" means that no fewer dimensions would do.
- A dimension that was not named is `any` where the answer is the same for all its values; else its default is stated.
- Past the budget the answer about what would have to change is `undecided`; nothing is assumed.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from authguard.core.boxes import BUDGET, Box, Space, intersect, is_empty, subtract
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, WIRE, Outcome
from authguard.errors import MachineFault
from authguard.policy.proving import causes
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES
from authguard.policy.views.explanation import Change, Explanation, Passed, Standing, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.outcomes import Fallback, Words
    from authguard.core.request import Operation
    from authguard.policy.compiled import Policy
    from authguard.policy.proving.reachability import Step

#: what an operation settles for every request: asking for something else is no change of where things stand
SETTLED: Final = ("risk", "effect")
#: ways to be allowed that are told; there may be more of the same length
SHOWN: Final = 8


def explain_decision(
    policy: Policy, given: Mapping[str, str], operation: str = "", *, budget: int = BUDGET, steps: int = causes.STEPS
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
        MachineFault: a dimension, a value or the operation is not in this policy.
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
    found = () if fallback.kind is Outcome.ALLOW else _nearest(boxes, letting, point, possible, budget)
    shown = tuple(found or ())[:SHOWN]
    here = dict(zip(DIMENSIONS, cell, strict=True))
    routes = causes.routes(policy, here, [_states(space, box) for _, box in shown], steps) if shown else ()
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
    for operation in policy.judged:
        if operation.name == name:
            return operation
    raise MachineFault(f"`{name}` is no operation of this policy")


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
) -> Iterator[Standing]:
    point, region = boxes
    for place, (dimension, value) in enumerate(zip(DIMENSIONS, cell, strict=True)):
        if dimension in asked:
            known = "given" if dimension in given else "operation"
        else:
            known = "default" if region[place] == point[place] else "any"
        yield Standing(dimension=dimension, value=value, known=known)


def _passed(policy: Policy, boxes: Sequence[Box], region: Box, decided: int) -> Iterator[Passed]:
    for rule in policy.table.rules[:decided]:
        common = intersect(region, boxes[rule.index])
        missed = tuple(dimension for dimension, mask in zip(DIMENSIONS, common, strict=True) if not mask)
        yield Passed(rule=rule.name, origin=rule.origin, dimensions=missed)


def _when(policy: Policy, rule: Rule) -> dict[str, tuple[str, ...]]:
    return {
        dimension: tuple(value for value in known if value in rule.when[dimension])
        for dimension, known in policy.table.values.items()
        if dimension in rule.when
    }


def _status(fallback: Fallback) -> int:
    if fallback.kind in (*ADMITTING, Outcome.REPEAT):  # the app's answer, now or the first time
        return 0
    return fallback.status or WIRE[fallback.kind][0]


def _words(policy: Policy, cell: Sequence[str], fallback: Fallback) -> Words:
    rolled_back = fallback.kind is Outcome.HANDOFF and cell[0] == policy.pulled_back
    return policy.rollback_say if rolled_back and policy.rollback_say.texts else fallback.say


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


def within(boxes: Sequence[Box], region: Box, budget: int) -> tuple[tuple[tuple[Box, ...], ...], int]:
    """Give each rule's exact reach within a region, first match wins, and how many boxes were looked at.

    Past the budget the second number exceeds it and the reaches are not whole.
    """
    remaining, reaches, nodes = [region], [], 0
    for rule in boxes:
        nodes += len(remaining) + 1
        if nodes > budget or not remaining:
            break
        reaches.append(tuple(common for box in remaining if not is_empty(common := intersect(box, rule))))
        remaining = [left for box in remaining for left in subtract(box, rule)]
    return (*reaches, *(() for _ in range(len(boxes) - len(reaches)))), nodes


def _nearest(
    boxes: Sequence[Box], letting: Sequence[int], point: Box, possible: Box, budget: int
) -> tuple[tuple[int, Box], ...] | None:
    """Find every box of allowed cells that differs from a cell in the fewest dimensions.

    For each set of dimensions that a rule which lets the app run would need, smallest sets first, the rules are taken
    over the cells that differ in those alone. So the work is bounded by the dimensions and not by how tangled the rules
    are elsewhere.

    Returns:
        (index of the rule, box) for each; ``None`` past the budget.
    """
    free = [place for place, name in enumerate(DIMENSIONS) if name not in SETTLED and possible[place] & ~point[place]]
    needs = set()
    for index in letting:
        need = frozenset(place for place, mask in enumerate(boxes[index]) if not mask & point[place])
        if need <= set(free) and all(boxes[index][place] & possible[place] for place in need):
            needs.add(need)
    for size in range(min(map(len, needs), default=len(free) + 1), len(free) + 1):
        found: list[tuple[int, Box]] = []
        for chosen in combinations(free, size):
            if not any(need <= set(chosen) for need in needs):
                continue
            region = tuple(possible[place] if place in chosen else mask for place, mask in enumerate(point))
            reaches, nodes = within(boxes, region, budget)
            budget -= nodes
            if budget < 0:
                return None
            found += ((index, box) for index in letting for box in _joined(reaches[index]))
        if found:
            return tuple(found)
    return ()


def _joined(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Join disjoint boxes that differ in one dimension only, so that a way is told in few words."""
    joined = list(boxes)
    again = True
    while again:
        again = False
        for one, two in combinations(joined, 2):
            apart = [place for place, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
            if len(apart) == 1:
                joined.remove(one)
                joined.remove(two)
                joined.append(tuple(a | b for a, b in zip(one, two, strict=True)))
                again = True
                break
    return tuple(joined)


def _states(space: Space, box: Box) -> dict[str, tuple[str, ...]]:
    """Give the states of every machine that a box holds."""
    return {
        machine: tuple(value for bit, value in enumerate(space.values[machine]) if box[place] >> bit & 1)
        for place, machine in enumerate(MACHINES)
    }


def _way(
    policy: Policy, operation: Operation, cell_and_box: tuple[Sequence[str], Box], index: int, route: Sequence[Step]
) -> Way:
    cell, box = cell_and_box
    rule = policy.table.rules[index]
    changes = []
    for place, (dimension, known) in enumerate(policy.table.values.items()):
        to = tuple(value for bit, value in enumerate(known) if box[place] >> bit & 1)
        if cell[place] in to:
            continue
        by = causes.by_hand(operation, dimension, to) if dimension in CONDITIONS else _movers(dimension, route)
        changes.append(Change(dimension=dimension, now=cell[place], to=to, by=by))
    return Way(
        outcome=policy.fallbacks[rule.do].kind.value,
        rule=rule.name,
        origin=rule.origin,
        changes=tuple(changes),
        path=tuple(map(causes.told, route)),
    )


def _movers(machine: str, route: Sequence[Step]) -> str:
    own = [step for step in route if step.event.partition(".")[0] == machine] or list(route)
    by = dict.fromkeys("the clock" if step.since else causes.who(step.event) for step in own)
    return "; then ".join(by) or "nobody: no events were found that lead there"
