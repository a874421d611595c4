"""What a decision starts from: the request as the shell parsed it, and the facts that are known before evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from authguard.core.ledger_keys import find_ledger_keys
from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, NotProven, Operation, Proven
from authguard.core.snapshot import Keys
from authguard.evaluation.request_binding import UNBOUND, RequestBinding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import Approval, Report
    from authguard.ports import AccountStatus

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


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Facts about a request that are known before its records are loaded.

    Attributes:
        now: time of the decision, epoch seconds UTC; the clock is read once for it.
        credential: the closed result of the credential check.
        keys: of the records that the request uses.
        has_body: whether the body was read, so that `binding` is set.
        binding: to a transaction, with the parsed body.
        reports: account source -> its report.
        statuses: account source -> its status, before the policy maps it.
        unmapped: account source -> its status, cut, if the policy does not map it.
        unreachable: whether a directory did not answer.
        channel: the trusted channel; empty for none.
        lacks_quorum: whether too few approvers of the transaction may still approve it.
        approvals: of the transaction, those that still count, with the roles that their givers still have.
        principal: verified by the credential, also if a sign-out made it void; ``None`` for none.
        brought: condition of the policy's own -> its value, of those that a header, a response or a call brings.
    """

    now: float
    credential: Credential
    keys: Keys = Keys()
    has_body: bool = False
    binding: RequestBinding = UNBOUND
    reports: Mapping[str, Report] = {}
    statuses: Mapping[str, AccountStatus] = {}
    unmapped: Mapping[str, str] = {}
    unreachable: bool = False
    channel: str = ""
    lacks_quorum: bool = False
    approvals: tuple[Approval, ...] = ()
    principal: Principal | None = None
    brought: Mapping[str, str] = {}


def add_ledgers(policy: Policy, request: AccessRequest, facts: RequestFacts) -> RequestFacts:
    """Return the facts with the ledgers that the operation's limits count in; unproven requests have none.

    Args:
        policy: checked.
        request: the request.
        facts: about the request.
    """
    if not request.operation.ledger_dimensions or not isinstance(facts.credential, Proven):
        return facts
    document = facts.binding.body.document
    ledgers = find_ledger_keys(request.operation, facts.credential.principal, document, policy.agents)
    return replace(facts, keys=replace(facts.keys, ledgers=ledgers))
