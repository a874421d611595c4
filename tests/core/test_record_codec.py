"""Record codec: expiry of records, and errors for damaged bytes."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.record_codec import (
    decode_record,
    decode_snapshot,
    is_expired,
    latest_change,
    list_changes,
    record_keys,
)
from authguard.core.snapshot import (
    AccountRecord,
    AttemptCount,
    Keys,
    LedgerEntry,
    Record,
    Report,
    ServiceRecord,
    SessionRecord,
    Snapshot,
    TransactionRecord,
)
from authguard.errors import StoreError
from tests.stores.samples import BLANK, amended, snapshot

KEYS = Keys(b"k", b"k", "k")
#: seconds, as in a token
NOW = 1_796_024_138.0
PAST, MOMENT, SINCE = 1_000.0, 2_000.0, 3_000.0


def over(record: Record) -> bool:
    """Return whether one record is expired, all else being blank."""
    fields = {type(getattr(BLANK, name)): name for name in BLANK.__struct_fields__}
    changed = amended(BLANK, fields[type(record)], **{f: getattr(record, f) for f in record.__struct_fields__})
    ((name, _, value),) = list_changes(KEYS, BLANK, changed)
    return is_expired(decode_record(name, value), MOMENT)


@pytest.mark.parametrize("state", ["active", "idle", "expired", "revoked", "theirs"])
def test_a_session_is_over_once_nothing_touched_it_since(state: str) -> None:
    assert over(SessionRecord(state, PAST, PAST, PAST, "verified", PAST, "web", (LedgerEntry("calls", PAST, "1"),)))


@pytest.mark.parametrize("touched", ["entered", "signed_in", "last_seen", "verification_entered"])
def test_a_session_that_was_touched_since_is_not_over(touched: str) -> None:
    for moment in (MOMENT, SINCE):
        assert not over(amended(BLANK, "session", **{touched: moment}).session)


def test_a_session_that_spent_since_is_not_over() -> None:
    assert not over(SessionRecord("active", ledger=(LedgerEntry("calls", PAST, "1"), LedgerEntry("calls", SINCE, "1"))))


@pytest.mark.parametrize("state", ["unknown", "normal"])
def test_an_account_is_over_where_a_sign_in_would_put_it_again(state: str) -> None:
    reports, tallies = {"claims": Report("normal", PAST)}, {"verify": AttemptCount(PAST, 2)}
    assert over(AccountRecord(state, PAST, PAST, PAST, 0.0, reports, tallies, (LedgerEntry("day", PAST, "9.99"),)))


@pytest.mark.parametrize(
    "account",
    [
        AccountRecord("locked"),
        AccountRecord("sim_swap_hold"),
        AccountRecord("normal", not_before=1.0),
        AccountRecord("normal", entered=SINCE),
        AccountRecord("normal", reported=SINCE),
        AccountRecord("normal", decided=SINCE),
        AccountRecord("normal", reports={"claims": Report("normal", SINCE)}),
        AccountRecord("normal", tallies={"verify": AttemptCount(SINCE, 1)}),
        AccountRecord("normal", ledger=(LedgerEntry("day", SINCE, "9.99"),)),
    ],
)
def test_an_account_that_still_matters_is_never_over(account: AccountRecord) -> None:
    assert not over(account)


@pytest.mark.parametrize("state", ["done", "denied", "lapsed", "failed"])
def test_a_transaction_is_over_once_it_ended_long_ago(state: str) -> None:
    assert over(TransactionRecord(state, entered=PAST, created=PAST))
    assert not over(TransactionRecord(state, entered=SINCE, created=PAST))
    assert not over(TransactionRecord(state, entered=PAST, created=SINCE))


@pytest.mark.parametrize("state", ["none", "held", "approved", "running", "in_doubt", "theirs"])
def test_a_transaction_that_has_not_ended_is_never_over(state: str) -> None:
    assert not over(TransactionRecord(state, entered=PAST, digest="-"))


def test_the_service_is_never_over() -> None:
    assert not over(ServiceRecord("rolled_back", PAST))


@given(snapshot)
def test_what_is_over_stays_over_as_time_passes(written: Snapshot) -> None:
    for name, _, value in list_changes(KEYS, BLANK, written):
        record = decode_record(name, value)
        if is_expired(record, MOMENT):
            assert is_expired(record, SINCE)


@given(snapshot)
def test_what_was_changed_comes_back_one_version_later(written: Snapshot) -> None:
    for name, version, value in list_changes(KEYS, BLANK, written):
        assert decode_record(name, value).version == version + 1


def test_whole_seconds_and_zeros_are_short_and_come_back_equal() -> None:
    account = AccountRecord("normal", 1.5, NOW, 0.0, 0.0, {"claims": Report("normal", NOW)}, roles_at=NOW)
    session = SessionRecord("active", NOW + 0.25, NOW, NOW + 0.5, "verified", NOW + 0.25, account=bytes(16))
    written = msgspec.structs.replace(BLANK, account=account, session=session)
    changes = list_changes(KEYS, BLANK, written)
    assert [len(change.value) for change in changes] == [61, 75]
    assert decode_snapshot([(name, value) for name, _, value in changes], BLANK) == msgspec.structs.replace(
        written,
        account=msgspec.structs.replace(account, version=1),
        session=msgspec.structs.replace(session, version=1),
    )


@pytest.mark.parametrize("seconds", [-1.0, 0.1, 2.0**53, 1e300, float("inf"), float("-inf")])
def test_a_number_of_any_size_comes_back_equal(seconds: float) -> None:
    written = amended(BLANK, "session", signed_in=seconds, ended=seconds)
    ((name, _, value),) = list_changes(KEYS, BLANK, written)
    assert decode_record(name, value) == msgspec.structs.replace(written.session, version=1)


def test_records_with_all_times_as_floats_are_still_read() -> None:
    stored = bytes.fromhex(
        "9ea6616374697665cb41dac349d2c00000cb41dac349d2800000cb41dac349d2c00000a87665726966696564cb41dac349d2c00000a0"
        "9001c0c410155b3616766d535cf7122416feab949bcb0000000000000000cb0000000000000000c3"
    )
    assert decode_record(b"sk", stored) == SessionRecord(
        "active",
        NOW + 1,
        NOW,
        NOW + 1,
        "verified",
        NOW + 1,
        version=1,
        account=bytes.fromhex("155b3616766d535cf7122416feab949b"),
        permanent=True,
    )


def test_the_newest_moment_is_the_last_time_that_a_machine_moved() -> None:
    places = [("service", "entered"), ("account", "entered"), ("session", "entered"), ("transaction", "entered")]
    for record, field in [*places, ("session", "verification_entered")]:
        assert latest_change(amended(BLANK, record, **{field: 7.0})) == 7.0
    assert latest_change(amended(BLANK, "account", reported=9.0)) == 0.0, "what a source said is no clock"


@pytest.mark.parametrize("name", [b"v", b"ak", b"sk", b"tk"])
@pytest.mark.parametrize("value", [b"", b"\x00", b"\x90", b"\xc1", b"\x91\xa1\xff", b"\x91\x01"])
def test_bytes_that_are_no_record_are_an_error_and_never_a_blank(name: bytes, value: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be decoded"):
        decode_record(name, value)
    with pytest.raises(StoreError, match="cannot be decoded"):
        decode_snapshot([(name, value)], BLANK)


@given(st.sampled_from([b"v", b"ak", b"sk", b"tk"]), st.binary(max_size=40))
def test_bytes_of_any_kind_are_a_record_or_that_error(name: bytes, value: bytes) -> None:
    with suppress(StoreError):
        assert decode_record(name, value).state is not None
    with suppress(StoreError):
        assert decode_snapshot([(name, value)], BLANK) != BLANK


def test_a_transaction_id_of_any_characters_has_a_name() -> None:
    assert len({*record_keys(Keys(transaction="\ud800")), *record_keys(Keys(transaction="?"))}) == 3
