"""Compare account sources: what each status is mapped to, and which report wins, by the order of account states."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from authguard.policy.diff import field_order
from authguard.policy.diff.difference import LOOSER, MAY_LOOSEN, STRICTER, compare_named, make_difference
from authguard.policy.diff.state_order import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.policy_pair import PolicyPair


#: pairs of states that one difference names
MAX_NAMED: Final = 3


#: direction -> what follows from another state
_FOLLOWS: Final = {LOOSER: ": more is admitted in it", STRICTER: ": less is admitted in it"}


def diff_accounts(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the account sources of two policies, their maps, and the strictness of the states."""
    before, after = ({source.name: source for source in draft.accounts} for draft in (pair.old, pair.new))
    # a further source may report a laxer state than none, and one source less lets a stricter report go
    yield from compare_named(
        "accounts", "account source", before, after, field_order.ACCOUNT, added=MAY_LOOSEN, skip=frozenset({"map"})
    )
    for name in sorted(before.keys() & after.keys()):
        was, becomes = before[name].map, after[name].map
        if bool(was) != bool(becomes):
            how = "has a map now" if becomes else "reports the states of the policy now, without a map"
            text = f"{_called(name)} {how}"
            yield make_difference("accounts", text, MAY_LOOSEN)
            continue
        for status in sorted(was.keys() | becomes.keys()):
            one, other = was.get(status, "unrecognised"), becomes.get(status, "unrecognised")
            if one != other:
                text = f"status `{status}` of {_called(name)} was the state `{one}`, is now `{other}`"
                direction = pair.compare_reports(one, other)
                yield make_difference("accounts", f"{text}{_FOLLOWS.get(direction, '')}", direction)
    yield from _diff_strictness(pair)


def _called(name: str) -> str:
    kind, _, rest = name.partition(":")
    words = {"claim": "the claim", "python": "the function", "http": "the directory"}.get(kind, kind)
    return f"{words} `{rest}`" if rest else f"`{name}`"


def _diff_strictness(pair: PolicyPair) -> Iterator[Difference]:
    """Report states that changed their places: of two reports, another one is the strictest then."""
    old, new = pair.old.machines["account"].states, pair.new.machines["account"].states
    place = {state: index for index, state in enumerate(new)}
    shared = [state for state in old if state in place]
    swapped = [(laxer, stricter) for laxer, stricter in combinations(shared, 2) if place[laxer] > place[stricter]]
    if swapped:
        direction = summarize(
            order.compare_events("account", stricter, laxer) for laxer, stricter in swapped for order in pair.orders
        )
        named = ", ".join(f"`{stricter}` over `{laxer}`" for laxer, stricter in swapped[:MAX_NAMED])
        rest = f" and {len(swapped) - MAX_NAMED} more" if len(swapped) > MAX_NAMED else ""
        yield make_difference(
            "accounts", f"of two reports, the stricter one was {named}{rest}; now it is the other one", direction
        )
