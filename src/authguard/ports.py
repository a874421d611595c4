"""The ports: protocols of everything outside the guard, and the values that they exchange.

Adapters implement them; only `authguard.factory` chooses adapters. A method's docstring states the duties of its
caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Credential, Evidence, Principal, Unseen
    from authguard.core.snapshot import Delegation, Keys, Record, Snapshot, TransactionRecord
    from authguard.core.verification import Doubted, Failed, Passed, Unavailable
    from authguard.records.chain import LineTemplate
    from authguard.records.entries import Entry


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> float:
        """Return the time, epoch seconds UTC; it may step back, and the guard tolerates that."""
        ...


class Ids(Protocol):
    """The only source of randomness."""

    def record(self, now: float) -> str:
        """Return a new record id: unique, sorted by time, not secret."""
        ...

    def secret(self) -> str:
        """Return an unguessable id: at least 128 bits from the system's generator (ASVS 7.2.3)."""
        ...


#: position before the first transaction of a list
FIRST: Final = (-1.0, "")
#: kinds of records that have keys of their own
RecordKind = Literal["account", "session", "transaction"]


class Store(Protocol):
    """Record store with compare-and-set, and storage for small documents.

    Attributes:
        nonblocking_reads: whether `load` never suspends: no deadline is needed, and `peek_versions` and
            `last_change` may be called.
        nonblocking_writes: whether `commit` never suspends either.
    """

    nonblocking_reads: bool
    nonblocking_writes: bool

    async def open(self) -> None:
        """Open the store; called before any other method, and safe to call again."""
        ...

    async def close(self) -> None:
        """Close files and connections."""
        ...

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read the records of all keys in one operation; a missing record is taken from `blank`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def record_keys(self, keys: Keys) -> tuple[bytes, ...]:
        """Return the names of the records that the keys address, for `peek_versions`."""
        ...

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        """Return the stored versions of records without waiting; equal results mean unchanged records.

        Call it only if the store has `nonblocking_reads`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def last_change(self, places: tuple[bytes, ...]) -> int:
        """Return the number of the last change that may concern any of these records, without waiting.

        If two calls return the same number, not below zero, then none of the records was changed in between, by any
        process: a commit that has returned anywhere changes the number. A different number proves nothing. The number
        is negative if the store cannot tell. Call it only if the store has `nonblocking_reads`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def decode(self, places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Decode the result of `peek_versions` into a snapshot, as `load` does.

        Raises:
            StoreError: a record is damaged.
        """
        ...

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Replace every record that differs between the two snapshots, all or none.

        Each is replaced only if its stored version is that of `before`; the new version is one more.

        Returns:
            False on a version conflict: nothing was changed, and the caller must load and step again.

        Raises:
            StoreError: the store cannot be written now.
        """
        ...

    async def transactions(
        self,
        *,
        state: str = "",
        role: str = "",
        operation: str = "",
        subject: str = "",
        after: tuple[float, str] = FIRST,
        limit: int,
    ) -> tuple[tuple[str, TransactionRecord], ...]:
        """Return transactions with their ids, in list order (`TransactionRecord.place`).

        Args:
            state: state of the transactions; empty for any.
            role: role of their approvers; empty for any.
            operation: name of their operation; empty for any.
            subject: pseudonym of their subject; empty for any.
            after: place (epoch seconds UTC) and id of the last transaction of the previous page; pages stay consistent
                while transactions change.
            limit: maximum number.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    async def records(
        self, kind: RecordKind, *, first: bytes = b"", end: bytes = b"", limit: int
    ) -> tuple[tuple[bytes, Record], ...]:
        """Return the records of a kind with their keys, in the order of the keys; for operators' commands.

        Args:
            kind: of the records.
            first: smallest key; the next page begins after the last key of this one, with a zero byte appended.
            end: key before which the range ends; empty for no end.
            limit: maximum number.

        Raises:
            StoreError: the store cannot be read now, or a record is damaged.
        """
        ...

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Store a small document (a ticket, a key) under a name, replacing any; empty bytes delete it."""
        ...

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Store a document if the name is free; return the stored one."""
        ...

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it still equals `old`; empty bytes mean no document, on either side."""
        ...

    async def get(self, namespace: str, name: str) -> bytes:
        """Return a document; empty bytes if there is none."""
        ...

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Claim a single-use name; exactly one caller in all processes succeeds.

        Args:
            name: 32 bytes without meaning to others, such as a hash.
            until: end of the claim, epoch seconds UTC; it may be deleted after that.
            now: epoch seconds UTC.

        Returns:
            False if the name was claimed before.

        Raises:
            StoreError: the claim cannot be stored now, so the caller must treat the name as used.
        """
        ...

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """Return the names in a namespace, sorted, at most `limit`."""
        ...


class AuditSink(Protocol):
    """The audit log, write-only. Without a record, no request is admitted."""

    def open(self) -> None:
        """Open the log, repair a torn last line and continue the chain; safe to call again.

        Raises:
            AuditError: the log cannot be opened for writing.
        """
        ...

    def close(self) -> None:
        """Close the file; every appended line is on its way to the disk."""
        ...

    def append(self, entry: Entry) -> int:
        """Write one line to the operating system before returning.

        Returns:
            Position of the line, for `flush`.

        Raises:
            AuditError: the line could not be written completely.
        """
        ...

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Write a decision that equals an earlier one but for its id, time and trace, as `append` does.

        Raises:
            AuditError: the line could not be written completely.
        """
        ...

    async def flush(self, position: int) -> None:
        """Wait until a line is on the disk; callers that wait share one fsync.

        Raises:
            AuditError: the line could not be made durable.
        """
        ...


KeysState = Literal["ok", "unfetched", "unreachable", "unusable"]


class IgnoredKeyStatus(Struct, frozen=True):
    """A published key that is not used; contains no key material.

    Attributes:
        kid: its ``kid``; empty if it has none.
        cause: closed code.
        text: description for the log.
        is_ordinary: whether ordinary providers publish such keys, as for encryption.
    """

    kid: str
    cause: str
    text: str
    is_ordinary: bool


class IssuerStatus(Struct, frozen=True):
    """Whether the keys of an issuer are available.

    Attributes:
        issuer: of the policy; with several tenants its template.
        keys: ``ok``; ``unfetched``: nothing was fetched yet; ``unreachable``: an outage; ``unusable``: a
            misconfiguration. In the last two cases known keys are used until they are too old.
        problem: closed code of a misconfiguration; empty for none.
        message: what was found and what to change, for the log; empty for nothing. May contain internal addresses.
        ignored: published keys that are not used.
        insecure_http: whether the policy allows to fetch the keys without TLS.
    """

    issuer: str
    keys: KeysState
    problem: str = ""
    message: str = ""
    ignored: tuple[IgnoredKeyStatus, ...] = ()
    insecure_http: bool = False


class CredentialValidator(Protocol):
    """Validator of credentials. The result is closed: proven, or one of four reasons why not."""

    async def open(self) -> None:
        """Load key files; must work while the issuer is down."""
        ...

    def prefetch(self, now: float) -> None:
        """Start to fetch the keys of all issuers, so that a misconfiguration is logged at the start; never waits."""
        ...

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Return the status of each issuer; never waits."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...

    def get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Return a cached result, or one that needs no validation; never waits."""
        ...

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Validate with the keys in the cache; never waits. Call it if `get_cached` returned `Unseen`."""
        ...

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Validate; may fetch keys. Call it if `validate_offline` returned `Unseen`."""
        ...


class AccountStatus(Struct, frozen=True):
    """Status of an account in a directory.

    Attributes:
        status: as the directory names it, bounded.
        at: time of the status, epoch seconds UTC.
        delegations: actors of the account, and their operations.
    """

    status: str
    at: float
    delegations: tuple[Delegation, ...] = ()


class Unreachable(Struct, frozen=True):
    """The directory returned no usable answer.

    Attributes:
        cause: closed code, one of `authguard.core.verification.Cause`.
    """

    cause: str


class AccountDirectory(Protocol):
    """A source of account states; one for each declared source that the guard queries."""

    async def open(self) -> None:
        """Open connections; must work while the directory is down."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Return the status of an account; never raises, and never waits longer than the policy's time-out."""
        ...


class DecryptionFailure(Struct, frozen=True):
    """Stored content that cannot be decrypted.

    Attributes:
        cause: ``key``: encrypted under a key that this deployment does not have; ``changed``: altered, or of another
            context.
    """

    cause: str


class Cipher(Protocol):
    """Encryption of stored requests and responses, so that readers of the store learn nothing from them."""

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Return the content encrypted.

        Args:
            content: plaintext.
            about: context of the content; decryption needs the same one.
        """
        ...

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest, hex: equal for equal contents; without the key, it helps no guess of the content."""
        ...

    def decrypt(self, ciphertext: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Return the content, or a failure; never content that was encrypted for another context."""
        ...


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


class Ticket(Struct, frozen=True, kw_only=True):
    """One hand-off to a person, with the verified facts so far.

    Attributes:
        id: unguessable.
        queue: queue of the ticket.
        opened: epoch seconds UTC.
        operation: requested operation.
        subject: pseudonym.
        account: the account's key, hex.
        session: the session's key, hex.
        states: machine -> state.
        assurance: ``acr`` and authentication time of the credential, as verified.
        decisions: the last decisions of this session, oldest first: ``(at, operation, outcome, record id)``.
        record: id of the decision that handed off.
    """

    id: str
    queue: str
    opened: float
    operation: str
    subject: str
    account: str
    session: str
    states: Mapping[str, str] = field(default_factory=dict)
    assurance: Mapping[str, str | float] = field(default_factory=dict)
    decisions: tuple[tuple[float, str, str, str], ...] = ()
    record: str = ""


class HandoffDesk(Protocol):
    """The tickets with which people take over."""

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        """Store a ticket; return the open one of the same account and queue instead, if there is one.

        Raises:
            StoreError: the ticket cannot be stored now.
        """
        ...
