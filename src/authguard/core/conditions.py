"""Request conditions: compute the decision table's per-request dimensions from closed sets of values.

Every function returns a value for any input; what cannot be determined gets the strictest value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.agents import can_act_alone, is_registered
from authguard.core.delegations import covers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from authguard.core.agents import Agent
    from authguard.core.deployment import AccountSource
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import AccountRecord, SessionRecord, Snapshot


def check_scope(operation: Operation, token_scopes: frozenset[str], held: frozenset[str]) -> str:
    """Compare the token's scopes and the person's roles with the operation's needs (RFC 6750 3.1).

    Args:
        operation: with its scopes and roles.
        token_scopes: of the token.
        held: roles of the acting person; none for an agent.

    Returns:
        ``granted`` if the token has all scopes and the person one of the roles; else ``missing``.
    """
    has_a_role = not operation.roles or has_role(operation, held)
    return "granted" if has_a_role and operation.scopes <= token_scopes else "missing"


def has_role(operation: Operation, held: frozenset[str]) -> bool:
    """Return whether a person has one of the operation's roles, or the operation needs none."""
    return not operation.roles or not operation.roles.isdisjoint(held)


def check_assurance(
    operation: Operation, principal: Principal, proven_at: float, rank: Callable[[str], int], now: float
) -> str:
    """Return ``insufficient`` by level, ``stale`` by age, else ``met`` (RFC 9470; ASVS 10.3.4).

    Args:
        operation: with its needs.
        principal: verified.
        proven_at: from `find_proof_time`.
        rank: returns a level's rank in the policy's order, 0 for an unknown level.
        now: epoch seconds UTC.
    """
    if operation.acr and rank(principal.acr) < rank(operation.acr):
        return "insufficient"
    if operation.max_age and now - proven_at > operation.max_age:
        return "stale"
    return "met"


def find_authentication_time(principal: Principal, agents: AbstractSet[Agent]) -> float:
    """Return when the subject authenticated, as the token alone states it; 0 if it does not.

    A client that acts alone authenticates for each token (RFC 6749 4.4), so ``iat`` is the time. Any other ``iat`` is
    the time of a refresh, and proves nothing.

    Args:
        principal: verified.
        agents: registered by the policy.
    """
    is_machine = not principal.person and can_act_alone(agents, principal.issuer, principal.client)
    return principal.issued_at if is_machine and not principal.auth_time else principal.auth_time


def find_proof_time(principal: Principal, snapshot: Snapshot) -> float:
    """Return when the person was last authenticated, for ``max_age``; 0 for never.

    It is the token's ``auth_time``. Without one, it is the last pass of a verifier in this session, if no sign-out
    followed.
    """
    if principal.auth_time:
        return principal.auth_time
    session = snapshot.session
    signed_out = max(session.ended, snapshot.account.not_before)
    return session.verified_at if session.verified_at > signed_out else 0.0


def classify_credential(
    principal: Principal, session: SessionRecord, assurance: str, *, authenticated_at: float, is_live: bool
) -> str:
    """Return ``undated`` if the request needs a sign-in time that the token does not have, else ``good``.

    It is needed if the session is not live, or if the operation's ``max_age`` is not met. A token from before the end
    of the session is ``good``: the session's state refuses it, so that the client has to get another one first.

    Args:
        principal: verified.
        session: after the events of this request.
        assurance: from `check_assurance`.
        authenticated_at: from `find_authentication_time`.
        is_live: whether the session's state is one that a fresh sign-in keeps.
    """
    if is_live:
        return "undated" if assurance == "stale" and not principal.auth_time else "good"
    return "good" if authenticated_at or principal.issued_at <= session.entered else "undated"


def compare_channel(current: str, earned: str, carry: Mapping[str, frozenset[str]]) -> str:
    """Compare the request's channel with the channel of the identity verification.

    Args:
        current: channel of this request; empty if unknown.
        earned: channel of the identity verification; empty without one.
        carry: channel -> channels to which its trust extends.
    """
    if not current:
        return "unknown"
    if not earned or current == earned or current in carry.get(earned, ()):
        return "same"
    return "switched"


def classify_actor(principal: Principal, agents: AbstractSet[Agent]) -> str:
    """Classify the actor: the outermost ``act`` (RFC 8693 4.1), else the client if it is a registered agent.

    An agent counts only in tokens of the issuer that it is registered with. A token without a person (RFC 6749 4.4, RFC
    9068 5) has no subject to act for: its client acts if it is registered to act alone, and is a stranger otherwise.

    Args:
        principal: verified.
        agents: registered by the policy.
    """
    issuer, client = principal.issuer, principal.client
    if principal.actor and (principal.actor_issuer or not is_registered(agents, issuer, principal.actor)):
        return "stranger"
    if not principal.person or principal.subject == client:
        return "agent" if can_act_alone(agents, issuer, client) else "stranger"
    return "agent" if principal.actor or is_registered(agents, issuer, client) else "subject"


def represent(
    operation: Operation,
    principal: Principal,
    acting: str,
    account: AccountRecord,
    *,
    sources: Iterable[AccountSource],
) -> str:
    """Return ``representative`` for a stranger whom the account's delegations name, else the actor.

    Args:
        operation: requested.
        principal: verified.
        acting: from `classify_actor`; a registered agent needs no delegation, and gains nothing by one.
        account: after the reports of this request.
        sources: of the policy; what one without ``delegations`` reported under an earlier policy delegates nothing.
    """
    if acting != "stranger":
        return acting
    named = {source.name for source in sources if source.delegations_at}
    return "representative" if covers(account, principal, operation, named) else acting


def restrict_actor(operation: Operation, acting: str) -> str:
    """Return ``stranger`` for an actor that the operation does not accept, else the actor.

    Args:
        operation: that may require or forbid an actor besides the subject (RFC 8693 1.1: impersonation and delegation
            differ).
        acting: from `represent`.
    """
    return acting if acting in ACCEPTED_ACTORS[operation.actor] else "stranger"


#: an operation's `actor` -> the actors that it accepts
ACCEPTED_ACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "any": ("subject", "agent", "representative"),
    "required": ("agent", "representative"),
    "forbidden": ("subject",),
}
