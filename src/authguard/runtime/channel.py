"""Find the channel that a caller speaks from, as far as the policy says to believe it."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from authguard.core.request import Proven

if TYPE_CHECKING:
    from authguard.core.request import Credential
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.access import AccessRequest


class ChannelFinder:
    """Finds channels for one guard."""

    __slots__ = ("_channels", "_secrets")

    def __init__(self, policy: Policy, secrets: tuple[bytes, ...]) -> None:
        """Keep what is believed.

        Args:
            policy: declares the channels.
            secrets: of the gateway that may name a channel in a header.
        """
        self._channels = policy.channels
        self._secrets = secrets

    def find(self, request: AccessRequest, credential: Credential) -> str:
        """Return the channel's name; empty where none is declared, named or believed."""
        channels = self._channels
        if not channels.declared:
            return ""
        if channels.claim:
            claims = credential.principal.claims if isinstance(credential, Proven) else {}
            named = claims.get(channels.claim)
        elif channels.header:
            named = request.evidence.headers.get(channels.header) if self._vouches(request) else None
        else:
            named = request.channel
        return named if isinstance(named, str) and named in channels.trusts else ""

    def _vouches(self, request: AccessRequest) -> bool:
        """Return whether the gateway that names the channel proved itself; every secret is compared in full."""
        sent = request.evidence.headers.get(self._channels.secret_header, "").encode("latin-1")
        return bool(sum(compare_digest(sent, secret) for secret in self._secrets))
