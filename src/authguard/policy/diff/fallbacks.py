"""Compare fallbacks: by outcome, by their fields, and by what their `then` leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.approvers import is_implied
from authguard.core.outcomes import ADMITTING, Fallback, Outcome
from authguard.policy.diff import field_order
from authguard.policy.diff import permissiveness as order
from authguard.policy.diff.difference import LOOSER, MAY_LOOSEN, STRICTER, compare_fields, make_difference
from authguard.policy.diff.requirements import compare_levels
from authguard.policy.diff.state_order import summarize
from authguard.policy.diff.words import count
from authguard.policy.schema.units import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.approvers import Approvers, Required
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.diff.policy_pair import PolicyPair
    from authguard.policy.draft import Draft

#: outcomes that offer a way to be admitted which the guard itself serves
OFFERS: Final = frozenset({Outcome.VERIFY, Outcome.HOLD})
#: longest chain of `then` that is compared; the checks refuse loops
MAX_CHAIN: Final = 16


def compare_outcomes(before: Outcome, after: Outcome) -> Direction:
    """Return the direction from one outcome to another.

    A proof of identity, or an approval, that was not offered may let in a request that the old answer did not, though
    that ranks looser: it only asked for another sign-in.
    """
    direction = order.outcome(before, after)
    offered = after in OFFERS and before not in ADMITTING
    return MAY_LOOSEN if direction is STRICTER and offered else direction


def compare_fallbacks(pair: PolicyPair, before: Fallback, after: Fallback, chain: int = 0) -> Direction:
    """Return the direction from one fallback to another: by outcome, else by their fields."""
    if before.kind is not after.kind:
        return compare_outcomes(before.kind, after.kind)
    return summarize(one for _, one, _ in _compare(pair, before, after, chain))


def _compare(
    pair: PolicyPair, before: Fallback, after: Fallback, chain: int = 0
) -> Iterator[tuple[str, Direction, str]]:
    for field, found, line in compare_fields(before, after, field_order.FALLBACK):
        direction, text = found, line
        if field == "kind":
            direction = compare_outcomes(before.kind, after.kind)
        elif field == "acr":
            direction = compare_levels(pair, before.acr, after.acr)
        elif field == "approvers":
            direction = compare_approvers(pair, before.approvers, after.approvers)
            follows = {LOOSER: ": less approval suffices", STRICTER: ": more approval is needed"}.get(direction, "")
            text = f"`approvers` were {_format(before.approvers)}, are now {_format(after.approvers)}{follows}"
        elif field == "then":
            direction = _compare_ends(pair, before.then, after.then, chain)
        yield field, direction, text


def compare_approvers(pair: PolicyPair, before: Required, after: Required) -> Direction:
    """Compare approvers by who satisfies them: looser if all who satisfy the old ones satisfy the new ones too."""
    old, new = pair.old.assurance.rank, pair.new.assurance.rank
    loosens, tightens = is_implied(after, before, new, old), is_implied(before, after, old, new)
    if loosens and tightens:
        return order.Direction.CHANGED
    return LOOSER if loosens else STRICTER if tightens else MAY_LOOSEN


def _format(required: Required) -> str:
    return " and ".join(map(_format_place, required)) or "nobody"


def _format_place(one: Approvers) -> str:
    role = f" with the role `{one.role}`" if one.role else ""
    return f"{count(one.count, 'person')}{role}{f' at level `{one.acr}`' if one.acr else ''}"


def _compare_ends(pair: PolicyPair, before: str, after: str, chain: int) -> Direction:
    """Compare what follows the last attempt; without a bound of attempts nothing follows."""
    was, becomes = pair.old.fallbacks.get(before), pair.new.fallbacks.get(after)
    if becomes is None:
        return order.Direction.CHANGED
    if was is None:
        return MAY_LOOSEN if becomes.kind in OFFERS else order.Direction.CHANGED
    return compare_fallbacks(pair, was, becomes, chain + 1) if chain < MAX_CHAIN else MAY_LOOSEN


def diff_fallbacks(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the fallbacks of one name, and the window in which proofs of identity are counted."""
    old, new = pair.old, pair.new
    ruled = {rule.do for draft in (old, new) for rule in draft.rules}
    for name in old.fallbacks.keys() & new.fallbacks.keys():
        before, after = old.fallbacks[name], new.fallbacks[name]
        for field, direction, text in _compare(pair, before, after):
            # the decision table shows a change of the kind, with its cells; other fields mean nothing to another kind
            is_shown = name in ruled if field == "kind" else before.kind is not after.kind and field != "discloses"
            if not is_shown:
                yield make_difference("fallbacks", f"fallback `{name}`: {text}", direction)
    windows = verify_window(old), verify_window(new)
    if windows[0] > windows[1]:
        was, becomes = (describe_duration(window) for window in windows)
        text = f"failed proofs of identity counted for {was}, count for {becomes} now: more guesses are possible"
        yield make_difference("fallbacks", text, LOOSER)


def verify_window(draft: Draft) -> float:
    """Return the longest window in which failed proofs of identity count, in seconds."""
    return max((item.per for item in draft.fallbacks.values() if item.kind is Outcome.VERIFY), default=0.0)
