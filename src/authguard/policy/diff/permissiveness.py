"""The order of permissiveness: of the outcomes, and for each field of a policy which direction is looser.

Every field has a row here, and a test compares the rows with the fields, so that none is omitted. A change between
values without an order is reported as `changed`, neither looser nor stricter.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from authguard.core.agents import Agent
from authguard.core.credential_place import CredentialPlace
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable


class Direction(StrEnum):
    """The direction of a change."""

    LOOSER = "looser"
    STRICTER = "stricter"
    CHANGED = "changed"


#: The outcomes, the most permissive first (docs/adr/0006), by what still prevents the request from reaching the app and
#: who can remove it. First: the app runs; it runs with less; an earlier response is repeated. Then what the caller can
#: do alone: sign in, sign in with more assurance, prove identity. Then what others decide: an approver admits this
#: request; only time does; a person serves the customer instead of the app. Last: the request is denied; it is denied
#: and the session ends.
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
#: The risks, the highest first.
RISKS: Final = ("high", "staff", "sensitive", "self", "routine", "public")


def changed(_before: object, _after: object) -> Direction:
    """Compare values without an order."""
    return Direction.CHANGED


def _by(rank: Callable[[object], float]) -> Callable[[object, object], Direction]:
    """Return a comparison in which the higher rank is looser."""

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
#: a larger number is looser, and 0 means no limit
zero_is_unbounded = _by(lambda value: _number(value) or float("inf"))
#: a value is looser than none
set_is_looser = _by(bool)
#: evidence of an issuer: only with `auth_time` must a token of an unknown session state its sign-in time
evidence = _by(lambda value: value != "auth_time")
#: effect of an operation: a read has fewer requirements
effect = _by(lambda value: value == "read")
#: risk of an operation: a lower risk is looser
risk = _by(lambda value: RISKS.index(str(value)) if value in RISKS else -1)
#: any token type is looser than one type
token_type = _by(lambda value: value == "any")
#: a bearer token is looser than one with proof of possession
sender = _by(lambda value: value != "dpop")
#: a less durable write is looser
durability = _by(lambda value: -("async", "group", "sync").index(str(value)))
#: outcome of a fallback, by `ORDER`
outcome = _by(lambda value: -ORDER.index(Outcome(str(value))))


def wider(before: object, after: object) -> Direction:
    """Compare sets: a superset is looser."""
    old, new = _set(before), _set(after)
    if old < new:
        return Direction.LOOSER
    return Direction.STRICTER if new < old else Direction.CHANGED


def narrower(before: object, after: object) -> Direction:
    """Compare sets of requirements: a subset is looser."""
    return wider(after, before)


def fewer_demands(before: object, after: object) -> Direction:
    """Compare claims with their accepted values: fewer claims, or more values of one, are looser."""
    old, new = (dict(one) if isinstance(one, Mapping) else {} for one in (before, after))
    shared = old.keys() & new.keys()
    directions = {narrower(tuple(old), tuple(new))} if old.keys() != new.keys() else set()
    directions |= {wider_or_all(old[name], new[name]) for name in shared if old[name] != new[name]}
    return directions.pop() if len(directions) == 1 else Direction.CHANGED


def wider_or_all(before: object, after: object) -> Direction:
    """Compare sets of which the empty one allows everything."""
    if not _set(after) or not _set(before):
        return Direction.LOOSER if not _set(after) else Direction.STRICTER
    return wider(before, after)


def wider_or_any(before: object, after: object) -> Direction:
    """Compare sets of which one with ``*`` contains everything."""
    old, new = "*" in _set(before), "*" in _set(after)
    if old or new:
        return Direction.CHANGED if old and new else Direction.LOOSER if new else Direction.STRICTER
    return wider(before, after)


def agents(before: object, after: object) -> Direction:
    """Compare registered agents: more agents, or one that may act alone, is looser."""
    return wider(_powers(before), _powers(after))


def credential_places(before: object, after: object) -> Direction:
    """Compare places of the credential: more places, or more origins of a cookie, are looser."""
    return wider(_openings(before), _openings(after))


def _openings(value: object) -> frozenset[object]:
    places = [one for one in value if isinstance(one, CredentialPlace)] if isinstance(value, tuple) else []
    return frozenset((one.kind, one.name, origin) for one in places for origin in ("", *one.origins))


def _powers(value: object) -> frozenset[object]:
    powers: set[object] = set()
    for one in _set(value):
        powers |= {one} if not isinstance(one, Agent) else {one, one._replace(alone=False)}
    return frozenset(powers)


def _set(value: object) -> frozenset[object]:
    return frozenset(value) if isinstance(value, frozenset | set | tuple | list) else frozenset()


ISSUER: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "issuer": changed,
    "provider": changed,
    "audience": wider,
    "algorithms": wider,
    "discovery": changed,
    "discovery_url": changed,
    "tenants": wider,
    "template": changed,
    "jwks_uri": changed,
    "insecure_http": larger_is_looser,
    "key_file": changed,
    "secret_env": changed,
    "leeway": larger_is_looser,
    "stale_keys": larger_is_looser,
    "token": changed,
    "type": token_type,
    "max_lifetime": larger_is_looser,
    "evidence": evidence,
    "claims": changed,
    "require": fewer_demands,
    "require_person": wider_or_all,
    "machine": changed,
    "levels": changed,
    "scope_prefix": changed,
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
    "acr": changed,  # compared by rank in `part_diff`
    "max_age": zero_is_unbounded,
    "amount_at": changed,
    "amount_form": changed,
    "scale": larger_is_looser,  # the same digits are a smaller amount
    "currency_at": changed,
    "currency_form": changed,
    "currency": changed,
    "payee_at": changed,
    "payee_form": changed,
    "limits": changed,  # compared one by one in `part_diff`
    "idempotency": smaller_is_looser,
    "failed_on": wider,  # a person settles a result in doubt, but not a failed one
    "actor": changed,
    "binds": narrower,  # a repeated request may differ in its unbound parts
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
    "acr": changed,  # compared by rank in `part_diff`
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
    "map": changed,  # compared by status in `part_diff`
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
    "trusts": changed,  # compared by channel in `part_diff`
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
    "fail_at": smaller_is_looser,  # a lower score is doubted rather than failed
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
    "digits": smaller_is_looser,  # fewer digits are guessed sooner
    "window": larger_is_looser,
    "expires": larger_is_looser,
    "questions": narrower,
}
#: fields of the policy itself
POLICY: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "credentials": credential_places,
    "agents": agents,
    "accounts_declared": changed,
    "request_budget": changed,
    "body_budget": larger_is_looser,
    "body_idle_timeout": larger_is_looser,
    "body_min_rate": smaller_is_looser,  # a slower client holds its place longer
    "body_timeout": larger_is_looser,
    "nodes_budget": larger_is_looser,
    "in_flight_budget": larger_is_looser,
    "max_held": larger_is_looser,
    "pseudonymous": smaller_is_looser,
    "public_windows": larger_is_looser,
    "request_properties": wider,  # more of each caller is stored
    "pseudonymous_peers": smaller_is_looser,
    "checkpoint_every": larger_is_looser,
    "checkpoint_max_interval": larger_is_looser,
    "rotate_size": changed,
    "rotate_max_age": changed,
    "log_retention": smaller_is_looser,
    "app_reports": wider,  # what an agent can do to its customer, and only a person reverts
    "response_retention": larger_is_looser,  # responses to customers are stored longer
    "public_url": changed,
    "hosts": wider_or_all,
    "root_path": changed,
    "rollback_message": changed,
    "staff_claim": changed,
    "staff_issuers": wider,
    "staff_roles": changed,
    "base": changed,
}
#: events that tighten: a longer wait for one of them is looser
TIGHTENING: Final = frozenset(
    {
        *("session.idled", "session.aged", "session.revoked", "session.ended", "verification.aged"),
        *("verification.exhausted", "verification.moved", "account.aged", "transaction.lapsed", "transaction.lost"),
        *("service.impaired", "service.faulted", "service.tripped", "service.engaged", "transaction.denied"),
    }
)
