"""Compare methods by the sets of verifiers that suffice, and verifiers field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.diff import field_order
from authguard.policy.diff.difference import (
    CHANGED,
    LOOSER,
    MAY_LOOSEN,
    STRICTER,
    compare_fields,
    compare_named,
    make_difference,
)
from authguard.policy.diff.fallbacks import verify_window
from authguard.policy.diff.permissiveness import smaller_is_looser
from authguard.policy.diff.state_order import combine
from authguard.policy.diff.words import format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.verification import Method
    from authguard.policy.diff.difference import Difference
    from authguard.policy.diff.permissiveness import Direction
    from authguard.policy.diff.policy_pair import PolicyPair

#: field -> word in the policy -> the event that it raises
_RAISED: Final[Mapping[str, Mapping[str, str]]] = {
    "on_contradiction": {"ambiguous": "contradicted", "failed": "failed"},
    "on_doubt": {"ambiguous": "doubted", "failed": "failed"},
    "on_unavailable": {"ambiguous": "doubted", "unavailable": "unavailable"},
}
_COMBINATION: Final = frozenset({"verifiers", "need", "in_order", "alternatives"})


def diff_methods(pair: PolicyPair) -> Iterator[Difference]:
    """Compare the methods and the verifiers of two policies; a method that no fallback names is never used."""
    old, new = pair.old.methods, pair.new.methods
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old or name not in new:
            text = f"method `{name}` is {'new' if name in new else 'gone'}: only fallbacks that name it are affected"
            yield make_difference("methods", text, CHANGED)
            continue
        for direction, text in _compare(pair, old[name], new[name]):
            yield make_difference("methods", f"method `{name}`: {text}", direction)
    yield from compare_named(
        "verifiers", "verifier", pair.old.verifiers, pair.new.verifiers, field_order.VERIFIER, added=CHANGED
    )


def _compare(pair: PolicyPair, before: Method, after: Method) -> Iterator[tuple[Direction, str]]:
    if any(getattr(before, field) != getattr(after, field) for field in _COMBINATION):
        text = f"it took {_describe(before)}, takes {_describe(after)} now"
        yield _compare_combinations(before, after), text
    for field, direction, text in compare_fields(before, after, field_order.METHOD):
        if field in _RAISED:
            raised = (_RAISED[field][getattr(one, field)] for one in (before, after))
            yield pair.compare_events("verification", *raised), text
        elif field == "per":
            # without a window of its own, a method counts in the longest one of the fallbacks
            windows = before.per or verify_window(pair.old), after.per or verify_window(pair.new)
            yield CHANGED if windows[0] == windows[1] else smaller_is_looser(*windows), text
        elif field not in _COMBINATION:
            yield direction, text


def _compare_combinations(before: Method, after: Method) -> Direction:
    """Compare the smallest sets of verifiers that suffice: a new one that contains no old one is looser."""
    more, less = _has_further(before, after), _has_further(after, before)
    direction = combine(up=not less, down=not more) if more or less else CHANGED
    if more:
        return LOOSER
    other_results = before.alternatives != after.alternatives or before.in_order != after.in_order
    if other_results or (direction is CHANGED and before.in_order):
        return MAY_LOOSEN  # the same sets, with other results before they are complete
    return direction if direction is STRICTER else CHANGED


def _has_further(before: Method, after: Method) -> bool:
    """Return whether some set suffices for the second method, and no part of it for the first."""
    outside = len(set(after.verifiers) - set(before.verifiers))
    return max(0, after.need - outside) < before.need


def _describe(method: Method) -> str:
    if method.in_order:
        return ", then ".join(f"`{one}`" for one in method.verifiers)
    listed = format_value(method.verifiers)
    return f"{method.need} of {listed}" if method.alternatives else f"all of {listed}"
