"""Conditions of a policy's own in a replay: what a record states as its context is brought to the request again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from authguard.audit.query.recorded_input import UnknownInputError
from authguard.core.request import Proven
from authguard.evaluation.extra_values import asked_conditions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.own_conditions import OwnCondition
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.evaluation.request import RequestFacts
#: characters of a pointer that stand for others
_SPECIAL: Final = frozenset("*~")


def bring_conditions(
    policy: Policy, operation: Operation, context: Mapping[str, str], facts: RequestFacts
) -> RequestFacts:
    """Return the facts of a recorded request with the values of its conditions; the clock gives its own.

    Args:
        policy: reads its conditions as the policy of the record did.
        operation: of the request.
        context: of the record.
        facts: without conditions.

    Raises:
        UnknownInputError: the record does not hold a condition on which the answer may depend.
    """
    wanted = [one for one in policy.own_conditions if one.hours is None]
    asked = asked_conditions(policy, operation)
    brought: dict[str, str] = {}
    claims: dict[str, Any] = {}
    for condition in wanted:
        if condition.call and condition not in asked:
            continue
        if condition.name not in context:
            raise UnknownInputError(f"its record does not hold `{condition.name}`, on which the result depends")
        value = context[condition.name]
        if condition.claim:
            _state_claim(claims, condition, value)
        else:
            brought[condition.name] = value
    credential = facts.credential
    if claims and isinstance(credential, Proven):
        content = msgspec.json.encode({**credential.principal.claims, **claims})
        credential = Proven(replace(credential.principal, content=content))
    return replace(facts, credential=credential, brought=brought)


def _state_claim(claims: dict[str, Any], condition: OwnCondition, value: str) -> None:
    """Add a claim, or a value at a JSON Pointer, that a condition reads as a value; the default needs none."""
    label = next((text for text, listed in condition.labels.items() if listed == value), "")
    if not label or value == condition.default:
        return
    if condition.claim.startswith("/") and not _SPECIAL.isdisjoint(condition.claim):
        raise UnknownInputError(f"its record does not hold the claim of `{condition.name}`")
    *outer, last = condition.claim[1:].split("/") if condition.claim.startswith("/") else [condition.claim]
    for step in outer:
        claims = claims.setdefault(step, {})
    claims[last] = label
