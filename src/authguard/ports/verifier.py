"""The port of services that verify the identity of a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.verification import Doubted, Failed, Passed, Unavailable


class Question(Struct, frozen=True, kw_only=True):
    """One request to a verifier.

    Attributes:
        issuer: ``iss`` of the proven credential.
        subject: ``sub`` of the proven credential.
        session: the session's key, hex.
        attempt: id of the attempt; a verifier stores its data for this question under it.
        answers: the customer's answers for this verifier, by field; bounded.
        channel: authenticated channel; empty for none.
        at: epoch seconds UTC.
    """

    issuer: str
    subject: str
    session: str
    attempt: str
    answers: Mapping[str, str]
    channel: str
    at: float

    def __repr__(self) -> str:
        """Return a text without personal data and without answers."""
        return f"Question(attempt={self.attempt[:4]!r}...)"


class Verifier(Protocol):
    """A service that verifies the identity of a customer; it handles time-outs, retries, breaker and bulkhead.

    Attributes:
        interactive: whether the customer has to answer something; without answers there is nothing to verify.
        sends: whether `begin` has to send something first, such as a one-time code, to which the answers refer.
        max_duration: seconds after which `verify` has returned in any case.
    """

    interactive: bool
    sends: bool
    max_duration: float

    async def open(self) -> None:
        """Open connections; must work while the service is down."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...

    async def begin(self, question: Question) -> Passed | Unavailable:
        """Send the code to which the answers refer; `Passed` means sent. Call it only if `sends` is set."""
        ...

    async def verify(self, question: Question) -> Passed | Failed | Doubted | Unavailable:
        """Return the verdict; raises nothing but cancellation."""
        ...
