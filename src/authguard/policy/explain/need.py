"""What each need of an operation found in one request, in words; the values come from the driver's decision.

Rule: a finding names claims, pointers and headers, and never a value of the credential.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.claim_source import present
from authguard.core.limits import usage
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.core.tiers import UNMEASURED, classify_exceeded
from authguard.policy.schema.units import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Limit, Operation, Principal
    from authguard.evaluation.decision import Decision
    from authguard.evaluation.request import AccessRequest

_ACTORS: Final = {
    "subject": "the customer acts, without an agent",
    "agent": "an agent acts that the policy permits",
    "representative": "a person acts whom the account permits",
}
_CHANNELS: Final = {
    "same": "no proof of identity from another channel stands against it",
    "switched": "identity was proved in another channel, which this one does not trust",
    "unknown": "the request names no channel that the policy trusts",
}


class Need(Struct, frozen=True):
    """One need of the operation, or of the policy, and what it found.

    Attributes:
        need: what is needed, in words.
        source: where it was read: a claim, a pointer, a header; empty if nothing names it.
        found: what was found, in words.
        met: whether it suffices.
    """

    need: str
    source: str
    found: str
    met: bool


def list_needs(
    policy: Policy, access: AccessRequest, credential: Credential, decided: Decision, at: float
) -> Iterator[Need]:
    """Yield what each need of an operation found, in the order in which the driver asks.

    Args:
        policy: that decided.
        access: the request, with its operation.
        credential: as its check found it.
        decided: the driver's decision.
        at: time of the request, epoch seconds UTC.
    """
    operation, channel = access.operation, decided.channel
    cell = dict(zip(policy.table.values, decided.cell + decided.extra, strict=True))
    principal = None if isinstance(credential, NotProven) else credential.principal
    if principal is None:
        if operation.risk != "public":
            yield Need("a credential", "", f"it is {cell['credential']}", met=False)
        return
    yield from _about_token(policy, operation, principal, cell, at)
    yield from _about_account(policy, principal, cell["account"])
    if policy.channels.declared:
        value = cell["channel_change"]
        named = f"the channel is `{channel}`" if channel else _CHANNELS["unknown"]
        found = named if not channel else f"{named}: {_CHANNELS[value]}"
        yield Need("a channel", _channel_source(policy), found, met=value == "same")
    if operation.idempotency:
        sent = bool(access.evidence.idempotency)
        yield Need("a key against repeats", "Idempotency-Key", "sent" if sent else "not sent", met=sent)
    yield from _about_amount(operation, decided, cell["limit"], at)
    yield from _about_policy(policy, cell)


def _about_token(
    policy: Policy, operation: Operation, principal: Principal, cell: dict[str, str], at: float
) -> Iterator[Need]:
    issuer, claims = policy.issuers[principal.issuer], principal.claims
    sources = issuer.claims
    if cell["credential"] == "undated":
        found = "the token states none, and the session or the operation needs one"
        yield Need("a time of the sign-in", _named(claims, sources.auth_time), found, met=False)
    if operation.scopes:
        missing = sorted(operation.scopes - principal.token_scopes)
        found = f"the token lacks {_quoted(missing)}" if missing else "granted"
        yield Need(f"scope {_quoted(sorted(operation.scopes))}", _named(claims, sources.scopes), found, met=not missing)
    if operation.roles:
        met = cell["scope"] == "granted" or not operation.scopes <= principal.token_scopes
        roles = policy.role_sources.get(principal.issuer, ())
        found = "held" if met else "the acting person holds none of them" if roles else "this issuer grants no roles"
        yield Need(f"role {_quoted(sorted(operation.roles), 'or')}", _named(claims, roles), found, met=met)
    if operation.acr:
        level = (issuer.levels.claim if issuer.levels else ()) or sources.acr
        weak = policy.assurance.rank(principal.acr) < policy.assurance.rank(operation.acr)
        known = principal.acr in policy.assurance.order
        found = (f"it is `{principal.acr}`" if known else "no level that the policy knows") if weak else "met"
        yield Need(f"a sign-in of level `{operation.acr}`", _named(claims, level), found, met=not weak)
    if operation.max_age:
        yield _age(operation, principal, cell["assurance"], _named(claims, sources.auth_time), at)
    acting = cell["actor"]
    wanted = {"required": "an agent", "forbidden": "the customer in person"}.get(operation.actor, "a known actor")
    source = "act" if principal.actor else _named(claims, sources.client)
    found = _ACTORS.get(acting) or (
        "an actor that is neither registered under `agents` nor permitted by the account"
        if operation.actor == "any"
        else "somebody else acts"
    )
    yield Need(wanted, source, found, met=acting != "stranger")


def _age(operation: Operation, principal: Principal, value: str, source: str, at: float) -> Need:
    most = describe_duration(operation.max_age)
    if value != "stale":
        fresh = "met" if value == "met" else "not asked, since the level is too weak"
        return Need(f"a sign-in of the last {most}", source, fresh, met=value == "met")
    found = f"older than {most}" if principal.auth_time and principal.auth_time <= at else "the token states no time"
    return Need(f"a sign-in of the last {most}", source, found, met=False)


def _about_account(policy: Policy, principal: Principal, state: str) -> Iterator[Need]:
    for source in policy.accounts:
        if source.claim:
            has_claim = bool(present(principal.claims, (source.claim,)))
            found = f"the account is `{state}`" if has_claim else f"the token lacks the claim; the account is `{state}`"
            yield Need("a known account", source.claim, found, met=has_claim)


def _about_policy(policy: Policy, cell: dict[str, str]) -> Iterator[Need]:
    """Yield the conditions and flags of the policy that some rule names; none of them is met or unmet by itself."""
    for condition in policy.conditions:
        if condition.name in cell:
            source = condition.claim or condition.header or condition.pointer or condition.call or "the clock"
            yield Need(f"the condition `{condition.name}`", source, f"it is `{cell[condition.name]}`", met=True)
    for flag in policy.flags:
        if flag.name in cell:
            yield Need(f"the flag `{flag.name}`", f"by {flag.by}", f"it is {cell[flag.name]}", met=True)


def _about_amount(operation: Operation, decided: Decision, value: str, at: float) -> Iterator[Need]:
    fault = next((one for one in Reason if one.code == decided.amount), None) if decided.amount else None
    if operation.has_amount:
        source = operation.amount_at or f"form field {operation.amount_form}"
        found = f"cannot be read: {fault.code}" if fault else decided.amount or "not read"
        yield Need("an amount", source, found, met=fault is None and bool(decided.amount))
    if operation.has_payee:
        source = operation.payee_at or f"form field {operation.payee_form}"
        met = fault not in {Reason.PAYEE_MISSING, Reason.PAYEE_MALFORMED}
        yield Need("a payee", source, "read" if met else f"cannot be read: {fault.code if fault else ''}", met=met)
    if not operation.limits:
        return
    for limit in operation.limits:
        if value == "unmeasured":
            yield Need(f"at most {format_limit(limit)}", "", "cannot be measured", met=False)
        else:
            met = value == "within" or not _exceeds(limit, decided.amount, at)
            yield Need(f"at most {format_limit(limit)}", "", "within" if met else "exceeded", met=met)


def _exceeds(limit: Limit, amount: str, at: float) -> bool:
    """Return whether this request alone exceeds a limit."""
    cost = Decimal(1) if limit.calls else Decimal(amount.partition(" ")[0])
    return usage(limit, cost, (), at).exceeded


def measure_amount(operation: Operation, digits: str, currency: str) -> str:
    """Return the value of `limit` for an amount, if nothing was spent before.

    Args:
        operation: with limits.
        digits: of the amount, in major units.
        currency: its three letters.
    """
    if any(limit.amount and limit.currency != currency for limit in operation.limits):
        return UNMEASURED
    exceeded = [limit.name for limit in operation.limits if _exceeds(limit, digits, 0.0)]
    return classify_exceeded(operation, exceeded)


def format_limit(limit: Limit) -> str:
    """Return a limit in words: `500 EUR per call`, `3 calls in 24 h for one customer`."""
    named = f" (`{limit.tier}`)" if limit.tier else ""
    most = f"{limit.amount} {limit.currency}" if limit.amount else f"{limit.calls} call{'s' * (limit.calls != 1)}"
    if not limit.per:
        return f"{most} per call{named}"
    return f"{most} in {describe_duration(limit.per)} by {limit.by}{named}"


def _channel_source(policy: Policy) -> str:
    channels = policy.channels
    return channels.claim or channels.header or "the path"


def _named(claims: object, sources: Sequence[str]) -> str:
    """Return the source that is present, else those in which it is expected."""
    found = present(claims, sources) if isinstance(claims, dict) else []
    return found[0][0] if found else " or ".join(sources)


def _quoted(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(f"`{name}`" for name in names)
