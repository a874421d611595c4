"""Compare conditions of the policies' own: by what both make of the same claim, header, response, result or moment.

Where two policies sort the same raw values differently, the tables are compared over the pairs of values that occur
together: ``home`` in the old policy and ``abroad`` in the new one, if a country moved. Where they read different
sources, every pair occurs.
"""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import TYPE_CHECKING

from authguard.core.opening_hours import find_marks, format_spans, value_of_day, value_on
from authguard.core.own_conditions import UNAVAILABLE
from authguard.policy.diff import field_order
from authguard.policy.diff.difference import CHANGED, MAY_LOOSEN, compare_fields, make_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.opening_hours import OpeningHours
    from authguard.core.own_conditions import OwnCondition
    from authguard.policy.diff.difference import Difference
    from authguard.policy.draft import Draft

    #: value in the old policy, value in the new one
    Pair = tuple[str, str]
    #: condition -> name of a pair -> the pair
    Pairs = Mapping[str, Mapping[str, Pair]]


def pair_conditions(old: Draft, new: Draft) -> Pairs:
    """Return the pairs of values that a condition can have in two policies at once, each with a name.

    A condition of one policy only has each of its values there, and any in the other.
    """
    olds, news = ({one.name: one for one in draft.conditions} for draft in (old, new))
    found: dict[str, dict[str, Pair]] = {}
    for name in dict.fromkeys((*olds, *news)):
        before, after = olds.get(name), news.get(name)
        if before is not None and after is not None:
            found[name] = {_name_pair(pair): pair for pair in sorted(set(_pairs(before, after)))}
        else:
            one = before or after
            found[name] = {value: (value, value) for value in (one.values if one else ())}
    return found


def translate(when: Mapping[str, Iterable[str]], pairs: Pairs, side: int) -> dict[str, set[str]]:
    """Return the condition of a rule over the names of pairs.

    Args:
        when: dimension -> values, of one policy.
        pairs: from `pair_conditions`.
        side: 0 for the old policy, 1 for the new one.
    """
    return {
        name: {label for label, pair in pairs[name].items() if pair[side] in values} if name in pairs else set(values)
        for name, values in when.items()
    }


def diff_conditions(old: Draft, new: Draft) -> Iterator[Difference]:
    """Compare where conditions are read from, how they are asked, and what they sort differently.

    What another sorting admits is compared with the tables.
    """
    olds, news = ({one.name: one for one in draft.conditions} for draft in (old, new))
    for name, before in olds.items():
        after = news.get(name)
        if after is None:
            continue
        for _, direction, text in compare_fields(before, after, field_order.CONDITION):
            yield make_difference("conditions", f"condition `{name}`: {text}", direction)
        for text in (*_moved_labels(before, after), *_moved_hours(before, after)):
            yield make_difference("conditions", f"condition `{name}`: {text}", CHANGED)
        zones = [one.hours.zone for one in (before, after) if one.hours is not None]
        if len(set(zones)) > 1:
            text = f"condition `{name}`: the time zone was `{zones[0]}`, becomes `{zones[1]}`"
            yield make_difference("conditions", text, MAY_LOOSEN)


def _moved_labels(old: OwnCondition, new: OwnCondition) -> Iterator[str]:
    for label in sorted({*old.labels, *new.labels}):
        was, becomes = (one.labels.get(label, one.default or UNAVAILABLE) for one in (old, new))
        if was != becomes:
            yield f"`{label}` was `{was}`, becomes `{becomes}`"
    if old.default != new.default:
        yield f"everything else was `{old.default}`, becomes `{new.default}`"


def _moved_hours(old: OwnCondition, new: OwnCondition) -> Iterator[str]:
    if old.hours is None or new.hours is None:
        return
    periods = [dict(hours.periods) for hours in (old.hours, new.hours)]
    for value in dict.fromkeys((*periods[0], *periods[1])):
        was, becomes = (format_spans(one.get(value, ())) or "never" for one in periods)
        if was != becomes:
            yield f"`{value}` was `{was}`, becomes `{becomes}`"
    for days, verb in (
        (new.hours.closed - old.hours.closed, "is"),
        (old.hours.closed - new.hours.closed, "is no longer"),
    ):
        for day in sorted(days):
            yield f"`{date.fromordinal(day)}` {verb} an exception"


def _name_pair(pair: Pair) -> str:
    return pair[0] if pair[0] == pair[1] else f"{pair[0]} (now {pair[1]})"


def _pairs(old: OwnCondition, new: OwnCondition) -> Iterator[Pair]:
    if not _reads_same(old, new):
        yield from product(old.values, new.values)
    elif old.hours is not None and new.hours is not None:
        yield from _clock_pairs(old.hours, new.hours)
    else:
        for label in (*old.labels, *new.labels, ""):
            yield tuple(one.labels.get(label, one.default or UNAVAILABLE) for one in (old, new))  # type: ignore[misc]
        if UNAVAILABLE in old.values:
            yield UNAVAILABLE, UNAVAILABLE


def _reads_same(old: OwnCondition, new: OwnCondition) -> bool:
    """Return whether both read the same raw value."""
    zones = [one.hours.zone if one.hours is not None else "" for one in (old, new)]
    sources = [(one.kind, one.claim, one.header, one.pointer, one.call) for one in (old, new)]
    return zones[0] == zones[1] and sources[0] == sources[1]


def _clock_pairs(old: OpeningHours, new: OpeningHours) -> Iterator[Pair]:
    """Yield the values of both in an ordinary week, and around the dates that only one of them excepts."""
    minutes = sorted({0, *find_marks(old), *find_marks(new)})
    for day, minute in product(range(7), minutes):
        yield value_of_day(old, day, minute), value_of_day(new, day, minute)
    for excepted, minute in product(sorted(old.closed ^ new.closed), minutes):
        for ordinal in (excepted, excepted + 1):  # a span of the date may end on the next one
            yield value_on(old, ordinal, minute), value_on(new, ordinal, minute)
