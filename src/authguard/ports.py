"""The ports: what the guard asks of the world, as Protocols, with the values that cross them.

Adapters implement these at the rim; `authguard.factory` alone chooses them. A method says what its caller must do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.chain import LineTemplate
    from authguard.core.entries import Entry
    from authguard.core.request import Credential, Evidence, Principal, Unseen
    from authguard.core.snapshot import Delegation, Keys, Snapshot, TransactionRecord
    from authguard.core.verification import Doubted, Failed, Passed, Unavailable


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> float:
        """Give the time, epoch seconds UTC; it may step back, and the guard bears it."""
        ...


class Ids(Protocol):
    """The only source of randomness."""

    def record(self, now: float) -> str:
        """Make a record's id: unique, sorting by time, no secret."""
        ...

    def secret(self) -> str:
        """Make an id that nobody can guess: at least 128 bits from the system's generator (ASVS 7.2.3)."""
        ...


#: before the first transaction of a list
FIRST: Final = (-1.0, "")


class Store(Protocol):
    """Where records live: read-write, compare-and-set.

    Attributes:
        nonblocking_reads: whether `load` never suspends: no deadline is needed, and `peek_versions` may be called.
        nonblocking_writes: whether `commit` never suspends either.
    """

    nonblocking_reads: bool
    nonblocking_writes: bool

    async def open(self) -> None:
        """Make ready; called once before anything else, and safe to call again."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read every record that the keys name, in one trip; what is not stored is as in `blank`.

        Raises:
            StoreError: it cannot be read now.
        """
        ...

    def record_keys(self, keys: Keys) -> tuple[bytes, ...]:
        """Name the places of the records that the keys name, for `peek_versions`."""
        ...

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        """Return the stored versions of records without waiting; equal answers mean unchanged records.

        Call it only where the store has `nonblocking_reads`.

        Raises:
            StoreError: it cannot be read now.
        """
        ...

    def decode(self, places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Put what `peek_versions` saw there into a snapshot, as `load` does.

        Raises:
            StoreError: a record is damaged.
        """
        ...

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Replace every record that differs between the two snapshots, all or none.

        Each is replaced only if its stored version is still that of `before`; the stored version becomes one more.

        Returns:
            False where another was faster; nothing was then changed, and the caller loads and steps again.

        Raises:
            StoreError: it cannot be written now.
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
        """List transactions by their ids, in the order of their places (`TransactionRecord.place`).

        Args:
            state: in which they stand; empty for any.
            role: of their approvers; empty for any.
            operation: of theirs; empty for any.
            subject: pseudonym of whoever they are for; empty for any.
            after: the place of the one (epoch seconds UTC), and its id, after which to go on; a list is read page
                by page with what its last entry names, whatever changes meanwhile.
            limit: how many at most.

        Raises:
            StoreError: they cannot be read now.
        """
        ...

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Keep a small document (a ticket, a key) under a name, replacing what was there; empty bytes remove it."""
        ...

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Keep a document unless there is one; give back the one that is kept now."""
        ...

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it is still `old`; empty bytes stand for none, on either side."""
        ...

    async def get(self, namespace: str, name: str) -> bytes:
        """Give a document; empty bytes where there is none."""
        ...

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Take a name that may be used once: of all who try, in all processes, one is told that it is theirs.

        Args:
            name: 32 bytes that say nothing to anybody else, such as a hash.
            until: epoch seconds UTC to which it stays taken; after that it may be forgotten.
            now: epoch seconds UTC.

        Returns:
            False where it was taken before.

        Raises:
            StoreError: it cannot be kept now, so nobody may take it for unused.
        """
        ...

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """List the names on a shelf, sorted, at most `limit`."""
        ...


class AuditSink(Protocol):
    """Where records go: write-only. No record, no admission."""

    def open(self) -> None:
        """Make ready, repair a torn last line and continue the chain; safe to call again.

        Raises:
            AuditError: the log cannot be opened for writing.
        """
        ...

    def close(self) -> None:
        """Let go of the file; everything appended is on its way to the disk."""
        ...

    def append(self, entry: Entry) -> int:
        """Hand one line to the operating system before returning.

        Returns:
            The line's position, for `flush`.

        Raises:
            AuditError: it could not be written whole.
        """
        ...

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Write a decision that is the same as an earlier one but for its id, its time and its trace, as `append` does.

        Raises:
            AuditError: it could not be written whole.
        """
        ...

    async def flush(self, position: int) -> None:
        """Wait until a line is on the disk (fsync shared with others who wait).

        Raises:
            AuditError: it could not be made durable.
        """
        ...


class CredentialCheck(Protocol):
    """Is the credential good? The answer is closed: proven, or one of four ways of not being so."""

    async def open(self) -> None:
        """Make ready (load key files); must not need the issuer to be up."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    def recall(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Give a verdict that is still remembered, or needs nothing from outside; never waits."""
        ...

    def examine(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Check for the first time with the keys that are at hand; never waits. Called after `recall` said `Unseen`."""
        ...

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Check for the first time; may fetch keys. Called after `examine` said `Unseen`."""
        ...


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What a directory says of an account.

    Attributes:
        status: in the directory's own words, bounded.
        at: when it was true, epoch seconds UTC.
        mandates: who may act for the account, and for what.
    """

    status: str
    at: float
    delegations: tuple[Delegation, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The directory gave no answer that can be used.

    Attributes:
        cause: closed code, of those of `authguard.core.verification.Cause`.
    """

    cause: str


class AccountDirectory(Protocol):
    """What state is this account in? One per declared source that is asked and not told."""

    async def open(self) -> None:
        """Make ready; must not need the directory to be up."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    async def ask(self, principal: Principal, now: float) -> AccountStatus | Unreachable:
        """Ask for the status; never raises, never waits longer than the policy's time-out."""
        ...


@dataclass(frozen=True, slots=True)
class DecryptionFailure:
    """What was sealed cannot be opened.

    Attributes:
        cause: ``key``: sealed under a key that this deployment does not have; ``changed``: not what was sealed.
    """

    cause: str


class Cipher(Protocol):
    """Keeps what customers and the app said from whoever reads the store."""

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Cipher.

        Args:
            content: to be kept.
            about: what it belongs to; opens only with the same.
        """
        ...

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest, hex: equal for equal contents, and no help to whoever guesses them without the key."""
        ...

    def decrypt(self, sealed: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Open; never gives anything but what was sealed about this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a verifier is asked: is it them?

    Attributes:
        issuer: ``iss`` of the proven credential.
        subject: ``sub`` of the proven credential.
        session: the session's key, hex.
        attempt: id of the attempt; whatever a verifier keeps for this question it keeps under it.
        answers: what the customer said to this verifier, by field; bounded.
        channel: as believed; empty for none.
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
        """Tell nothing of the person and nothing that they answered."""
        return f"Question(attempt={self.attempt[:4]!r}...)"


class Verifier(Protocol):
    """A service that answers "is it them?"; time-outs, retries, breaker and bulkhead are its own.

    Attributes:
        asks: whether the customer has to answer something, so that without answers there is nothing to verify.
        sends: whether `begin` must have sent something first (a one-time code), which answers are then about.
        longest: seconds after which it has answered whatever happens.
    """

    asks: bool
    sends: bool
    longest: float

    async def open(self) -> None:
        """Make ready; must not need the service to be up."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    async def begin(self, question: Question) -> Passed | Unavailable:
        """Send what the answers will be about; `Passed` says that it is on its way. Only asked where it `sends`."""
        ...

    async def verify(self, question: Question) -> Passed | Failed | Doubted | Unavailable:
        """Answer; never raises but for cancellation, and never gives anything else."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One hand-off to a person, with what was verified so far.

    Attributes:
        id: unguessable.
        queue: where it waits.
        opened: epoch seconds UTC.
        operation: what the caller wanted.
        subject: pseudonym.
        account: the account's key, hex.
        session: the session's key, hex.
        states: machine -> state.
        assurance: the credential's ``acr`` and authentication time as verified.
        decisions: the last decisions in this session, oldest first: ``(at, operation, outcome, record id)``.
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
    """Where people take over."""

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        """Keep a ticket; one that is open for the same account and queue is given back instead, so none multiply.

        Raises:
            StoreError: it cannot be kept now.
        """
        ...
