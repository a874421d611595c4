"""Words of a difference: a sentence with the old and the new value in their units, and what follows from the change.

Rules of this file:
- A sentence names the key as a policy has it, and a meaning in words.
- What follows is a fact about the two values. Whether that is looser, the table decides.
- A field without a row has its key and its values; no field is omitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isinf
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import fields

from authguard.core.agents import Agent
from authguard.core.outcomes import LocalizedText
from authguard.policy.schema.units import describe_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable


class Wording(NamedTuple):
    """How one field is told.

    Attributes:
        key: as a policy has it; empty for the name of the field.
        meaning: in words; empty if the key says it.
        unit: ``s`` for seconds, ``B`` for bytes, a noun for a count, else empty.
        more: what follows from a larger value, or from further members.
        less: what follows from a smaller value, or from fewer members.
        none: word for 0 and for an empty value.
    """

    key: str = ""
    meaning: str = ""
    unit: str = ""
    more: str = ""
    less: str = ""
    none: str = "none"


_GUESSES: Final = ("more guesses are possible", "fewer guesses are possible")
_SERVICE: Final[dict[str, Wording]] = {
    "failures": Wording("breaker.failures", "failures in a row that open the breaker", "failure"),
    "open_for": Wording("breaker.open_for", "time for which the breaker stays open", "s"),
    "timeout": Wording(meaning="time for one answer", unit="s"),
    "max_concurrency": Wording(meaning="calls at the same time", unit="call"),
    "bearer_env": Wording("auth.bearer_env", "variable with the guard's token"),
    "certificate": Wording("auth.certificate"),
    "key": Wording("auth.key"),
    "authority": Wording("auth.authority"),
    "call": Wording(meaning="the function that answers"),
    "url": Wording(meaning="the address that answers"),
}
#: class -> field -> its words
WORDS: Final[dict[str, dict[str, Wording]]] = {
    "Issuer": {
        "audience": Wording(more="tokens for further services are accepted", less="fewer tokens are accepted"),
        "algorithms": Wording(more="tokens signed in further ways are accepted", less="fewer tokens are accepted"),
        "discovery": Wording("keys", "whether the keys are found by the issuer's metadata"),
        "discovery_url": Wording("keys.discovery", "address of the metadata"),
        "jwks_uri": Wording("keys.jwks_uri", "address of the keys"),
        "insecure_http": Wording("keys.insecure_http", "whether keys are fetched without TLS"),
        "key_file": Wording("keys.file", "file of the keys"),
        "secret_env": Wording("keys.secret_env", "variable with the shared secret"),
        "leeway": Wording(
            "", "tolerance for clocks", "s", "expired tokens are accepted longer", "expired tokens are refused sooner"
        ),
        "stale_keys": Wording(
            "",
            "time for which known keys count while the issuer is down",
            "s",
            "a withdrawn key counts longer",
            "keys must be renewed sooner",
        ),
        "type": Wording("", "accepted `typ` of a token"),
        "token": Wording("", "kind of token"),
        "max_lifetime": Wording(
            "",
            "longest lifetime of a token",
            "s",
            "a stolen token works longer",
            "tokens must be renewed sooner",
            none="unlimited",
        ),
        "evidence": Wording("", "what each token must state of the sign-in"),
        "require": Wording("", "claims that a token must have"),
        "require_person": Wording("", "claims of which a person's token must have one"),
        "sender_constraint": Wording("", "proof that the sender holds the token's key"),
        "nonce": Wording("sender_constraint.nonce", "whether a proof must contain a nonce of the guard"),
        "proof_window": Wording(
            "sender_constraint.window",
            "age of a proof of possession",
            "s",
            "a stolen proof works longer",
            "proofs must be fresher",
        ),
    },
    "Operation": {
        "risk": Wording(meaning="which rules apply"),
        "effect": Wording(meaning="which rules apply"),
        "scopes": Wording(more="a token needs more", less="a token needs less"),
        "roles": Wording(more="further roles suffice", less="fewer roles suffice", none="anybody"),
        "acr": Wording("assurance.acr", "the level of sign-in that is needed"),
        "max_age": Wording(
            "assurance.max_age",
            "the oldest sign-in that is accepted",
            "s",
            "older sign-ins suffice",
            "sign-ins must be fresher",
            none="unlimited",
        ),
        "amount_at": Wording("amount.at", "where the amount is read"),
        "amount_form": Wording("amount.form", "where the amount is read"),
        "scale": Wording(
            "amount.scale",
            "decimals of the amount",
            "digit",
            "the same number is a smaller amount",
            "the same number is a larger amount",
        ),
        "currency_at": Wording("amount.currency.at", "where the currency is read"),
        "currency_form": Wording("amount.currency.form", "where the currency is read"),
        "currency": Wording("amount.currency"),
        "payee_at": Wording("payee.at", "where the payee is read"),
        "payee_form": Wording("payee.form", "where the payee is read"),
        "idempotency": Wording(
            "",
            "whether a key against repeats is required",
            more="a repeated request runs once",
            less="a repeated request may run twice",
        ),
        "failed_on": Wording(
            "",
            "statuses of the app that mean no effect",
            more="further answers release what was reserved",
            less="fewer answers release what was reserved",
        ),
        "actor": Wording("", "who may act"),
        "binds": Wording(
            "",
            "headers that a transaction is bound to",
            more="fewer requests count as the same",
            less="an approved request may differ in these headers",
        ),
    },
    "Fallback": {
        "attempts": Wording(unit="attempt", more=_GUESSES[0], less=_GUESSES[1], none="unlimited"),
        "per": Wording(
            "", "window in which attempts count", "s", "attempts count longer", "attempts are forgotten sooner"
        ),
        "then": Wording("", "what follows the last attempt"),
        "acr": Wording("", "level that is asked for"),
        "max_age": Wording(
            "",
            "the oldest sign-in that is accepted",
            "s",
            "older sign-ins suffice",
            "sign-ins must be fresher",
            none="that of the operation",
        ),
        "since_entered": Wording("max_age: since_entered", "whether the sign-in must follow the end of the session"),
        "methods": Wording(more="further proofs of identity are offered", less="fewer proofs of identity are offered"),
        "after": Wording("", "time until the next try", "s", "the next try is later", "the next try is sooner"),
        "effects": Wording(more="a restricted request may do more", less="a restricted request may do less"),
        "scopes": Wording(
            "",
            "scopes that a restricted request keeps",
            more="a restricted request may do more",
            less="a restricted request may do less",
            none="all of the effects",
        ),
        "discloses": Wording(
            "", "states that the reply names", more="the caller learns more", less="the caller learns less"
        ),
        "message": Wording("", "the text for the customer"),
        "status": Wording("", "the HTTP status", none="the usual one"),
        "queue": Wording("", "where a person answers"),
    },
    "AccountSource": {
        **_SERVICE,
        "status_at": Wording("status", "where the status is read"),
        "true_at": Wording("at", "where the time of the status is read"),
        "delegations_at": Wording("delegations", "where delegations are read"),
        "max_age": Wording(
            "", "time for which an answer counts", "s", "a block takes effect later", "a block takes effect sooner"
        ),
    },
    "Verifier": {
        **_SERVICE,
        "pass_at": Wording("", "lowest score that passes", more="fewer answers pass", less="more answers pass"),
        "fail_at": Wording("", "highest score that fails", more="more answers fail", less="fewer answers fail"),
        "retries": Wording(unit="retry"),
        "interactive": Wording("", "whether the customer enters an answer"),
        "hedge": Wording("", "the second service"),
        "hedge_after": Wording("hedge.after", "time until the second service is asked", "s"),
        "answer_at": Wording("response", "where the answer is read"),
        "answer_as": Wording("response", "how the answer is read"),
        "map": Wording("response.map", "what each word of the service means"),
        "digits": Wording(unit="digit", more="a code is harder to guess", less="a code is easier to guess"),
        "window": Wording(
            "", "steps of the clock that a code counts", "step", "a code works longer", "a code ends sooner"
        ),
        "expires": Wording("", "lifetime of a code", "s", "a code works longer", "a code ends sooner"),
        "questions": Wording(more="more has to be known", less="less has to be known"),
    },
    "Method": {
        "attempts": Wording(unit="attempt", more=_GUESSES[0], less=_GUESSES[1], none="unlimited"),
        "per": Wording("", "window in which attempts count", "s", none="the longest one of the fallbacks"),
        "backoff": Wording("", "pause after a failed attempt", "s", "guessing is slower", "guessing is faster"),
        "on_contradiction": Wording("", "when verifiers disagree"),
        "on_doubt": Wording("", "when a verifier is in doubt"),
        "on_unavailable": Wording("", "when a verifier does not answer"),
    },
    "OwnCondition": {
        **{field: _SERVICE[field] for field in ("call", "timeout", "failures", "open_for", "max_concurrency")},
        "secret_header": Wording("from.secret_header", "the header with the gateway's secret"),
        "secret_env": Wording("from.secret_env", "variable with the gateway's secret"),
    },
    "Channels": {
        "header": Wording("from.header", "the header that names the channel"),
        "secret_header": Wording("from.secret_header", "the header with the gateway's secret"),
        "secret_env": Wording("from.secret_env", "variable with the gateway's secret"),
        "claim": Wording("from.claim", "the claim that names the channel"),
        "paths": Wording("from.path", "the paths that name the channel"),
    },
    "Cors": {
        "allow_origins": Wording(more="pages of further origins may call", less="pages of fewer origins may call"),
        "allow_methods": Wording(more="pages may use further methods", less="pages may use fewer methods"),
        "allow_headers": Wording(more="pages may send further headers", less="pages may send fewer headers"),
        "allow_credentials": Wording("", "whether pages may send credentials"),
        "expose_headers": Wording(more="pages may read further headers", less="pages may read fewer headers"),
        "max_age": Wording("", "time for which a browser keeps the permission", "s"),
    },
    "Draft": {
        "agents": Wording(more="further agents may act for customers", less="fewer agents may act for customers"),
        "credentials": Wording("credentials.from", "where the credential is read"),
        "hosts": Wording(
            more="requests to further hosts are taken", less="requests to fewer hosts are taken", none="any"
        ),
        "staff_claim": Wording("staff.claim", "the claim with the staff roles"),
        "staff_issuers": Wording(
            "staff.issuer",
            "who grants staff roles",
            more="further issuers grant roles",
            less="fewer issuers grant roles",
        ),
        "staff_roles": Wording("staff.authority", "who may decide"),
        "accounts_declared": Wording("accounts", "whether account sources are declared"),
    },
}
#: key of a section -> what follows from its values
DECLARED: Final[dict[str, Wording]] = {
    "audit.retention": Wording(more="records are kept longer", less="records are deleted sooner"),
    "budget.body": Wording(more="larger bodies are read", less="fewer bodies are read"),
    "budget.in_flight": Wording(more="one account may use more of the guard", less="one account may use less"),
    "transactions.max_held": Wording(more="one account may ask approvers more often", less="one account may ask less"),
}
_PLAIN: Final = Wording()


def describe_change(kind: str, field: str, was: object, becomes: object) -> str:
    """Return a sentence about one field: its key, its meaning, the old and the new value, and what follows.

    Args:
        kind: class of the value that has the field.
        field: name of the attribute.
        was: the old value.
        becomes: the new value.
    """
    words = WORDS.get(kind, {}).get(field, _PLAIN)
    return _describe(words, words.key or field, was, becomes)


def describe_declared(key: str, description: str, form: str, was: object, becomes: object) -> str:
    """Return a sentence about one field of the model, as `describe_change`.

    Args:
        key: as a policy has it, with the keys above it.
        description: of the field; its first part is the meaning.
        form: name of the format in which a policy states it.
        was: the old value.
        becomes: the new value.
    """
    meaning = description.partition(";")[0].partition(", such as")[0].rstrip(".")
    unit = {"duration": "s", "size": "B"}.get(form, "")
    words = DECLARED.get(key, Wording(unit=unit))
    return _describe(words._replace(unit=unit, meaning=f"{meaning[:1].lower()}{meaning[1:]}"), key, was, becomes)


def _describe(words: Wording, key: str, was: object, becomes: object) -> str:
    named = f"`{key}` ({words.meaning})" if words.meaning else f"`{key}`"
    if isinstance(was, LocalizedText) or isinstance(becomes, LocalizedText):
        return f"{named} has other words"
    if isinstance(was, Struct) and isinstance(becomes, Struct) and type(was) is type(becomes):
        return f"{named}: {'; '.join(_describe_parts(was, becomes))}"
    old, new = (_set_of(value) for value in (was, becomes))
    if old and new:
        text = _describe_members(old, new)
        follows = words.more if old < new else words.less if new < old else ""
    else:
        text = f"was {format_value(was, words)}, is now {format_value(becomes, words)}"
        follows = _find_follows(words, was, becomes)
    return f"{named} {text}{f': {follows}' if follows else ''}"


def _describe_parts(was: Struct, becomes: Struct) -> Iterable[str]:
    """Yield the parts of two values of one class that differ."""
    for one in fields(was):
        old, new = getattr(was, one.name), getattr(becomes, one.name)
        if old != new:
            yield f"`{one.name}` was {format_value(old)}, is now {format_value(new)}"


def _describe_members(old: frozenset[str], new: frozenset[str]) -> str:
    gains, loses = _listed(new - old), _listed(old - new)
    return " and ".join(part for part in (f"gains {gains}" * bool(gains), f"loses {loses}" * bool(loses)) if part)


def _find_follows(words: Wording, was: object, becomes: object) -> str:
    """Return what follows from a larger or a smaller value; an unlimited one is the largest."""
    old, new = _size(words, was), _size(words, becomes)
    return words.more if new > old else words.less if new < old else ""


def _size(words: Wording, value: object) -> float:
    if isinstance(value, bool | int | float):
        return inf if not value and words.none == "unlimited" else float(value)
    members = _set_of(value)
    if not members and words.none in {"anybody", "any", "all of the effects"}:
        return inf
    return float(len(members))


def format_value(value: object, words: Wording = _PLAIN) -> str:
    """Return a value with its unit, for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _format_number(value, words)
    if isinstance(value, Mapping | Struct):
        return _format_members(value) or words.none
    if isinstance(value, frozenset | set | tuple | list) and not isinstance(value, Agent):
        return _listed(_set_of(value)) or words.none
    return f"`{value}`" if value not in {None, ""} else words.none


def _format_members(value: Mapping[object, object] | Struct) -> str:
    if isinstance(value, Struct):
        named = {one.name: getattr(value, one.name) for one in fields(value)}
        return ", ".join(f"{name} {format_value(one)}" for name, one in named.items() if one)
    return ", ".join(f"`{key}`: {format_value(one)}" for key, one in sorted(value.items(), key=str))


def _format_number(value: float, words: Wording) -> str:
    if isinf(value):
        return "without end"
    if not value and words.none != "none":
        return words.none
    if words.unit == "s":
        return describe_duration(float(value))
    if words.unit == "B":
        return format_size(int(value))
    if not words.unit:
        return f"{value:g}"
    return count(value, words.unit)


def count(number: float, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,g} {noun if number == 1 else plural}"


def _set_of(value: object) -> frozenset[str]:
    if isinstance(value, Agent) or not isinstance(value, frozenset | set | tuple | list):
        return frozenset()
    return frozenset(str(one) for one in value)


def _listed(members: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in sorted(members))
