"""Facts of a scenario's request: the token, the body and the channel that bring about its conditions.

What a scenario types counts as it is. What it leaves out is as the operation needs it. A condition that is typed
without its facts gets facts for it, where the policy has any; whether they suffice, only the driver decides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authguard.core.agents import Agent
from authguard.core.record_keys import account_key
from authguard.core.snapshot import Delegation, LedgerEntry, Report
from authguard.core.tiers import EXCEEDED, UNMEASURED, WITHIN
from authguard.evaluation.request import Body
from authguard.policy.testing.token import UNPROVEN, TokenFacts, TokenSpec, issue_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import Issuer
    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Limit, Operation, Principal
    from authguard.core.snapshot import AccountRecord
    from authguard.policy.testing.deployment import Deployment
    from authguard.policy.testing.request import ScenarioRequest

STRANGER: Final = "stranger"
#: actor whom a report of the account names
REPRESENTATIVE: Final = "representative"
PAYEE: Final = "payee-1"
#: seconds by which an old sign-in is older than the operation permits
MARGIN_S: Final = 1.0


class SignIn(Struct, frozen=True, kw_only=True):
    """What is known of the session when a token is issued.

    Attributes:
        now: epoch seconds UTC.
        at: time of the session's last sign-in; 0 if it had none, so that this token is one.
        number: of the token.
        is_undated: whether the session's tokens do not state the time of the sign-in.
    """

    now: float
    at: float
    number: int
    is_undated: bool = False


def pick_issuer(policy: Policy, operation: Operation, asked: ScenarioRequest) -> Issuer:
    """Return the issuer of the token: the typed one, or one that states what the operation needs."""
    named = asked.token.issuer if asked.token else ""
    if not named and (operation.roles or operation.risk == "staff"):
        named = min(policy.role_sources, default="")
    if not named and asked.conditions.get("actor") == "agent":
        named = min((agent.issuer for agent in policy.agents), default="")
    return policy.issuers[named] if named in policy.issuers else next(iter(policy.issuers.values()))


def build_credential(
    deployment: Deployment, operation: Operation, asked: ScenarioRequest, sign_in: SignIn
) -> Credential:
    """Return the credential of a request, as the guard's check would find it."""
    policy = deployment.policy
    typed = asked.conditions.get("credential", "good")
    if typed in UNPROVEN and asked.token is None:
        return UNPROVEN[typed]
    issuer = pick_issuer(policy, operation, asked)
    spec = asked.token or TokenSpec()
    if asked.token is None or not spec.actor:
        spec = replace(spec, actor=_actor(policy, issuer, operation, asked, spec))
    spec = _bring_claims(policy, asked, spec)
    lacks_scope = asked.conditions.get("scope") == "missing"
    scope = () if lacks_scope else tuple(dict.fromkeys((*deployment.scopes, *sorted(operation.scopes))))
    roles = () if lacks_scope else tuple(sorted(operation.roles))[:1]
    facts = TokenFacts(
        issuer=issuer,
        spec=spec,
        scope=scope if spec.scope is None else spec.scope,
        roles=roles if spec.roles is None else spec.roles,
        level=_level(policy, operation, asked) if spec.acr is None else spec.acr,
        auth_time=_auth_time(issuer, operation, asked, sign_in),
        issued_at=sign_in.now,
    )
    return issue_token(policy, facts, sign_in.number)


def _actor(
    policy: Policy, issuer: Issuer, operation: Operation, asked: ScenarioRequest, spec: TokenSpec
) -> tuple[str, ...]:
    wanted = asked.conditions.get("actor", "")
    if wanted == "representative":
        return (REPRESENTATIVE,)
    if wanted == "stranger" and operation.actor != "required":
        return (STRANGER,)
    if wanted == "agent" or (not wanted and asked.token is None and operation.actor == "required"):
        own = sorted(agent for agent in policy.agents if agent.issuer == issuer.issuer)
        return (next(iter(own), Agent(issuer.issuer, STRANGER)).client,)
    return spec.actor


def _level(policy: Policy, operation: Operation, asked: ScenarioRequest) -> str:
    """Return the level that the operation needs, or the next lower one."""
    if asked.conditions.get("assurance") != "insufficient":
        return operation.acr
    rank = policy.assurance.rank(operation.acr)
    return policy.assurance.order[rank - 2] if rank > 1 else ""


def _auth_time(issuer: Issuer, operation: Operation, asked: ScenarioRequest, sign_in: SignIn) -> float:
    """Return the time of the sign-in that the token states; 0 for none."""
    age = asked.token.age if asked.token else None
    if age is not None:
        return max(0.0, sign_in.now - age) if age >= 0 else 0.0
    typed = asked.conditions.get("credential")
    if typed == "undated" or issuer.evidence in ("sid", "none") or (sign_in.is_undated and typed is None):
        return 0.0
    if asked.conditions.get("assurance") == "stale" and operation.max_age:
        return sign_in.now - operation.max_age - MARGIN_S
    return sign_in.at or sign_in.now


def bring_conditions(policy: Policy, asked: ScenarioRequest) -> dict[str, str]:
    """Return the values of conditions that no claim and no clock brings: the typed ones, else the first declared."""
    return {
        one.name: asked.conditions.get(one.name, one.values[0])
        for one in policy.own_conditions
        if not one.claim and one.hours is None
    }


def _bring_claims(policy: Policy, asked: ScenarioRequest, spec: TokenSpec) -> TokenSpec:
    """Return the token with the claims of conditions; what a scenario types of a claim counts."""
    claims: dict[str, Any] = {}
    for one in policy.own_conditions:
        wanted = asked.conditions.get(one.name, one.values[0])
        label = next((label for label, value in one.labels.items() if value == wanted), None)
        if one.claim and label is not None:
            claims[one.claim] = label
    return replace(spec, claims={**claims, **spec.claims}) if claims else spec


def name_representative(
    policy: Policy, account: AccountRecord, principal: Principal, operation: Operation
) -> AccountRecord:
    """Return the account with a report, behind its state, that lets the actor of a token act in an operation.

    Args:
        policy: of the deployment; a source without `delegations` names nobody.
        account: stored.
        principal: with the actor.
        operation: requested.
    """
    named = Delegation(account_key(principal.actor_issuer or principal.issuer, principal.actor), (operation.name,))
    reports = dict(account.reports or {})
    for source in policy.accounts:
        report = reports.get(source.name) or Report(account.state, account.reported)
        if source.delegations_at and report.state == account.state:
            reports[source.name] = replace(report, delegations=(named,))
            return replace(account, reports=reports)
    return account


def build_body(operation: Operation, asked: ScenarioRequest, target: bytes) -> Body:
    """Return the body of a request, with the amount, the currency and the payee that the conditions need."""
    fields = asked.body
    if fields is None:
        fields = _measured_fields(operation, asked)
    if operation.reads_form:
        kind = "application/x-www-form-urlencoded"
        content = urlencode({name: str(value) for name, value in fields.items()}).encode()
        return Body(content, target, kind, kind.encode())
    return Body(msgspec.json.encode(fields), target, "application/json")


def _measured_fields(operation: Operation, asked: ScenarioRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    limits = [limit for limit in operation.limits if limit.amount]
    smallest = min(limits, key=lambda limit: Decimal(limit.amount), default=None)
    if operation.has_amount and asked.conditions.get("limit") != UNMEASURED:
        most = Decimal(smallest.amount) if smallest else Decimal(1)
        amount = min(most, Decimal(1))
        typed, _, unit = asked.amount.partition(" ")
        exceeded = _find_exceeded(operation, asked)
        if exceeded is not None and exceeded.amount and find_used_up(operation, asked) is None:
            amount = Decimal(exceeded.amount) + 1
        amount = Decimal(typed) if typed else amount
        units = amount.scaleb(operation.scale)
        written: object = int(units) if units == units.to_integral_value() else f"{units:f}"
        _put_field(fields, operation.amount_at, operation.amount_form, written)
        currency = unit or (smallest.currency if smallest else "") or operation.currency or "EUR"
        _put_field(fields, operation.currency_at, operation.currency_form, currency)
    _put_field(fields, operation.payee_at, operation.payee_form, PAYEE)
    return fields


def _put_field(fields: dict[str, Any], pointer: str, name: str, value: object) -> None:
    if name:
        fields[name] = value
    if not pointer:
        return
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    place = fields
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = value


def _find_exceeded(operation: Operation, asked: ScenarioRequest) -> Limit | None:
    """Return the limit that a request exceeds to bring about a typed value: of that name, or the smallest."""
    typed = asked.conditions.get("limit", WITHIN)
    if typed in {WITHIN, UNMEASURED}:
        return None
    if typed != EXCEEDED:
        return next((limit for limit in operation.limits if limit.tier == typed), None)
    amounts = [limit for limit in operation.limits if limit.amount]
    if amounts:
        return min(amounts, key=lambda limit: Decimal(limit.amount))
    return min((one for one in operation.limits if one.calls and one.per), key=lambda one: one.calls, default=None)


def find_used_up(operation: Operation, asked: ScenarioRequest) -> Limit | None:
    """Return the limit that earlier calls have to use up, so that a typed value of `limit` comes about."""
    if asked.body is not None:
        return None
    limit = _find_exceeded(operation, asked)
    # an amount over a limit of one name could exceed another limit first; that of any limit need not
    needs_calls = limit is not None and limit.per and (limit.calls or limit.tier == asked.conditions.get("limit"))
    return limit if needs_calls else None


def earlier_calls(limit: Limit, now: float) -> tuple[LedgerEntry, ...]:
    """Return the entries that use up a limit."""
    if limit.amount:
        return (LedgerEntry(limit.name, now, limit.amount),)
    return tuple(LedgerEntry(limit.name, now, "1") for _ in range(limit.calls))


def pick_proof_channel(policy: Policy, asked: ScenarioRequest) -> str:
    """Return the channel in which identity was proved before a request that names its channel."""
    if asked.conditions.get("channel_change") != "switched":
        return asked.channel
    trusts: Mapping[str, Any] = policy.channels.trusts
    others = (name for name in trusts if name != asked.channel and asked.channel not in trusts[name])
    return next(others, asked.channel)


def pick_channel(policy: Policy, asked: ScenarioRequest, verified: str) -> str:
    """Return the trusted channel of a request; empty for none.

    Args:
        policy: with its channels.
        asked: the request, with a typed channel or condition.
        verified: the channel of the session's proof of identity; empty for none.
    """
    channels = policy.channels
    if asked.channel or asked.is_sent or not channels.declared:
        return asked.channel
    if asked.conditions.get("channel_change") == "unknown":
        return asked.channel
    home = verified or next(iter(channels.trusts), "")
    if asked.conditions.get("channel_change") != "switched":
        return home
    trusted: Mapping[str, Any] = channels.trusts
    return next((name for name in trusted if name != home and name not in trusted.get(home, ())), home)
