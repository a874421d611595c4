"""Types of scalar values: names, addresses, texts, durations and amounts.

A type rejects a value with a problem code and advice. `authguard.policy.loading.validation` converts both to a problem.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from msgspec import Meta

from authguard.core.claim_source import label_of
from authguard.core.declaration import Format
from authguard.core.outcomes import LocalizedText
from authguard.core.staff import MAX_ROLE_CHARS
from authguard.policy.schema import path_template, units
from authguard.policy.schema.model import Parsed, Shorthand

#: longest text for a customer, in characters
MAX_TEXT_CHARS: Final = 2_000


def _string(pattern: str) -> dict[str, Any]:
    """Return the JSON Schema of a string with a pattern; Python and JSON Schema share the syntax."""
    return {"pattern": f"^(?:{pattern})$", "type": "string"}


def _text(pattern: str, advice: str, code: str = "malformed-value", schema: dict[str, Any] | None = None) -> Parsed:
    """Return the annotation of text that matches a pattern, which is compiled at its first use."""

    def parse(typed: object) -> str:
        if not isinstance(typed, str) or not re.fullmatch(pattern, typed, re.ASCII):
            raise ValueError(advice)
        return typed

    return Parsed(parse, code, schema or _string(pattern))


def _positive_duration(typed: object) -> float:
    seconds = units.parse_duration(typed)
    if not seconds:
        raise ValueError("write a positive duration, such as `30s`")
    return seconds


def _parse_message(typed: object) -> LocalizedText:
    """Parse ``message``; a key whose value is a mapping is a language."""
    texts: dict[tuple[str, str], str] = {}
    texts_by_name = typed if isinstance(typed, dict) else {"default": typed}
    for name, value in texts_by_name.items():
        for channel, text in (value if isinstance(value, dict) else {name: value}).items():
            if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT_CHARS:
                raise ValueError(f"write text of at most {MAX_TEXT_CHARS} characters")
            key = name.lower() if isinstance(value, dict) else "", channel
            if key in texts:
                raise ValueError("write each language once; case is ignored")
            texts[key] = text
    if not texts:
        raise ValueError("write text, or `{default: ..., voice: ..., de: {default: ...}}`")
    return LocalizedText(texts)


def _parse_currency(typed: object) -> tuple[str, str, str]:
    """Parse three letters, ``{at: POINTER}`` or ``{form: FIELD}`` to (letters, pointer, field); two are empty."""
    if isinstance(typed, str) and re.fullmatch(_CURRENCY, typed):
        return typed, "", ""
    if isinstance(typed, str) and re.fullmatch(_CURRENCY, typed.strip().upper()):
        raise ValueError(f"write `{typed.strip().upper()}`, in capital letters (ISO 4217)")
    key, value = next(iter(typed.items())) if isinstance(typed, dict) and len(typed) == 1 else ("", "")
    if key == "at" and isinstance(value, str) and re.fullmatch(_POINTER, value):
        return "", value, ""
    if key == "form" and isinstance(value, str) and re.fullmatch(_FORM_FIELD, value, re.ASCII):
        return "", "", value
    raise ValueError("write `{at: /currency}`, `{form: currency}`, or three letters such as `EUR` (ISO 4217)")


def _parse_claim_values(typed: object) -> dict[str, tuple[str, ...]]:
    """Parse a list of claims, or claims with their accepted values; a claim without values accepts any."""
    is_list = isinstance(typed, list) and all(isinstance(one, str) for one in typed)
    given = {name: [] for name in typed} if isinstance(typed, list) and is_list else typed
    if not isinstance(given, dict) or len(given) > MAX_CLAIM_NAMES:
        raise ValueError(_CLAIM_VALUES_ADVICE)
    parsed: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]  # an empty list accepts any value
        if not re.fullmatch(_CLAIM, name) or len(values) > MAX_CLAIM_NAMES:
            raise ValueError(_CLAIM_VALUES_ADVICE)
        if not all(isinstance(one, str | int) and 0 < len(str(one)) <= MAX_CLAIM_CHARS for one in values):
            raise ValueError(_CLAIM_VALUES_ADVICE)
        parsed[name] = tuple(label_of(one) for one in values)
    return parsed


def _parse_audience(typed: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parse a text, a list or ``{claim: NAME, values: ...}`` to (accepted values, claims that hold them)."""
    given, claim = (typed, "") if not isinstance(typed, dict) else (typed.get("values"), typed.get("claim"))
    values = [given] if isinstance(given, str) else given
    if isinstance(typed, dict) and (typed.keys() != {"claim", "values"} or not re.fullmatch(_CLAIM, str(claim))):
        raise ValueError(_AUDIENCE_ADVICE)
    if not isinstance(values, list) or not 0 < len(values) <= MAX_CLAIM_NAMES:
        raise ValueError(_AUDIENCE_ADVICE)
    if not all(isinstance(one, str) and 0 < len(one) <= MAX_TEXT_CHARS for one in values):
        raise ValueError(_AUDIENCE_ADVICE)
    return tuple(values), (str(claim),) if claim else ()


def _one_or_list(typed: object) -> object:
    return [typed] if isinstance(typed, str) else typed


#: maximum claims or values in one list
MAX_CLAIM_NAMES: Final = 32
#: maximum characters of a claim's name or of an expected value
MAX_CLAIM_CHARS: Final = 256
_CLAIM_VALUES_ADVICE: Final = "write claims as `[jti]`, or with their values as `{token_use: access}`"
_AUDIENCE_ADVICE: Final = "write a text, a list of texts, or `{claim: client_id, values: [NAME]}`"
_CURRENCY: Final = r"[A-Z]{3}"
_POINTER: Final = r"(?:/(?:[^~/]|~[01]){0,200}){1,16}"
#: name of a claim, or a JSON Pointer into the claims
_CLAIM: Final = rf"(?!/)[\x21-\x7e](?:[\x20-\x7e]{{0,{MAX_CLAIM_CHARS - 2}}}[\x21-\x7e])?|{_POINTER}"
_CLAIM_SCHEMA: Final = _string(_CLAIM)
_SCALAR_SCHEMA: Final[dict[str, Any]] = {"type": ["string", "integer", "boolean"]}
_CLAIM_VALUES_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "array", "items": _CLAIM_SCHEMA},
        {
            "type": "object",
            "additionalProperties": {"anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": _SCALAR_SCHEMA}]},
        },
    ]
}
_TEXTS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}
_AUDIENCE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        *_TEXTS_SCHEMA["anyOf"],
        {
            "type": "object",
            "properties": {"claim": _CLAIM_SCHEMA, "values": _TEXTS_SCHEMA},
            "required": ["claim", "values"],
            "additionalProperties": False,
        },
    ]
}
#: name of a form's field: letters that every parser reads alike
_FORM_FIELD: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
_CURRENCY_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "string", "pattern": f"^{_CURRENCY}$"},
        {
            "type": "object",
            "properties": {"at": {"type": "string", "pattern": f"^{_POINTER}$"}},
            "required": ["at"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"form": {"type": "string", "pattern": f"^{_FORM_FIELD}$"}},
            "required": ["form"],
            "additionalProperties": False,
        },
    ]
}
#: printable text without blanks at its ends, and without characters that hide text or change its displayed order
_UNPRINTABLE: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
_ROLE: Final = rf"(?![ \xa0])[^{_UNPRINTABLE}]{{1,{MAX_ROLE_CHARS}}}(?<![ \xa0])"
#: no user information; a path may have `@` (RFC 3986 3.3), as the address of Firebase's keys has
_ADDRESS: Final = r"https?://[^\s/?#@\\\x22]{1,255}(?:/[^\s?#\\\x22]{0,500})?(?:\?[^\s#\x22]{0,500})?"
#: a positive duration with its unit
_POSITIVE_DURATION: Final = r"[1-9][0-9]{0,8}(?:ms|s|m|h|d)"
_SENTENCE: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}
_BY_CHANNEL: Final = {"type": "object", "additionalProperties": _SENTENCE}
_MESSAGE: Final = {
    "anyOf": [_SENTENCE, {"type": "object", "additionalProperties": {"anyOf": [_SENTENCE, _BY_CHANNEL]}}]
}

#: a positive duration; the core uses 0 for "no requirement", so `0s` is refused
Duration = Annotated[float, Parsed(_positive_duration, "duration", _string(_POSITIVE_DURATION))]
#: a duration, possibly `0s`
Tolerance = Annotated[float, Parsed(units.parse_duration, "duration", _string(units.DURATION_PATTERN.pattern))]
#: a positive duration; `call` is 0.0
Period = Annotated[
    float,
    Parsed(
        lambda typed: 0.0 if typed == "call" else _positive_duration(typed),
        "duration",
        _string(f"call|{_POSITIVE_DURATION}"),
    ),
]
#: a positive duration; `since_entered` is -1.0
Freshness = Annotated[
    float,
    Parsed(
        lambda typed: -1.0 if typed == "since_entered" else _positive_duration(typed),
        "duration",
        _string(f"since_entered|{_POSITIVE_DURATION}"),
    ),
]
#: a positive duration; `expiry` is -1.0
Wait = Annotated[
    float,
    Parsed(
        lambda typed: -1.0 if typed == "expiry" else _positive_duration(typed),
        "duration",
        _string(f"expiry|{_POSITIVE_DURATION}"),
    ),
]
Size = Annotated[int, Parsed(units.parse_size, "size", _string(units.SIZE_PATTERN.pattern))]
Money = Annotated[tuple[str, str], Parsed(units.parse_money, "money", _string(units.MONEY_PATTERN.pattern))]
Message = Annotated[LocalizedText, Parsed(_parse_message, "message", _MESSAGE)]

#: name of a state, fallback, operation, method or verifier
Name = Annotated[
    str,
    _text(r"[a-z][a-z0-9_-]{0,63}", "write a lower-case letter, then lower-case letters, digits, `_` or `-`"),
]
#: role as identity providers write it, `Shop Supervisor` or `CN=Supervisors,OU=Groups,DC=corp`; compared exactly
Role = Annotated[str, _text(_ROLE, "write the role as the issuer sends it, in at most 256 characters")]
#: a name, or `*` for all names
Pattern = Annotated[str, _text(r"[a-z][a-z0-9_-]{0,63}|\*", "write a name, or `'*'` for all")]
Dest = Annotated[str, _text(r"[a-z][a-z0-9_-]{0,63}|=", "write a state, or `'='` to stay")]
EventName = Annotated[str, _text(r"[a-z_]{1,32}\.[a-z][a-z0-9_-]{0,63}", "write `machine.event`")]
Text = Annotated[str, _text(r"(?s:.{1,2000})", "write text", schema=_SENTENCE)]
#: characters that OAuth allows in a scope or an `acr` (RFC 6749 3.3), safe in a quoted challenge parameter
Token = Annotated[str, _text(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}", "write one word without blanks or quotes")]
Template = Annotated[str, Parsed(path_template.parse_template, "malformed-value", _string(path_template.PATTERN))]
Source = Annotated[
    str,
    _text(
        r"subject|issuer|session|attempt|channel|answers(\.[A-Za-z0-9_-]{1,64})?",
        "write `subject`, `issuer`, `session`, `attempt`, `channel`, `answers` or `answers.FIELD`",
    ),
]
Pointer = Annotated[str, _text(_POINTER, "write a JSON Pointer such as `/amount` (RFC 6901)")]
FormField = Annotated[str, _text(_FORM_FIELD, "write the name of a form's field, such as `amount`")]
#: letters, pointer, form field; two are empty
Currency = Annotated[tuple[str, str, str], Parsed(_parse_currency, "currency", _CURRENCY_SCHEMA)]
Address = Annotated[str, _text(_ADDRESS, "write an address such as `https://idp.example`")]
#: as ``iss`` has it; user information would be a password in a policy, and in the messages about it
IssuerName = Annotated[
    str,
    _text(
        r"(?!(?i:https?)://[^/?#]*@)(?s:.{1,2000})",
        "write the issuer as `iss` has it, without a user or a password",
        "issuer-address",
        _SENTENCE,
    ),
]
Tenant = Annotated[str, _text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "write the ID of a tenant, as in `iss`")]
Variable = Annotated[str, _text(r"[A-Za-z_]\w{0,127}", "write the name of an environment variable")]
Callable_ = Annotated[
    str, _text(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "write `package.module:function`", "call")
]
Header = Annotated[str, _text(r"[A-Za-z0-9-]{1,64}", "write the name of a header, such as `X-Channel`")]
#: name of a cookie or a subprotocol (RFC 9110 5.6.2)
HttpToken = Annotated[
    str, _text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", "write a name without blanks, commas and semicolons")
]
#: as browsers send it (RFC 6454 6.2): lower-case, without a path; `null` is refused
Origin = Annotated[
    str,
    _text(
        r"\*|[a-z][a-z0-9+.-]{0,30}://[a-z0-9._:\[\]-]{1,253}",
        "write an origin such as `https://shop.example`, in lower case and without a path",
    ),
]
RootPath = Annotated[
    str, _text(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}", "write a path such as `/api`, without a trailing slash")
]
#: a header name, except those that begin with `authguard-`
BoundHeader = Annotated[
    str,
    _text(
        r"(?![Aa][Uu][Tt][Hh][Gg][Uu][Aa][Rr][Dd]-)[A-Za-z0-9-]{1,64}", "write the name of a header, such as `X-Tenant`"
    ),
]
HostName = Annotated[
    str,
    _text(
        r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,20}|\[[0-9a-f:.]{2,45}\]",
        "write a host such as `shop.example` or `'*.shop.example'`, in lower case and without a port",
    ),
]
AnyHeader = Annotated[str, _text(r"\*|[A-Za-z0-9-]{1,64}", "write the name of a header, such as `X-Channel`, or `'*'`")]
AnyMethod = Annotated[str, _text(r"\*|[A-Z-]{1,32}", "write a method such as `POST`, or `'*'`")]

#: one value or a list
Texts = Annotated[tuple[Text, ...], Shorthand(_one_or_list, Text)]
Names = Annotated[tuple[Name, ...], Shorthand(_one_or_list, Name)]
Patterns = Annotated[tuple[Pattern, ...], Shorthand(_one_or_list, Pattern)]
#: a claim or a list of alternatives, of which the first one present counts
ClaimName = Annotated[str, _text(_CLAIM, "write the name of a claim, or a JSON Pointer such as `/a/b`")]
ClaimNames = Annotated[
    tuple[ClaimName, ...],
    Meta(max_length=MAX_CLAIM_NAMES),
    Shorthand(_one_or_list, ClaimName),
]
#: claims with their accepted values as text; no values if any is accepted
ClaimValues = Annotated[
    dict[str, tuple[str, ...]], Parsed(_parse_claim_values, "malformed-value", _CLAIM_VALUES_SCHEMA)
]
#: accepted values, and the claims that hold them (none for ``aud``)
Audience = Annotated[
    tuple[tuple[str, ...], tuple[str, ...]], Parsed(_parse_audience, "malformed-value", _AUDIENCE_SCHEMA)
]
#: a machine, a condition of a request, or the name of a condition or flag that the policy declares
Dimension = Annotated[str, _text(r"[a-z][a-z0-9_-]{0,63}", "write a machine, a condition of the request, or a flag")]
#: a value of a dimension; the guard's own operations have dots
CellValue = Annotated[str, _text(r"[a-z][a-z0-9_.-]{0,63}", "write a state or another value of the dimension")]
CellValues = Annotated[tuple[CellValue, ...], Shorthand(_one_or_list, CellValue)]
EventNames = Annotated[tuple[EventName, ...], Shorthand(_one_or_list, EventName)]

#: format of a field of the model -> the type that reads it
FORMATS: Final[dict[str, Any]] = {
    "duration": Duration,
    "tolerance": Tolerance,
    "size": Size,
    "message": Message,
    "name": Name,
    "role": Role,
    "event": EventName,
    "text": Text,
    "token": Token,
    "variable": Variable,
    "tenant": Tenant,
    "host": HostName,
    "origin": Origin,
    "any_method": AnyMethod,
    "any_header": AnyHeader,
    "issuer": IssuerName,
    "address": Address,
    "root_path": RootPath,
    "call": Callable_,
    "pointer": Pointer,
    "source": Source,
    "claim": ClaimName,
    "claims": ClaimNames,
    "claim_values": ClaimValues,
}


def resolve_format(kind: Any, rules: tuple[object, ...]) -> tuple[Any, tuple[object, ...]]:  # noqa: ANN401 - any type
    """Return a type and its annotations, with those of the type that the name of a format stands for."""
    name = next((rule.name for rule in rules if isinstance(rule, Format)), "")
    if not name:
        return kind, rules
    read = FORMATS[name]
    return read.__origin__, (*read.__metadata__, *(rule for rule in rules if not isinstance(rule, Format)))


def parser_of(rules: tuple[object, ...]) -> Parsed | None:
    """Return the parser that the annotations of a value declare, by themselves or by the name of a format."""
    _, resolved = resolve_format(None, rules)
    return next((rule for rule in resolved if isinstance(rule, Parsed)), None)
