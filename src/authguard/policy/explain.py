"""One decision explained: which rule decided, why none above it did, what the caller gets, what would have to change.

Rules of this file:
- Exact, by the rules' boxes: no cell is enumerated, and "nearest" means that no fewer dimensions would do.
- A dimension that was not named is `any` where the answer is the same for all its values; else its default is stated.
- Past the budget the answer about what would have to change is `undecided`; nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from authguard.core.boxes import BUDGET, Box, Space, intersect, is_empty, subtract
from authguard.core.decisions import CONDITIONS, DIMENSIONS
from authguard.core.outcomes import ADMITTING, WIRE, Outcome
from authguard.errors import MachineFault
from authguard.policy import causes
from authguard.policy.scenarios import ASKED, GIVEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.decisions import Rule
    from authguard.core.facts import Operation
    from authguard.core.outcomes import Fallback, Words
    from authguard.policy.compiled import Policy

#: what an operation settles for every request: asking for something else is no change of where things stand
SETTLED: Final = ("risk", "effect")
#: ways to be allowed that are told; there may be more of the same length
SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One dimension of what is explained.

    Attributes:
        dimension: its name.
        value: the value that is explained.
        known: how it is known: ``given``, ``operation`` (settled by it), ``default`` (the answer depends on it) or
            ``any`` (not named, and the answer is the same for every value).
    """

    dimension: str
    value: str
    known: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A rule above the one that decided.

    Attributes:
        rule: as the log names it.
        origin: where it was written, ``file:line``.
        dimensions: those on which it did not match.
    """

    rule: str
    origin: str
    dimensions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One dimension that would have to change.

    Attributes:
        dimension: its name.
        now: its value.
        to: the values of which any would do.
        by: who can bring that about.
        path: for a machine, the fewest events that lead it, by itself, to the first of these values; each with who
            raises it.
    """

    dimension: str
    now: str
    to: tuple[str, ...]
    by: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to be allowed: the changes that together lead there.

    Attributes:
        outcome: ``allow`` or ``restrict``.
        rule: that would decide then.
        origin: where it was written.
        changes: in the order of the dimensions.
    """

    outcome: str
    rule: str
    origin: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision, explained.

    Attributes:
        policy: its name.
        digest: of the policy.
        operation: what is asked for; empty for one that the policy does not name.
        standing: every dimension, in order.
        rule: that decided, as the log names it.
        origin: where it was written, ``file:line``.
        when: dimension -> the values that the rule asks for; what it does not name takes any.
        fallback: its name.
        fallback_origin: where it was written; empty for ``allow``.
        outcome: what the caller gets.
        status: HTTP status; 0 where it is the app's own.
        say: (language, channel) -> words for the customer, where the policy has any.
        attempts: how often, within how many seconds, and what then; empty where nothing counts.
        passed: the rules above it, in order.
        ways: the nearest ways to be allowed; empty where the decision lets the app run, where nothing would do,
            or where it is undecided.
        more: ways of the same length beyond those in `ways`.
        undecided: whether the rules are too tangled to tell what would have to change.
        notes: what cannot be as it was given.
    """

    policy: str
    digest: str
    operation: str
    standing: tuple[Standing, ...]
    rule: str
    origin: str
    when: Mapping[str, tuple[str, ...]]
    fallback: str
    fallback_origin: str
    outcome: str
    status: int
    say: Mapping[tuple[str, str], str]
    attempts: tuple[int, float, str] | tuple[()]
    passed: tuple[Passed, ...]
    ways: tuple[Way, ...]
    more: int
    undecided: bool
    notes: tuple[str, ...]


def explain(policy: Policy, given: Mapping[str, str], operation: str = "", *, budget: int = BUDGET) -> Explanation:
    """Explain one decision.

    Args:
        policy: compiled, so proved to decide every cell.
        given: dimension -> value, as far as it is named; what is not is found as the rules of this file say.
        operation: its name, which settles ``risk`` and ``effect``; empty for what nobody named, unless those are given.
        budget: boxes to look at for what would have to change, at the most.

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
    ways = tuple(_way(policy, wanted, (cell, box), index) for index, box in found or ())
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
        ways=ways[:SHOWN],
        more=max(0, len(ways) - SHOWN),
        undecided=found is None,
        notes=tuple(_impossible(wanted, space, point, possible, operation)),
    )


def _operation(policy: Policy, name: str) -> Operation:
    if not name or name == policy.otherwise.name:
        return policy.otherwise
    for operation in policy.operations:
        if operation.name == name:
            return operation
    raise MachineFault(f"`{name}` is no operation of this policy")


def _defaults(policy: Policy) -> dict[str, str]:
    """Give what a dimension is unless somebody says otherwise, as for scenarios."""
    account = {} if policy.accounts else {"account": "normal"}  # with no source, every account is
    return {
        **policy.initial,
        **GIVEN,
        **account,
        **ASKED,
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
    if not operation.scopes:
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


def _way(policy: Policy, operation: Operation, cell_and_box: tuple[Sequence[str], Box], index: int) -> Way:
    cell, box = cell_and_box
    rule = policy.table.rules[index]
    changes = []
    for place, (dimension, known) in enumerate(policy.table.values.items()):
        to = tuple(value for bit, value in enumerate(known) if box[place] >> bit & 1)
        if cell[place] not in to:
            changes.append(_change(policy, operation, dimension, cell[place], to))
    return Way(outcome=policy.fallbacks[rule.do].kind.value, rule=rule.name, origin=rule.origin, changes=tuple(changes))


def _change(policy: Policy, operation: Operation, dimension: str, now: str, to: tuple[str, ...]) -> Change:
    if dimension in CONDITIONS:
        by = causes.by_hand(operation, dimension, to)
        return Change(dimension=dimension, now=now, to=to, by=by)
    paths = {state: events for state in to if (events := causes.path(policy, dimension, now, state))}
    if not paths:
        return Change(dimension=dimension, now=now, to=to, by="nobody: no event leads there")
    events = min(paths.values(), key=len)
    told, state = [], now
    for event in events:
        when = causes.due(policy, event, state) if causes.who(event) == "the clock" else ""
        told.append(f"{event} ({causes.who(event)}{f', {when}' if when else ''})")
        state = policy.machines[dimension].table[state, event.partition(".")[2]].dest
    by = "; then ".join(dict.fromkeys(causes.who(event) for event in events))
    return Change(dimension=dimension, now=now, to=to, by=by, path=tuple(told))
