"""Flags as entries of ledgers: when one is set, until when, and what a transaction's end leaves of it."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core import flags
from authguard.core.flags import Flag, FlagSetter
from authguard.core.limits import MAX_EXACT_ENTRIES, release, reserve
from authguard.core.request import Operation
from authguard.core.snapshot import LedgerEntry

DAY = 86_400.0
HELD = Flag(name="iban_changed", expires=DAY)
OPEN = Flag(name="status_read", expires=3_600.0, restricts=False)
FOREVER = Flag(name="fraud", expires=inf)
SPENT = LedgerEntry("pay/0", 5.0, "1", "t9")


def test_a_flag_is_set_until_exactly_its_end() -> None:
    ledger = flags.set_flag((SPENT,), HELD, 100.0)
    assert SPENT in ledger
    assert not flags.is_set(HELD, (SPENT,), 100.0)
    assert [flags.is_set(HELD, ledger, at) for at in (100.0, 100.0 + DAY - 0.001, 100.0 + DAY)] == [True, True, False]
    assert flags.find_expiry(HELD, ledger, 200.0) == 100.0 + DAY
    assert flags.find_expiry(HELD, ledger, 100.0 + DAY) == 0.0
    assert not flags.is_set(OPEN, ledger, 100.0)  # another flag of the same ledger


def test_setting_again_restarts_the_time_and_leaves_one_entry() -> None:
    ledger = flags.set_flag(flags.set_flag((), HELD, 100.0), HELD, 500.0)
    assert len(ledger) == 1
    assert flags.find_expiry(HELD, ledger, 500.0) == 500.0 + DAY


def test_a_clock_that_stepped_back_shortens_nothing() -> None:
    ledger = flags.set_flag(flags.set_flag((), HELD, 500.0), HELD, 100.0)
    assert flags.find_expiry(HELD, ledger, 100.0) == 500.0 + DAY


def test_a_flag_that_never_expires_is_kept_by_every_sweep() -> None:
    ledger = flags.set_flag((), FOREVER, 100.0)
    assert flags.find_expiry(FOREVER, ledger, 1e12) == inf
    assert ledger[0].expires == inf
    assert flags.clear_flag((*ledger, SPENT), FOREVER) == (SPENT,)


def test_what_a_failed_transaction_set_goes_and_what_was_set_before_stays() -> None:
    before = flags.set_flag((), HELD, 100.0)
    pending = flags.set_flag(before, HELD, 500.0, "t1")
    assert flags.find_expiry(HELD, pending, 500.0) == 500.0 + DAY
    assert flags.drop_pending(pending, HELD, "t1") == before
    assert release(pending, "t1") == before  # the same release as a limit's
    assert flags.drop_pending(pending, HELD, "t2") == pending


def test_what_a_committed_transaction_set_keeps_its_time() -> None:
    pending = flags.set_flag(flags.set_flag((), HELD, 100.0), HELD, 500.0, "t1")
    kept = flags.settle_pending(pending, HELD, "t1")
    assert len(kept) == 1
    assert not kept[0].transaction
    assert flags.find_expiry(HELD, kept, 900.0) == 500.0 + DAY
    assert flags.settle_pending(kept, HELD, "t1") == kept
    assert flags.settle_pending(kept, HELD, "") == kept


def test_a_person_clears_also_what_still_runs() -> None:
    assert flags.clear_flag(flags.set_flag((SPENT,), HELD, 1.0, "t1"), HELD) == (SPENT,)


def test_transactions_in_parallel_leave_a_bounded_ledger() -> None:
    ledger: tuple[LedgerEntry, ...] = ()
    for number in range(100):
        ledger = flags.set_flag(ledger, HELD, float(number), f"t{number}")
    assert len(ledger) == flags.MAX_PENDING + 1
    for number in range(100):
        ledger = flags.drop_pending(ledger, HELD, f"t{number}")
    assert flags.find_expiry(HELD, ledger, 100.0) == 91.0 + DAY  # the oldest can no longer be undone


def test_a_permitting_flag_is_written_again_after_a_tenth_of_its_time() -> None:
    ledger = flags.set_flag((), OPEN, 1_000.0)
    assert flags.needs_renewal(OPEN, (), 1_000.0)
    assert [flags.needs_renewal(OPEN, ledger, 1_000.0 + age) for age in (0.0, 359.0, 360.0)] == [False, False, True]
    assert flags.needs_renewal(HELD, flags.set_flag((), HELD, 1_000.0), 1_000.0)
    forever = Flag(name="known", restricts=False)
    assert not flags.needs_renewal(forever, flags.set_flag((), forever, 1.0), 1e9)


def test_expired_entries_are_dropped_and_nothing_else() -> None:
    ledger = flags.set_flag(flags.set_flag((SPENT,), HELD, 100.0), OPEN, 100.0)
    assert flags.drop_expired(ledger, HELD, 100.0) is ledger
    assert not flags.is_set(HELD, flags.drop_expired(ledger, HELD, 100.0 + DAY), 100.0)
    assert len(flags.drop_expired(ledger, HELD, 100.0 + DAY)) == 2


def test_a_full_ledger_merges_calls_and_never_flags() -> None:
    ledger = flags.set_flag(flags.set_flag((), HELD, 1.0), FOREVER, 2.0)
    windows = {"pay/0": 1e6, HELD.key: HELD.expires, FOREVER.key: inf}
    for number in range(MAX_EXACT_ENTRIES + 20):
        ledger = reserve(ledger, (LedgerEntry("pay/0", 10.0 + number, "1"),), windows, 10.0 + number)
    assert len(ledger) < MAX_EXACT_ENTRIES
    assert flags.find_expiry(HELD, ledger, 300.0) == 1.0 + DAY
    assert flags.is_set(FOREVER, ledger, 300.0)


def test_setters_name_operations_and_groups() -> None:
    flag = Flag(name="f", set_by=(FlagSetter(operations=("money",), event="started"), FlagSetter(app=True)))
    assert flag.is_set_on("started", Operation(name="payout", groups=("money",)))
    assert flag.is_set_on("started", Operation(name="money"))
    assert not flag.is_set_on("committed", Operation(name="payout", groups=("money",)))
    assert not flag.is_set_on("started", Operation(name="payout"))
    assert flag.is_set_by_app
    assert Flag(name="f", set_by=(FlagSetter(role="fraud"),)).setting_roles == {"fraud"}


@pytest.mark.parametrize("flag", [HELD, OPEN, FOREVER])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "start", "fail", "commit", "clear"]), st.integers(0, 2), st.integers(0, 9))
    )
)
def test_a_model_of_times_agrees(flag: Flag, steps: list[tuple[str, int, int]]) -> None:
    """A second, naive reading: the time of the settled setting, and of each transaction that may still fail."""
    ledger: tuple[LedgerEntry, ...] = (SPENT,)
    settled, running, now = -inf, dict[str, float](), 0.0
    for act, number, wait in steps:
        now += wait * 1_000.0
        transaction = f"t{number}"
        if act == "set":
            ledger, settled = flags.set_flag(ledger, flag, now), now
        elif act == "start":
            ledger = flags.set_flag(ledger, flag, now, transaction)
            running[transaction] = now
        elif act == "fail":
            ledger = flags.drop_pending(ledger, flag, transaction)
            running.pop(transaction, None)
        elif act == "commit":
            ledger = flags.settle_pending(ledger, flag, transaction)
            settled = max(settled, running.pop(transaction, -inf))
        else:
            ledger, settled = flags.clear_flag(ledger, flag), -inf
            running.clear()
        newest = max(settled, *running.values(), -inf)
        assert flags.is_set(flag, ledger, now) == (now < newest + flag.expires)
        assert SPENT in ledger
