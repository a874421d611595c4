"""Attempt counters: how often a fallback may fail before its `then` applies, counted per issuer and subject.

Each fallback of a chain of `then` has attempts of its own.

An attempt to sign in is another credential that is not sufficient, so that five parallel requests with one token are
one attempt. An attempt to verify identity is a verdict other than ``passed``, counted when it arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.snapshot import AccountRecord, AttemptCount
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import Attempt
    from authguard.core.verification import Method
    from authguard.evaluation.driver import Evaluation

#: tally of verification attempts that did not pass
VERIFICATIONS: Final = "verification"
#: tally of attempts with pending verifier calls
IN_FLIGHT: Final = "in_flight"
#: time of an attempt that was refunded: no verifier has evaluated an answer to it so far
REFUNDED: Final = 0.0
#: maximum number of doublings of the back-off
MAX_BACKOFF_DOUBLINGS: Final = 10


def spend_attempts(
    evaluation: Evaluation, operation: Operation, principal: Principal, fallback: Fallback
) -> tuple[Fallback, Reason]:
    """Count the attempt of a request for the first fallback of a chain of `then` that has attempts left.

    Args:
        evaluation: of this request.
        operation: the requested operation; sign-in attempts are counted for each.
        principal: of the request.
        fallback: with `attempts`.

    Returns:
        That fallback, and why it replaces the one of the rule.
    """
    chain = follow_then(evaluation, operation, principal, fallback)
    for link in chain[:-1]:
        if link.kind is Outcome.VERIFY:
            evaluation.send("verification.exhausted", "guard")
    found = chain[-1]
    if found.attempts and found.kind is not Outcome.VERIFY:
        name = _tally_name(found, operation)
        tally = _current_tally(evaluation.snapshot.account, name, found.per, evaluation.now)
        if tally.mark != principal.fingerprint:
            since = tally.since or evaluation.now
            _store_tally(evaluation, name, AttemptCount(since, tally.count + 1, principal.fingerprint))
    return found, Reason.DECIDED if found.name == fallback.name else Reason.ATTEMPTS_SPENT


def follow_then(
    evaluation: Evaluation, operation: Operation, principal: Principal, fallback: Fallback
) -> tuple[Fallback, ...]:
    """Return the fallbacks without attempts left from a fallback on, and the one that applies; count nothing.

    Of the one that applies, only methods that can begin now are left.
    """
    chain = [fallback]
    while chain[-1].attempts and _is_exhausted(evaluation, operation, principal, chain[-1]):
        chain.append(evaluation.policy.fallbacks[chain[-1].then])
        if len(chain) > len(evaluation.policy.fallbacks):
            raise MachineFaultError(f"`then` of the fallback `{fallback.name}` forms a cycle")
    if len(chain[-1].methods) > 1:
        chain[-1] = replace(chain[-1], methods=_open_methods(evaluation, chain[-1]) or chain[-1].methods)
    return tuple(chain)


def _is_exhausted(evaluation: Evaluation, operation: Operation, principal: Principal, fallback: Fallback) -> bool:
    account = evaluation.snapshot.account
    if fallback.kind is Outcome.VERIFY:
        if not account.tallies:
            return False
        spent = _current_tally(account, VERIFICATIONS, fallback.per, evaluation.now).count >= fallback.attempts
        spent = spent or not _open_methods(evaluation, fallback)
        return spent and not has_in_flight(evaluation)  # a pending call may end as an outage, which is no attempt
    tally = _current_tally(account, _tally_name(fallback, operation), fallback.per, evaluation.now)
    return tally.count >= fallback.attempts and tally.mark != principal.fingerprint


def _open_methods(evaluation: Evaluation, fallback: Fallback) -> tuple[str, ...]:
    """Return the methods of a fallback that can begin now, or have begun in this session."""
    held, methods = evaluation.snapshot.session.attempt, evaluation.policy.methods

    def is_open(name: str) -> bool:
        has_begun = held is not None and held.method == name and is_reserved(evaluation, methods[name], held.begun)
        return has_begun or not is_spent(evaluation, methods[name], fallback)

    return tuple(name for name in fallback.methods if is_open(name))


def _tally_name(fallback: Fallback, operation: Operation) -> str:
    return f"fallback:{fallback.name}:{operation.name}"  # names contain no colon


def count_attempt(evaluation: Evaluation) -> None:
    """Count one verdict other than ``passed``."""
    _add(evaluation, VERIFICATIONS, _window(evaluation), 1)


def is_in_doubt(evaluation: Evaluation) -> bool:
    """Return whether verification attempts that did not pass count against this person now, from any session."""
    account = evaluation.snapshot.account
    return bool(account.tallies) and (
        _current_tally(account, VERIFICATIONS, _window(evaluation), evaluation.now).count > 0
    )


def reserve_attempt(evaluation: Evaluation, method: Method) -> None:
    """Count an attempt when it starts, so that parallel guesses in several sessions gain nothing."""
    _add(evaluation, VERIFICATIONS, _window(evaluation), 1)
    _add(evaluation, f"method:{method.name}", method.per or _window(evaluation), 1)


def is_reserved(evaluation: Evaluation, method: Method, begun: float) -> bool:
    """Return whether an attempt is counted in the current window.

    An attempt whose window has ended is not continued, so that attempts kept open cannot all be answered in one window.
    """
    return _is_counted(evaluation, VERIFICATIONS, _window(evaluation), begun) and _is_counted(
        evaluation, f"method:{method.name}", method.per or _window(evaluation), begun
    )


def refund_attempt(evaluation: Evaluation, method: Method, begun: float) -> None:
    """Remove an attempt from its counts, because it passed or no service answered."""
    for name, per in (
        (VERIFICATIONS, _window(evaluation)),
        (f"method:{method.name}", method.per or _window(evaluation)),
    ):
        if _is_counted(evaluation, name, per, begun):
            _add(evaluation, name, per, -1)


def record_failure(evaluation: Evaluation, method: Method, attempt: str, *, doubted: bool) -> None:
    """Store the time of a failed attempt, for the back-off, and whether it left the method in doubt."""
    count = _current_tally(
        evaluation.snapshot.account, f"method:{method.name}", method.per or _window(evaluation), evaluation.now
    ).count
    _store_tally(evaluation, f"wait:{method.name}", AttemptCount(evaluation.now, max(1, count)))
    if doubted:
        mark_in_doubt(evaluation, method, attempt)


def mark_in_doubt(evaluation: Evaluation, method: Method, attempt: str) -> None:
    """Mark a method as in doubt: no other attempt of it may begin or pass, in any session."""
    others = is_doubted_elsewhere(evaluation, method, attempt)
    _store_tally(evaluation, f"doubt:{method.name}", AttemptCount(evaluation.now, 1, "" if others else attempt))


def is_doubted_elsewhere(evaluation: Evaluation, method: Method, attempt: str) -> bool:
    """Return whether another attempt left a method in doubt: of several parallel ones, one may pass by luck."""
    tally = _current_tally(evaluation.snapshot.account, f"doubt:{method.name}", _window(evaluation), evaluation.now)
    return tally.count > 0 and tally.mark != attempt


def is_left_in_doubt(evaluation: Evaluation, method: Method) -> bool:
    """Return whether any attempt left a method in doubt, in any session."""
    return (
        _current_tally(evaluation.snapshot.account, f"doubt:{method.name}", _window(evaluation), evaluation.now).count
        > 0
    )


def is_spent(evaluation: Evaluation, method: Method, fallback: Fallback) -> bool:
    """Return whether a method cannot be tried again now: no attempts are left, or it was left in doubt.

    Another attempt of the same method does not clear a doubt (DESIGN 2), in any session.
    """
    account, now = evaluation.snapshot.account, evaluation.now
    if is_left_in_doubt(evaluation, method):
        return True
    if fallback.attempts and _current_tally(account, VERIFICATIONS, fallback.per, now).count >= fallback.attempts:
        return True
    own = _current_tally(account, f"method:{method.name}", method.per or _window(evaluation), now)
    return bool(method.attempts) and own.count >= method.attempts


def backoff_remaining(evaluation: Evaluation, method: Method) -> float:
    """Return the seconds until another attempt by this method is permitted; 0 for none."""
    tally = (evaluation.snapshot.account.tallies or {}).get(f"wait:{method.name}")
    if tally is None or not method.backoff:
        return 0.0
    return max(0.0, tally.since + method.backoff * 2.0 ** min(tally.count - 1, MAX_BACKOFF_DOUBLINGS) - evaluation.now)


def mark_in_flight(evaluation: Evaluation) -> None:
    """Count an attempt as in flight, because its answers are sent to the verifiers."""
    _add(evaluation, IN_FLIGHT, _longest(evaluation), 1, renew=True)


def clear_in_flight(evaluation: Evaluation) -> None:
    """Remove an attempt from those in flight, because its result has arrived."""
    _add(evaluation, IN_FLIGHT, _longest(evaluation), -1)


def has_in_flight(evaluation: Evaluation) -> bool:
    """Return whether answers of this person are with the verifiers now, in any session."""
    return _current_tally(evaluation.snapshot.account, IN_FLIGHT, _longest(evaluation), evaluation.now).count > 0


def is_being_verified(evaluation: Evaluation, attempt: Attempt) -> bool:
    """Return whether an attempt waits for the verifiers; after its lease it does not, since the process died."""
    lease = evaluation.policy.answer_timeouts.get(attempt.method, _longest(evaluation))
    return attempt.claimed and evaluation.now - attempt.at < lease


def _longest(evaluation: Evaluation) -> float:
    """Return the longest duration of any method, in seconds."""
    return max(evaluation.policy.answer_timeouts.values(), default=0.0)


def _window(evaluation: Evaluation) -> float:
    """Return the longest window of a `verify` fallback, in seconds."""
    windows = (item.per for item in evaluation.policy.fallbacks.values() if item.kind is Outcome.VERIFY)
    return max(windows, default=0.0)


def _current_tally(account: AccountRecord, name: str, per: float, now: float) -> AttemptCount:
    """Return the tally of the current window; an empty one if there is none."""
    tally = (account.tallies or {}).get(name)
    return tally if tally is not None and now - tally.since < per else AttemptCount(0.0, 0)


def _is_counted(evaluation: Evaluation, name: str, per: float, begun: float) -> bool:
    """Return whether an event at a given time is in the current window's tally."""
    tally = _current_tally(evaluation.snapshot.account, name, per, evaluation.now)
    return tally.count > 0 and tally.since <= begun


def _add(evaluation: Evaluation, name: str, per: float, number: int, *, renew: bool = False) -> None:
    tally = _current_tally(evaluation.snapshot.account, name, per, evaluation.now)
    since = evaluation.now if renew else tally.since or evaluation.now
    _store_tally(evaluation, name, AttemptCount(since, max(0, tally.count + number)))


def _store_tally(evaluation: Evaluation, name: str, tally: AttemptCount) -> None:
    kept = dict(evaluation.snapshot.account.tallies or {})
    if tally.count:
        kept[name] = tally
    else:
        kept.pop(name, None)
    evaluation.update_record("account", tallies=kept or None)
