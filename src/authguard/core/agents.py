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
    # a plain tuple equals an agent, and takes a fifth of the time to create
    return bool(client) and ((issuer, client, False) in agents or (issuer, client, True) in agents)


def can_act_alone(agents: AbstractSet[Agent], issuer: str, client: str) -> bool:
    """Return whether an issuer's client may be the subject itself."""
    return bool(client) and (issuer, client, True) in agents
