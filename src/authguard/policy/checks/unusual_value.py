"""Check of values that are allowed and rarely meant: counts, periods and retentions far from what others use."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from authguard.core.approvers import count_places
from authguard.policy.problem import Problem
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft

_SECOND: Final = 1.0
_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_MONTH: Final = 30 * _DAY
_NEVER: Final = inf
#: most persons for one act; more are rarely awake at once
_MAX_PERSONS: Final = 5
#: most failed attempts in a row (NIST SP 800-63B-4 3.2.2)
_MAX_ATTEMPTS: Final = 100
#: shortest retention: three months must be at hand (PCI DSS 10.5.1)
_MIN_RETENTION: Final = 90 * _DAY


class _Value(NamedTuple):
    """A value, its usual range and what follows from one outside; `consequence` may be empty on one side."""

    path: str
    key: str
    value: float
    least: float
    most: float
    too_low: str = ""
    too_high: str = ""
    is_duration: bool = True


def check_unusual_values(draft: Draft) -> Iterator[Problem]:
    """Note values outside their usual range; 0 stands for a key that is not written."""
    for values in (_of_fallbacks, _of_timers, _of_flags, _of_operations, _of_issuers, _of_services, _of_deployment):
        for one in values(draft):
            low = 0 < one.value < one.least
            if low or one.value > one.most:
                shown, bound = (
                    format_duration(number) if one.is_duration else f"{number:g}"
                    for number in (one.value, one.least if low else one.most)
                )
                yield Problem(
                    code="value-unusual",
                    place=draft.place(one.path, one.path.rpartition(".")[0]),
                    message=f"`{one.key}: {shown}` is unusual: {one.too_low if low else one.too_high}",
                    advice=f"{'at least' if low else 'at most'} {bound} is usual",
                    severity="note",
                )


def _of_fallbacks(draft: Draft) -> Iterator[_Value]:
    for name, item in draft.fallbacks.items():
        path = f"fallbacks.{name}"
        yield _count(
            f"{path}.approvers",
            "count",
            count_places(item.approvers),
            _MAX_PERSONS,
            "each hold waits for as many persons",
        )
        yield _count(f"{path}.attempts", "attempts", item.attempts, _MAX_ATTEMPTS, "a guess succeeds sooner")
        yield _Value(
            f"{path}.per",
            "per",
            item.per,
            _MINUTE,
            _MONTH,
            "the attempts begin anew at once",
            "an error is held for long",
        )
        yield _Value(
            f"{path}.after", "after", item.after, _SECOND, _DAY, "`Retry-After` has whole seconds", "no client waits"
        )
    for act, authority in draft.rollback.authority.items():
        yield _count(
            f"rollback.authority.{act}", "count", authority.count, _MAX_PERSONS, "nobody finds so many in an emergency"
        )
    for name, method in draft.methods.items():
        path = f"methods.{name}"
        yield _count(f"{path}.attempts", "attempts", method.attempts, _MAX_ATTEMPTS, "a guess succeeds sooner")
        yield _Value(
            f"{path}.per",
            "per",
            method.per,
            _MINUTE,
            _MONTH,
            "the attempts begin anew at once",
            "an error is held for long",
        )


def _count(path: str, key: str, value: int, most: int, too_high: str) -> _Value:
    return _Value(path, key, value, 1, most, too_high=too_high, is_duration=False)


def _of_timers(draft: Draft) -> Iterator[_Value]:
    for index, timer in enumerate(draft.timers):
        machine = timer.event.partition(".")[0]
        most = float("inf") if machine == "account" else _MONTH  # a state of an account may last
        consequence = f"the {machine} stays as it is for all that time"
        yield _Value(
            f"timers[{index}].after", "after", timer.after, _SECOND, most, "it is due as soon as it begins", consequence
        )


def _of_flags(draft: Draft) -> Iterator[_Value]:
    for flag in draft.flags:
        most = 366 * _DAY if flag.expires != _NEVER else _NEVER
        too_low, too_high = "it is clear again before the next request", "write `never`, or the time that is meant"
        yield _Value(f"flags.{flag.name}.expires", "expires", flag.expires, _SECOND, most, too_low, too_high)
    for own in draft.conditions:
        path, fails, waits = (
            f"conditions.{own.name}.from",
            "every call takes longer and fails",
            "a request waits so long",
        )
        if own.call:
            yield _Value(f"{path}.timeout", "timeout", own.timeout, 0.01, _MINUTE, fails, waits)
            yield _Value(f"{path}.max_age", "max_age", own.max_age, 0, _MONTH, "", "its answers are not asked anew")


def _of_operations(draft: Draft) -> Iterator[_Value]:
    for index, operation in enumerate(draft.operations):
        path = f"operations[{index}]"
        too_high = "whoever holds an old session may do it"
        too_low = "no answer comes before the sign-in is too old again"
        yield _Value(f"{path}.assurance.max_age", "max_age", operation.max_age, 10.0, _MONTH, too_low, too_high)
        for place, limit in enumerate(operation.limits):
            too_low = "it limits only what comes at the same time"
            yield _Value(
                f"{path}.limits[{place}].per", "per", limit.per, _SECOND, 366 * _DAY, too_low, "it rarely ends"
            )


def _of_issuers(draft: Draft) -> Iterator[_Value]:
    for index, issuer in enumerate(draft.issuers):
        path = f"issuers[{index}]"
        brief, stolen = "hardly any token lives so briefly", "a stolen token passes for all that time"
        yield _Value(f"{path}.max_lifetime", "max_lifetime", issuer.max_lifetime, _MINUTE, 7 * _DAY, brief, stolen)
        withdrawn = "withdrawn keys count for all that time"
        yield _Value(f"{path}.stale_keys", "stale_keys", issuer.stale_keys, 0, _MONTH, "", withdrawn)
        if issuer.introspection is not None:
            too_high = "a revoked token passes for all that time"
            where = f"{path}.introspection.cache"
            yield _Value(where, "cache", issuer.introspection.cache, 0, _HOUR, "", too_high)


def _of_services(draft: Draft) -> Iterator[_Value]:
    asked = [(f"accounts[{index}]", one.timeout, one.open_for) for index, one in enumerate(draft.accounts)]
    asked += [(f"verifiers.{name}", one.timeout, one.open_for) for name, one in draft.verifiers.items()]
    for path, timeout, open_for in asked:
        fails, waits = "every call takes longer and fails", "a request waits for all that time"
        yield _Value(f"{path}.timeout", "timeout", timeout, 0.01, _MINUTE, fails, waits)
        closes, stays = "it is asked again before it can recover", "it is not asked for all that time"
        yield _Value(f"{path}.breaker", "open_for", open_for, _SECOND, _DAY, closes, stays)


def _of_deployment(draft: Draft) -> Iterator[_Value]:
    fails, waits = "every call takes longer and fails", "a request waits for all that time"
    yield _Value("budget.request", "request", draft.budget.request, 0.05, _MINUTE, fails, waits)
    lost = "who looks for a fraud later finds nothing (PCI DSS 10.5.1 asks for a year, three months of it at hand)"
    yield _Value("audit.retention", "retention", draft.audit.retention, _MIN_RETENTION, float("inf"), lost)
