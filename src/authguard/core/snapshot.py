"""Snapshot of the records that a request involves: the states of the five machines, their keys and versions.

A record is small, frozen and has a version. A store replaces it only if the version is unchanged (compare-and-set). The
verification machine is part of the session's record: they share a key (DESIGN 2).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.core.approvers import Approvers, Required

if TYPE_CHECKING:
    from collections.abc import Mapping


class Delegation(msgspec.Struct, frozen=True, array_like=True):
    """A delegation of an account to an actor.

    Attributes:
        actor: key of the actor.
        names: of the operations, or of the scopes, that it covers.
    """

    actor: bytes
    names: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, array_like=True):
    """The last report of one source about an account.

    Attributes:
        state: reported account state.
        at: time of the state, epoch seconds UTC.
        delegations: actors of the account, and their operations.
    """

    state: str
    at: float
    delegations: tuple[Delegation, ...] = ()


class AttemptCount(msgspec.Struct, frozen=True, array_like=True):
    """Attempts within one window.

    Attributes:
        since: start of the window, epoch seconds UTC.
        count: number of attempts.
        mark: fingerprint of the last attempt, so that a repeated request is not counted again.
    """

    since: float
    count: int
    mark: str = ""


class LedgerEntry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a spending ledger.

    Attributes:
        limit: name of the limit.
        at: epoch seconds UTC.
        amount: decimal digits of the amount; ``"1"`` for a call.
        transaction: the transaction that reserved it; empty for a plain call.
        expires: end of a booking, epoch seconds UTC, infinity for none; 0 for a completed, or possibly running, call.
    """

    limit: str
    at: float
    amount: str
    transaction: str = ""
    expires: float = 0.0


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """Cost of a held transaction against one limit.

    Attributes:
        limit: name of the limit.
        amount: decimal digits of the amount; ``"1"`` for a call.
    """

    limit: str
    amount: str


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """A running attempt to verify identity in a session.

    Attributes:
        id: unguessable; an answer to another attempt has no effect.
        method: name of the method.
        at: start, epoch seconds UTC.
        claimed: whether the verifiers are processing a set of answers; at most one set at a time.
        passed: verifiers that passed so far.
        doubted: verifiers that were in doubt so far; none of them is asked again.
        begun: time at which the attempt was counted, epoch seconds UTC; 0 while only outages answered, so it is not
            counted.
    """

    id: str
    method: str
    at: float
    claimed: bool = False
    passed: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    begun: float = 0.0


class ServiceRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The deployment's record.

    Attributes:
        state: state of the ``service`` machine.
        entered: start of that state, epoch seconds UTC.
        faulted: time of the last fault or impairment.
        version: number of replacements; 0 for a record that was never stored.
    """

    state: str
    entered: float = 0.0
    faulted: float = 0.0
    version: int = 0


class AccountRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One account's record, keyed by issuer and subject.

    Attributes:
        state: state of the ``account`` machine.
        entered: start of that state, epoch seconds UTC.
        reported: time of the newest report.
        decided: time of the last reinstatement by a person; older reports are void.
        not_before: earlier sign-ins are revoked, also in sessions that this deployment has not seen.
        reports: each source's last report.
        tallies: attempt counts, by name.
        ledger: amounts and calls counted by subject.
        version: number of replacements.
        roles: staff roles of the newest credential.
        roles_at: issue time of that credential, epoch seconds UTC.
        voided: proofs of identity from before are void, in all of its sessions.
        lifted: account state -> when a timer moved the account out of it; reports of that state from before are void.
    """

    state: str
    entered: float = 0.0
    reported: float = 0.0
    decided: float = 0.0
    not_before: float = 0.0
    reports: dict[str, Report] | None = None
    tallies: dict[str, AttemptCount] | None = None
    ledger: tuple[LedgerEntry, ...] = ()
    version: int = 0
    roles: tuple[str, ...] = ()
    roles_at: float = 0.0
    voided: float = 0.0
    lifted: dict[str, float] | None = None

    def counts(self, report: Report) -> bool:
        """Return whether a report is later than a person's decision, and than the timer that lifted its state."""
        return report.at > self.decided and (not self.lifted or report.at > self.lifted.get(report.state, 0.0))


class SessionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session's record, keyed by issuer, subject, client and ``sid``.

    Attributes:
        state: state of the ``session`` machine.
        entered: start of that state, epoch seconds UTC.
        signed_in: the credential's ``auth_time``, else the time of its first use or of the verifier's pass.
        last_seen: time of the person's last own action; an agent's traffic does not change it (NIST SP 800-63B-4
            5.1.2).
        verification: state of the ``verification`` machine.
        verification_entered: start of that state.
        channel: channel of the identity verification; empty before.
        ledger: amounts and calls counted by session.
        version: number of replacements.
        attempt: running attempt to verify identity; ``None`` for none.
        account: key of its account; empty in records of versions that did not store it.
        ended: time of the last revocation or end, epoch seconds UTC; transactions from before are void.
        verified_at: time of the last pass of a verifier, epoch seconds UTC; 0 for none.
        permanent: whether the record is never deleted, because a token of its issuer may not state the sign-in time.
        voided: the account's ``voided`` that this session applied last.
    """

    state: str
    entered: float = 0.0
    signed_in: float = 0.0
    last_seen: float = 0.0
    verification: str = "unverified"
    verification_entered: float = 0.0
    channel: str = ""
    ledger: tuple[LedgerEntry, ...] = ()
    version: int = 0
    attempt: Attempt | None = None
    account: bytes = b""
    ended: float = 0.0
    verified_at: float = 0.0
    permanent: bool = False
    voided: float = 0.0


class Approval(msgspec.Struct, frozen=True, array_like=True):
    """One person's approval of a transaction.

    Attributes:
        account: key of the approver's account; empty for an operator, known by name alone.
        by: pseudonym, or an operator's name.
        at: epoch seconds UTC.
        note: reason; bounded.
        over: limits, by name, that it permits to exceed, in addition to those that caused the hold.
        roles: of the approver when approving, as far as the policy names them for approvers; empty for an operator, and
            in stores from before a hold could require several roles.
        acr: level of the approver's sign-in.
    """

    account: bytes
    by: str
    at: float
    note: str = ""
    over: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    acr: str = ""


NOBODY: Final = frozenset[str]()


class TransactionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One high-security transaction.

    Attributes:
        state: state of the ``transaction`` machine.
        entered: start of that state, epoch seconds UTC.
        digest: of the exact request (DESIGN 6); empty for none.
        operation: name of the operation.
        account: key of the requesting account, so that another account's id looks like an unknown one.
        session: key of the requesting session.
        created: epoch seconds UTC.
        status: HTTP status of the app's first response; 0 for none.
        content_type: media type of that response.
        answer: its encrypted body, for ``repeat``; empty if it was too large to store.
        kept: whether ``answer`` is the whole body.
        version: number of replacements.
        shown: the request as an approver reads it, in stores from before it was encrypted in `request`.
        role: role of the approvers, in stores from before `approvers`.
        count: number of approvals needed, in such stores.
        acr: level of the approvers' sign-ins, in such stores.
        actors: keys of the accounts that act in it; none of them may approve.
        approvals: so far.
        by: who denied, withdrew or settled it; empty for none.
        note: reason; bounded.
        subject: pseudonym of the subject.
        ledgers: ledgers with a reservation, in addition to the account's and the session's, so that settling can
            release it.
        request: the encrypted request, from which an approver's lines are rendered; empty if it is too long.
        asked: digest of the request without session and policy; identifies a repeat after either changed.
        headers: encrypted headers of the app's first response, for ``repeat``; empty if it had none.
        costs: cost against each limit, booked by the final approval.
        tripped: limits that it exceeded when it was held.
        over: limits that it exceeded when it was approved, accepted by every approver.
        queued: position in the approvers' list, epoch seconds UTC; 0 for `created`.
        hold: name of the fallback that held it; empty for none.
        approvers: places that different persons must fill before it runs.
    """

    state: str
    entered: float = 0.0
    digest: str = ""
    operation: str = ""
    account: bytes = b""
    session: bytes = b""
    created: float = 0.0
    status: int = 0
    content_type: str = ""
    answer: bytes = b""
    kept: bool = False
    version: int = 0
    shown: tuple[str, ...] = ()
    role: str = ""
    count: int = 0
    acr: str = ""
    actors: tuple[bytes, ...] = ()
    approvals: tuple[Approval, ...] = ()
    by: str = ""
    note: str = ""
    subject: str = ""
    ledgers: tuple[tuple[str, bytes], ...] = ()
    request: bytes = b""
    asked: str = ""
    headers: bytes = b""
    costs: tuple[Cost, ...] = ()
    tripped: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    queued: float = 0.0
    hold: str = ""
    approvers: Required = ()

    @property
    def required(self) -> Required:
        """Places that different persons must fill; empty if it waits for nobody."""
        if self.approvers or not (self.role or self.count):
            return self.approvers
        return (Approvers(self.role, max(self.count, 1), self.acr),)

    @property
    def roles(self) -> frozenset[str]:
        """Roles of its approvers."""
        if not self.approvers:
            return frozenset([self.role]) if self.role else NOBODY
        return frozenset([one.role for one in self.approvers if one.role])

    @property
    def place(self) -> float:
        """Position in the list of waiting transactions: creation time, or later if the subject has others waiting."""
        return self.queued or self.created

    def keys(self, transaction: str) -> Keys:
        """Return the keys of all records that settling it involves.

        Args:
            transaction: its id.
        """
        return Keys(self.account, self.session, transaction, self.ledgers)


#: field values of a transaction without its first response; the status stays
NO_RESPONSE: Final[Mapping[str, Any]] = MappingProxyType(
    {"answer": b"", "content_type": "", "kept": False, "headers": b""}
)


class LedgerRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Spending of an actor, client, payee or all callers together, apart from account and session records.

    Attributes:
        ledger: amounts and calls.
        version: number of replacements.
    """

    ledger: tuple[LedgerEntry, ...] = ()
    version: int = 0


#: ledger of an unknown key
EMPTY_LEDGER: Final = LedgerRecord()

Record = ServiceRecord | AccountRecord | SessionRecord | TransactionRecord | LedgerRecord


class Keys(msgspec.Struct, frozen=True, gc=False):
    """Keys of the records that a request involves; an empty key means no record.

    Attributes:
        account: from `account_key`.
        session: from `session_key`.
        transaction: the transaction's id.
        ledgers: dimension and ledger key, from `authguard.core.ledger_keys`.
    """

    account: bytes = b""
    session: bytes = b""
    transaction: str = ""
    ledgers: tuple[tuple[str, bytes], ...] = ()


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """States of all five machines, as loaded or as stepped; equal versions mean the same point in time.

    `ledgers` holds the ledgers that limits use in addition to the account's and the session's, by key.
    """

    service: ServiceRecord
    account: AccountRecord
    session: SessionRecord
    transaction: TransactionRecord
    ledgers: dict[bytes, LedgerRecord] = {}

    def states(self) -> tuple[str, str, str, str, str]:
        """Return the five states, in the order of `authguard.core.events.MACHINES`."""
        session = self.session
        return (self.service.state, self.account.state, session.state, session.verification, self.transaction.state)


#: machine -> (record of the snapshot, its field for the state, its field for `entered`)
STATE_FIELDS: Final[dict[str, tuple[str, str, str]]] = {
    "service": ("service", "state", "entered"),
    "account": ("account", "state", "entered"),
    "session": ("session", "state", "entered"),
    "verification": ("session", "verification", "verification_entered"),
    "transaction": ("transaction", "state", "entered"),
}


def blank(initial: Mapping[str, str]) -> Snapshot:
    """Return the snapshot of unknown keys.

    Args:
        initial: machine -> its initial state.
    """
    return Snapshot(
        service=ServiceRecord(state=initial["service"]),
        account=AccountRecord(state=initial["account"]),
        session=SessionRecord(state=initial["session"], verification=initial["verification"]),
        transaction=TransactionRecord(state=initial["transaction"]),
    )
