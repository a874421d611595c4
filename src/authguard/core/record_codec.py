"""Serialisation of store records: names, bytes and expiry, identical in every store.

Rules of this file:
- A record's name is one letter for its kind, followed by its key.
- A record is its fields in order, as MessagePack, including its version.
- A whole number of seconds is stored as an integer, which is shorter than a float; either is read.
- A record that cannot be decoded is a `StoreError`, never a blank record.
- Only records in listed states are deleted, so a record in an unlisted state is stored for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from authguard.core.snapshot import (
    EMPTY_LEDGER,
    NO_RESPONSE,
    AccountRecord,
    LedgerRecord,
    Record,
    ServiceRecord,
    SessionRecord,
    Snapshot,
    TransactionRecord,
)
from authguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from authguard.core.snapshot import Keys, LedgerEntry

SERVICE: Final = b"v"
TRANSACTION: Final = b"t"
#: kind of record -> first byte of its names
KIND_PREFIXES: Final = {"account": b"a", "session": b"s", "transaction": TRANSACTION}
#: account states that a new sign-in would reach again
DEFAULT_ACCOUNT_STATES: Final = frozenset({"unknown", "normal"})
#: transaction states without a way out
FINAL_TRANSACTION_STATES: Final = frozenset({"done", "denied", "lapsed", "failed"})
#: largest document in bytes, and longest namespace and name together in characters
MAX_DOCUMENT_BYTES: Final = 1_048_576
MAX_KEY_CHARS: Final = 512

_encode: Final = msgspec.msgpack.Encoder().encode
_service: Final = msgspec.msgpack.Decoder(ServiceRecord).decode
_account: Final = msgspec.msgpack.Decoder(AccountRecord).decode
_session: Final = msgspec.msgpack.Decoder(SessionRecord).decode
_ledger: Final = msgspec.msgpack.Decoder(LedgerRecord).decode
_transaction: Final = msgspec.msgpack.Decoder(TransactionRecord).decode
#: bound below which every whole float is the same number as an integer
_EXACT: Final = 2.0**53
#: times from claims, which issuers send in whole seconds, and times that are often zero
_CLAIM_TIMES: Final[dict[type[Record], tuple[str, ...]]] = {
    SessionRecord: ("signed_in", "ended", "verified_at", "voided"),
    AccountRecord: ("reported", "decided", "not_before", "roles_at", "voided"),
}
#: first bytes of record names
_V, _A, _S, _L = b"vasl"
_DECODERS: Final[dict[int, Callable[[bytes], Record]]] = {_V: _service, _A: _account, _S: _session, _L: _ledger}


class Change(NamedTuple):
    """One record to replace.

    Attributes:
        name: of the record.
        version: expected stored version; 0 for none.
        value: bytes of the new record, with the version increased by one.
    """

    name: bytes
    version: int
    value: bytes


def record_keys(keys: Keys) -> tuple[bytes, ...]:
    """Return the names of all records that the keys address; the service's is always included."""
    found = [SERVICE]
    if keys.account:
        found.append(b"a" + keys.account)
    if keys.session:
        found.append(b"s" + keys.session)
    if keys.transaction:
        found.append(transaction_key(keys.transaction))
    for _, key in keys.ledgers:
        found.append(b"l" + key)
    return tuple(found)


def transaction_key(transaction: str) -> bytes:
    """Return the record name of a transaction id."""
    return TRANSACTION + transaction.encode("utf-8", "surrogatepass")


def key_range(kind: str, first: bytes, end: bytes) -> tuple[bytes, bytes]:
    """Return the smallest name of a range of keys, and the name before which it ends.

    Args:
        kind: one of `KIND_PREFIXES`.
        first: smallest key.
        end: key before which the range ends; empty for no end.
    """
    prefix = KIND_PREFIXES[kind]
    return prefix + first, prefix + end if end else bytes([prefix[0] + 1])


def decode_snapshot(rows: Iterable[tuple[bytes, bytes]], blank: Snapshot) -> Snapshot:
    """Decode records into one snapshot; a missing record is taken from `blank`.

    Raises:
        StoreError: a record is damaged.
    """
    service, account, session, transaction = blank.service, blank.account, blank.session, blank.transaction
    ledgers: dict[bytes, LedgerRecord] = {}
    try:
        for name, value in rows:  # hot path: three records in about a microsecond
            kind = name[0]
            if kind == _S:
                session = _session(value)
            elif kind == _A:
                account = _account(value)
            elif kind == _V:
                service = _service(value)
            elif kind == _L:
                ledgers[name[1:]] = _ledger(value)
            else:
                transaction = _transaction(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged() from None
    return Snapshot(service, account, session, transaction, ledgers)


def decode_record(name: bytes, value: bytes) -> Record:
    """Decode one record.

    Raises:
        StoreError: the record is damaged.
    """
    try:
        return _DECODERS.get(name[0], _transaction)(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged() from None


def decode_transaction(name: bytes, value: bytes) -> tuple[str, TransactionRecord]:
    """Decode a transaction; return its id and record.

    Raises:
        StoreError: the record is damaged.
    """
    record = decode_record(name, value)
    if name[:1] != TRANSACTION or not isinstance(record, TransactionRecord):
        raise _damaged()
    return name[1:].decode("utf-8", "surrogatepass"), record


def list_changes(keys: Keys, before: Snapshot, after: Snapshot) -> list[Change]:
    """Return a commit's replacements: every record that differs and has a key, with its expected version."""
    pairs: list[tuple[bytes, Record, Record]] = [(SERVICE, before.service, after.service)]
    if keys.account:
        pairs.append((b"a" + keys.account, before.account, after.account))
    if keys.session:
        pairs.append((b"s" + keys.session, before.session, after.session))
    if keys.transaction:
        pairs.append((transaction_key(keys.transaction), before.transaction, after.transaction))
    for _, key in keys.ledgers:
        pairs.append((b"l" + key, before.ledgers.get(key, EMPTY_LEDGER), after.ledgers.get(key, EMPTY_LEDGER)))
    return [
        Change(name, old.version, _encode_record(new, old.version + 1))
        for name, old, new in pairs
        if new is not old and new != old
    ]


def _encode_record(record: Record, version: int) -> bytes:
    """Encode a record with a version; whole seconds take one byte (zero) or five (a time) instead of nine."""
    fields: dict[str, float] = {"version": version}
    for name in _CLAIM_TIMES.get(type(record), ()):
        seconds: float = getattr(record, name)
        fields[name] = seconds if seconds % 1 or abs(seconds) >= _EXACT else int(seconds)
    return _encode(msgspec.structs.replace(record, **fields))


def find_overdue(
    rows: Iterable[tuple[bytes, bytes]], before: float, answered: float, ended: Container[str]
) -> list[Change]:
    """Return what a sweep changes: transactions lose a first response that expired, and expired records all bytes.

    A transaction without its response never runs again, and keeps the response's status. A damaged record stays: it is
    no reason to fail the request that sweeps.

    Args:
        rows: names and values of records.
        before: as in `is_expired`.
        answered: the same for a stored response.
        ended: as in `is_expired`.
    """
    found: list[Change] = []
    for name, value in rows:
        try:
            record = _DECODERS.get(name[0], _transaction)(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if isinstance(record, TransactionRecord) and record.entered < answered and (record.kept or record.headers):
            lighter = msgspec.structs.replace(record, **NO_RESPONSE, version=record.version + 1)
            found.append(Change(name, record.version, _encode(lighter)))
        # one that entered its state since then is not expired, whatever its kind; most are such
        elif getattr(record, "entered", 0.0) < before and is_expired(record, before, ended):
            found.append(Change(name, record.version, b""))
    return found


def is_expired(record: Record, before: float, ended: Container[str] = FINAL_TRANSACTION_STATES) -> bool:
    """Return whether a record may be deleted without reviving an earlier state (DESIGN 2).

    A session expires by its last use, unless it is `permanent`. An account must also be in a state that a sign-in would
    reach, without ``not_before`` and ``voided``. A transaction must be in a final state. The service record never
    expires.

    Args:
        record: decoded.
        before: epoch seconds UTC: now minus the longest time for which a request can still name the record (life of a
            credential, window of a limit or of attempts).
        ended: transaction states that count as final, including those left only by time that has passed by then.
    """
    match record:
        case SessionRecord() as session:
            moments = (session.entered, session.signed_in, session.last_seen, session.verification_entered)
            return (
                not session.permanent
                and max(moments) < before
                and all(_is_past(spent, before) for spent in session.ledger)
            )
        case AccountRecord() as account:
            return (
                account.state in DEFAULT_ACCOUNT_STATES
                and not (account.not_before or account.voided)
                and max(account.entered, account.reported, account.decided, *(account.lifted or {}).values()) < before
                and all(report.at < before for report in (account.reports or {}).values())
                and all(tally.since < before for tally in (account.tallies or {}).values())
                and all(_is_past(spent, before) for spent in account.ledger)
            )
        case LedgerRecord() as spent:
            return all(_is_past(entry, before) for entry in spent.ledger)
        case TransactionRecord() as transaction:
            return transaction.state in ended and max(transaction.entered, transaction.created) < before
        case _:
            return False


def _is_past(spent: LedgerEntry, before: float) -> bool:
    return max(spent.at, spent.expires) < before


def latest_change(snapshot: Snapshot) -> float:
    """Return the latest time at which a machine entered its state; never later than now, epoch seconds UTC."""
    session = snapshot.session
    return max(
        snapshot.service.entered,
        snapshot.account.entered,
        session.entered,
        session.verification_entered,
        snapshot.transaction.entered,
    )


def check_document(namespace: str, name: str, value: bytes) -> None:
    """Validate the size of a document and of its name.

    Raises:
        StoreError: the name or the document is too large.
    """
    if len(value) > MAX_DOCUMENT_BYTES or len(namespace) + len(name) > MAX_KEY_CHARS:
        raise StoreError(
            f"a document holds at most {MAX_DOCUMENT_BYTES} bytes, its namespace and name {MAX_KEY_CHARS} characters"
        )


def _damaged() -> StoreError:
    return StoreError("a stored record cannot be decoded: restore the store from a backup")
