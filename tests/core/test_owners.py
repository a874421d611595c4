"""Every pair of machines has an owner of what one raises in the other, or is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES, VOCABULARY, Event
from authguard.core.owners import TOGETHER, Owner, deliver, find_owner, is_concerned, is_loaded
from authguard.core.snapshot import (
    AccountRecord,
    Attempt,
    Keys,
    ServiceRecord,
    SessionRecord,
    Snapshot,
    TransactionRecord,
)
from authguard.errors import MachineFaultError, OwnerAbsentError

NOW = 1_000.0
KEYS = Keys(account=b"alice", session=b"phone")
STATES = ("unknown", "normal", "restricted")


def stored(**records: Any) -> Snapshot:
    """Give records of one signed-in session."""
    known = {
        "service": ServiceRecord("live", 1.0),
        "account": AccountRecord("normal", 1.0),
        "session": SessionRecord("active", NOW, signed_in=NOW, verification="verified", verification_entered=NOW),
        "transaction": TransactionRecord("held", NOW, account=b"alice", session=b"phone", version=1),
    }
    return Snapshot(**{**known, **records})


def raised(name: str, raiser: str, snapshot: Snapshot, keys: Keys = KEYS, at: float = NOW, **how: bool) -> Any:
    return deliver(snapshot, Event(name=name, at=at, cause="test"), raiser, keys, STATES, **how)


def test_every_pair_of_machines_has_an_owner_or_is_refused() -> None:
    found = {
        (raiser, into): {find_owner(raiser, f"{into}.{trigger}") for trigger in VOCABULARY[into]}
        for raiser, into in product(MACHINES, MACHINES)
    }
    refused = {pair for pair, owners in found.items() if owners == {Owner.NONE}}
    assert refused == {
        *(("service", into) for into in MACHINES if into != "service"),
        *(("account", "transaction"), ("session", "transaction"), ("verification", "transaction")),
    }
    partly = {pair for pair, owners in found.items() if len(owners) > 1}
    assert partly == {("account", "session"), ("account", "verification")}
    assert find_owner("account", "session.revoked") is find_owner("account", "verification.moved") is Owner.SESSIONS
    assert find_owner("account", "session.ended") is find_owner("account", "verification.failed") is Owner.NONE


@pytest.mark.parametrize(
    ("owner", "raiser", "keys", "loaded"),
    [
        (Owner.ACCOUNT, "transaction", KEYS, True),
        (Owner.ACCOUNT, "transaction", Keys(account=b"boss", session=b"desk"), False),
        (Owner.ACCOUNT, "session", Keys(session=b"phone"), False),
        (Owner.SESSION, "transaction", KEYS, True),
        (Owner.SESSION, "transaction", Keys(account=b"alice", session=b"tablet"), False),
        (Owner.SESSION, "transaction", Keys(account=b"alice"), False),
        (Owner.SERVICE, "account", Keys(), True),
    ],
)
def test_a_record_is_loaded_only_if_it_is_the_owners(owner: Owner, raiser: str, keys: Keys, loaded: object) -> None:
    assert is_loaded(owner, raiser, stored(), keys) is loaded


def test_an_event_of_a_record_that_is_not_loaded_is_an_error_and_left_out_of_previews() -> None:
    boss = Keys(account=b"boss", session=b"desk")
    with pytest.raises(OwnerAbsentError, match="not loaded"):
        raised("account.restricted", "transaction", stored(), boss)
    assert raised("account.restricted", "transaction", stored(), boss, drops=True) == (stored(), None)


def test_an_event_without_an_owner_is_an_error() -> None:
    with pytest.raises(MachineFaultError, match="belongs to no record"):
        raised("session.revoked", "service", stored(), TOGETHER)


def test_an_account_leaves_its_event_for_the_sessions_that_are_not_loaded() -> None:
    after, event = raised("session.revoked", "account", stored())
    assert (after.account.not_before, event.name) == (NOW, "session.revoked")
    after, event = raised("session.revoked", "account", stored(), Keys(account=b"alice"))
    assert (after.account.not_before, event) == (NOW, None)
    after, event = raised("verification.moved", "account", stored())
    assert (after.account.voided, after.session.voided, event.name) == (NOW, NOW, "verification.moved")


def test_a_session_from_after_the_event_is_not_concerned() -> None:
    later = stored(
        session=SessionRecord("active", NOW + 1, signed_in=NOW + 1, verification_entered=NOW + 1),
    )
    blank = stored(session=SessionRecord("absent"))
    for name in ("session.revoked", "verification.moved"):
        assert is_concerned(name, stored(), NOW)
        assert not is_concerned(name, later, NOW)
        assert not is_concerned(name, blank, NOW)
        assert raised(name, "account", later)[1] is None
    old = replace(later.session, signed_in=NOW - 1)
    assert is_concerned("session.revoked", stored(session=old), NOW), "the sign-in is from before"


def test_a_raised_report_sets_its_moment_and_counts_only_after_a_reinstatement() -> None:
    _, event = raised("account.restricted", "session", stored())
    assert event.moments == (("reported", NOW),)
    decided = stored(account=AccountRecord("normal", 1.0, decided=NOW))
    assert raised("account.restricted", "session", decided)[1] is None
    assert raised("account.restricted", "session", decided, at=NOW + 1)[1] is not None
    assert raised("service.impaired", "session", stored())[1].moments == (("faulted", NOW),)


def test_an_event_that_is_raised_late_does_not_date_back_the_other_record() -> None:
    entered = stored(account=AccountRecord("normal", NOW + 50))
    assert raised("account.restricted", "session", entered)[1].at == NOW + 50


def test_a_pending_attempt_does_not_outlive_an_event_of_another_record() -> None:
    pending = stored(session=replace(stored().session, attempt=Attempt("a", "default", NOW)))
    assert raised("verification.moved", "transaction", pending)[0].session.attempt is None
    assert raised("verification.moved", "account", pending)[0].session.attempt is None
    assert raised("verification.moved", "session", pending)[0].session.attempt is not None
