"""How a record is kept: the name of its place, its bytes, and when it may be forgotten; the same in every store.

Rules: a name is one letter for the kind and then the key; a record is its fields in order, as MessagePack, its own
version last; what cannot be read back whole is a `StoreError` and never a blank; what may be forgotten is listed, so
that a state which nobody listed is kept for ever.
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
#: states of an account that a new sign-in would find again by itself
DEFAULT_ACCOUNT_STATES: Final = frozenset({"unknown", "normal"})
#: states of a transaction that nothing leads out of
FINAL_TRANSACTION_STATES: Final = frozenset({"done", "denied", "lapsed", "failed"})
#: bytes of one document on a shelf, and characters of its name
MAX_DOCUMENT_BYTES: Final = 1_048_576
MAX_KEY_CHARS: Final = 512

_encode: Final = msgspec.msgpack.Encoder().encode
_service: Final = msgspec.msgpack.Decoder(ServiceRecord).decode
_account: Final = msgspec.msgpack.Decoder(AccountRecord).decode
_session: Final = msgspec.msgpack.Decoder(SessionRecord).decode
_ledger: Final = msgspec.msgpack.Decoder(LedgerRecord).decode
_transaction: Final = msgspec.msgpack.Decoder(TransactionRecord).decode
#: the letters as they are found in a name
_V, _A, _S, _L = b"vasl"


class Change(NamedTuple):
    """One record to be replaced.

    Attributes:
        name: of its place.
        version: that must be stored now; 0 for none.
        value: the new record's bytes, of which the version is one more.
    """

    name: bytes
    version: int
    value: bytes


def record_keys(keys: Keys) -> list[bytes]:
    """Name the places of all records that the keys name; the service's is always among them."""
    found = [SERVICE]
    if keys.account:
        found.append(b"a" + keys.account)
    if keys.session:
        found.append(b"s" + keys.session)
    if keys.transaction:
        found.append(transaction_key(keys.transaction))
    for _, key in keys.ledgers:
        found.append(b"l" + key)
    return found


def transaction_key(transaction: str) -> bytes:
    """Name the place of a transaction by its id."""
    return TRANSACTION + transaction.encode("utf-8", "surrogatepass")


def decode_snapshot(rows: Iterable[tuple[bytes, bytes]], blank: Snapshot) -> Snapshot:
    """Put what was found under its names into one snapshot; what was not found is as in `blank`.

    Raises:
        StoreError: a record is damaged.
    """
    service, account, session, transaction = blank.service, blank.account, blank.session, blank.transaction
    ledgers: dict[bytes, LedgerRecord] = {}
    try:
        for name, value in rows:  # the hot path: three records in about a microsecond
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
    """Read one record back.

    Raises:
        StoreError: it is damaged.
    """
    decoders: dict[int, Callable[[bytes], Record]] = {_V: _service, _A: _account, _S: _session, _L: _ledger}
    try:
        return decoders.get(name[0], _transaction)(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged() from None


def decode_transaction(name: bytes, value: bytes) -> tuple[str, TransactionRecord]:
    """Read a transaction back, with its id.

    Raises:
        StoreError: it is damaged.
    """
    record = decode_record(name, value)
    if name[:1] != TRANSACTION or not isinstance(record, TransactionRecord):
        raise _damaged()
    return name[1:].decode("utf-8", "surrogatepass"), record


def list_changes(keys: Keys, before: Snapshot, after: Snapshot) -> list[Change]:
    """List what a commit replaces: every record that differs and has a key, each with the version it must find."""
    found: list[Change] = []
    _change(found, SERVICE, before.service, after.service)
    if keys.account:
        _change(found, b"a" + keys.account, before.account, after.account)
    if keys.session:
        _change(found, b"s" + keys.session, before.session, after.session)
    if keys.transaction:
        _change(found, transaction_key(keys.transaction), before.transaction, after.transaction)
    for _, key in keys.ledgers:
        _change(found, b"l" + key, before.ledgers.get(key, EMPTY_LEDGER), after.ledgers.get(key, EMPTY_LEDGER))
    return found


def _change(found: list[Change], name: bytes, before: Record, after: Record) -> None:
    if after is not before and after != before:
        value = _encode(msgspec.structs.replace(after, version=before.version + 1))
        found.append(Change(name, before.version, value))


def is_expired(name: bytes, value: bytes, before: float, ended: Container[str] = FINAL_TRANSACTION_STATES) -> bool:
    """Tell whether a record may be forgotten without anything reviving (DESIGN 2).

    A session may go once it was last touched before that moment; an account also has to stand where a sign-in would
    put it anyway and must hold no ``not_before``; a transaction must have ended; the service never goes.

    Args:
        name: of its place.
        value: its bytes.
        before: epoch seconds UTC; now less the longest that anything can still name the record: the life of a
            credential, the window of a limit or of attempts.
        ended: states of a transaction that nothing leads out of, or only time, and by then.

    Raises:
        StoreError: the record is damaged.
    """
    match decode_record(name, value):
        case SessionRecord() as session:
            moments = (session.entered, session.signed_in, session.last_seen, session.verification_entered)
            return max(moments) < before and all(_is_past(spent, before) for spent in session.ledger)
        case AccountRecord() as account:
            return (
                account.state in DEFAULT_ACCOUNT_STATES
                and not account.not_before
                and max(account.entered, account.reported, account.decided) < before
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


def without_response(name: bytes, value: bytes, before: float) -> bytes:
    """Give a transaction's bytes without its first answer, if it was done before a moment; else, and of others, none.

    Its status stays, and so does the transaction: it is never run again.

    Args:
        name: of its place.
        value: its bytes.
        before: epoch seconds UTC.

    Raises:
        StoreError: the record is damaged.
    """
    if name[:1] != TRANSACTION:
        return b""
    record = decode_record(name, value)
    if not isinstance(record, TransactionRecord) or record.entered >= before:
        return b""
    if not record.kept and not record.headers:
        return b""
    return _encode(msgspec.structs.replace(record, **NO_RESPONSE, version=record.version + 1))


def latest_change(snapshot: Snapshot) -> float:
    """Give the newest moment at which one of the machines moved: never later than now, in epoch seconds UTC."""
    session = snapshot.session
    return max(
        snapshot.service.entered,
        snapshot.account.entered,
        session.entered,
        session.verification_entered,
        snapshot.transaction.entered,
    )


def check_document(namespace: str, name: str, value: bytes) -> None:
    """Bound what is kept on a shelf.

    Raises:
        StoreError: the name or the document is too large.
    """
    if len(value) > MAX_DOCUMENT_BYTES or len(namespace) + len(name) > MAX_KEY_CHARS:
        raise StoreError(
            f"a document holds at most {MAX_DOCUMENT_BYTES} bytes, its namespace and name {MAX_KEY_CHARS} characters"
        )


def _damaged() -> StoreError:
    return StoreError("a stored record cannot be read back: restore the store from a copy")
