"""Channel lookup: which channel a request came through, if the policy trusts its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.claim_source import find
from authguard.core.request import Proven
from authguard.runtime.gateway import is_gateway_proven

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.request import Credential
    from authguard.evaluation.request import AccessRequest


class ChannelFinder:
    """Finds the channels of requests.

    Attributes:
        declared: whether the policy declares channels; without them `find` need not be called.
    """

    __slots__ = ("_channels", "_secrets", "declared")

    def __init__(self, policy: Policy, secrets: tuple[bytes, ...]) -> None:
        """Store the trusted sources.

        Args:
            policy: declares the channels.
            secrets: of the gateway that may name a channel in a header.
        """
        self._channels = policy.channels
        self.declared = policy.channels.declared
        self._secrets = secrets

    def find(self, request: AccessRequest, credential: Credential) -> str:
        """Return the channel's name; empty if none is declared, named or trusted."""
        channels = self._channels
        if not self.declared:
            return ""
        if channels.claim:
            claims = credential.principal.claims if isinstance(credential, Proven) else {}
            named: object = find(claims, (channels.claim,))
        elif channels.header:
            is_proven = is_gateway_proven(request.evidence, channels.secret_header, self._secrets)
            named = request.evidence.headers.get(channels.header) if is_proven else None
        else:
            named = request.channel
        return named if isinstance(named, str) and named in channels.trusts else ""
