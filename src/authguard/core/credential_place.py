"""The places of a request from which the credential is read."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct


class CredentialPlace(Struct, frozen=True, kw_only=True):
    """A place of a request from which the credential is read.

    Attributes:
        kind: ``authorization``, ``header``, ``subprotocol`` or ``cookie``.
        name: of the header (lower-case), the subprotocol or the cookie; empty for ``authorization``.
        origins: of a cookie: origins that may use it, in addition to that of the public URL.
    """

    kind: Literal["authorization", "header", "subprotocol", "cookie"]
    name: str = ""
    origins: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the place as in a policy."""
        origins = f", origins: [{', '.join(sorted(self.origins))}]" if self.origins else ""
        return f"{self.kind}: {self.name}{origins}" if self.name else self.kind


#: the only place by default (RFC 6750 2.1)
AUTHORIZATION: Final = CredentialPlace(kind="authorization")
