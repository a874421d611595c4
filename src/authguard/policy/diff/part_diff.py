"""Compare two policies outside the decision table: issuers, operations, machines, timers, fallbacks and settings.

Each part is compared field by field, by the orders of `authguard.policy.diff.permissiveness`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import MACHINES, TIGHTENING
from authguard.core.machine import expand
from authguard.core.outcomes import ADMITTING, Fallback, Outcome
from authguard.policy.checks.overlap import match_operation, sample_requests
from authguard.policy.checks.table import table_space
from authguard.policy.diff import permissiveness as order
from authguard.policy.diff.access import diff_access
from authguard.policy.diff.difference import (
    CHANGED,
    LOOSER,
    STRICTER,
    compare_fields,
    compare_named,
    format_value,
    make_difference,
)
from authguard.policy.schema.units import format_duration
from authguard.policy.table.boxes import Undecided
from authguard.policy.table.coverage import compute_coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Limit, Operation
    from authguard.core.timers import Timer
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.draft import Draft


def diff_parts(old: Draft, new: Draft) -> Iterator[Difference]:
    """Compare everything except the decision table."""
    yield from _issuers(old, new)
    yield from _accounts(old, new)
    yield from _operations(old, new)
    yield from _fallbacks(old, new)
    yield from _timers(old, new)
    yield from _machines(old, new)
    yield from _assurance(old, new)
    yield from _verification(old, new)
    yield from _policy_settings(old, new)
    yield from _log_settings(old, new)
    yield from _channels(old, new)
    yield from diff_access(old, new)
    yield from _invariants(old, new)


def fallback_direction(before: Fallback, after: Fallback, old: Draft, new: Draft) -> Direction:
    """Return the direction from one fallback to another: by outcome, else by their fields."""
    if before.kind is not after.kind:
        return order.outcome(before.kind, after.kind)
    return _overall([one for _, one, _ in _fallback_fields(before, after, old, new)])


def _overall(directions: list[Direction]) -> Direction:
    """Combine directions: one looser part makes the whole looser, so that a security owner reviews it."""
    if LOOSER in directions:
        return LOOSER
    return STRICTER if directions and set(directions) == {STRICTER} else CHANGED


def _issuers(old: Draft, new: Draft) -> Iterator[Difference]:
    before, after = ({issuer.issuer: issuer for issuer in draft.issuers} for draft in (old, new))
    yield from compare_named("issuers", "issuer", before, after, order.ISSUER, added=LOOSER)


def _accounts(old: Draft, new: Draft) -> Iterator[Difference]:
    before, after = ({source.name: source for source in draft.accounts} for draft in (old, new))
    yield from compare_named(
        "accounts", "account source", before, after, order.ACCOUNT, added=STRICTER, skip=frozenset({"map"})
    )
    strict = {state: place for place, state in enumerate(new.machines["account"].states)}
    for name in before.keys() & after.keys():
        was, becomes = before[name].map, after[name].map
        for status in sorted(was.keys() | becomes.keys()):
            one, other = was.get(status, "unrecognised"), becomes.get(status, "unrecognised")
            if one != other:
                looser = strict.get(other, 0) < strict.get(one, 0)
                text = f"status `{status}` of `{name}` was `{one}`, becomes `{other}`"
                yield make_difference("accounts", text, LOOSER if looser else STRICTER)


def _operations(old: Draft, new: Draft) -> Iterator[Difference]:
    reported: set[tuple[str, str]] = set()
    for probe in sample_requests(old.operations, new.operations):
        before, after = (match_operation(draft.operations, probe) or draft.otherwise for draft in (old, new))
        if (before.name, after.name) in reported or (before.name == after.name):
            continue
        reported.add((before.name, after.name))
        refused = [one is draft.otherwise and not draft.admits_unnamed for one, draft in ((before, old), (after, new))]
        if any(refused):
            text = f"`{probe}` was {_called(before, refused=refused[0])}, becomes {_called(after, refused=refused[1])}"
            yield make_difference(
                "operations", text, LOOSER if refused[0] else STRICTER, "" if refused[1] else after.risk
            )
            continue
        directions = [direction for _, direction, _ in _needs(before, after, old, new)]
        yield make_difference(
            "operations",
            f"`{probe}` was `{before.name}` ({before.risk} {before.effect}), becomes `{after.name}` "
            f"({after.risk} {after.effect})",
            _overall(directions),
            after.risk,
        )
    olds, news = ({one.name: one for one in draft.all_operations} for draft in (old, new))
    for name in olds.keys() & news.keys():
        for _, direction, text in _needs(olds[name], news[name], old, new):
            yield make_difference("operations", f"operation `{name}`: {text}", direction, news[name].risk)


def _called(operation: Operation, *, refused: bool) -> str:
    return "refused" if refused else f"`{operation.name}` ({operation.risk} {operation.effect})"


def _needs(before: Operation, after: Operation, old: Draft, new: Draft) -> Iterator[tuple[str, Direction, str]]:
    """Compare the requirements of two operations."""
    for field, direction, text in compare_fields(before, after, order.OPERATION):
        if field == "acr":
            yield field, _rank(before.acr, after.acr, old, new), text
        elif field == "limits":
            yield from _limits(before.limits, after.limits)
        elif field != "match":
            yield field, direction, text


def _rank(before: str, after: str, old: Draft, new: Draft) -> Direction:
    """Compare levels by their rank in the policies; no required level is the loosest."""
    return order.smaller_is_looser(
        old.assurance.rank(before) if before else 0, new.assurance.rank(after) if after else 0
    )


def _limits(before: tuple[Limit, ...], after: tuple[Limit, ...]) -> Iterator[tuple[str, Direction, str]]:
    """Compare limits by what they count, their period and their key."""
    olds, news = ({(one.currency, one.per, one.by): one for one in limits} for limits in (before, after))
    for key in sorted(olds.keys() | news.keys()):
        period = f"per {format_duration(key[1])} by {key[2]}" if key[1] else "per call"
        what = f"limit in {key[0] or 'calls'} {period}"
        if key not in olds:
            yield "limits", STRICTER, f"the {what} is new: {_most(news[key]):g}"
        elif key not in news:
            yield "limits", LOOSER, f"the {what} is gone: {_most(olds[key]):g}"
        elif _most(olds[key]) != _most(news[key]):
            was, becomes = _most(olds[key]), _most(news[key])
            yield "limits", order.larger_is_looser(was, becomes), f"the {what} was {was:g}, becomes {becomes:g}"


def _most(limit: Limit) -> float:
    return float(limit.amount) if limit.amount else float(limit.calls)


def _fallbacks(old: Draft, new: Draft) -> Iterator[Difference]:
    for name in old.fallbacks.keys() & new.fallbacks.keys():
        before, after = old.fallbacks[name], new.fallbacks[name]
        for field, direction, text in _fallback_fields(before, after, old, new):
            if field != "kind":  # the decision table shows a change of the kind, with its cells
                yield make_difference("fallbacks", f"fallback `{name}`: {text}", direction)


def _fallback_fields(before: Fallback, after: Fallback, old: Draft, new: Draft) -> Iterator[tuple[str, Direction, str]]:
    for field, direction, text in compare_fields(before, after, order.FALLBACK):
        if field == "acr":
            yield field, _rank(before.acr, after.acr, old, new), text
        elif field == "then":
            ends = [
                draft.fallbacks[name].kind if name in draft.fallbacks else Outcome.DENY
                for draft, name in ((old, before.then), (new, after.then))
            ]
            yield field, order.outcome(*ends), text
        else:
            yield field, direction, text


def _timers(old: Draft, new: Draft) -> Iterator[Difference]:
    before, after = (_by_state(draft) for draft in (old, new))
    reported: set[tuple[str, str, str]] = set()
    for event, state in sorted(before.keys() | after.keys()):
        was, becomes = before.get((event, state)), after.get((event, state))
        if was is None or becomes is None:
            looser = (becomes is None) == (event in order.TIGHTENING)
            text = f"`{event}` {'no longer' if becomes is None else 'now'} falls due in `{state}`"
            yield make_difference("timers", text, LOOSER if looser else STRICTER)
            continue
        lines = []
        if was.after != becomes.after:
            compare = order.larger_is_looser if event in order.TIGHTENING else order.smaller_is_looser
            text = f"`{event}` came after {format_duration(was.after)}, comes after {format_duration(becomes.after)}"
            lines.append((compare(was.after, becomes.after), text))
        if was.since != becomes.since:
            lines.append((CHANGED, f"`{event}` counted since `{was.since}`, counts since `{becomes.since}`"))
        for direction, text in lines:
            if (event, text, "") not in reported:
                reported.add((event, text, ""))
                yield make_difference(
                    "timers",
                    f"{text} (in `{state}`{'' if was.states == becomes.states else ' and others'})"
                    if was.states
                    else text,
                    direction,
                )


def _by_state(draft: Draft) -> dict[tuple[str, str], Timer]:
    """Return the timer of each event that falls due first in each state that it moves."""
    found: dict[tuple[str, str], Timer] = {}
    for timer in draft.timers:
        machine, _, trigger = timer.event.partition(".")
        spec = draft.machines[machine]
        edges = expand(spec).edges
        for state in timer.states or spec.states:
            known = found.get((timer.event, state))
            if edges[state, trigger].moves and (known is None or timer.after < known.after):
                found[timer.event, state] = timer
    return found


def _machines(old: Draft, new: Draft) -> Iterator[Difference]:
    for name in MACHINES:
        before, after = old.machines[name], new.machines[name]
        for state in after.states:
            if state not in before.states:
                yield make_difference("machines", f"state `{state}` of machine `{name}` is new", CHANGED)
        for state in before.states:
            if state not in after.states:
                yield make_difference("machines", f"state `{state}` of machine `{name}` is gone", CHANGED)
        if before.initial != after.initial:
            direction = _laxer(old, new, name, before.initial, after.initial)
            text = f"machine `{name}` began in `{before.initial}`, begins in `{after.initial}`"
            yield make_difference("machines", text, direction)
        olds, news = expand(before).edges, expand(after).edges
        for state, trigger in olds.keys() & news.keys():
            was, becomes = olds[state, trigger], news[state, trigger]
            if was.dest != becomes.dest:
                direction = _laxer(old, new, name, was.dest, becomes.dest)
                text = f"`{name}.{trigger}` led from `{state}` to `{was.dest}`, leads to `{becomes.dest}`"
                yield make_difference("machines", text, direction)
            for event in set(was.raises) ^ set(becomes.raises):
                gone = event in was.raises
                tightens = event in TIGHTENING or event in order.TIGHTENING
                direction = (LOOSER if gone else STRICTER) if tightens else CHANGED
                text = f"`{name}.{trigger}` in `{state}` {'no longer raises' if gone else 'now raises'} `{event}`"
                yield make_difference("machines", text, direction)


def _laxer(old: Draft, new: Draft, machine: str, before: str, after: str) -> Direction:
    """Return which of two states admits more, by the number of admitted cells."""
    draft = new if after not in old.machines[machine].states else old
    return order.larger_is_looser(*(_openness(draft, machine, state) for state in (before, after)))


def _openness(draft: Draft, machine: str, state: str) -> int:
    """Count the cells in which the table admits while a machine is in a state."""
    known = table_space(draft)
    proof = compute_coverage(draft.rules, known)
    if isinstance(proof, Undecided) or state not in known.values[machine]:
        return 0
    box = known.box({machine: {state}})
    kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
    return sum(proof.cells(index, box) for index in proof.deciders(box) if kinds[draft.rules[index].do] in ADMITTING)


def _assurance(old: Draft, new: Draft) -> Iterator[Difference]:
    before, after = old.assurance, new.assurance
    if before.order != after.order:
        text = f"the order of levels was {_in_order(before.order)}, becomes {_in_order(after.order)}"
        yield make_difference("assurance", text, CHANGED)
    for acr in sorted({*before.map, *after.map}):
        if before.map.get(acr) != after.map.get(acr):
            text = f"`{acr}` counted as `{before.map.get(acr, '')}`, counts as `{after.map.get(acr, '')}`"
            yield make_difference("assurance", text, order.larger_is_looser(before.rank(acr), after.rank(acr)))
    if old.identity != new.identity:
        was, becomes = (draft.assurance.rank(draft.identity) or float("inf") for draft in (old, new))
        text = f"a sign-in proved identity at {format_value(old.identity)}, proves it at {format_value(new.identity)}"
        yield make_difference("identity", text, order.smaller_is_looser(was, becomes))


def _in_order(levels: tuple[str, ...]) -> str:
    return "[" + ", ".join(levels) + "]"


def _verification(old: Draft, new: Draft) -> Iterator[Difference]:
    yield from compare_named("methods", "method", old.methods, new.methods, order.METHOD, added=CHANGED)
    yield from compare_named("verifiers", "verifier", old.verifiers, new.verifiers, order.VERIFIER, added=CHANGED)


def _policy_settings(old: Draft, new: Draft) -> Iterator[Difference]:
    for field, compare in order.POLICY.items():
        was, becomes = getattr(old, field), getattr(new, field)
        if was != becomes:
            text = f"`{field.replace('_', ' ')}` was {format_value(was)}, becomes {format_value(becomes)}"
            yield make_difference("policy", text, compare(was, becomes))
    if old.on_fault != new.on_fault:
        direction = fallback_direction(old.fallbacks[old.on_fault], new.fallbacks[new.on_fault], old, new)
        yield make_difference(
            "policy", f"a fault was answered by `{old.on_fault}`, is answered by `{new.on_fault}`", direction
        )


def _log_settings(old: Draft, new: Draft) -> Iterator[Difference]:
    """Compare the durability of decisions, the rollback criteria and the operators' roles."""
    for risk in sorted({*old.durability, *new.durability}):
        pair = (old.durability.get(risk, "async"), new.durability.get(risk, "async"))
        if pair[0] != pair[1]:
            text = f"decisions on {risk} requests were kept `{pair[0]}`, are kept `{pair[1]}`"
            yield make_difference("audit", text, order.durability(*pair), risk)
    for act in sorted({*old.rollback_roles, *new.rollback_roles}):
        one, other = old.rollback_roles.get(act, ("", 0)), new.rollback_roles.get(act, ("", 0))
        if one != other:
            direction = order.smaller_is_looser(one[1], other[1]) if one[0] == other[0] else CHANGED
            yield make_difference(
                "rollback", f"to {act} took {one[1]} of `{one[0]}`, takes {other[1]} of `{other[0]}`", direction
            )


def _channels(old: Draft, new: Draft) -> Iterator[Difference]:
    for field, direction, text in compare_fields(old.channels, new.channels, order.CHANNELS):
        if field != "trusts":
            yield make_difference("channels", text, direction)
    for channel in sorted({*old.channels.trusts, *new.channels.trusts}):
        carried = [draft.channels.trusts.get(channel, frozenset[str]()) for draft in (old, new)]
        if carried[0] != carried[1]:
            before, after = map(format_value, carried)
            text = f"trust earned on `{channel}` carried to {before}, carries to {after}"
            yield make_difference("channels", text, order.wider(*carried))


def _invariants(old: Draft, new: Draft) -> Iterator[Difference]:
    promises = [{invariant.name: invariant for invariant in draft.invariants} for draft in (old, new)]
    for name in promises[0].keys() | promises[1].keys():
        was_, becomes_ = promises[0].get(name), promises[1].get(name)
        if was_ != becomes_:
            text = (
                "is no longer promised"
                if becomes_ is None
                else "is promised now"
                if was_ is None
                else "says something else"
            )
            yield make_difference(
                "invariants", f"`{name}` {text}", LOOSER if becomes_ is None else CHANGED if was_ else STRICTER
            )
