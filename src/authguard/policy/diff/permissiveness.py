"""What is looser than what: the order of the outcomes, and for each field of a policy's parts which way is looser.

Every field of a part has a row here; a test holds the rows against the fields, so that a new one cannot be forgotten.
Where two values have no order, a change is a `change`: told, and neither looser nor stricter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from authguard.core.agents import Agent
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Direction(StrEnum):
    """Which way something changed."""

    LOOSER = "looser"
    STRICTER = "stricter"
    CHANGED = "changed"


#: The outcomes, the most permissive first (docs/adr/0006): how much still stands between this request and the app, and
#: who can take it away. The app runs; it runs with less; an earlier run's answer is shown again. Then what the caller
#: can do alone: sign in at all, sign in better, prove who they are. Then what others decide: an approver lets this very
#: request through; time, and nobody, may; a person serves the customer instead of the app. Then nobody: no; and no,
#: and the session is gone.
ORDER: Final = (
    Outcome.ALLOW,
    Outcome.RESTRICT,
    Outcome.REPEAT,
    Outcome.CHALLENGE,
    Outcome.STEP_UP,
    Outcome.VERIFY,
    Outcome.HOLD,
    Outcome.RETRY,
    Outcome.HANDOFF,
    Outcome.DENY,
    Outcome.TERMINATE,
)
#: The risks, what weighs most first.
RISKS: Final = ("high", "staff", "sensitive", "self", "routine", "public")


def changed(_before: object, _after: object) -> Direction:
    """Compare what has no order."""
    return Direction.CHANGED


def _by(rank: Callable[[object], float]) -> Callable[[object, object], Direction]:
    """Make a comparison: the higher rank is looser."""

    def compare(before: object, after: object) -> Direction:
        old, new = rank(before), rank(after)
        if old == new:
            return Direction.CHANGED
        return Direction.LOOSER if new > old else Direction.STRICTER

    return compare


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


#: a larger number is looser
larger_is_looser = _by(_number)
#: a smaller number is looser
smaller_is_looser = _by(lambda value: -_number(value))
#: a larger number is looser, and 0 means that nothing is asked
zero_is_unbounded = _by(lambda value: _number(value) or float("inf"))
#: what was not said opened nothing
set_is_looser = _by(bool)
#: what an effect is taken for: a read meets less
effect = _by(lambda value: value == "read")
#: what a risk is taken for
risk = _by(lambda value: RISKS.index(str(value)) if value in RISKS else -1)
#: any type of token is looser than one
token_type = _by(lambda value: value == "any")
#: a token that counts for whoever holds it is looser than one that wants a proof of possession
sender = _by(lambda value: value != "dpop")
#: what is kept less surely
durability = _by(lambda value: -("async", "group", "sync").index(str(value)))
#: an outcome
outcome = _by(lambda value: -ORDER.index(Outcome(str(value))))


def wider(before: object, after: object) -> Direction:
    """Compare sets: one that holds the other is looser."""
    old, new = _set(before), _set(after)
    if old < new:
        return Direction.LOOSER
    return Direction.STRICTER if new < old else Direction.CHANGED


def narrower(before: object, after: object) -> Direction:
    """Compare sets of what is asked for: one that lacks something is looser."""
    return wider(after, before)


def wider_or_all(before: object, after: object) -> Direction:
    """Compare sets, of which the empty one leaves everything."""
    if not _set(after) or not _set(before):
        return Direction.LOOSER if not _set(after) else Direction.STRICTER
    return wider(before, after)


def wider_or_any(before: object, after: object) -> Direction:
    """Compare sets, of which the one with ``*`` holds everything."""
    old, new = "*" in _set(before), "*" in _set(after)
    if old or new:
        return Direction.CHANGED if old and new else Direction.LOOSER if new else Direction.STRICTER
    return wider(before, after)


def agents(before: object, after: object) -> Direction:
    """Compare registered agents: more of them, or one that may come alone, is looser."""
    return wider(_powers(before), _powers(after))


def _powers(value: object) -> frozenset[object]:
    powers: set[object] = set()
    for one in _set(value):
        powers |= {one} if not isinstance(one, Agent) else {one, one._replace(alone=False)}
    return frozenset(powers)


def _set(value: object) -> frozenset[object]:
    return frozenset(value) if isinstance(value, frozenset | set | tuple | list) else frozenset()


ISSUER: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "issuer": changed,
    "audience": changed,
    "algorithms": wider,
    "discovery": changed,
    "jwks_uri": changed,
    "key_file": changed,
    "secret_env": changed,
    "leeway": larger_is_looser,
    "stale_keys": larger_is_looser,
    "token": changed,
    "type": token_type,
    "max_lifetime": larger_is_looser,
    "renewal": changed,
    "require": narrower,
    "introspection": changed,
    "sender_constraint": sender,
    "nonce": smaller_is_looser,
    "proof_window": larger_is_looser,
}
OPERATION: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": changed,
    "match": changed,
    "hosts": wider_or_all,
    "risk": risk,
    "effect": effect,
    "scopes": narrower,
    "roles": wider_or_all,
    "acr": changed,  # compared by rank where it is known
    "max_age": zero_is_unbounded,
    "amount_at": changed,
    "currency_at": changed,
    "currency": changed,
    "payee_at": changed,
    "limits": changed,  # each on its own
    "idempotency": smaller_is_looser,
    "failed_on": wider,  # what is in doubt is looked at by a person; what failed is not
    "actor": changed,
    "binds": narrower,  # what is not bound may be another in the repeated request
}
FALLBACK: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": changed,
    "kind": outcome,
    "status": changed,
    "message": changed,
    "discloses": wider,
    "attempts": zero_is_unbounded,
    "per": smaller_is_looser,
    "then": changed,
    "acr": changed,  # compared by rank where it is known
    "max_age": zero_is_unbounded,
    "since_entered": smaller_is_looser,
    "methods": wider,
    "role": changed,
    "count": smaller_is_looser,
    "queue": changed,
    "after": smaller_is_looser,
    "effects": wider,
    "scopes": wider_or_all,
    "error": changed,
}
ACCOUNT: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": changed,
    "claim": changed,
    "map": changed,  # each status on its own
    "call": changed,
    "url": changed,
    "status_at": changed,
    "true_at": changed,
    "delegations_at": set_is_looser,
    "max_age": larger_is_looser,
    "timeout": changed,
    "failures": changed,
    "open_for": changed,
    "max_concurrency": changed,
    "bearer_env": changed,
    "certificate": changed,
    "key": changed,
    "authority": changed,
}
CHANNELS: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "header": changed,
    "secret_header": changed,
    "secret_env": changed,
    "claim": changed,
    "paths": changed,
    "trusts": changed,  # each channel on its own
    "declared": smaller_is_looser,
}
CORS: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "declared": larger_is_looser,
    "allow_origins": wider_or_any,
    "allow_origin_regex": set_is_looser,
    "allow_methods": wider_or_any,
    "allow_headers": wider_or_any,
    "allow_credentials": larger_is_looser,
    "expose_headers": wider_or_any,
    "max_age": larger_is_looser,
}
METHOD: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": changed,
    "verifiers": narrower,
    "need": smaller_is_looser,
    "in_order": changed,
    "alternatives": changed,
    "on_contradiction": changed,
    "on_doubt": changed,
    "on_unavailable": changed,
    "attempts": zero_is_unbounded,
    "per": smaller_is_looser,
    "backoff": smaller_is_looser,
}
VERIFIER: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": changed,
    "type": changed,
    "url": changed,
    "call": changed,
    "interactive": changed,
    "timeout": changed,
    "pass_at": smaller_is_looser,  # a lower score passes
    "fail_at": smaller_is_looser,  # a lower score is still only doubted
    "retries": changed,
    "failures": changed,
    "open_for": changed,
    "max_concurrency": changed,
    "hedge": changed,
    "hedge_after": changed,
    "request": changed,
    "answer_at": changed,
    "answer_as": changed,
    "map": changed,
    "bearer_env": changed,
    "certificate": changed,
    "key": changed,
    "authority": changed,
    "digits": smaller_is_looser,  # fewer are guessed sooner
    "window": larger_is_looser,
    "expires": larger_is_looser,
    "questions": narrower,
}
#: what of a whole policy is compared as one value
POLICY: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "agents": agents,
    "accounts_declared": changed,
    "request_budget": changed,
    "body_budget": larger_is_looser,
    "nodes_budget": larger_is_looser,
    "in_flight_budget": larger_is_looser,
    "max_held": larger_is_looser,
    "pseudonymous": smaller_is_looser,
    "public_windows": larger_is_looser,
    "checkpoint_every": larger_is_looser,
    "checkpoint_max_interval": larger_is_looser,
    "rotate_size": changed,
    "rotate_max_age": changed,
    "log_retention": smaller_is_looser,
    "app_reports": wider,  # what an agent can do to its customer, and only a person undoes
    "response_retention": larger_is_looser,  # what customers were told lies there longer
    "public_url": changed,
    "hosts": wider_or_all,
    "root_path": changed,
    "rollback_message": changed,
    "staff_claim": changed,
    "staff_issuers": wider,
    "staff_roles": changed,
    "base": changed,
}
#: events whose coming sooner tightens; one that waits longer is looser
TIGHTENING: Final = frozenset(
    {
        *("session.idled", "session.aged", "session.revoked", "session.ended", "verification.aged"),
        *("verification.exhausted", "verification.moved", "account.aged", "transaction.lapsed", "transaction.lost"),
        *("service.impaired", "service.faulted", "service.tripped", "service.engaged", "transaction.denied"),
    }
)
