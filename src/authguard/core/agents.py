"""Who may act for a subject: registered agents, each by the issuer that vouches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Agent(NamedTuple):
    """One registered agent.

    Attributes:
        issuer: whose tokens may name it.
        client: its name there: ``sub`` of the outermost ``act`` (RFC 8693 4.1), or the client of the token.
        alone: whether it may also come without a person, as its own subject (RFC 6749 4.4).
    """

    issuer: str
    client: str
    alone: bool = False

    def __str__(self) -> str:
        """Name it as a security owner reads it."""
        return f"{self.client} of {self.issuer or 'no issuer'}{' (alone)' if self.alone else ''}"


def is_registered(agents: AbstractSet[Agent], issuer: str, client: str) -> bool:
    """Whether an issuer's client is a registered agent; nobody without a name is."""
    return bool(client) and (Agent(issuer, client) in agents or Agent(issuer, client, alone=True) in agents)


def can_act_alone(agents: AbstractSet[Agent], issuer: str, client: str) -> bool:
    """Whether an issuer's client may be its own subject."""
    return bool(client) and Agent(issuer, client, alone=True) in agents
