"""At most so many requests of one account are decided at the same time; other accounts and nobody are not counted."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.runtime.bulkhead import AccountBulkhead
from tests.support.harness import signed_in

NOW = 1_800_000_000.0
ANNA = signed_in("anna", at=NOW)
#: another session of the same account
ANNA_TOO = signed_in("anna", at=NOW, sid="s2")
BOB = signed_in("bob", at=NOW)
NOBODY = NotProven("missing", Reason.CREDENTIAL_MISSING)


def test_an_account_gets_its_slots_and_no_more_in_any_session() -> None:
    bulkhead = AccountBulkhead(2)
    with ExitStack() as stack:
        assert stack.enter_context(bulkhead.slot(ANNA))
        assert stack.enter_context(bulkhead.slot(ANNA_TOO))
        assert not stack.enter_context(bulkhead.slot(ANNA))
        assert stack.enter_context(bulkhead.slot(BOB)), "another account is not delayed"


def test_a_slot_is_free_again_after_its_request_also_after_an_error() -> None:
    bulkhead = AccountBulkhead(1)
    with pytest.raises(LookupError), bulkhead.slot(ANNA):
        raise LookupError
    with bulkhead.slot(ANNA) as free:
        assert free


def test_a_refused_request_gives_no_slot_back() -> None:
    bulkhead = AccountBulkhead(1)
    with bulkhead.slot(ANNA):
        with bulkhead.slot(ANNA) as free:
            assert not free
        with bulkhead.slot(ANNA) as free:
            assert not free, "the first one is still under way"


def test_requests_without_a_proven_credential_are_not_counted() -> None:
    bulkhead = AccountBulkhead(1)
    with ExitStack() as stack:
        assert all(stack.enter_context(bulkhead.slot(NOBODY)) for _ in range(5))


def test_nothing_is_kept_of_accounts_without_a_request() -> None:
    bulkhead = AccountBulkhead(3)
    size = sys.getsizeof(bulkhead._counts)
    for number in range(1_000):
        with bulkhead.slot(signed_in(f"customer-{number}", at=NOW)):
            pass

    assert not bulkhead._counts
    assert sys.getsizeof(bulkhead._counts) <= size + 1_024
