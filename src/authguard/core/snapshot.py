"""Where every machine stands: the four records that a request meets, their keys and versions.

A record is small, frozen and knows its version; a store keeps it under a key and replaces it only if nobody else did
(compare-and-set). The verification machine lives in the session's record: they share a key (DESIGN 2).
"""

from __future__ import annotations

from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_BYTES: Final = 16


class Delegation(msgspec.Struct, frozen=True, array_like=True):
    """Somebody who may act for an account.

    Attributes:
        actor: key of who acts.
        names: of operations, or of scopes, for which they may.
    """

    actor: bytes
    names: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What one source last said of an account.

    Attributes:
        state: the account state it reported.
        at: when it was true, epoch seconds UTC.
        mandates: who may act for the account, and for what.
    """

    state: str
    at: float
    delegations: tuple[Delegation, ...] = ()


class AttemptCount(msgspec.Struct, frozen=True, array_like=True):
    """Attempts spent within one window.

    Attributes:
        since: when the window began, epoch seconds UTC.
        count: attempts spent.
        mark: fingerprint of the last attempt, so that repeating one request is not another attempt.
    """

    since: float
    count: int
    mark: str = ""


class LedgerEntry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a spending ledger.

    Attributes:
        limit: the limit that it counts against.
        at: epoch seconds UTC.
        amount: decimal digits of the amount; ``"1"`` for a call.
        transaction: the transaction that reserved it; empty for a plain call.
        expires: until when a booking counts, epoch seconds UTC, infinity for ever; 0 for what ran, or may be running.
    """

    limit: str
    at: float
    amount: str
    transaction: str = ""
    expires: float = 0.0


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """What a held transaction would count against one limit.

    Attributes:
        limit: its name.
        amount: decimal digits of the amount; ``"1"`` for a call.
    """

    limit: str
    amount: str


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt to prove identity that is under way in a session.

    Attributes:
        id: unguessable; an answer to another attempt moves nothing.
        method: by which.
        at: when it was begun, epoch seconds UTC.
        claimed: whether its answers are with the verifiers right now; at most one set of answers is.
        passed: verifiers that said yes so far.
        doubted: verifiers that were in doubt so far; none of them is asked again.
        begun: when its attempt was counted, epoch seconds UTC; 0 while it is not: only outages answered so far.
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
        entered: when that state began, epoch seconds UTC.
        faulted: the last fault or impairment.
        version: counts replacements; 0 has never been stored.
    """

    state: str
    entered: float = 0.0
    faulted: float = 0.0
    version: int = 0


class AccountRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One account's record: issuer + subject.

    Attributes:
        state: state of the ``account`` machine.
        entered: when that state began, epoch seconds UTC.
        reported: the newest report's time.
        decided: when a person last reinstated it; older reports are void.
        not_before: sign-ins earlier than this are revoked, also in sessions never seen here.
        reports: each source's last report.
        tallies: attempts, by name.
        ledger: amounts and calls counted by subject.
        version: counts replacements.
        roles: of staff, as the newest credential named them.
        roles_at: when that credential was issued, epoch seconds UTC.
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


class SessionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session's record: issuer + subject + client + ``sid``.

    Attributes:
        state: state of the ``session`` machine.
        entered: when that state began, epoch seconds UTC.
        signed_in: the credential's ``auth_time``, else when it was first seen.
        last_seen: the person's last own act; an agent's traffic does not move it (NIST SP 800-63B-4 5.1.2).
        verification: state of the ``verification`` machine.
        verification_entered: when that state began.
        channel: where trust was earned; empty until it was.
        ledger: amounts and calls counted by session.
        version: counts replacements.
        attempt: to prove identity, under way; ``None`` where there is none.
        account: key of its account; empty in a record from before it was kept.
        ended: when it was last revoked or ended, epoch seconds UTC; what waited then is void.
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


class Approval(msgspec.Struct, frozen=True, array_like=True):
    """One person's yes to a transaction.

    Attributes:
        account: key of the approver's account; empty for an operator, who is known by name alone.
        by: pseudonym, or an operator's name.
        at: epoch seconds UTC.
        note: why; bounded.
        over: limits that it may go over, by name, beside those that it was held for.
    """

    account: bytes
    by: str
    at: float
    note: str = ""
    over: tuple[str, ...] = ()


class TransactionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One high-security transaction.

    Attributes:
        state: state of the ``transaction`` machine.
        entered: when that state began, epoch seconds UTC.
        digest: of the exact request (DESIGN 6); empty while there is none.
        operation: the operation's name.
        account: key of the account that asked, so that a foreign id looks like a missing one.
        session: key of the session that asked.
        created: epoch seconds UTC.
        status: HTTP status of the app's first answer; 0 while there is none.
        content_type: media type of that answer.
        answer: its body, sealed, for ``repeat``; empty where it was too large to keep.
        kept: whether ``answer`` is the whole body.
        version: counts replacements.
        shown: the exact request as an approver reads it, in stores written before it was kept sealed, in `request`.
        role: of those who approve it; empty while it waits for nobody.
        count: how many must.
        acr: the level at which they must have signed in; empty for any.
        actors: keys of the accounts of those who act in it, none of whom approves.
        approvals: so far.
        by: who denied, withdrew or settled it; empty for nobody.
        note: why; bounded.
        subject: pseudonym of the subject.
        ledgers: in which it reserved beside the account's and the session's, so that whoever settles it can release.
        request: the exact request, sealed, from which an approver's lines are made; empty where it is too long.
        asked: digest of the request apart from session and policy, by which a repeat is known after either changed.
        headers: of the app's first answer, sealed, for ``repeat``; empty where there are none.
        costs: what it counts against each limit, so that the approval that decides can book it.
        tripped: limits that it was over when it was held.
        over: limits that it went over when it was approved, as everybody who approved it accepted.
        queued: epoch seconds UTC by which approvers are shown it in order; 0 for when it was created.
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

    @property
    def place(self) -> float:
        """Where it stands among those that wait: when it was asked for, later for a subject with others that wait."""
        return self.queued or self.created

    def keys(self, transaction: str) -> Keys:
        """Name all records that settling it meets.

        Args:
            transaction: its id.
        """
        return Keys(self.account, self.session, transaction, self.ledgers)


#: what stands in a transaction whose first answer was forgotten, but for its status
NO_RESPONSE: Final[Mapping[str, Any]] = MappingProxyType(
    {"answer": b"", "content_type": "", "kept": False, "headers": b""}
)


class LedgerRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was spent by somebody who has no record of their own: an actor, a client, a payee, all together.

    Attributes:
        ledger: amounts and calls.
        version: counts replacements.
    """

    ledger: tuple[LedgerEntry, ...] = ()
    version: int = 0


#: nothing was spent yet
EMPTY_LEDGER: Final = LedgerRecord()

Record = ServiceRecord | AccountRecord | SessionRecord | TransactionRecord | LedgerRecord


class Keys(msgspec.Struct, frozen=True, gc=False):
    """The keys of the records that a request meets; an empty key names a record that it does not meet.

    Attributes:
        account: from `account_key`.
        session: from `session_key`.
        transaction: the transaction's id.
        ledgers: what limits count by, and the key of that ledger, from `authguard.core.ledger_keys`.
    """

    account: bytes = b""
    session: bytes = b""
    transaction: str = ""
    ledgers: tuple[tuple[str, bytes], ...] = ()


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """All five machines' standing, as loaded or as stepped; equal versions are the same moment in the store.

    The ledgers that limits count in beside the account's and the session's own stand under their keys.
    """

    service: ServiceRecord
    account: AccountRecord
    session: SessionRecord
    transaction: TransactionRecord
    ledgers: dict[bytes, LedgerRecord] = {}

    def states(self) -> tuple[str, str, str, str, str]:
        """Give the five states, in the order of `authguard.core.events.MACHINES`."""
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

#: record -> the fields that a change of it is stored under
RECORD_FIELDS: Final = ("service", "account", "session", "transaction")


def blank(initial: Mapping[str, str]) -> Snapshot:
    """Make the snapshot of something never seen.

    Args:
        initial: machine -> its initial state.
    """
    return Snapshot(
        service=ServiceRecord(state=initial["service"]),
        account=AccountRecord(state=initial["account"]),
        session=SessionRecord(state=initial["session"], verification=initial["verification"]),
        transaction=TransactionRecord(state=initial["transaction"]),
    )


def account_key(issuer: str, subject: str) -> bytes:
    """Name an account: a digest, so that no store's key holds personal data.

    Identity is (``iss``, ``sub``) (RFC 7519 4.1.2, RFC 8725 3.8); lengths are hashed too, so no two pairs collide.
    """
    return _key(b"account", issuer, subject)


def session_key(issuer: str, subject: str, client: str, sid: str) -> bytes:
    """Name a session: never by token bytes, so that a refreshed token continues it (FIELD 5.6)."""
    return _key(b"session", issuer, subject, client, sid)


def _key(person: bytes, *parts: str) -> bytes:
    named = bytearray()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        named += len(raw).to_bytes(4, "big")
        named += raw
    return blake2b(named, digest_size=KEY_BYTES, person=person).digest()
