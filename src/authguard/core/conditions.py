"""The per-request dimensions of the table: how each condition of one request gets its value from a closed set.

Every function answers for anything it is given; what cannot be told gets the strict value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.agents import can_act_alone, is_registered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from authguard.core.agents import Agent
    from authguard.core.request import Operation, Principal


def check_scope(operation: Operation, token_scopes: frozenset[str], held: frozenset[str]) -> str:
    """Compare what the token permits with what the operation needs (RFC 6750 3.1).

    Args:
        operation: that may need scopes, and a role.
        token_scopes: of the token.
        held: roles of the person who acts; none where an agent does.

    Returns:
        ``granted`` where the token holds all scopes, and the person one of the roles; else ``missing``.
    """
    return "granted" if operation.scopes <= token_scopes and has_role(operation, held) else "missing"


def has_role(operation: Operation, held: frozenset[str]) -> bool:
    """Whether a person has one of the roles that the operation needs, or it needs none."""
    return not operation.roles or not operation.roles.isdisjoint(held)


def check_assurance(operation: Operation, principal: Principal, rank: Callable[[str], int], now: float) -> str:
    """``insufficient`` by level, ``stale`` by age, else ``met`` (RFC 9470; ASVS 10.3.4).

    Args:
        operation: what it needs.
        principal: what the credential proves; no ``auth_time`` is as old as can be.
        rank: a level's place in the policy's order, 0 for unknown.
        now: epoch seconds UTC.
    """
    if operation.acr and rank(principal.acr) < rank(operation.acr):
        return "insufficient"
    if operation.max_age and now - principal.auth_time > operation.max_age:
        return "stale"
    return "met"


def compare_channel(current: str, earned: str, carry: Mapping[str, frozenset[str]]) -> str:
    """Compare where the customer speaks from with where trust was earned.

    Args:
        current: the channel of this request; empty where it cannot be told.
        earned: the channel on which identity was proven; empty while it was not.
        carry: channel -> the channels to which its trust carries.
    """
    if not current:
        return "unknown"
    if not earned or current == earned or current in carry.get(earned, ()):
        return "same"
    return "switched"


def classify_actor(principal: Principal, agents: AbstractSet[Agent]) -> str:
    """Tell who acts: the outermost ``act`` (RFC 8693 4.1), else the client if it is a registered agent.

    An agent counts in the tokens of the issuer that it is registered with. A token that names no person (RFC 6749 4.4,
    RFC 9068 5) has no subject to act for: its client acts, if it is registered to come alone, and is a stranger else.

    Args:
        principal: proven.
        agents: registered by the policy.
    """
    issuer, client = principal.issuer, principal.client
    if principal.actor and (principal.actor_issuer or not is_registered(agents, issuer, principal.actor)):
        return "stranger"
    if not principal.person or principal.subject == client:
        return "agent" if can_act_alone(agents, issuer, client) else "stranger"
    return "agent" if principal.actor or is_registered(agents, issuer, client) else "subject"


def restrict_actor(operation: Operation, acting: str) -> str:
    """Hold who acts against whom the operation takes: one that it does not take is a stranger to it.

    Args:
        operation: that may demand an agent, or forbid one (RFC 8693 1.1: impersonation and delegation differ).
        acting: from `classify_actor`.
    """
    taken = _TAKEN[operation.actor]
    return acting if acting in taken else "stranger"


_TAKEN: Final[dict[str, frozenset[str]]] = {
    "any": frozenset({"subject", "agent"}),
    "required": frozenset({"agent"}),
    "forbidden": frozenset({"subject"}),
}
