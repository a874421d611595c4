"""What the shell hands to the enforcer, and what it gets back: frozen values, closed kinds."""

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

#: where nobody is proven and nothing was looked at
NO_CREDENTIAL = NotProven("missing", Reason.CREDENTIAL_MISSING)


#: a header name, and each header that was sent under it, name and value
BoundHeaders = tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """A body that arrived whole, and what else a request is bound to.

    Attributes:
        content: as sent.
        target: raw path and query, as sent.
        content_type: lower-case, without parameters; empty where there is none.
        form: the headers that say how the body is to be read, as sent.
        bound: each header name that the operation binds, and what was sent under it: name and value, in order.
    """

    content: bytes
    target: bytes = b""
    content_type: str = ""
    form: bytes = b""
    bound: BoundHeaders = ()


@dataclass(frozen=True, slots=True)
class BodyFailure:
    """A body that did not.

    Attributes:
        reason: ``BODY_TOO_LARGE``, ``BODY_TIMEOUT`` or ``BODY_CUT``.
    """

    reason: Reason


async def read_empty_body() -> Body:
    """Read the body of something that has none (a WebSocket handshake)."""
    return Body(b"")


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the shell understood it.

    Attributes:
        evidence: what was sent, unverified.
        operation: what it wants.
        method: HTTP method; ``websocket`` for a handshake, which is no method that a caller can send.
        channel: named by the path, where the policy reads channels from paths.
        read_body: reads (once) and remembers the body, bounded in size and time.
    """

    operation: Operation
    evidence: Evidence = Evidence()
    method: str = "GET"
    channel: str = ""
    read_body: Callable[[], Awaitable[Body | BodyFailure]] = read_empty_body


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that met a cell, or that met a fault of the guard.

    Attributes:
        record: id of the audit record.
        operation: what was asked.
        fallback: what happens; its ``kind`` is the outcome.
        reason: closed code.
        credential: the closed result of its check.
        snapshot: where the machines stand afterwards.
        keys: of the records met.
        cell: one value per dimension; empty after a fault.
        rule: name of the rule; empty after a fault.
        at: when it was decided, epoch seconds UTC.
        token_scopes: what is left of the token's scopes.
        scopes: the same, sorted.
        channel: as believed.
        transaction: id; empty for none.
        ticket: of the hand-off; empty for none.
        acr_values: levels to ask for, best first (RFC 9470 3).
        max_age: seconds to ask for; -1 for none.
        running: whether the app's answer settles a transaction.
        saved: where the machines stand in the store now, from which it is settled; ``None`` where that is not known.
        headers: of the first answer, for `repeat`.
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
        """Tell no more than the log does."""
        return f"Verdict({self.fallback.kind.value}, record={self.record!r})"

    @property
    def admits(self) -> bool:
        """Whether the app runs."""
        return self.fallback.kind in ADMITTING

    @property
    def principal(self) -> Principal | None:
        """Who is proven; ``None`` says that nobody is, and is no verdict."""
        return None if isinstance(self.credential, NotProven) else self.credential.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One request that has no cell: malformed, too large, an unknown transaction.

    Attributes:
        record: id of the audit record; empty where even that could not be written.
        reason: closed code with its status and public text.
        operation: where one was matched.
    """

    record: str
    reason: Reason
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class AppResponse:
    """What the app answered to a transaction.

    Attributes:
        status: HTTP status; 0 where it never answered.
        content_type: of the body.
        body: as far as it was kept.
        whole: whether `body` is all of it.
        headers: further ones of `authguard.runtime.transactions.KEPT_HEADERS`, lower-case, in their order.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    whole: bool = True
    headers: tuple[tuple[bytes, bytes], ...] = ()
