"""States and conditions of a decision in words, for a person who asks why a request was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from authguard.core.request import Limit, Operation

#: (dimension, value) -> words
_WORDS: Final = {
    ("credential", "missing"): "no credential was sent",
    ("credential", "expired"): "the credential had expired",
    ("credential", "rejected"): "the credential was rejected",
    ("credential", "unproven"): "the credential could not be checked",
    ("credential", "undated"): "the credential has no sign-in time",
    (
        "channel_change",
        "switched",
    ): "the customer came from another channel than the one where they proved who they are",
    ("actor", "subject"): "the customer acted without an agent",
    ("actor", "agent"): "an agent acted for the customer",
    ("actor", "representative"): "somebody acted whom the account names for this operation",
    ("actor", "stranger"): "somebody acted who is no agent of the policy, and whom the account does not name",
    ("limit", "exceeded"): "a limit is exceeded",
    ("limit", "unmeasured"): "the amount could not be measured",
    ("verification", "unverified"): "the identity is not proven",
}


def describe_condition(dimension: str, value: str, operation: Operation | None) -> str:
    """Return one state or condition of a decision in words.

    Args:
        dimension: machine, or name of a condition.
        value: its state or value.
        operation: the requested operation; `None` if the policy does not have it.
    """
    if words := _WORDS.get((dimension, value)):
        return words
    match dimension, value:
        case "scope", "missing":
            return f"the token lacks {_needed(operation)}"
        case "assurance", "insufficient" | "stale":
            return _assurance(value, operation)
        case "limit", tier:
            return f"the limit `{tier}` is exceeded"
        case "verification", _:
            return f"the proof of identity is {value}"
        case _:
            return f"the {dimension} is {value}"


def _needed(operation: Operation | None) -> str:
    scopes = " ".join(sorted(operation.scopes)) if operation else ""
    roles = " or ".join(f"`{role}`" for role in sorted(operation.roles)) if operation else ""
    needed = [f"the scope `{scopes}`"] if scopes else []
    needed += [f"the role {roles}"] if roles else []
    return " or ".join(needed) or "a scope or a role that the operation needs"


def _assurance(value: str, operation: Operation | None) -> str:
    if value == "stale":
        age = f" than {format_duration(operation.max_age)}" if operation and operation.max_age else " than allowed"
        return f"the sign-in is older{age}"
    level = f"`{operation.acr}`" if operation and operation.acr else "the operation needs"
    return f"the sign-in is weaker than {level}"


def describe_limit(limit: Limit) -> str:
    """Return a limit of an operation in words: `50 EUR a call`, `3 calls in 1d by subject`."""
    most = f"{limit.amount} {limit.currency}" if limit.amount else f"{limit.calls} calls"
    return f"{limit.name}: {most} {f'in {format_duration(limit.per)} by {limit.by}' if limit.per else 'a call'}"
