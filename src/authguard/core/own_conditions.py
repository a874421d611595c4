"""Conditions of a policy's own: closed values that a request or a moment brings, and how each is read.

Every function returns a value of the condition for any input. What is missing, malformed or not listed is the default;
what could not be asked is ``unavailable``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field

from authguard.core.claim_source import find, label_of
from authguard.core.opening_hours import read_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.opening_hours import OpeningHours

#: maximum conditions of a policy, and values of one condition besides its default
MAX_CONDITIONS: Final = 8
MAX_VALUES: Final = 16
#: longest text that can be a value; a longer one is not listed
MAX_LABEL_CHARS: Final = 256
#: integers beyond this are no label: their digits cost more than their meaning
_MAX_INTEGER: Final = 10**18
#: value of a condition that could not be asked
UNAVAILABLE: Final = "unavailable"

ConditionKind = Literal["claim", "header", "time_zone", "source", "call"]


class OwnCondition(Struct, frozen=True, kw_only=True):
    """A condition of the policy's own.

    Attributes:
        name: in the policy; a dimension of its table.
        kind: what it is read from.
        values: all values in order: the declared ones, the default, and ``unavailable`` where it can occur.
        default: value of anything that is not listed; empty for a call, which has ``unavailable`` then.
        labels: text of a claim, header, response or result -> value.
        claim: claim or JSON Pointer; empty for other kinds.
        header: lower-case name of the header; empty for other kinds. Ignored without the secret.
        secret_header: lower-case name of the header with the gateway's secret; removed before the app runs.
        secret_env: environment variable with the secret, or with several secrets separated by blanks.
        hours: opening hours; ``None`` for other kinds.
        pointer: JSON Pointer into the response of the account source that the guard asks; empty for other kinds.
        call: ``module:function``; empty for other kinds.
        timeout: seconds for one call.
        max_age: seconds for which the result of a call is cached.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        max_concurrency: maximum number of concurrent calls.
    """

    name: str
    kind: ConditionKind
    values: tuple[str, ...]
    default: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    claim: str = ""
    header: str = ""
    secret_header: str = ""
    secret_env: str = ""
    hours: OpeningHours | None = None
    pointer: str = ""
    call: str = ""
    timeout: float = 0.5
    max_age: float = 0.0
    failures: int = 0
    open_for: float = 0.0
    max_concurrency: int = 50

    @property
    def unproven(self) -> str:
        """Value of a caller without a proven credential, for kinds that are about a person."""
        return UNAVAILABLE if self.kind in {"call", "source"} else self.default


def read_label(condition: OwnCondition, value: object) -> str:
    """Return the value of a claim, a header, a response or a result.

    Args:
        condition: of another kind than ``time_zone``.
        value: anything; only a text, a number or a boolean can be listed.
    """
    return condition.labels.get(label_or_empty(value), condition.default or UNAVAILABLE)


def label_or_empty(value: object) -> str:
    """Return a scalar as bounded text; an empty text for anything else, which no condition lists."""
    if isinstance(value, str):
        return value if len(value) <= MAX_LABEL_CHARS else ""
    if isinstance(value, int | float) and abs(value) < _MAX_INTEGER:
        return label_of(value)
    return ""


def read_conditions(
    conditions: Iterable[OwnCondition],
    claims: Mapping[str, object] | None,
    brought: Mapping[str, str],
    now: float,
) -> dict[str, str]:
    """Return the value of each condition for one request.

    Args:
        conditions: of the policy.
        claims: of the verified credential; ``None`` for a caller who proved none.
        brought: condition -> value, of those that the runtime finds: headers, responses and calls.
        now: epoch seconds UTC.
    """
    found: dict[str, str] = {}
    for condition in conditions:
        if condition.hours is not None:
            found[condition.name] = read_hours(condition.hours, now)[0]
        elif condition.claim:
            known = {} if claims is None else claims
            found[condition.name] = read_label(condition, find(known, (condition.claim,)))
        else:
            # an answer about a credential that a sign-out made void concerns nobody
            is_void = claims is None and condition.unproven == UNAVAILABLE
            found[condition.name] = UNAVAILABLE if is_void else brought.get(condition.name, condition.unproven)
    return found


def next_clock_change(conditions: Iterable[OwnCondition], now: float) -> float:
    """Return the moment until which the clock changes no condition, epoch seconds UTC; infinity without a clock."""
    changes = [read_hours(condition.hours, now)[1] for condition in conditions if condition.hours is not None]
    return min(changes, default=float("inf"))
