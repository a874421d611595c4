"""Attempts: how often a fallback may be answered in vain before its `then`, counted per issuer and subject.

An attempt to sign in is another credential that is still not enough, so that five requests in parallel with one token
are one attempt. An attempt to prove identity is a verdict that was no pass, counted when it comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.snapshot import AccountRecord, Tally

if TYPE_CHECKING:
    from authguard.core.facts import Operation, Principal
    from authguard.runtime.walk import Walk

#: the tally of verification verdicts that were no pass
VERIFICATIONS: Final = "verification"


def spend_attempts(
    walk: Walk, operation: Operation, principal: Principal, fallback: Fallback
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
        if spent:
            walk.happen("verification.exhausted", "guard")
    else:
        name = f"{fallback.name}:{operation.name}"
        tally = _current(account, name, fallback.per, walk.now)
        again = tally.mark == principal.fingerprint
        spent = tally.count >= fallback.attempts and not again
        if not spent and not again:
            _keep(walk, name, Tally(tally.since or walk.now, tally.count + 1, principal.fingerprint))
    if not spent:
        return fallback, Reason.DECIDED
    return walk.policy.fallbacks[fallback.then], Reason.ATTEMPTS_SPENT


def count_attempt(walk: Walk) -> None:
    """Count one verdict that was no pass."""
    tally = _verdicts(walk)
    _keep(walk, VERIFICATIONS, Tally(tally.since or walk.now, tally.count + 1))


def is_in_doubt(walk: Walk) -> bool:
    """Whether verdicts that were no pass count against this person now, in whichever session they came in."""
    return _verdicts(walk).count > 0


def _verdicts(walk: Walk) -> Tally:
    """Give the tally of verdicts within the longest window that a `verify` fallback asks for."""
    windows = (item.per for item in walk.policy.fallbacks.values() if item.kind is Outcome.VERIFY)
    return _current(walk.snapshot.account, VERIFICATIONS, max(windows, default=0.0), walk.now)


def _current(account: AccountRecord, name: str, per: float, now: float) -> Tally:
    """Give the tally of the running window; an empty one where none runs."""
    tally = (account.tallies or {}).get(name)
    return tally if tally is not None and now - tally.since < per else Tally(0.0, 0)


def _keep(walk: Walk, name: str, tally: Tally) -> None:
    walk.amend("account", tallies={**(walk.snapshot.account.tallies or {}), name: tally})
