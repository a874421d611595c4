"""The values that a request for one operation can bring to the decision table, whoever makes it and whenever.

A value is left out only if no request can have it. Proofs leave such cells out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.decision_table import CONDITIONS
from authguard.core.tiers import LIMIT, limit_values, operation_values

if TYPE_CHECKING:
    from authguard.core.content import Content
    from authguard.core.request import Operation


def find_possible(policy: Content, operation: Operation) -> dict[str, tuple[str, ...]]:
    """Return dimension -> values that a request for an operation can have; a missing dimension can have all.

    Args:
        policy: declares channels, agents and account sources.
        operation: with its requirements.
    """
    values: dict[str, tuple[str, ...]] = {"risk": (operation.risk,), "effect": (operation.effect,)}
    if not operation.scopes and not operation.roles:
        values["scope"] = ("granted",)
    if not operation.max_age:  # with `max_age`, a request without a credential is insufficient too
        values["assurance"] = ("met", "insufficient") if operation.acr else ("met",)
    values[LIMIT] = operation_values(operation)
    if not policy.channels.declared:
        values["channel_change"] = ("same",)
    agents = ("agent",) if policy.agents else ()
    named = ("representative",) if any(source.delegations_at for source in policy.accounts) else ()
    values["actor"] = ("subject", *agents, *named, "stranger")
    if operation.risk == "public":  # its credential is not checked
        values["credential"] = ("missing",)
    known = {**CONDITIONS, LIMIT: limit_values(policy)}
    return {name: one for name, one in values.items() if set(one) != set(known[name])}
