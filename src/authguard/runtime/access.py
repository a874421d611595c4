"""Values that the shell and the enforcer exchange: request, body, verdict, refusal and the app's response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from authguard.core.outcomes import ADMITTING, Fallback, Reason
from authguard.core.request import Evidence, NotProven, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import Keys, Snapshot

#: the result if no credential was checked
NO_CREDENTIAL = NotProven("missing", Reason.CREDENTIAL_MISSING)


#: the operation of a request that matches none
UNMATCHED = Operation(name="")


#: header name -> the headers sent under it, as name and value
BoundHeaders = tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """A complete request body, and the other parts of the request that a transaction binds.

    Attributes:
        content: as sent.
        target: raw path and query, as sent.
        content_type: in lower case, without parameters; empty if there is none.
        form: the headers that define how the body is decoded, as sent.
        bound: each header name that the operation binds, with the headers sent under it, in order.
    """

    content: bytes
    target: bytes = b""
    content_type: str = ""
    form: bytes = b""
    bound: BoundHeaders = ()


@dataclass(frozen=True, slots=True)
class BodyFailure:
    """A body that was not read completely.

    Attributes:
        reason: ``BODY_TOO_LARGE``, ``BODY_TIMEOUT``, ``BODY_CUT`` or ``ACCOUNT_BUSY``.
    """

    reason: Reason


async def read_empty_body() -> Body:
    """Return an empty body, for requests that have none (a WebSocket handshake)."""
    return Body(b"")


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as the shell parsed it.

    Attributes:
        operation: the matched operation; `UNMATCHED` if the request is refused since it matches none.
        evidence: the request's data, unverified.
        method: HTTP method; ``websocket`` for a handshake, which no caller can send as a method.
        channel: channel name from the path, if the policy reads channels from paths.
        read_body: reads the body once and caches it, bounded in size and pace.
    """

    operation: Operation
    evidence: Evidence = Evidence()
    method: str = "GET"
    channel: str = ""
    read_body: Callable[[], Awaitable[Body | BodyFailure]] = read_empty_body


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of one evaluated request, or of a request that failed in the guard.

    Attributes:
        record: id of the audit record.
        operation: the requested operation.
        fallback: the response of the policy; its ``kind`` is the outcome.
        reason: closed code.
        credential: the closed result of the credential check.
        snapshot: the machines' states after the decision.
        keys: of the records that the request used.
        cell: one value per dimension; empty after a fault.
        rule: name of the matching rule; empty after a fault.
        at: time of the decision, epoch seconds UTC.
        token_scopes: the token's scopes after a restriction.
        scopes: the same, sorted.
        channel: the trusted channel; empty for none.
        transaction: id; empty for none.
        ticket: id of the hand-off ticket; empty for none.
        acr_values: assurance levels to request, best first (RFC 9470, section 3).
        max_age: maximum authentication age to request, in seconds; -1 for none.
        running: whether the app's response settles a transaction.
        saved: the stored state from which the transaction is settled; ``None`` if it is not known.
        headers: headers of the first response, for the outcome `repeat`.
    """

    record: str
    operation: Operation
    fallback: Fallback
    reason: Reason
    credential: Credential
    snapshot: Snapshot
    keys: Keys
    cell: tuple[str, ...] = ()
    rule: str = ""
    at: float = 0.0
    token_scopes: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ()
    channel: str = ""
    transaction: str = ""
    ticket: str = ""
    acr_values: tuple[str, ...] = ()
    max_age: int = -1
    running: bool = False
    saved: Snapshot | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __repr__(self) -> str:
        """Return only what the log contains, too."""
        return f"Verdict({self.fallback.kind.value}, record={self.record!r})"

    @property
    def admits(self) -> bool:
        """Return whether the app runs."""
        return self.fallback.kind in ADMITTING

    @property
    def principal(self) -> Principal | None:
        """Return the proven principal, or ``None`` if no credential was proven; ``None`` is not a refusal."""
        return None if isinstance(self.credential, NotProven) else self.credential.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that was refused before it had a cell: malformed, too large, or for an unknown transaction.

    Attributes:
        record: id of the audit record; empty if it could not be written.
        reason: closed code with its status and public text.
        operation: the matched operation, if any.
    """

    record: str
    reason: Reason
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class AppResponse:
    """The app's response to a request that runs a transaction.

    Attributes:
        status: HTTP status; 0 if the app sent none.
        content_type: of the body.
        body: the buffered part of it.
        whole: whether `body` is complete.
        headers: further headers of `authguard.runtime.transactions.KEPT_HEADERS`, in lower case and in order.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    whole: bool = True
    headers: tuple[tuple[bytes, bytes], ...] = ()
