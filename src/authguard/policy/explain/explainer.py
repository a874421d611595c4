"""Explain one decision: its rule, the rules before it, the reply and the nearest changes that permit the request.

Rules of this file:
- The decision is exact: it is computed with the boxes of the rules, without enumeration of cells.
- A remedy leads there at run time: the driver was run on it (`authguard.policy.explain.way`). "Nearest" means that no
  way that was found changes fewer dimensions.
- A dimension that is not given is `any` if the decision is the same for all its values; otherwise it has its default.
- If the search exceeds its budget, the remedies are `undecided`; the explanation never guesses.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import CHANNEL, OPERATION, OTHERWISE, UNKNOWN_CHANNEL
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome
from authguard.core.possible_values import find_possible
from authguard.errors import MachineFaultError
from authguard.policy.checks import attribution
from authguard.policy.explain.explanation import Change, ExplainedValue, Explanation, Remedy, SkippedRule
from authguard.policy.explain.nearest import SETTLED, BudgetExceededError, iter_nearest
from authguard.policy.explain.way import MAX_STEPS, WayFinder
from authguard.policy.table.boxes import MAX_BOXES, Box, Space, find_skips, intersect, is_empty
from authguard.policy.table_space import policy_space
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule, Table
    from authguard.core.outcomes import Fallback, LocalizedText
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.checks.reachability import Step
    from authguard.policy.explain.way import Way

#: most remedies in an explanation; more with as few changes may exist
MAX_REMEDIES: Final = 8
#: numbers of changed dimensions that are tried, from the fewest that the table permits
MAX_DISTANCES: Final = 3


def explain_decision(
    policy: Policy,
    given: Mapping[str, str],
    operation: str = "",
    *,
    budget: int = MAX_BOXES,
    steps: int = MAX_STEPS,
) -> Explanation:
    """Explain one decision.

    Args:
        policy: compiled policy, which decides every cell.
        given: dimension -> value; missing dimensions are filled as the rules of this file state.
        operation: name of the operation, which fixes ``risk`` and ``effect``; empty for the policy's `otherwise`
            operation (by default a sensitive write), unless both are given.
        budget: most boxes that the search for remedies examines.
        steps: most events that the search for paths examines.

    Raises:
        MachineFaultError: a dimension, a value or the operation is not in this policy.
    """
    wanted = _operation(policy, operation)
    asked = dict(given)
    if operation or not set(SETTLED) & set(given):
        asked |= {"risk": wanted.risk, "effect": wanted.effect}
    space, names = policy_space(policy), tuple(policy.table.values)
    if OPERATION in names:
        asked[OPERATION] = operation or asked.get(OPERATION, OTHERWISE)
    defaults = _defaults(policy)
    if asked.get(CHANNEL, asked.get("channel_change")) == UNKNOWN_CHANNEL:  # one fact with two names
        asked |= {"channel_change": UNKNOWN_CHANNEL} | ({CHANNEL: UNKNOWN_CHANNEL} if CHANNEL in names else {})
    cell = tuple(asked.get(dimension, defaults[dimension]) for dimension in names)
    rule = policy.table.decide(cell)  # raises for an unknown value
    boxes = tuple(space.box(one.when) for one in policy.table.rules)
    point = space.box({dimension: (value,) for dimension, value in zip(names, cell, strict=True)})
    left_out = _find_left_out(policy.table.trace(cell), policy.table.rules)
    matched = [boxes[one.index] for one in policy.table.trace(cell)]
    missed = [box for index, box in enumerate(boxes[: rule.index]) if index not in left_out]
    region = _widen(point, matched, missed, space, [name for name in names if name not in asked])
    fallback = policy.fallbacks[rule.do]
    possible = _possible_box(policy, wanted, space)
    targets = {Outcome.ALLOW} if fallback.kind is Outcome.RESTRICT else ADMITTING
    admitting = [one.index for one in policy.table.rules if not one.skips and policy.fallbacks[one.do].kind in targets]
    here = dict(zip(names, cell, strict=True))
    ways: tuple[Way, ...] = ()
    is_decided = True
    if fallback.kind is not Outcome.ALLOW:
        finder = WayFinder(policy, here, operation, steps)
        possible_here = intersect(possible, space.box({name: finder.reachable(name) for name in MACHINES}))
        skips = find_skips(policy.table.rules)
        nearest = iter_nearest(names, boxes, admitting, point, possible_here, budget, skips=skips)
        ways, is_decided = _find_remedies(finder, nearest, space, targets)
    remedies = tuple(_build_remedy(policy, wanted, here, way) for way in ways)
    return Explanation(
        policy=policy.name,
        digest=policy.digest,
        operation=operation,
        values=tuple(_explain_values(given, asked, here, (point, region))),
        rule=rule.name,
        origin=rule.origin,
        when=_when(policy, rule),
        fallback=rule.do,
        fallback_origin=policy.origins.get(f"fallback:{rule.do}", ""),
        outcome=fallback.kind.value,
        status=_status(fallback),
        say=dict(sorted(_words(policy, cell, fallback).texts.items())),
        attempts=(fallback.attempts, fallback.per, fallback.then) if fallback.attempts else (),
        skipped=tuple(_skipped_rules(policy.table, rule.index, boxes, region, left_out)),
        remedies=remedies[:MAX_REMEDIES],
        more=max(0, len(remedies) - MAX_REMEDIES),
        undecided=not is_decided,
        notes=tuple(_impossible_notes(wanted, space, point, possible, operation)),
    )


def _operation(policy: Policy, name: str) -> Operation:
    if not name:
        return policy.otherwise
    for operation in policy.all_operations:
        if operation.name == name:
            return operation
    raise MachineFaultError(f"`{name}` is not an operation of this policy")


def _defaults(policy: Policy) -> dict[str, str]:
    """Return the default of each dimension, as in scenarios."""
    account = {} if policy.accounts else {"account": "normal"}  # without an account source, every account is normal
    return {
        **{name: policy.table.values[name][0] for name in policy.table.extra},
        **policy.initial,
        **DEFAULT_STATES,
        **account,
        **DEFAULT_CONDITIONS,
        "risk": policy.otherwise.risk,
        "effect": policy.otherwise.effect,
    }


def _find_left_out(trace: Sequence[Rule], rules: Sequence[Rule]) -> dict[int, str]:
    """Return the rules that a cell does not come to, and those that skipped them, each with the name of the latter."""
    return {one.index: by.name for by in trace if by.skips for one in rules[by.index :] if one.phase == by.phase}


def _widen(point: Box, matched: Sequence[Box], missed: Sequence[Box], space: Space, unnamed: Sequence[str]) -> Box:
    """Widen each unnamed dimension to all values if the whole box meets and misses the same rules."""
    region = point
    for dimension in unnamed:
        place = tuple(space.values).index(dimension)
        wider = (*region[:place], space.whole[place], *region[place + 1 :])
        inside = all(intersect(wider, one) == wider for one in matched)
        if inside and all(is_empty(intersect(wider, one)) for one in missed):
            region = wider
    return region


def _explain_values(
    given: Mapping[str, str], asked: Mapping[str, str], cell: Mapping[str, str], boxes: tuple[Box, Box]
) -> Iterator[ExplainedValue]:
    point, region = boxes
    for place, (dimension, value) in enumerate(cell.items()):
        if dimension in asked:
            known = "given" if dimension in given else "operation"
        else:
            known = "default" if region[place] == point[place] else "any"
        yield ExplainedValue(dimension=dimension, value=value, known=known)


def _skipped_rules(
    table: Table, decided: int, boxes: Sequence[Box], region: Box, left_out: Mapping[int, str]
) -> Iterator[SkippedRule]:
    for rule in table.rules[:decided]:
        if rule.index in left_out:
            yield SkippedRule(rule=rule.name, origin=rule.origin, skipped_by=left_out[rule.index])
            continue
        common = intersect(region, boxes[rule.index])
        missed = tuple(dimension for dimension, mask in zip(table.values, common, strict=True) if not mask)
        yield SkippedRule(rule=rule.name, origin=rule.origin, dimensions=missed)


def _when(policy: Policy, rule: Rule) -> dict[str, tuple[str, ...]]:
    return {
        dimension: tuple(value for value in known if value in rule.when[dimension])
        for dimension, known in policy.table.values.items()
        if dimension in rule.when
    }


def _status(fallback: Fallback) -> int:
    if fallback.kind in (*ADMITTING, Outcome.REPEAT):  # the response of the app, now or the first one
        return 0
    return fallback.status or RESPONSES[fallback.kind][0]


def _words(policy: Policy, cell: Sequence[str], fallback: Fallback) -> LocalizedText:
    rolled_back = fallback.kind is Outcome.HANDOFF and cell[0] == policy.rollback_state
    return policy.rollback.message if rolled_back and policy.rollback.message.texts else fallback.message


def _possible_box(policy: Policy, operation: Operation, space: Space) -> Box:
    """Return the box of values that a request for this operation can have."""
    values = find_possible(policy, operation)
    return space.box({name: one for name, one in values.items() if name not in {*SETTLED, "credential"}})


def _impossible_notes(operation: Operation, space: Space, point: Box, possible: Box, name: str) -> Iterator[str]:
    if not name:
        return
    because = {
        "scope": "it requires none",
        "assurance": "it requires no higher assurance",
        "limit": "it has no such limit",
        "channel_change": "the policy declares no channels",
        "actor": "the policy registers no agents, or no source names representatives",
    }
    for place, dimension in enumerate(space.values):
        if not point[place] & possible[place]:
            value = space.witness(point)[place]
            yield f"{dimension} is never `{value}` for `{operation.name}`: {because[dimension]}"


def _find_remedies(
    finder: WayFinder, nearest: Iterator[tuple[tuple[int, Box], ...]], space: Space, targets: Collection[Outcome]
) -> tuple[tuple[Way, ...], bool]:
    """Return the ways with the fewest changes that lead there, and whether none was missed."""
    try:
        for found in islice(nearest, MAX_DISTANCES):
            ways = tuple(way for _, box in found if (way := finder.find(space, box, targets)) is not None)
            if ways or finder.is_exhausted:
                return ways, bool(ways)
        return (), next(nearest, None) is None
    except BudgetExceededError:
        return (), False


def _build_remedy(policy: Policy, operation: Operation, here: Mapping[str, str], way: Way) -> Remedy:
    rule = policy.table.rules[way.rule]
    changes = tuple(
        Change(
            dimension=name,
            now=here[name],
            to=(way.values[name],),
            by=_find_actor(policy, operation, name, here[name], way),
        )
        for name in here
        if way.values[name] != here[name]
    )
    return Remedy(
        outcome=way.outcome,
        rule=rule.name,
        origin=rule.origin,
        changes=changes,
        path=tuple(map(attribution.format_step, way.path)),
    )


def _find_actor(policy: Policy, operation: Operation, name: str, now: str, way: Way) -> str:
    """Return who can change a dimension on a way."""
    if name in MACHINES:
        return _event_sources(name, way.path)
    for flag in policy.flags:
        if flag.name == name:
            return attribution.flag_actor(flag, way.values[name])
    if any(one.name == name and one.hours is not None for one in policy.own_conditions):
        return "the clock"
    return attribution.condition_actor(operation, name, (way.values[name],), now)


def _event_sources(machine: str, route: Sequence[Step]) -> str:
    own = [step for step in route if step.event.partition(".")[0] == machine] or list(route)
    by = dict.fromkeys("the clock" if step.since else attribution.event_actor(step.event) for step in own)
    return "; then ".join(by)
