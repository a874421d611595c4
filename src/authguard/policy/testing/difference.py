"""Why the driver derives another condition than a scenario types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import PROVEN_CREDENTIALS
from authguard.core.tiers import EXCEEDED, LIMIT, UNMEASURED, WITHIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Operation


def explain_difference(policy: Policy, operation: Operation, name: str, typed: str, derived: Mapping[str, str]) -> str:
    """Return a phrase that says what the driver derives for a condition, and why.

    Args:
        policy: of the scenario.
        operation: that was requested.
        name: of the condition.
        typed: the value in the scenario.
        derived: condition -> value.
    """
    why = _find_reason(policy, operation, name, derived)
    return f"`{name}: {typed}` cannot come about: the driver derives `{derived[name]}`{f', since {why}' if why else ''}"


def is_derived(name: str, typed: str, derived: str) -> bool:
    """Return whether a typed condition is the derived one; `limit: exceeded` means any exceeded limit."""
    return typed == derived or (name == LIMIT and typed == EXCEEDED and derived not in {WITHIN, UNMEASURED})


def _find_reason(policy: Policy, operation: Operation, name: str, derived: Mapping[str, str]) -> str:
    if name in ("risk", "effect"):
        return f"`{operation.name}` is `{operation.risk}` and `{operation.effect}`"
    if name == "credential":
        return _credential_reason(operation, derived)
    if derived["credential"] not in PROVEN_CREDENTIALS:
        return "nothing is known of an unproven caller"
    if name not in _REASONS:
        is_clock = any(one.name == name and one.hours for one in policy.conditions)
        return "the time of the request says so" if is_clock else ""
    return _REASONS[name](policy, operation, derived)


def _credential_reason(operation: Operation, derived: Mapping[str, str]) -> str:
    if operation.risk == "public":
        return f"`{operation.name}` is public, so no credential is checked"
    if derived["credential"] == "good":
        return "the token states a sign-in, or the request needs no time of it"
    return ""


def _scope_reason(policy: Policy, operation: Operation, derived: Mapping[str, str]) -> str:
    del policy
    if derived["scope"] == "missing":
        return f"`{operation.name}` needs what the token does not have"
    needs = operation.scopes or operation.roles
    return "the token has what the operation needs" if needs else f"`{operation.name}` needs no scope and no role"


def _assurance_reason(policy: Policy, operation: Operation, derived: Mapping[str, str]) -> str:
    del policy, derived
    if not operation.acr and not operation.max_age:
        return f"`{operation.name}` requires no assurance"
    age = f" and a sign-in of the last {operation.max_age:g} seconds" if operation.max_age else ""
    return f"`{operation.name}` requires {f'`{operation.acr}`' if operation.acr else 'any level'}{age}"


def _limit_reason(policy: Policy, operation: Operation, derived: Mapping[str, str]) -> str:
    del policy
    if not operation.limits:
        return f"`{operation.name}` has no limits"
    if derived["limit"] == "unmeasured":
        return "the body cannot be measured"
    if derived["limit"] == WITHIN:
        return "the body and the earlier calls are within the limits"
    first = "" if derived["limit"] == EXCEEDED else f": `{derived['limit']}` is the first that they exceed"
    return f"the body and the earlier calls are over the limits{first}"


def _channel_reason(policy: Policy, operation: Operation, derived: Mapping[str, str]) -> str:
    del operation, derived
    if not policy.channels.declared:
        return "the policy declares no channels"
    return "identity was proved in no channel from which trust does not carry to this one"


def _actor_reason(policy: Policy, operation: Operation, derived: Mapping[str, str]) -> str:
    del derived
    if operation.actor != "any":
        return f"`{operation.name}` has `actor: {operation.actor}`"
    if not policy.agents:
        return "the policy registers no agents"
    return "" if any(source.delegations_at for source in policy.accounts) else "no account source has `delegations`"


_REASONS: Final = {
    "scope": _scope_reason,
    "assurance": _assurance_reason,
    "limit": _limit_reason,
    "channel_change": _channel_reason,
    "actor": _actor_reason,
}
