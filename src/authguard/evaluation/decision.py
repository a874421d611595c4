"""What a decision is: the result of evaluating a request, the verdict that records it, and a refusal without a cell."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING
from authguard.core.request import NotProven
from authguard.core.snapshot import blank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.approvers import Required
    from authguard.core.machine import Transition
    from authguard.core.outcomes import Fallback, Reason
    from authguard.core.request import Credential, Operation, Principal
    from authguard.core.snapshot import Keys, Snapshot


#: context of a decision of a policy without conditions and flags of its own
NO_CONTEXT: Final[Mapping[str, str]] = MappingProxyType({})


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of evaluating one request: what to record, save and reply; it refers to no credential.

    Attributes:
        operation: the requested operation.
        fallback: the response of the policy; its ``kind`` is the outcome.
        reason: closed code.
        snapshot: the machines' states after the decision, to be saved.
        cell: one value per dimension of `authguard.core.decision_table.DIMENSIONS`; empty after a fault.
        rule: name of the matching rule; empty after a fault.
        events: sent, in order.
        transitions: in order.
        token_scopes: the token's scopes after a restriction.
        scopes: the same, sorted.
        channel: the trusted channel; empty for none.
        acr_values: assurance levels to request, best first (RFC 9470, section 3).
        max_age: maximum authentication age to request, in seconds; -1 for none.
        running: whether the app's response settles a transaction.
        opened: whether the request has a transaction.
        amount: measured, in major units with its currency, or the code why it was not; empty for none.
        limits: exceeded ones, as `authguard.core.limits.Measure.exceeded`; empty for none.
        required: approvers that a new request of this kind would need, of an approved one that runs; empty for none.
        context: the policy's own condition or flag -> its value, of those that its rules name.
        extra: values of the dimensions that the policy adds to the cell, in the order of ``Table.extra``.
    """

    operation: Operation
    fallback: Fallback
    reason: Reason
    snapshot: Snapshot
    cell: tuple[str, ...] = ()
    rule: str = ""
    events: tuple[str, ...] = ()
    transitions: tuple[Transition, ...] = ()
    token_scopes: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ()
    channel: str = ""
    acr_values: tuple[str, ...] = ()
    max_age: int = -1
    running: bool = False
    opened: bool = False
    amount: str = ""
    limits: tuple[Mapping[str, str], ...] = ()
    required: Required = ()
    context: Mapping[str, str] = NO_CONTEXT
    extra: tuple[str, ...] = ()


#: stands for the states of a cached decision, which all credentials with the same decision share
UNREAD: Final = blank(dict.fromkeys(MACHINES, ""))


class StoredStates(Protocol):
    """The states that a cached decision was made on, as they are stored."""

    def read_snapshot(self) -> Snapshot:
        """Decode the states."""
        ...


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A decision that is recorded and saved, for the shell to carry out.

    Attributes:
        decision: the decision; the properties read from it.
        record: id of the audit record.
        credential: the closed result of the credential check.
        keys: of the records that the request used.
        at: time of the decision, epoch seconds UTC.
        ticket: id of the hand-off ticket; empty for none.
        saved: the stored state from which the transaction is settled; ``None`` if it is not known.
        headers: headers of the first response, for the outcome `repeat`.
        stored: decodes the states of a cached decision, whose own snapshot is `UNREAD`; ``None`` for any other.
    """

    decision: Decision
    record: str
    credential: Credential
    keys: Keys
    at: float = 0.0
    ticket: str = ""
    saved: Snapshot | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    stored: StoredStates | None = None

    def __repr__(self) -> str:
        """Return only what the log contains, too."""
        return f"Verdict({self.decision.fallback.kind.value}, record={self.record!r})"

    @property
    def admits(self) -> bool:
        """Return whether the app runs."""
        return self.decision.fallback.kind in ADMITTING

    @property
    def principal(self) -> Principal | None:
        """Return the proven principal, or ``None`` if no credential was proven; ``None`` is not a refusal."""
        return None if isinstance(self.credential, NotProven) else self.credential.principal

    @property
    def operation(self) -> Operation:
        """The requested operation."""
        return self.decision.operation

    @property
    def fallback(self) -> Fallback:
        """The response of the policy; its ``kind`` is the outcome."""
        return self.decision.fallback

    @property
    def reason(self) -> Reason:
        """The closed code."""
        return self.decision.reason

    @property
    def snapshot(self) -> Snapshot:
        """The machines' states after the decision; those of a cached decision are decoded at each access."""
        snapshot = self.decision.snapshot
        return snapshot if snapshot is not UNREAD or self.stored is None else self.stored.read_snapshot()

    @property
    def cell(self) -> tuple[str, ...]:
        """One value per dimension; empty after a fault."""
        return self.decision.cell

    @property
    def rule(self) -> str:
        """Name of the matching rule; empty after a fault."""
        return self.decision.rule

    @property
    def token_scopes(self) -> frozenset[str]:
        """The token's scopes after a restriction."""
        return self.decision.token_scopes

    @property
    def scopes(self) -> tuple[str, ...]:
        """The same, sorted."""
        return self.decision.scopes

    @property
    def channel(self) -> str:
        """The trusted channel; empty for none."""
        return self.decision.channel

    @property
    def transaction(self) -> str:
        """Id of the transaction; empty for none."""
        return self.keys.transaction if self.decision.opened else ""

    @property
    def acr_values(self) -> tuple[str, ...]:
        """Assurance levels to request, best first (RFC 9470, section 3)."""
        return self.decision.acr_values

    @property
    def max_age(self) -> int:
        """Maximum authentication age to request, in seconds; -1 for none."""
        return self.decision.max_age

    @property
    def running(self) -> bool:
        """Whether the app's response settles a transaction."""
        return self.decision.running

    def with_snapshot(self, snapshot: Snapshot) -> Verdict:
        """Return the verdict with later states."""
        return replace(self, decision=replace(self.decision, snapshot=snapshot))


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
class NeedsBody:
    """The transaction binds the exact request, so the body must be read first."""


NEEDS_BODY: Final = NeedsBody()


@dataclass(frozen=True, slots=True)
class AppResponse:
    """The app's response to a request that runs a transaction.

    Attributes:
        status: HTTP status; 0 if the app sent none.
        content_type: of the body.
        body: the buffered part of it.
        whole: whether `body` is complete.
        headers: further headers of `authguard.evaluation.transactions.KEPT_HEADERS`, in lower case and in order.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    whole: bool = True
    headers: tuple[tuple[bytes, bytes], ...] = ()
