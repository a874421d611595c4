"""Compare flags: a longer time is stricter for one that restricts, and looser for one that permits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.checks.flags import find_polarities, with_polarity
from authguard.policy.diff.difference import CHANGED, LOOSER, MAY_LOOSEN, STRICTER, make_difference
from authguard.policy.schema.key_text import format_written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.flags import Flag, FlagSetter
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.diff.policy_pair import PolicyPair


def diff_flags(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the flags of one name; the table shows what a flag that only one policy has changes."""
    before, after = ({flag.name: flag for flag in with_polarity(draft)} for draft in (pair.old, pair.new))
    for name in (*before, *(name for name in after if name not in before)):
        if name not in after:
            yield make_difference("flags", f"flag `{name}` is gone", LOOSER if before[name].restricts else CHANGED)
        elif name not in before:
            yield make_difference("flags", f"flag `{name}` is new", STRICTER if after[name].restricts else CHANGED)
        else:
            for direction, text in _compare(pair, before[name], after[name]):
                yield make_difference("flags", f"flag `{name}` {text}", direction)


def _compare(pair: PolicyPair, before: Flag, after: Flag) -> Iterator[tuple[Direction, str]]:
    if before.restricts != after.restricts and _is_proved(pair, before.name):
        yield LOOSER, "permitted, and restricts now" if after.restricts else "restricted, and permits now"
    more, less = (STRICTER, LOOSER) if after.restricts else (LOOSER, STRICTER)
    if before.by != after.by:
        yield MAY_LOOSEN, f"was kept by {before.by}, is kept by {after.by}"
    if before.expires != after.expires:
        times = [format_written(one.expires, "duration") for one in (before, after)]
        yield more if after.expires > before.expires else less, f"was set for {times[0]}, is set for {times[1]}"
    gone, new = _setters(before) - _setters(after), _setters(after) - _setters(before)
    for one in sorted(gone):
        yield less, f"is no longer set {one}"
    for one in sorted(new):
        yield more, f"is set {one} now"
    for role in sorted({*before.cleared_by, *after.cleared_by}):
        if role not in after.cleared_by:
            yield more, f"is no longer cleared by `{role}`"
        elif role not in before.cleared_by:
            yield less, f"is cleared by `{role}` now"


def _is_proved(pair: PolicyPair, name: str) -> bool:
    return all(name in find_polarities(draft) for draft in (pair.old, pair.new))


def _setters(flag: Flag) -> frozenset[str]:
    return frozenset(text for setter in flag.set_by for text in _describe(setter))


def _describe(setter: FlagSetter) -> Iterator[str]:
    if setter.app:
        yield "by the app"
    elif setter.role:
        yield f"by `{setter.role}`"
    for operation in setter.operations:
        yield f"when `{operation}` is {setter.event}"
