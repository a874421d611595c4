"""Build the conditions of a policy's own: their source, their values in order, and what each value is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.opening_hours import OpeningHours, find_overlap, parse_spans
from authguard.core.own_conditions import UNAVAILABLE, ConditionKind, OwnCondition
from authguard.policy.schema.removed_key import CONDITION_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import AccountSource
    from authguard.core.opening_hours import Span
    from authguard.policy.loading.problem_collector import ProblemCollector
    from authguard.policy.schema import condition as model

#: kind -> the other keys of its source
_SOURCE_KEYS: Final[Mapping[ConditionKind, frozenset[str]]] = {
    "claim": frozenset(),
    "header": frozenset({"secret_header", "secret_env"}),
    "time_zone": frozenset(),
    "source": frozenset(),
    "call": frozenset({"timeout", "max_age", "breaker", "max_concurrency"}),
}
#: kinds that can fail to answer
_ASKED: Final = frozenset({"source", "call"})


def build_condition(name: str, condition: model.OwnCondition, found: ProblemCollector) -> OwnCondition:
    """Build a condition.

    Args:
        name: of the condition.
        condition: declared.
        found: collects problems.
    """
    path, source = f"conditions.{name}", condition.source
    kind = _find_kind(path, source, found)
    found.add_unexpected(
        f"{path}.from", source.__struct_encode_fields__, _SOURCE_KEYS[kind] | {kind}, f"`from: {{{kind}: ...}}`"
    )
    others = {"time_zone": {"default", "except"}, "call": set[str]()}.get(kind, {"default"})
    found.add_unexpected(
        path, ("default", "except"), frozenset({"from", "values", *others}), f"`from: {{{kind}: ...}}`"
    )
    if kind != "call" and not condition.default:
        advice = "write `default: NAME`, the value of everything that is not listed"
        found.add("missing-key", path, "the key `default` is missing", advice)
    implicit = [condition.default] if condition.default else []
    implicit += [UNAVAILABLE] if kind in _ASKED else []
    for value in implicit:
        if value in condition.values:
            message = f"`{value}` is a value already: it is what the condition has without a listed one"
            found.add("condition-values", f"{path}.values", message, f"remove `{value}` from `values`")
    if condition.default == UNAVAILABLE:
        message = f"`{UNAVAILABLE}` is the value of what could not be asked"
        found.add("condition-values", f"{path}.default", message, "choose another name")
    is_clock = kind == "time_zone"
    return OwnCondition(
        name=name,
        kind=kind,
        values=tuple(dict.fromkeys((*condition.values, *implicit))),
        default=condition.default,
        labels={} if is_clock else _build_labels(path, condition.values, found),
        claim=source.claim,
        header=source.header.lower(),  # case-insensitive (RFC 9110 5.1); lower case in ASGI
        secret_header=source.secret_header.lower(),
        secret_env=source.secret_env,
        hours=_build_hours(path, condition, found) if is_clock else None,
        pointer=source.source,
        call=source.call,
        timeout=source.timeout,
        max_age=source.max_age,
        failures=source.breaker.failures if source.breaker else 0,
        open_for=source.breaker.open_for if source.breaker else 0.0,
        max_concurrency=source.max_concurrency,
    )


def add_pointers(
    accounts: tuple[AccountSource, ...], conditions: tuple[OwnCondition, ...], found: ProblemCollector, *, base: bool
) -> tuple[AccountSource, ...]:
    """Return the account sources; the one that the guard asks has the pointers of the conditions that read it."""
    readers = [one for one in conditions if one.pointer]
    asked = [source for source in accounts if not source.claim]
    if len(asked) != 1:
        for one in () if base else readers:
            message = f"`source` reads the response of one account source that the guard asks; there are {len(asked)}"
            advice = "declare one with `from: http` or `from: python`, or read a claim"
            found.add("condition-source", f"conditions.{one.name}.from", message, advice)
        return accounts
    pointers = tuple(dict.fromkeys(one.pointer for one in readers))
    return tuple(source if source.claim else replace(source, pointers=pointers) for source in accounts)


def _find_kind(path: str, source: model.ConditionFrom, found: ProblemCollector) -> ConditionKind:
    given: list[ConditionKind] = [kind for kind in _SOURCE_KEYS if getattr(source, kind)]
    if len(given) != 1:
        message = "a condition comes from one of `claim`, `header`, `time_zone`, `source`, `call`"
        found.add("condition-source", f"{path}.from", message, "write one of them, such as `from: {claim: country}`")
        return given[0] if given else "claim"
    together = {bool(source.header), bool(source.secret_header), bool(source.secret_env)}
    if given == ["header"] and (len(together) > 1 or source.header.lower() == source.secret_header.lower()):
        message = "`header`, `secret_header` and `secret_env` need each other: anyone can send a header"
        found.add("condition-source", f"{path}.from", message, f"write `{CONDITION_HEADER}`")
    return given[0]


def _build_labels(path: str, values: Mapping[str, tuple[str, ...]], found: ProblemCollector) -> dict[str, str]:
    labels: dict[str, str] = {}
    for value, texts in values.items():
        for text in texts:
            if text in labels:
                message = f"`{text}` stands for `{labels[text]}` and for `{value}`"
                message = message if labels[text] != value else f"`{text}` is listed twice for `{value}`"
                found.add("condition-values", f"{path}.values.{value}", message, "list each text once")
            labels[text] = value
    return labels


def _build_hours(path: str, condition: model.OwnCondition, found: ProblemCollector) -> OpeningHours:
    periods: list[tuple[str, tuple[Span, ...]]] = []
    for value, texts in condition.values.items():
        spans: set[Span] = set()
        for text in texts:
            try:
                spans.update(parse_spans(text))
            except ValueError as error:
                found.add(
                    "opening-hours", f"{path}.values.{value}", f"`{text[:100]}` is not a time of the week", str(error)
                )
        for other, taken in periods:
            moment = find_overlap(taken, spans)
            if moment:
                message = f"{moment} is `{other}` and `{value}`"
                found.add("condition-values", f"{path}.values.{value}", message, "let one of them end before")
        periods.append((value, tuple(sorted(spans))))
    return OpeningHours(
        zone=condition.source.time_zone,
        periods=tuple(periods),
        closed=frozenset(condition.exceptions),
        default=condition.default,
    )
