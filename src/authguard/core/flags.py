"""Flags: facts that the guard remembers for a time, stored as entries of the ledger that counts by the same dimension.

Rules of this file:
- Pure: a ledger in, a ledger out. No entry of a limit is changed.
- A flag is set until exactly `Flag.expires` after its last setting; setting it again restarts the time.
- A ledger has at most one settled entry for a flag, and one for each transaction that may still fail.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import force_setattr

from authguard.core.snapshot import LedgerEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authguard.core.request import Operation

    Ledger = tuple[LedgerEntry, ...]

#: values of a flag's dimension
CLEAR: Final = "clear"
SET: Final = "set"
VALUES: Final = (CLEAR, SET)

#: start of the name of a flag's ledger entries; names of limits contain no colon
ENTRY_PREFIX: Final = "flag:"
#: dimensions of flags: of the caller's account, of the session, of everyone, and of the account
SUBJECT: Final = "subject"
SESSION: Final = "session"
PAYEE: Final = "payee"
SUBJECT_PAYEE: Final = "subject+payee"
#: dimensions with a ledger record of their own
PAYEE_DIMENSIONS: Final = frozenset({PAYEE, SUBJECT_PAYEE})
#: entries of one flag of transactions that may still fail; a further one settles the oldest
MAX_PENDING: Final = 8
#: a set flag that permits is written again once this part of its time has passed
RENEWALS: Final = 10

#: events of a transaction that may set a flag
STARTED: Final = "started"
COMMITTED: Final = "committed"
FLAG_EVENTS: Final = (STARTED, COMMITTED, "failed", "lapsed", "denied")


class FlagSetter(Struct, frozen=True, kw_only=True):
    """What sets a flag: an event of operations, the app, or a person with a role.

    Attributes:
        operations: names of operations or groups; empty for another kind.
        event: one of `FLAG_EVENTS`; empty for another kind.
        app: whether the app reports it.
        role: of a person; empty for another kind.
    """

    operations: tuple[str, ...] = ()
    event: str = ""
    app: bool = False
    role: str = ""


class Flag(Struct, frozen=True, kw_only=True):
    """One flag of a policy.

    Attributes:
        name: unique within the policy; also the name of its dimension.
        by: ``subject``, ``session``, ``payee`` or ``subject+payee``.
        expires: seconds from its last setting; infinite for never.
        set_by: what sets it.
        cleared_by: roles that may clear it.
        restricts: whether no answer opens when it is set; the checks compute it. A flag that does not, permits.
        key: name of its ledger entries, derived.
    """

    name: str
    by: str = SUBJECT
    expires: float = inf
    set_by: tuple[FlagSetter, ...] = ()
    cleared_by: tuple[str, ...] = ()
    restricts: bool = True
    key: str = ""

    def __post_init__(self) -> None:
        """Derive the name of its entries."""
        force_setattr(self, "key", ENTRY_PREFIX + self.name)

    @property
    def setting_roles(self) -> frozenset[str]:
        """Roles that may set it."""
        return frozenset(one.role for one in self.set_by if one.role)

    @property
    def is_set_by_app(self) -> bool:
        """Whether the app may set it."""
        return any(one.app for one in self.set_by)

    def is_set_on(self, event: str, operation: Operation) -> bool:
        """Return whether an event of an operation sets it.

        Args:
            event: one of `FLAG_EVENTS`.
            operation: of the policy, with its groups.
        """
        names = {operation.name, *operation.groups}
        return any(one.event == event and not names.isdisjoint(one.operations) for one in self.set_by)


def find_expiry(flag: Flag, ledger: Iterable[LedgerEntry], now: float) -> float:
    """Return when a flag expires, epoch seconds UTC: infinity for never, 0 if it is not set now."""
    newest = max([entry.at for entry in ledger if entry.limit == flag.key], default=-inf)
    until = newest + flag.expires
    return until if now < until else 0.0


def is_set(flag: Flag, ledger: Iterable[LedgerEntry], now: float) -> bool:
    """Return whether a flag is set."""
    return find_expiry(flag, ledger, now) > 0


def needs_renewal(flag: Flag, ledger: Ledger, now: float) -> bool:
    """Return whether setting a flag changes its ledger: one that permits is not written again at once."""
    until = find_expiry(flag, ledger, now)
    if flag.restricts or not until:
        return True
    return until < inf and now >= until - flag.expires + flag.expires / RENEWALS


def set_flag(ledger: Ledger, flag: Flag, now: float, transaction: str = "") -> Ledger:
    """Set a flag from now on.

    Args:
        ledger: of the flag's dimension.
        flag: to set.
        now: epoch seconds UTC. A clock that stepped back shortens no time.
        transaction: that may still fail, so that `drop_pending` can undo it; empty for none.
    """
    same = [entry for entry in ledger if entry.limit == flag.key and entry.transaction == transaction]
    at = max([now, *(entry.at for entry in same)])
    if len(same) == 1 and same[0].at == at:
        return ledger
    kept = tuple([entry for entry in ledger if entry not in same])
    # the end is stated for a flag that never expires, so that no sweep deletes its record
    entry = LedgerEntry(flag.key, at, "", transaction, inf if flag.expires == inf else 0.0)
    return _bound_pending((*kept, entry), flag)


def _bound_pending(ledger: Ledger, flag: Flag) -> Ledger:
    pending = [entry for entry in ledger if entry.limit == flag.key and entry.transaction]
    if len(pending) <= MAX_PENDING:
        return ledger
    oldest = min(pending, key=lambda entry: entry.at)
    return settle_pending(ledger, flag, oldest.transaction)


def clear_flag(ledger: Ledger, flag: Flag) -> Ledger:
    """Clear a flag, also where it was set by a transaction that still runs."""
    return tuple([entry for entry in ledger if entry.limit != flag.key])


def settle_pending(ledger: Ledger, flag: Flag, transaction: str) -> Ledger:
    """Keep what a transaction set, with its time, because it can no longer fail."""
    mine = [entry for entry in ledger if entry.limit == flag.key and entry.transaction == transaction]
    kept = tuple([entry for entry in ledger if entry not in mine])
    return set_flag(kept, flag, mine[0].at) if mine and transaction else ledger


def drop_pending(ledger: Ledger, flag: Flag, transaction: str) -> Ledger:
    """Remove what a transaction set, because it had no effect."""
    return tuple([entry for entry in ledger if entry.limit != flag.key or entry.transaction != transaction])


def drop_expired(ledger: Ledger, flag: Flag, now: float) -> Ledger:
    """Remove the entries of a flag whose time has passed."""
    kept = tuple([entry for entry in ledger if entry.limit != flag.key or now < entry.at + flag.expires])
    return ledger if len(kept) == len(ledger) else kept
