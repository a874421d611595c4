"""Registered agents, each with the issuer that vouches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Agent(NamedTuple):
    """One registered agent.

    Attributes:
        issuer: the issuer of tokens that may name it.
        client: its name there: ``sub`` of the outermost ``act`` (RFC 8693 4.1), or the client of the token.
        alone: whether it may also be the subject itself, without a person (RFC 6749 4.4).
    """

    issuer: str
    client: str
    alone: bool = False

    def __str__(self) -> str:
        """Format the agent for a security owner."""
        return f"{self.client} of {self.issuer or 'no issuer'}{' (alone)' if self.alone else ''}"


def is_registered(agents: AbstractSet[Agent], issuer: str, client: str) -> bool:
    """Return whether an issuer's client is a registered agent; an empty name is not."""
    return bool(client) and (Agent(issuer, client) in agents or Agent(issuer, client, alone=True) in agents)


def can_act_alone(agents: AbstractSet[Agent], issuer: str, client: str) -> bool:
    """Return whether an issuer's client may be the subject itself."""
    return bool(client) and Agent(issuer, client, alone=True) in agents
