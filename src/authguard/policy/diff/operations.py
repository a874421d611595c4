"""Compare operations: which requests belong to which, and what each demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import Outcome
from authguard.policy.diff.difference import LOOSER, MAY_LOOSEN, STRICTER, make_difference
from authguard.policy.diff.requirements import compare_needs
from authguard.policy.diff.routes import MAX_PLACES, REFUSED, compare_routes
from authguard.policy.diff.state_order import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.request import Operation
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.policy_pair import PolicyPair
    from authguard.policy.diff.routes import RoutePair, Routes
    from authguard.policy.draft import Draft


def diff_operations(pair: PolicyPair, places: int = MAX_PLACES) -> Iterator[Difference]:
    """Compare the operations of two policies.

    Args:
        pair: the policies.
        places: bound of the walk over paths.
    """
    olds, news = ({one.name: one for one in draft.all_operations} for draft in (pair.old, pair.new))
    routes = compare_routes(pair.old, pair.new, places)
    split = _split(routes, news)
    for found in routes.pairs:
        yield _diff_route(pair, found, olds, news, is_split=found.before in split)
    if not routes.is_complete:
        yield make_difference("operations", "the paths are too many to compare within the limit", MAY_LOOSEN)
    for name in olds.keys() & news.keys():
        for _, direction, text in compare_needs(pair, olds[name], news[name]):
            yield make_difference("operations", f"operation `{name}`: {text}", direction, news[name].risk)
    yield from _diff_unnamed(pair)
    yield from _diff_restricted(pair)


def _split(routes: Routes, news: Mapping[str, Operation]) -> frozenset[str]:
    """Return the old operations whose requests become those of several: their counters are separate then."""
    leads: dict[str, set[str]] = {}
    for one in routes.pairs:
        if REFUSED not in {one.before, one.after}:
            leads.setdefault(one.before, {one.before} & news.keys()).add(one.after)
    return frozenset(name for name, ends in leads.items() if len(ends) > 1)


def _diff_route(
    pair: PolicyPair,
    found: RoutePair,
    olds: Mapping[str, Operation],
    news: Mapping[str, Operation],
    *,
    is_split: bool,
) -> Difference:
    before, after = olds.get(found.before), news.get(found.after)
    text = f"`{found.request}` was {_called(before)}, is now {_called(after)}"
    if after is None:
        return make_difference("operations", text, STRICTER)
    if before is None:
        return make_difference("operations", text, LOOSER, after.risk)
    direction = summarize(one for _, one, _ in compare_needs(pair, before, after))
    counted = is_split and any(limit.per for limit in before.limits)
    delegated = any(source.delegations_at for source in pair.new.accounts)  # delegations may name operations
    if direction is not LOOSER and (counted or delegated):
        direction = MAY_LOOSEN
        text += ", with counters of its own" if counted else ", which delegations may name"
    return make_difference("operations", text, direction, after.risk)


def _called(operation: Operation | None) -> str:
    if operation is None:
        return "refused"
    if operation.name == "otherwise":
        return f"taken as an unnamed request ({operation.risk} {operation.effect})"
    return f"the operation `{operation.name}` ({operation.risk} {operation.effect})"


def _diff_unnamed(pair: PolicyPair) -> Iterator[Difference]:
    """Report paths that resemble a named one no longer: with `otherwise`, they are no longer refused."""
    if not (pair.old.admits_unnamed and pair.new.admits_unnamed):
        return
    named = [{one.match.path or one.match.websocket for one in draft.operations} for draft in (pair.old, pair.new)]
    for template in sorted(named[0] - named[1]):
        text = f"paths that resemble `{template}` were refused, are unnamed requests now"
        yield make_difference("operations", text, MAY_LOOSEN, pair.new.otherwise.risk)


def _diff_restricted(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the scopes that a restricted request keeps: those of all operations with its effects."""
    kept = [_effect_scopes(draft) for draft in (pair.old, pair.new)]
    for effect in ("read", "write"):
        more = sorted(kept[1][effect] - kept[0][effect])
        if more:
            text = f"restricted requests that may {effect} keep the scopes {', '.join(f'`{one}`' for one in more)} too"
            yield make_difference("operations", text, LOOSER)


def _effect_scopes(draft: Draft) -> dict[str, frozenset[str]]:
    used = frozenset[str]().union(*(item.effects for item in draft.fallbacks.values() if item.kind is Outcome.RESTRICT))
    return {
        effect: frozenset[str]().union(*(one.scopes for one in draft.operations if effect in used & {one.effect}))
        for effect in ("read", "write")
    }
