"""Models of conditions of a policy's own: what a request or a moment brings (POLICY, "Conditions of one's own")."""

import re
from typing import Annotated, Any, Final

from msgspec import Meta, field

from authguard.core.claim_source import label_of
from authguard.core.declaration import Key
from authguard.core.opening_hours import DATE_PATTERN, MAX_EXCEPTIONS, ZONE_PATTERN, load_zone, parse_date
from authguard.core.own_conditions import MAX_LABEL_CHARS, MAX_VALUES
from authguard.policy.schema.model import Parsed, StrictModel
from authguard.policy.schema.types import Callable_, ClaimName, Duration, Header, Name, Pointer, Tolerance, Variable
from authguard.policy.schema.verification import Breaker

#: maximum texts of one value
MAX_LABELS: Final = 256
_ADVICE: Final = "write `[NAME, ...]`, or each value with its texts, `{home: [DE, AT]}`"
_VALUE_NAME: Final = r"[a-z][a-z0-9_-]{0,63}"
_SCALAR_SCHEMA: Final[dict[str, Any]] = {"type": ["string", "integer", "boolean"]}
_VALUES_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "array", "items": {"type": "string", "pattern": f"^{_VALUE_NAME}$"}, "minItems": 1},
        {
            "type": "object",
            "patternProperties": {
                f"^{_VALUE_NAME}$": {
                    "anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": _SCALAR_SCHEMA, "minItems": 1}]
                }
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}


def _parse_values(typed: object) -> dict[str, tuple[str, ...]]:
    """Parse a list of values, or values with their texts; a listed value is its own text."""
    given = {str(name): name for name in typed} if isinstance(typed, list) else typed
    if not isinstance(given, dict) or not given or (isinstance(typed, list) and len(given) < len(typed)):
        raise ValueError(_ADVICE)
    if len(given) > MAX_VALUES:
        raise ValueError(f"write at most {MAX_VALUES} values")
    parsed: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if not re.fullmatch(_VALUE_NAME, name) or not 0 < len(texts) <= MAX_LABELS:
            raise ValueError(_ADVICE)
        if not all(isinstance(one, str | int | float) and 0 < len(label_of(one)) <= MAX_LABEL_CHARS for one in texts):
            raise ValueError(_ADVICE)
        parsed[name] = tuple(label_of(one) for one in texts)
    return parsed


def _parse_zone(typed: object) -> str:
    """Parse the name of a time zone that the system or the package `tzdata` has."""
    advice = "write a name of the IANA database such as `Europe/Berlin`, or `UTC`"
    try:
        load_zone(str(typed))
    except ValueError as error:
        raise ValueError(f"{error}; {advice}") from None
    return str(typed)


def _parse_date(typed: object) -> int:
    """Parse a date to its ordinal."""
    return parse_date(typed if isinstance(typed, str) else "")


TimeZone = Annotated[str, Parsed(_parse_zone, "time-zone", {"type": "string", "pattern": f"^(?:{ZONE_PATTERN})$"})]
Date = Annotated[int, Parsed(_parse_date, "opening-hours", {"type": "string", "pattern": f"^{DATE_PATTERN}$"})]
#: value -> its texts: those of a claim, a header, a response or a result, or its spans of time
Values = Annotated[dict[str, tuple[str, ...]], Parsed(_parse_values, "condition-values", _VALUES_SCHEMA)]


class ConditionFrom(StrictModel, frozen=True, kw_only=True):
    """Source of a condition."""

    claim: Annotated[ClaimName, Key("Claim of the verified token, or a JSON Pointer into its claims.", "unordered")] = (
        ""
    )
    header: Annotated[
        Header, Key("Header that a gateway sets; ignored unless `secret_header` contains the secret.", "unordered")
    ] = ""
    secret_header: Annotated[
        Header, Key("Header with the gateway's secret; removed before the app runs.", "unordered")
    ] = ""
    secret_env: Annotated[
        Variable,
        Key("Environment variable with the secret (32 characters or more); blanks separate several.", "unordered"),
    ] = ""
    # compared by the values at each minute, in `own_conditions`
    time_zone: Annotated[TimeZone, Key("Time zone of opening hours, such as `Europe/Berlin`.")] = ""
    source: Annotated[Pointer, Key("JSON Pointer into the response of the account source that the guard asks.")] = ""
    call: Annotated[
        Callable_, Key("Function of the app `(issuer, subject) -> value`, as `package.module:function`.", "unordered")
    ] = ""
    timeout: Annotated[Duration, Key("Time limit of one call; default 500ms.", "unordered")] = 0.5
    max_age: Annotated[
        Tolerance, Key("Time for which the result of a call is used again; default 0s.", "larger_smaller_may_be")
    ] = 0.0
    breaker: Annotated[Breaker | None, Key("Circuit breaker of the call.")] = None
    max_concurrency: Annotated[
        int, Meta(ge=1, le=10_000), Key("Maximum number of concurrent calls; default 50.", "unordered")
    ] = 50


class OwnCondition(StrictModel, frozen=True, kw_only=True):
    """A condition of the policy's own, whose values rules and invariants name."""

    source: Annotated[
        ConditionFrom, Key("Source: `claim`, `header` with its secret, `time_zone`, `source` or `call`.")
    ] = field(name="from")
    # these three are compared by their effect, in `own_conditions`
    values: Annotated[
        Values, Key("Values: a list, or each with its texts, `{home: [DE, AT]}`; of a `time_zone`, with its spans.")
    ]
    default: Annotated[
        Name, Key("Value of everything that is missing or not listed; a `call` has `unavailable` instead.")
    ] = ""
    exceptions: Annotated[
        tuple[Date, ...],
        Meta(max_length=MAX_EXCEPTIONS),
        Key("Dates on which no span of a `time_zone` begins, such as `2026-12-25`."),
    ] = field(name="except", default=())
