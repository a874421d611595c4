"""Why the keys of an issuer are not available: it could not be reached, or what it publishes cannot be used.

Rule: an outage may end by itself, a misconfiguration does not. Each names what was requested and what to change, and no
message contains key material.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from authguard.outbound.error import ServiceError


class KeysProblem(StrEnum):
    """Closed code of a misconfiguration."""

    MISSING = "missing"
    REDIRECTED = "redirected"
    MALFORMED = "malformed"
    INSECURE = "insecure"
    OTHER_ISSUER = "other-issuer"
    NO_USABLE_KEY = "no-usable-key"
    ALGORITHMS = "algorithms"


class KeysUnreachableError(ServiceError):
    """The issuer could not be reached: no connection, a timeout, or a status of an outage (RFC 9110 15.6).

    Attributes:
        has_response: whether there was a response, so that another address of the issuer may work.
    """

    def __init__(
        self, message: str, *, has_response: bool = False, retryable: bool = False, retry_after: float = -1.0
    ) -> None:
        """Store whether there was a response; further arguments as for `ServiceError`."""
        self.has_response: Final = has_response
        super().__init__("error", detail=message, retryable=retryable, retry_after=retry_after)


class KeysUnusableError(Exception):
    """The issuer was reached, and its metadata or keys cannot be used until someone changes the configuration.

    Attributes:
        problem: closed code.
    """

    def __init__(self, problem: KeysProblem, message: str) -> None:
        """Store the code; the message states what was found and what to change."""
        self.problem: Final = problem
        super().__init__(message)
