"""Attempts: how often a fallback may be answered in vain before its `then`, counted per issuer and subject.

An attempt to sign in is another credential that is still not enough, so that five requests in parallel with one token
are one attempt. An attempt to prove identity is a verdict that was no pass, counted when it comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.snapshot import AccountRecord, AttemptCount

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import Attempt
    from authguard.core.verification import Method
    from authguard.runtime.evaluation import Evaluation

#: the tally of verification verdicts that were no pass
VERIFICATIONS: Final = "verification"
#: the tally of attempts whose answers are with the verifiers
IN_FLIGHT: Final = "in_flight"
#: when an attempt was counted that is counted no more: no verifier has judged an answer to it so far
REFUNDED: Final = 0.0
#: the back-off doubles so often at the most
MAX_BACKOFF_DOUBLINGS: Final = 10


def spend_attempts(
    evaluation: Evaluation, operation: Operation, principal: Principal, fallback: Fallback
) -> tuple[Fallback, Reason]:
    """Count the attempt that a request is, and take the fallback's `then` once they have run out.

    Args:
        evaluation: of this request.
        operation: what is asked; attempts to sign in are counted for each.
        principal: who asks.
        fallback: with `attempts`.
    """
    account = evaluation.snapshot.account
    if fallback.kind is Outcome.VERIFY:
        spent = _current_tally(account, VERIFICATIONS, fallback.per, evaluation.now).count >= fallback.attempts
        spent = spent and not has_in_flight(
            evaluation
        )  # what is still asked may turn out to be an outage: nobody's attempt
        if spent:
            evaluation.send("verification.exhausted", "guard")
    else:
        name = f"fallback:{fallback.name}:{operation.name}"  # no name holds a colon
        tally = _current_tally(account, name, fallback.per, evaluation.now)
        again = tally.mark == principal.fingerprint
        spent = tally.count >= fallback.attempts and not again
        if not spent and not again:
            _store_tally(
                evaluation, name, AttemptCount(tally.since or evaluation.now, tally.count + 1, principal.fingerprint)
            )
    if not spent:
        return fallback, Reason.DECIDED
    return evaluation.policy.fallbacks[fallback.then], Reason.ATTEMPTS_SPENT


def count_attempt(evaluation: Evaluation) -> None:
    """Count one verdict that was no pass."""
    _add(evaluation, VERIFICATIONS, _window(evaluation), 1)


def is_in_doubt(evaluation: Evaluation) -> bool:
    """Whether verdicts that were no pass count against this person now, in whichever session they came in."""
    return _current_tally(evaluation.snapshot.account, VERIFICATIONS, _window(evaluation), evaluation.now).count > 0


def reserve_attempt(evaluation: Evaluation, method: Method) -> None:
    """Count an attempt when it starts, so that guessing in parallel, in whichever session, gains nothing."""
    _add(evaluation, VERIFICATIONS, _window(evaluation), 1)
    _add(evaluation, f"method:{method.name}", method.per or _window(evaluation), 1)


def is_reserved(evaluation: Evaluation, method: Method, begun: float) -> bool:
    """Whether an attempt is counted in the window that runs now.

    One whose window is over goes on no more: attempts that were kept open would else all be answered in one window.
    """
    return _is_counted(evaluation, VERIFICATIONS, _window(evaluation), begun) and _is_counted(
        evaluation, f"method:{method.name}", method.per or _window(evaluation), begun
    )


def refund_attempt(evaluation: Evaluation, method: Method, begun: float) -> None:
    """Take an attempt that passed, or that no service answered, off the counts that it is in: it was none in vain."""
    for name, per in (
        (VERIFICATIONS, _window(evaluation)),
        (f"method:{method.name}", method.per or _window(evaluation)),
    ):
        if _is_counted(evaluation, name, per, begun):
            _add(evaluation, name, per, -1)


def record_failure(evaluation: Evaluation, method: Method, attempt: str, *, doubted: bool) -> None:
    """Remember an attempt in vain: when it was, for the back-off; and whether it left the method itself in doubt."""
    count = _current_tally(
        evaluation.snapshot.account, f"method:{method.name}", method.per or _window(evaluation), evaluation.now
    ).count
    _store_tally(evaluation, f"wait:{method.name}", AttemptCount(evaluation.now, max(1, count)))
    if doubted:
        mark_in_doubt(evaluation, method, attempt)


def mark_in_doubt(evaluation: Evaluation, method: Method, attempt: str) -> None:
    """Let no other attempt of a method begin, nor pass that is under way, in whichever session."""
    others = is_doubted_elsewhere(evaluation, method, attempt)
    _store_tally(evaluation, f"doubt:{method.name}", AttemptCount(evaluation.now, 1, "" if others else attempt))


def is_doubted_elsewhere(evaluation: Evaluation, method: Method, attempt: str) -> bool:
    """Whether another attempt left a method in doubt: of several at once, in many sessions, one may pass by luck."""
    tally = _current_tally(evaluation.snapshot.account, f"doubt:{method.name}", _window(evaluation), evaluation.now)
    return tally.count > 0 and tally.mark != attempt


def is_left_in_doubt(evaluation: Evaluation, method: Method) -> bool:
    """Whether some attempt left a method in doubt, in whichever session."""
    return (
        _current_tally(evaluation.snapshot.account, f"doubt:{method.name}", _window(evaluation), evaluation.now).count
        > 0
    )


def is_spent(evaluation: Evaluation, method: Method, fallback: Fallback) -> bool:
    """Whether a method cannot be tried again now: its attempts or the fallback's ran out, or it was left in doubt.

    Doubt is not laundered by another attempt of the same method (DESIGN 2), in whichever session.
    """
    account, now = evaluation.snapshot.account, evaluation.now
    if is_left_in_doubt(evaluation, method):
        return True
    if fallback.attempts and _current_tally(account, VERIFICATIONS, fallback.per, now).count >= fallback.attempts:
        return True
    own = _current_tally(account, f"method:{method.name}", method.per or _window(evaluation), now)
    return bool(method.attempts) and own.count >= method.attempts


def backoff_remaining(evaluation: Evaluation, method: Method) -> float:
    """Give the seconds that are still to be waited before another attempt by this method; 0 for none."""
    tally = (evaluation.snapshot.account.tallies or {}).get(f"wait:{method.name}")
    if tally is None or not method.backoff:
        return 0.0
    return max(0.0, tally.since + method.backoff * 2.0 ** min(tally.count - 1, MAX_BACKOFF_DOUBLINGS) - evaluation.now)


def mark_in_flight(evaluation: Evaluation) -> None:
    """Count an attempt whose answers go to the verifiers now."""
    _add(evaluation, IN_FLIGHT, _longest(evaluation), 1, renew=True)


def clear_in_flight(evaluation: Evaluation) -> None:
    """Count it off: its answer is here."""
    _add(evaluation, IN_FLIGHT, _longest(evaluation), -1)


def has_in_flight(evaluation: Evaluation) -> bool:
    """Whether answers of this person are with the verifiers now, in whichever session: what they give is not known."""
    return _current_tally(evaluation.snapshot.account, IN_FLIGHT, _longest(evaluation), evaluation.now).count > 0


def is_being_verified(evaluation: Evaluation, attempt: Attempt) -> bool:
    """Whether the answers of an attempt are with the verifiers still; one that never came (the process died) is not."""
    lease = evaluation.policy.answer_timeouts.get(attempt.method, _longest(evaluation))
    return attempt.claimed and evaluation.now - attempt.at < lease


def _longest(evaluation: Evaluation) -> float:
    """Give the seconds that the slowest method takes at the worst."""
    return max(evaluation.policy.answer_timeouts.values(), default=0.0)


def _window(evaluation: Evaluation) -> float:
    """Give the longest window, seconds, that a `verify` fallback asks for."""
    windows = (item.per for item in evaluation.policy.fallbacks.values() if item.kind is Outcome.VERIFY)
    return max(windows, default=0.0)


def _current_tally(account: AccountRecord, name: str, per: float, now: float) -> AttemptCount:
    """Give the tally of the running window; an empty one where none runs."""
    tally = (account.tallies or {}).get(name)
    return tally if tally is not None and now - tally.since < per else AttemptCount(0.0, 0)


def _is_counted(evaluation: Evaluation, name: str, per: float, begun: float) -> bool:
    """Whether what was counted at a moment is in the running window's tally."""
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
