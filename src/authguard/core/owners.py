"""Owners of raised events: the record that an event moves when a transition of another machine raises it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.events import RAISED_MOMENTS, Event
from authguard.core.snapshot import STATE_FIELDS, Keys
from authguard.errors import MachineFaultError, OwnerAbsentError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from authguard.core.snapshot import Snapshot


class Owner(StrEnum):
    """The record that a raised event moves."""

    #: the record of the machine that raises; session and verification share one
    SAME = "same"
    #: the one record of the service
    SERVICE = "service"
    #: the account of the session, or the account that requested the transaction
    ACCOUNT = "account"
    #: the session that requested the transaction
    SESSION = "session"
    #: every session of the account, also sessions that this deployment has not seen
    SESSIONS = "sessions"
    #: nobody's: the raising record does not determine one
    NONE = "none"


#: (machine that raises, machine that is raised into) -> owner; all other pairs have none
_OWNERS: Final[Mapping[tuple[str, str], Owner]] = {
    ("service", "service"): Owner.SAME,
    ("account", "account"): Owner.SAME,
    ("session", "session"): Owner.SAME,
    ("session", "verification"): Owner.SAME,
    ("verification", "session"): Owner.SAME,
    ("verification", "verification"): Owner.SAME,
    ("transaction", "transaction"): Owner.SAME,
    ("account", "service"): Owner.SERVICE,
    ("session", "service"): Owner.SERVICE,
    ("verification", "service"): Owner.SERVICE,
    ("transaction", "service"): Owner.SERVICE,
    ("session", "account"): Owner.ACCOUNT,
    ("verification", "account"): Owner.ACCOUNT,
    ("transaction", "account"): Owner.ACCOUNT,
    ("transaction", "session"): Owner.SESSION,
    ("transaction", "verification"): Owner.SESSION,
}

#: events that an account may raise in all of its sessions -> field of the account's record with the time of the last
#: one; a session that is not loaded applies it when it is loaded next
BROADCAST_FIELDS: Final[Mapping[str, str]] = {"session.revoked": "not_before", "verification.moved": "voided"}

#: keys of records that all belong to one account and one session, outside of any store
TOGETHER: Final = Keys(account=b"account", session=b"session")


def find_owner(raiser: str, event: str) -> Owner:
    """Return which record a raised event moves.

    Args:
        raiser: the machine whose transition raises it.
        event: ``machine.trigger``.
    """
    if raiser == "account" and event in BROADCAST_FIELDS:
        return Owner.SESSIONS
    return _OWNERS.get((raiser, event.partition(".")[0]), Owner.NONE)


def is_loaded(owner: Owner, raiser: str, snapshot: Snapshot, keys: Keys) -> bool:
    """Return whether the owner's record is the one in the snapshot.

    Args:
        owner: from `find_owner`; not `Owner.NONE`.
        raiser: the machine whose transition raises the event.
        snapshot: the loaded records.
        keys: of these records.
    """
    record = snapshot.transaction
    match owner:
        case Owner.ACCOUNT:
            # a transaction without an account is not stored yet: it is that of the loaded account
            return bool(keys.account) and (raiser != "transaction" or record.account in {b"", keys.account})
        case Owner.SESSION:
            return bool(keys.session) and record.session in {b"", keys.session}
        case _:
            return True


def is_concerned(event: str, snapshot: Snapshot, at: float) -> bool:
    """Return whether an event that the account raises in all of its sessions concerns the loaded session.

    A session that never moved is no session of the account yet. One that began, or proved identity, only after the
    event is not concerned.

    Args:
        event: one of `BROADCAST_FIELDS`.
        snapshot: the loaded records.
        at: time of the event, epoch seconds UTC.
    """
    session = snapshot.session
    if not session.entered:
        return False
    if event == "verification.moved":
        return session.verification_entered <= at
    return session.entered <= at or session.signed_in <= at


def deliver(
    snapshot: Snapshot, event: Event, raiser: str, keys: Keys, account_states: Container[str], *, drops: bool = False
) -> tuple[Snapshot, Event | None]:
    """Address a raised event to the record of its owner.

    Args:
        snapshot: the loaded records.
        event: as raised, with the time of the event that raised it.
        raiser: the machine whose transition raises it.
        keys: of the loaded records.
        account_states: states of the account machine: an event of such a name is a report.
        drops: whether an event of a record that is not loaded is left out; otherwise it is an error.

    Returns:
        The records with what the event leaves for records that are not loaded, and the event for the loaded record;
        None if it does not concern that record.

    Raises:
        OwnerAbsentError: the owner's record is not loaded.
        MachineFaultError: the event has no owner.
    """
    owner = find_owner(raiser, event.name)
    if owner is Owner.SAME:
        return snapshot, event
    if owner is Owner.NONE:
        raise MachineFaultError(f"`{event.name}`, raised by machine `{raiser}`, belongs to no record")
    if not is_loaded(owner, raiser, snapshot, keys):
        if drops:
            return snapshot, None
        raise OwnerAbsentError(f"`{event.name}`, raised by machine `{raiser}`, belongs to a record that is not loaded")
    if owner is Owner.SESSIONS:
        concerned = bool(keys.session) and is_concerned(event.name, snapshot, event.at)
        snapshot = _broadcast(snapshot, event, keys)
        if not concerned:
            return snapshot, None
    if event.name.startswith("verification.") and snapshot.session.attempt is not None:
        snapshot = replace(snapshot, session=replace(snapshot.session, attempt=None))  # it no longer applies
    return snapshot, _date(snapshot, event, account_states)


def _broadcast(snapshot: Snapshot, event: Event, keys: Keys) -> Snapshot:
    """Store an event for all sessions of the account; the loaded one has applied it then."""
    field = BROADCAST_FIELDS[event.name]
    latest = max(getattr(snapshot.account, field), event.at)
    snapshot = replace(snapshot, account=replace(snapshot.account, **{field: latest}))
    if field == "voided" and keys.session and snapshot.session.entered:
        snapshot = replace(snapshot, session=replace(snapshot.session, voided=latest))
    return snapshot


def _date(snapshot: Snapshot, event: Event, account_states: Container[str]) -> Event | None:
    """Return an event with its moments; None if a person has reinstated the account since."""
    machine, _, trigger = event.name.partition(".")
    moment = RAISED_MOMENTS.get(event.name, "")
    if machine == "account" and trigger in account_states:
        if event.at <= snapshot.account.decided:
            return None
        moment = "reported"
    # an event that a timer raises late does not date back what the other record has entered meanwhile
    record, _, entered = STATE_FIELDS[machine]
    at = max(event.at, getattr(getattr(snapshot, record), entered))
    return replace(event, at=at, moments=((moment, at),) if moment else ())
