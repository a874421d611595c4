"""Checks of flags: that each only restricts or only permits, and that what sets it fits.

The polarity of a flag is computed over all cells of the table (`authguard.policy.table.polarity`). What restricts is
set before the app runs, so that a crash leaves it set; what permits is set by success only.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core import flags
from authguard.core.decision_table import DIMENSIONS
from authguard.core.extra_dimensions import OPERATION
from authguard.core.outcomes import ALLOW, Outcome
from authguard.policy.checks.counterexample import DraftKey
from authguard.policy.checks.machine import unknown_name
from authguard.policy.problem import Problem
from authguard.policy.table.mdd import NodeLimitError
from authguard.policy.table.polarity import OPENNESS, Polarity, PolarityProof
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.flags import Flag, FlagSetter
    from authguard.core.request import Operation
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Place

#: names that a flag may not have, since rules would mean something else by them
RESERVED: Final = frozenset({*DIMENSIONS, OPERATION, "channel", "outcome", "fallback", "phase"})


def find_polarities(draft: Draft) -> Mapping[str, Polarity]:
    """Return flag -> what setting it changes; nothing if names do not resolve, or if the proof exceeds its budget."""
    return (_find_polarities(DraftKey(draft)) or {}) if draft.flags else {}


@lru_cache(maxsize=4)  # the checks, the report and the compiler ask for the same policy
def _find_polarities(key: DraftKey) -> Mapping[str, Polarity] | None:
    """Return the polarities; ``None`` if the proof exceeds its budget."""
    draft = key.draft
    space = table_space(draft)
    answers = {ALLOW.name: ALLOW} | dict(draft.fallbacks)
    try:
        proof = PolarityProof(space, draft.rules, answers, draft.assurance.rank)
        return {flag.name: proof.find(flag.name) for flag in draft.flags if space.values.get(flag.name) == flags.VALUES}
    except KeyError:
        return {}  # names do not resolve, which is a problem of its kind
    except NodeLimitError:
        return None


def with_polarity(draft: Draft) -> tuple[Flag, ...]:
    """Return the flags of a draft with their polarity; one without a proof counts as restricting."""
    found = find_polarities(draft)
    return tuple(
        replace(flag, restricts=flag.name not in found or not found[flag.name].permits) for flag in draft.flags
    )


def describe_polarities(draft: Draft) -> dict[str, str]:
    """Return flag -> ``restricts`` or ``permits``, of a draft without errors."""
    return {flag.name: "restricts" if flag.restricts else "permits" for flag in with_polarity(draft)}


def check_flag_names(draft: Draft) -> Iterator[Problem]:
    """Check that flags have names of their own, and that their setters name operations."""
    names = {operation.name for operation in draft.operations}
    groups = {group for operation in draft.operations for group in operation.groups}
    taken = RESERVED | {condition.name for condition in draft.conditions}
    for flag in draft.flags:
        if flag.name in taken:
            message = f"the flag `{flag.name}` has the name of a machine or a condition"
            yield Problem(
                code="duplicate-name", place=_place(draft, flag), message=message, advice="choose another name"
            )
        for index, setter in enumerate(flag.set_by):
            for name in setter.operations:
                if name not in names | groups and not draft.base:
                    yield unknown_name(
                        _place(draft, flag, index), "an operation or a group", name, (*sorted(names), *sorted(groups))
                    )


def check_flag_use(draft: Draft) -> Iterator[Problem]:
    """Check that rules name each flag, and that it can be cleared."""
    named = {dimension for rule in draft.rules for dimension in rule.when}
    for flag in draft.flags:
        place = _place(draft, flag)
        if flag.name not in named:
            message = f"no rule names the flag `{flag.name}`"
            advice = f"add a rule with `{flag.name}: set`, or delete the flag"
            yield Problem(code="flag-unused", place=place, message=message, advice=advice)
        if flag.expires == inf and not flag.cleared_by:
            message = f"the flag `{flag.name}` never expires, and no role may clear it"
            advice = "write a time as `expires`, or `cleared_by: [{role: NAME}]`"
            yield Problem(code="flag-forever", place=place, message=message, advice=advice)


def check_flag_polarity(draft: Draft) -> Iterator[Problem]:
    """Check that setting a flag either opens or closes answers, and that its setters fit that."""
    if draft.flags and _find_polarities(DraftKey(draft)) is None:
        message = "the rules are too complex to prove what the flags change"
        advice = "let rules name fewer conditions, or delete a flag"
        yield Problem(code="undecided", place=draft.place("flags"), message=message, advice=advice)
    named = {dimension for rule in draft.rules for dimension in rule.when}
    for flag in draft.flags:
        polarity = find_polarities(draft).get(flag.name) if flag.name in named else None
        if polarity is None:
            continue
        if polarity.restricts:
            yield from _check_restricting(draft, flag)
        elif polarity.permits:
            yield from _check_permitting(draft, flag)
        else:
            yield _mixed(draft, flag, polarity)


def _mixed(draft: Draft, flag: Flag, polarity: Polarity) -> Problem:
    place = _place(draft, flag)
    if polarity.is_idle:
        message = f"every answer is equally open with the flag `{flag.name}` set and clear"
        advice = "delete it, or move the rules that name it before the rules that decide in their place"
        return Problem(code="flag-idle", place=place, message=message, advice=advice)
    if polarity.unordered:
        (before, after), cells = max(polarity.unordered.items(), key=lambda one: one[1])
        message = (
            f"the flag `{flag.name}` replaces `{before}` by `{after}` in {cells:,} cells,"
            " and neither asks for more than the other"
        )
        advice = f"let `{after}` ask for everything that `{before}` asks for"
        return Problem(code="flag-mixed", place=place, message=message, advice=advice)
    parts = []
    for verb, changes in (("opens", polarity.opens), ("closes", polarity.closes)):
        (before, after), _ = max(changes.items(), key=lambda one: one[1])
        parts.append(f"{verb} {sum(changes.values()):,} cells ({_name(draft, before)} becomes {_name(draft, after)})")
    message = f"the flag `{flag.name}` {' and '.join(parts)}"
    return Problem(code="flag-mixed", place=place, message=message, advice="make it two flags")


def _name(draft: Draft, answer: str) -> str:
    """Return an answer in words; those that do not run the app are equally open."""
    is_open = answer == ALLOW.name or OPENNESS.get(draft.fallbacks[answer].kind)
    return f"`{answer}`" if is_open else "a refusal"


def _check_restricting(draft: Draft, flag: Flag) -> Iterator[Problem]:
    place = _place(draft, flag)
    if flag.by == flags.SESSION:
        message = f"the flag `{flag.name}` restricts by session, and a new sign-in is another session"
        yield Problem(code="flag-evaded", place=place, message=message, advice="write `by: subject`")
    for operation in draft.operations:
        if flag.is_set_on(flags.COMMITTED, operation) and not flag.is_set_on(flags.STARTED, operation):
            message = f"the flag `{flag.name}` restricts, and `{operation.name}` sets it only after the app answered"
            advice = f"add `{{operation: {operation.name}, event: started}}`, so that a crash leaves it set"
            yield Problem(code="flag-late", place=place, message=message, advice=advice)


def _check_permitting(draft: Draft, flag: Flag) -> Iterator[Problem]:
    for index, setter in enumerate(flag.set_by):
        place = _place(draft, flag, index)
        if setter.event and setter.event != flags.COMMITTED:
            message = f"the flag `{flag.name}` permits, and `event: {setter.event}` sets it without success of the app"
            yield Problem(code="flag-early", place=place, message=message, advice="write `event: committed`")
        if setter.app:
            message = f"the flag `{flag.name}` permits, and the app may set only what restricts"
            advice = "let an operation set it by `event: committed`, or a person by `role`"
            yield Problem(code="flag-loosens", place=place, message=message, advice=advice)


def check_flag_events(draft: Draft) -> Iterator[Problem]:
    """Check that each event of a setter can happen, and that people can name the owner of a flag."""
    can_hold = any(item.kind is Outcome.HOLD for item in draft.fallbacks.values())
    for flag in draft.flags:
        for index, setter in enumerate(flag.set_by):
            place = _place(draft, flag, index)
            yield from _check_owner(place, flag, setter)
            for operation in draft.operations:
                names = {operation.name, *operation.groups}
                if not names.isdisjoint(setter.operations):
                    yield from _check_event(place, flag, setter, operation, can_hold=can_hold)
        if flag.by == flags.SESSION and flag.cleared_by:
            yield _unnamed(_place(draft, flag), flag)


def _check_owner(place: Place, flag: Flag, setter: FlagSetter) -> Iterator[Problem]:
    if setter.role and flag.by == flags.SESSION:
        yield _unnamed(place, flag)


def _unnamed(place: Place, flag: Flag) -> Problem:
    message = f"the flag `{flag.name}` is kept by session, which no person can name"
    return Problem(code="flag-event", place=place, message=message, advice="write `by: subject`, or remove the role")


def _check_event(
    place: Place, flag: Flag, setter: FlagSetter, operation: Operation, *, can_hold: bool
) -> Iterator[Problem]:
    why = ""
    if setter.event == flags.COMMITTED:
        why = "is a WebSocket, without a status" if operation.match.websocket else ""
    elif setter.event == "failed":
        why = "" if operation.transactional else "has no transaction"
    elif setter.event in {"lapsed", "denied"}:
        why = "" if can_hold else "is never held"
    if operation.risk == "public":
        why = "proves no caller"
    if flag.by in flags.PAYEE_DIMENSIONS and not operation.has_payee:
        why = "names no payee"
    if why:
        message = f"`event: {setter.event}` never sets the flag `{flag.name}`: `{operation.name}` {why}"
        yield Problem(code="flag-event", place=place, message=message, advice="name another event or operation")


def _place(draft: Draft, flag: Flag, setter: int = -1) -> Place:
    path = f"flags.{flag.name}"
    return draft.place(f"{path}.set_by[{setter}]", path) if setter >= 0 else draft.place(path)
