"""Flags in an evaluation: their values for the cell, and their changes, each with a transition for the log.

A flag is an entry of a ledger that the evaluation has loaded, so its change is saved with the other changes, or not at
all. The polarity of a flag decides on what is not known: a payee that cannot be read has the stricter value.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from authguard.core import flags
from authguard.core.machine import Transition
from authguard.core.snapshot import EMPTY_LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.core.snapshot import Keys, LedgerEntry, Snapshot
    from authguard.evaluation.driver import Evaluation

    Ledger = tuple[LedgerEntry, ...]

#: an unproven caller meets flags that are clear
NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})
#: events of a flag in the log
SET_EVENT: Final = "set"
EXPIRED_EVENT: Final = "expired"
CLEARED_EVENT: Final = "cleared"
#: causes of a denial that are an approver's no
NO_OF_APPROVER: Final = frozenset({"approver", "operator"})


def read_values(evaluation: Evaluation, operation: Operation) -> dict[str, str]:
    """Return flag -> ``set`` or ``clear``, for a proven caller, after what time did to the flags.

    Args:
        evaluation: of the request; a payee that cannot be read has no ledger.
        operation: of the request.
    """
    catch_up(evaluation)
    return {flag.name: _read_value(evaluation, flag, operation) for flag in evaluation.policy.flags}


def _read_value(evaluation: Evaluation, flag: Flag, operation: Operation) -> str:
    ledger = _find_ledger(flag, evaluation.snapshot, evaluation.keys)
    if ledger is None:
        return flags.SET if operation.has_payee and flag.restricts else flags.CLEAR
    return flags.SET if flags.is_set(flag, ledger, evaluation.now) else flags.CLEAR


def preview_values(policy: Policy, operation: Operation, snapshot: Snapshot, keys: Keys, now: float) -> dict[str, str]:
    """Return the values for a request that is not made yet: of a payee, which it would name, the more open one.

    Args:
        policy: checked.
        operation: of the request.
        snapshot: loaded records.
        keys: of these records.
        now: epoch seconds UTC.
    """
    return {flag.name: _preview_value(flag, operation, snapshot, keys, now) for flag in policy.flags}


def _preview_value(flag: Flag, operation: Operation, snapshot: Snapshot, keys: Keys, now: float) -> str:
    if flag.by in flags.PAYEE_DIMENSIONS:
        return flags.SET if operation.has_payee and not flag.restricts else flags.CLEAR
    ledger = _find_ledger(flag, snapshot, keys) or ()
    return flags.SET if flags.is_set(flag, ledger, now) else flags.CLEAR


def next_expiry(wanted: Iterable[Flag], snapshot: Snapshot, keys: Keys, now: float) -> float:
    """Return when the first of some flags that are set expires, epoch seconds UTC; infinity for never."""
    found = [
        flags.find_expiry(flag, ledger, now)
        for flag in wanted
        if (ledger := _find_ledger(flag, snapshot, keys)) is not None
    ]
    return min([until for until in found if until], default=float("inf"))


def catch_up(evaluation: Evaluation) -> None:
    """Apply what time and the end of a transaction did to flags since the records were saved."""
    for flag in evaluation.policy.flags:
        ledger = _find_ledger(flag, evaluation.snapshot, evaluation.keys) or ()
        times = [entry.at for entry in ledger if entry.limit == flag.key]
        if times and max(times) + flag.expires <= evaluation.now:
            _store(evaluation, flag, flags.clear_flag(ledger, flag))
            _record(evaluation, flag, EXPIRED_EVENT, flags.SET, flags.CLEAR, "timer", at=max(times) + flag.expires)
    follow_transaction(evaluation)


def follow_transaction(evaluation: Evaluation) -> None:
    """Set, keep or remove the flags of what the transaction did in this evaluation."""
    setters = evaluation.policy.flag_setters
    if not setters:
        return
    name, transaction = evaluation.snapshot.transaction.operation, evaluation.keys.transaction
    for moved in tuple(evaluation.transitions):
        if moved.machine != "transaction":
            continue
        cause = f"transaction.{moved.event}"
        for flag in setters.get((flags.STARTED, name), ()):
            ledger = _find_ledger(flag, evaluation.snapshot, evaluation.keys)
            if ledger is not None and moved.event == flags.COMMITTED:
                _store(evaluation, flag, flags.settle_pending(ledger, flag, transaction))
            elif ledger is not None and moved.event == "failed":
                _change(evaluation, flag, flags.drop_pending(ledger, flag, transaction), CLEARED_EVENT, cause)
        if moved.event != "denied" or moved.cause in NO_OF_APPROVER:
            _set_all(evaluation, moved.event, name, cause)


def set_started(evaluation: Evaluation, operation: Operation, *, transaction: str) -> None:
    """Set the flags of an operation that is being admitted.

    Args:
        evaluation: of the request.
        operation: admitted.
        transaction: whose failure removes them; empty if the app's answer settles none.
    """
    if transaction and evaluation.keys.ledgers and evaluation.snapshot.transaction.ledgers != evaluation.keys.ledgers:
        evaluation.update_record("transaction", ledgers=evaluation.keys.ledgers)  # a person may settle it
    _set_all(evaluation, flags.STARTED, operation.name, "transaction.started", transaction)


def set_committed(evaluation: Evaluation, operation: Operation) -> None:
    """Set the flags of an operation without a transaction that the app answered with 2xx."""
    _set_all(evaluation, flags.COMMITTED, operation.name, "app")


def _set_all(evaluation: Evaluation, event: str, operation: str, cause: str, transaction: str = "") -> None:
    for flag in evaluation.policy.flag_setters.get((event, operation), ()):
        set_flag(evaluation, flag, cause, transaction)


def set_flag(evaluation: Evaluation, flag: Flag, cause: str, transaction: str = "") -> bool:
    """Set a flag; return whether its ledger is loaded.

    Args:
        evaluation: with the flag's ledger.
        flag: of the policy.
        cause: for the log.
        transaction: whose failure removes it; empty for none.
    """
    ledger = _find_ledger(flag, evaluation.snapshot, evaluation.keys)
    if ledger is None:
        return False
    if flags.needs_renewal(flag, ledger, evaluation.now):
        kept = flags.drop_expired(ledger, flag, evaluation.now)
        _change(evaluation, flag, flags.set_flag(kept, flag, evaluation.now, transaction), SET_EVENT, cause)
    return True


def clear_flag(evaluation: Evaluation, flag: Flag, cause: str) -> bool:
    """Clear a flag; return whether its ledger is loaded."""
    ledger = _find_ledger(flag, evaluation.snapshot, evaluation.keys)
    if ledger is None:
        return False
    _change(evaluation, flag, flags.clear_flag(ledger, flag), CLEARED_EVENT, cause)
    return True


def _change(evaluation: Evaluation, flag: Flag, after: Ledger, event: str, cause: str) -> None:
    """Store another ledger of a flag, and record it; a renewal from set to set is a change, too."""
    before = _find_ledger(flag, evaluation.snapshot, evaluation.keys) or ()
    if after == before:
        return
    _store(evaluation, flag, after)
    values = [flags.SET if flags.is_set(flag, one, evaluation.now) else flags.CLEAR for one in (before, after)]
    _record(evaluation, flag, event, values[0], values[1], cause)


def _record(  # noqa: PLR0917 - the parts of one transition
    evaluation: Evaluation, flag: Flag, event: str, source: str, dest: str, cause: str, *, at: float | None = None
) -> None:
    at = evaluation.now if at is None else at
    evaluation.transitions.append(Transition(flag.name, event, source, dest, at, cause))


def _find_ledger(flag: Flag, snapshot: Snapshot, keys: Keys) -> Ledger | None:
    """Return the loaded ledger of a flag; ``None`` if none is loaded, since its owner is not known."""
    if flag.by == flags.SUBJECT:
        return snapshot.account.ledger if keys.account else None
    if flag.by == flags.SESSION:
        return snapshot.session.ledger if keys.session else None
    key = next((key for by, key in keys.ledgers if by == flag.by), None)
    return None if key is None else snapshot.ledgers.get(key, EMPTY_LEDGER).ledger


def _store(evaluation: Evaluation, flag: Flag, ledger: Ledger) -> None:
    if ledger == _find_ledger(flag, evaluation.snapshot, evaluation.keys):
        return
    if flag.by in flags.PAYEE_DIMENSIONS:
        evaluation.update_ledger(next(key for by, key in evaluation.keys.ledgers if by == flag.by), ledger)
    else:
        evaluation.update_record("account" if flag.by == flags.SUBJECT else "session", ledger=ledger)
