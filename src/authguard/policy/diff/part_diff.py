"""Compare two policies outside the decision table: each part by its effect, by a declared order, or as unordered.

Parts with an effect on the table have modules of their own. The others are compared field by field, by the orders of
`authguard.policy.diff.field_order`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from authguard.core.sections import SECTIONS, Authority
from authguard.policy.diff import field_order
from authguard.policy.diff import permissiveness as order
from authguard.policy.diff.access import diff_access
from authguard.policy.diff.accounts import diff_accounts
from authguard.policy.diff.difference import (
    CHANGED,
    LOOSER,
    MAY_LOOSEN,
    STRICTER,
    compare_declared,
    compare_fields,
    compare_named,
    make_difference,
)
from authguard.policy.diff.fallbacks import compare_fallbacks, diff_fallbacks
from authguard.policy.diff.flags import diff_flags
from authguard.policy.diff.machines import diff_machines
from authguard.policy.diff.methods import diff_methods
from authguard.policy.diff.operations import diff_operations
from authguard.policy.diff.own_conditions import diff_conditions
from authguard.policy.diff.timers import diff_timers
from authguard.policy.diff.words import count, describe_change, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.diff.policy_pair import PolicyPair


#: durability -> its words
_STORED: Final = {
    "async": "after the answer",
    "group": "before the answer, together with others",
    "sync": "before the answer",
}


def diff_parts(pair: PolicyPair) -> Iterator[Difference]:
    """Compare everything except the decision table."""
    yield from _issuers(pair)
    yield from diff_accounts(pair)
    yield from diff_operations(pair)
    yield from diff_fallbacks(pair)
    yield from diff_flags(pair)
    yield from diff_timers(pair)
    yield from diff_machines(pair)
    yield from _assurance(pair)
    yield from _identity(pair)
    yield from diff_methods(pair)
    yield from _policy_settings(pair)
    yield from _sections(pair)
    yield from _log_settings(pair)
    yield from _channels(pair)
    yield from diff_conditions(pair.old, pair.new)
    yield from diff_access(pair.old, pair.new)
    yield from _invariants(pair)


def _issuers(pair: PolicyPair) -> Iterator[Difference]:
    before, after = ({issuer.issuer: issuer for issuer in draft.issuers} for draft in (pair.old, pair.new))
    yield from compare_named("issuers", "issuer", before, after, field_order.ISSUER, added=LOOSER)


def _assurance(pair: PolicyPair) -> Iterator[Difference]:
    before, after = pair.old.assurance, pair.new.assurance
    if before.order != after.order:
        text = f"the order of levels was {_in_order(before.order)}, is now {_in_order(after.order)}"
        yield make_difference("assurance", text, MAY_LOOSEN)
    for acr in sorted({*before.map, *after.map}):
        if before.map.get(acr) != after.map.get(acr):
            was, becomes = (f"`{one.map[acr]}`" if acr in one.map else "no level" for one in (before, after))
            text = f"a sign-in with `acr` `{acr}` counted as {was}, counts as {becomes} now"
            ranks = before.rank(acr), after.rank(acr)
            direction = CHANGED if ranks[0] == ranks[1] else order.larger_is_looser(*ranks)
            yield make_difference("assurance", text, direction)


def _identity(pair: PolicyPair) -> Iterator[Difference]:
    old, new = pair.old, pair.new
    if old.identity == new.identity:
        return
    ranks = [draft.assurance.rank(draft.identity) or inf for draft in (old, new)]
    was, becomes = (f"of level `{one.identity}`" if one.identity else "of no level" for one in (old, new))
    text = f"a sign-in {was} proved identity; now one {becomes} does"
    direction = CHANGED if ranks[0] == ranks[1] else order.smaller_is_looser(*ranks)
    text += {LOOSER: ": a weaker sign-in suffices", STRICTER: ": a stronger sign-in is needed"}.get(direction, "")
    proofs = {pair.compare_raised("verification.started"), pair.compare_raised("verification.passed")}
    if direction is STRICTER and not proofs <= {LOOSER, CHANGED}:
        direction = MAY_LOOSEN  # somewhere, a proof of identity admits less than none
    yield make_difference("identity", text, direction)


def _in_order(levels: tuple[str, ...]) -> str:
    return "[" + ", ".join(levels) + "]"


def _policy_settings(pair: PolicyPair) -> Iterator[Difference]:
    old, new = pair.old, pair.new
    for field, compare in field_order.POLICY.items():
        was, becomes = getattr(old, field), getattr(new, field)
        if was != becomes:
            yield make_difference("policy", describe_change("Draft", field, was, becomes), compare(was, becomes))
    if old.on_fault != new.on_fault:
        direction = compare_fallbacks(pair, old.fallbacks[old.on_fault], new.fallbacks[new.on_fault])
        yield make_difference(
            "policy",
            f"a fault of the guard was answered by `{old.on_fault}`, is answered by `{new.on_fault}` now",
            direction,
        )


def _sections(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the sections that run time reads as they are declared."""
    for name in SECTIONS:
        for text, direction in compare_declared(getattr(pair.old, name), getattr(pair.new, name), f"{name}."):
            yield make_difference(name, text, direction)


def _log_settings(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the durability of decisions, the rollback criteria and the operators' roles."""
    old, new = pair.old, pair.new
    for risk in sorted({*old.audit.durability, *new.audit.durability}):
        durations = (old.audit.durability.get(risk, "async"), new.audit.durability.get(risk, "async"))
        if durations[0] != durations[1]:
            was, becomes = (_STORED[one] for one in durations)
            text = f"decisions on {risk} requests were stored {was}, are stored {becomes} now"
            yield make_difference("audit", text, order.durability(*durations), risk)
    nobody = Authority(role="", count=0)
    for act in sorted({*old.rollback.authority, *new.rollback.authority}):
        one, other = (draft.rollback.authority.get(act, nobody) for draft in (old, new))
        if one != other:
            direction = order.smaller_is_looser(one.count, other.count) if one.role == other.role else MAY_LOOSEN
            text = f"to {act} the service took {_people(one)}, takes {_people(other)} now"
            yield make_difference("rollback", text, direction)


def _people(one: Authority) -> str:
    return f"{count(one.count, 'person')} with the role `{one.role}`" if one.count else "nobody: it was not possible"


def _channels(pair: PolicyPair) -> Iterator[Difference]:
    before, after = pair.old.channels, pair.new.channels
    if before.declared != after.declared:
        text = f"channels are {'compared now' if after.declared else 'no longer compared'}"
        yield make_difference("channels", text, _by_channel(pair, STRICTER if after.declared else LOOSER))
        return
    for field, direction, text in compare_fields(before, after, field_order.CHANNELS):
        if field != "trusts":
            yield make_difference("channels", text, direction)
    for channel in sorted({*before.trusts, *after.trusts}):
        carried = [one.trusts.get(channel, frozenset[str]()) for one in (before, after)]
        if carried[0] != carried[1]:
            was, becomes = (format_value(one) for one in carried)
            more = order.wider(*carried) is LOOSER
            follows = "identity proved there counts in further channels" if more else "it counts in fewer channels"
            text = f"proof of identity from `{channel}` counted in {was}, counts in {becomes} now: {follows}"
            yield make_difference("channels", text, _by_channel(pair, order.wider(*carried)))


def _by_channel(pair: PolicyPair, direction: Direction) -> Direction:
    """Return `MAY_LOOSEN` for less trust if a table admits more in an unknown or another channel."""
    if direction is not STRICTER:
        return direction
    is_below = all(
        pair.is_below({"channel_change": one}, {"channel_change": "same"}) for one in ("switched", "unknown")
    )
    # a switch also sends `verification.moved`
    return STRICTER if is_below and pair.compare_raised("verification.moved") in {STRICTER, CHANGED} else MAY_LOOSEN


def _invariants(pair: PolicyPair) -> Iterator[Difference]:
    promises = [{invariant.name: invariant for invariant in draft.invariants} for draft in (pair.old, pair.new)]
    for name in sorted(promises[0].keys() | promises[1].keys()):
        was, becomes = promises[0].get(name), promises[1].get(name)
        if was == becomes:
            continue
        if becomes is None:
            text = f"`{name}` is no longer promised: later changes may break it unnoticed"
            yield make_difference("invariants", text, LOOSER)
        elif was is None:
            yield make_difference("invariants", f"`{name}` is promised now", STRICTER)
        else:
            yield make_difference("invariants", f"`{name}` promises something else under the same name", MAY_LOOSEN)
