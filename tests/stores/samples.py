"""Shared values of the store tests: snapshots to commit, and strategies for whole records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import (
    AccountRecord,
    AttemptCount,
    Keys,
    LedgerEntry,
    LedgerRecord,
    Report,
    ServiceRecord,
    SessionRecord,
    Snapshot,
    TransactionRecord,
    blank,
)

if TYPE_CHECKING:
    from authguard.ports import Store

NOW = 1_800_000_000.0
BLANK = blank(
    {
        "service": "live",
        "account": "unknown",
        "session": "absent",
        "verification": "unverified",
        "transaction": "none",
    }
)


def keys(subject: str, transaction: str = "") -> Keys:
    """Return the keys of one person's session."""
    account, session = account_key("https://id.test", subject), session_key("https://id.test", subject, "app", "1")
    return Keys(account, session, transaction)


def amended(snapshot: Snapshot, record: str, **fields: object) -> Snapshot:
    """Change some fields of one record."""
    changed = msgspec.structs.replace(getattr(snapshot, record), **fields)
    return msgspec.structs.replace(snapshot, **{record: changed})


def signed_in(before: Snapshot, now: float = NOW) -> Snapshot:
    """Build the records of a first sign-in."""
    account = amended(
        before, "account", state="normal", entered=now, reported=now, reports={"none": Report("normal", now)}
    )
    return amended(account, "session", state="active", entered=now, signed_in=now, last_seen=now)


async def increment(store: Store, of: Keys) -> bool:
    """Advance the times of session and account by one second, unless there is a version conflict."""
    before = await store.load(of, BLANK)
    after = amended(before, "session", last_seen=before.session.last_seen + 1.0)
    after = amended(after, "account", reported=before.account.reported + 1.0)
    return await store.commit(of, before, after)


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_moment = st.floats(allow_nan=False)
_ledger = st.lists(st.builds(LedgerEntry, _text, _moment, _text, _text), max_size=3).map(tuple)
service = st.builds(ServiceRecord, _text, _moment, _moment)
account = st.builds(
    AccountRecord,
    *(_text, _moment, _moment, _moment, _moment),
    reports=st.none() | st.dictionaries(_text, st.builds(Report, _text, _moment), max_size=3),
    tallies=st.none()
    | st.dictionaries(_text, st.builds(AttemptCount, _moment, st.integers(0, 2**63), _text), max_size=3),
    ledger=_ledger,
)
session = st.builds(SessionRecord, _text, _moment, _moment, _moment, _text, _moment, _text, _ledger)
transaction = st.builds(
    TransactionRecord,
    *(_text, _moment, _text, _text, st.binary(max_size=16), st.binary(max_size=16), _moment),
    status=st.integers(0, 599),
    content_type=_text,
    answer=st.binary(max_size=64),
    kept=st.booleans(),
)
#: of a limit that is everybody's, and the keys of one person's session with it
LEDGER = bytes(range(16))
SCOPED = msgspec.structs.replace(keys("anna", "t1"), ledgers=(("service", LEDGER),))
ledgers = st.dictionaries(st.just(LEDGER), st.builds(LedgerRecord, _ledger), max_size=1)
snapshot = st.builds(Snapshot, service, account, session, transaction, ledgers)
