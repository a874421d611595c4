"""Proof of a gateway that sets headers for the guard: a secret that only both know."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authguard.core.request import Evidence


def is_gateway_proven(evidence: Evidence, header: str, secrets: tuple[bytes, ...]) -> bool:
    """Return whether a request has one of the secrets of a gateway.

    Args:
        evidence: of the request.
        header: lower-case name of the header with the secret.
        secrets: the valid ones; several during a rotation.
    """
    sent = evidence.headers.get(header, "").encode("latin-1")
    # every secret is compared, so that the time does not show which one matched
    return bool(sum(compare_digest(sent, secret) for secret in secrets))
