"""Attempts: how often a fallback may be answered in vain before its `then`, counted per issuer and subject.

An attempt to sign in is another credential that is still not enough, so that five requests in parallel with one token
are one attempt. An attempt to prove identity is a verdict that was no pass, counted when it comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.snapshot import AccountRecord, Tally

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import Attempt
    from authguard.core.verification import Method
    from authguard.runtime.evaluation import Evaluation

#: the tally of verification verdicts that were no pass
VERIFICATIONS: Final = "verification"
#: the tally of attempts whose answers are with the verifiers
FLYING: Final = "flying"
#: when an attempt was counted that is counted no more: no verifier has judged an answer to it so far
GIVEN_BACK: Final = 0.0
#: the back-off doubles so often at the most
DOUBLINGS: Final = 10


def spend_attempts(
    walk: Evaluation, operation: Operation, principal: Principal, fallback: Fallback
) -> tuple[Fallback, Reason]:
    """Count the attempt that a request is, and take the fallback's `then` once they have run out.

    Args:
        walk: of this request.
        operation: what is asked; attempts to sign in are counted for each.
        principal: who asks.
        fallback: with `attempts`.
    """
    account = walk.snapshot.account
    if fallback.kind is Outcome.VERIFY:
        spent = _current(account, VERIFICATIONS, fallback.per, walk.now).count >= fallback.attempts
        spent = spent and not is_flying(walk)  # what is still asked may turn out to be an outage: nobody's attempt
        if spent:
            walk.happen("verification.exhausted", "guard")
    else:
        name = f"fallback:{fallback.name}:{operation.name}"  # no name holds a colon
        tally = _current(account, name, fallback.per, walk.now)
        again = tally.mark == principal.fingerprint
        spent = tally.count >= fallback.attempts and not again
        if not spent and not again:
            _keep(walk, name, Tally(tally.since or walk.now, tally.count + 1, principal.fingerprint))
    if not spent:
        return fallback, Reason.DECIDED
    return walk.policy.fallbacks[fallback.then], Reason.ATTEMPTS_SPENT


def count_attempt(walk: Evaluation) -> None:
    """Count one verdict that was no pass."""
    _add(walk, VERIFICATIONS, _window(walk), 1)


def is_in_doubt(walk: Evaluation) -> bool:
    """Whether verdicts that were no pass count against this person now, in whichever session they came in."""
    return _current(walk.snapshot.account, VERIFICATIONS, _window(walk), walk.now).count > 0


def reserve_attempt(walk: Evaluation, method: Method) -> None:
    """Count an attempt when it starts, so that guessing in parallel, in whichever session, gains nothing."""
    _add(walk, VERIFICATIONS, _window(walk), 1)
    _add(walk, f"method:{method.name}", method.per or _window(walk), 1)


def is_reserved(walk: Evaluation, method: Method, begun: float) -> bool:
    """Whether an attempt is counted in the window that runs now.

    One whose window is over goes on no more: attempts that were kept open would else all be answered in one window.
    """
    return _counts(walk, VERIFICATIONS, _window(walk), begun) and _counts(
        walk, f"method:{method.name}", method.per or _window(walk), begun
    )


def give_back(walk: Evaluation, method: Method, begun: float) -> None:
    """Take an attempt that passed, or that no service answered, off the counts that it is in: it was none in vain."""
    for name, per in ((VERIFICATIONS, _window(walk)), (f"method:{method.name}", method.per or _window(walk))):
        if _counts(walk, name, per, begun):
            _add(walk, name, per, -1)


def in_vain(walk: Evaluation, method: Method, attempt: str, *, doubted: bool) -> None:
    """Remember an attempt in vain: when it was, for the back-off; and whether it left the method itself in doubt."""
    count = _current(walk.snapshot.account, f"method:{method.name}", method.per or _window(walk), walk.now).count
    _keep(walk, f"wait:{method.name}", Tally(walk.now, max(1, count)))
    if doubted:
        leave_in_doubt(walk, method, attempt)


def leave_in_doubt(walk: Evaluation, method: Method, attempt: str) -> None:
    """Let no other attempt of a method begin, nor pass that is under way, in whichever session."""
    others = is_doubted_elsewhere(walk, method, attempt)
    _keep(walk, f"doubt:{method.name}", Tally(walk.now, 1, "" if others else attempt))


def is_doubted_elsewhere(walk: Evaluation, method: Method, attempt: str) -> bool:
    """Whether another attempt left a method in doubt: of several at once, in many sessions, one may pass by luck."""
    tally = _current(walk.snapshot.account, f"doubt:{method.name}", _window(walk), walk.now)
    return tally.count > 0 and tally.mark != attempt


def is_left_in_doubt(walk: Evaluation, method: Method) -> bool:
    """Whether some attempt left a method in doubt, in whichever session."""
    return _current(walk.snapshot.account, f"doubt:{method.name}", _window(walk), walk.now).count > 0


def is_spent(walk: Evaluation, method: Method, fallback: Fallback) -> bool:
    """Whether a method cannot be tried again now: its attempts or the fallback's ran out, or it was left in doubt.

    Doubt is not laundered by another attempt of the same method (DESIGN 2), in whichever session.
    """
    account, now = walk.snapshot.account, walk.now
    if is_left_in_doubt(walk, method):
        return True
    if fallback.attempts and _current(account, VERIFICATIONS, fallback.per, now).count >= fallback.attempts:
        return True
    own = _current(account, f"method:{method.name}", method.per or _window(walk), now)
    return bool(method.attempts) and own.count >= method.attempts


def wait_for(walk: Evaluation, method: Method) -> float:
    """Give the seconds that are still to be waited before another attempt by this method; 0 for none."""
    tally = (walk.snapshot.account.tallies or {}).get(f"wait:{method.name}")
    if tally is None or not method.backoff:
        return 0.0
    return max(0.0, tally.since + method.backoff * 2.0 ** min(tally.count - 1, DOUBLINGS) - walk.now)


def take_off(walk: Evaluation) -> None:
    """Count an attempt whose answers go to the verifiers now."""
    _add(walk, FLYING, _longest(walk), 1, renew=True)


def land(walk: Evaluation) -> None:
    """Count it off: its answer is here."""
    _add(walk, FLYING, _longest(walk), -1)


def is_flying(walk: Evaluation) -> bool:
    """Whether answers of this person are with the verifiers now, in whichever session: what they give is not known."""
    return _current(walk.snapshot.account, FLYING, _longest(walk), walk.now).count > 0


def is_waited_for(walk: Evaluation, attempt: Attempt) -> bool:
    """Whether the answers of an attempt are with the verifiers still; one that never came (the process died) is not."""
    lease = walk.policy.leases.get(attempt.method, _longest(walk))
    return attempt.claimed and walk.now - attempt.at < lease


def _longest(walk: Evaluation) -> float:
    """Give the seconds that the slowest method takes at the worst."""
    return max(walk.policy.leases.values(), default=0.0)


def _window(walk: Evaluation) -> float:
    """Give the longest window, seconds, that a `verify` fallback asks for."""
    windows = (item.per for item in walk.policy.fallbacks.values() if item.kind is Outcome.VERIFY)
    return max(windows, default=0.0)


def _current(account: AccountRecord, name: str, per: float, now: float) -> Tally:
    """Give the tally of the running window; an empty one where none runs."""
    tally = (account.tallies or {}).get(name)
    return tally if tally is not None and now - tally.since < per else Tally(0.0, 0)


def _counts(walk: Evaluation, name: str, per: float, begun: float) -> bool:
    """Whether what was counted at a moment is in the running window's tally."""
    tally = _current(walk.snapshot.account, name, per, walk.now)
    return tally.count > 0 and tally.since <= begun


def _add(walk: Evaluation, name: str, per: float, number: int, *, renew: bool = False) -> None:
    tally = _current(walk.snapshot.account, name, per, walk.now)
    since = walk.now if renew else tally.since or walk.now
    _keep(walk, name, Tally(since, max(0, tally.count + number)))


def _keep(walk: Evaluation, name: str, tally: Tally) -> None:
    kept = dict(walk.snapshot.account.tallies or {})
    if tally.count:
        kept[name] = tally
    else:
        kept.pop(name, None)
    walk.amend("account", tallies=kept or None)
