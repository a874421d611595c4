"""How each field of a policy is compared: by an order of its values, as unordered, or as neutral.

Every field has a row here, and a test compares the rows with the fields, so that none is omitted. The row of a field
that is compared by its effect names the module that does so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.diff.permissiveness import (
    actors,
    agents,
    credential_places,
    effect,
    evidence,
    fewer_demands,
    larger_is_looser,
    larger_is_looser_smaller_may_be,
    narrower,
    neutral,
    outcome,
    risk,
    sender,
    set_is_looser,
    smaller_is_looser,
    token_type,
    unordered,
    verdicts,
    wider,
    wider_or_all,
    wider_or_any,
    zero_is_unbounded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.policy.diff.permissiveness import Direction

ISSUER: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "issuer": neutral,  # the name by which issuers are compared
    "provider": neutral,  # its preset is part of the other fields
    "audience": wider,
    "algorithms": wider,
    "discovery": unordered,
    "discovery_url": unordered,
    "tenants": wider,
    "template": unordered,
    "jwks_uri": unordered,
    "insecure_http": larger_is_looser,
    "key_file": unordered,
    "secret_env": unordered,
    "leeway": larger_is_looser,
    "stale_keys": larger_is_looser,
    "token": unordered,
    "type": token_type,
    "max_lifetime": larger_is_looser,
    "evidence": evidence,
    "claims": unordered,
    "require": fewer_demands,
    "require_person": wider_or_all,
    "machine": unordered,
    "levels": unordered,
    "scope_prefix": unordered,
    "introspection": unordered,
    "sender_constraint": sender,
    "nonce": smaller_is_looser,
    "proof_window": larger_is_looser,
}
OPERATION: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": neutral,
    "match": neutral,  # compared by the requests that it matches, in `routes`
    "hosts": neutral,  # compared by the requests that it matches, in `routes`
    "risk": risk,
    "effect": effect,
    "scopes": narrower,
    "roles": wider_or_all,
    "acr": unordered,  # compared by rank, in `requirements`
    "max_age": zero_is_unbounded,
    "amount_at": unordered,
    "amount_form": unordered,
    "scale": larger_is_looser,  # the same digits are a smaller amount
    "currency_at": unordered,
    "currency_form": unordered,
    "currency": unordered,
    "payee_at": unordered,
    "payee_form": unordered,
    "limits": unordered,  # compared one by one, in `requirements`
    "idempotency": smaller_is_looser,
    "failed_on": wider,  # a person settles a result in doubt, but not a failed one
    "actor": actors,
    "groups": neutral,  # a rule stands for the operations of its groups
    "binds": narrower,  # a repeated request may differ in its unbound parts
}
FALLBACK: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": neutral,
    "kind": outcome,
    "status": neutral,
    "message": neutral,
    "discloses": wider,
    "attempts": zero_is_unbounded,
    "per": smaller_is_looser,
    "then": unordered,  # compared by what it leads to, in `fallbacks`
    "acr": unordered,  # compared by rank, in `fallbacks`
    "max_age": zero_is_unbounded,
    "since_entered": smaller_is_looser,
    "methods": wider,
    "role": unordered,
    "count": smaller_is_looser,
    "queue": neutral,  # a person decides in each queue
    "after": smaller_is_looser,
    "effects": wider,
    "scopes": wider_or_all,
    "error": neutral,
}
ACCOUNT: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": neutral,
    "claim": unordered,
    "map": unordered,  # compared by status, in `accounts`
    "call": unordered,
    "url": unordered,
    "status_at": unordered,
    "true_at": unordered,
    "delegations_at": set_is_looser,
    "max_age": larger_is_looser_smaller_may_be,
    "timeout": unordered,
    "failures": unordered,
    "open_for": unordered,
    "max_concurrency": unordered,
    "bearer_env": unordered,
    "certificate": unordered,
    "key": unordered,
    "authority": unordered,
}
CHANNELS: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "header": unordered,
    "secret_header": unordered,
    "secret_env": unordered,
    "claim": unordered,
    "paths": unordered,
    "trusts": wider,  # compared by channel, in `settings`
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
    "name": neutral,
    "verifiers": unordered,  # compared by the sets that suffice, in `methods`
    "need": unordered,  # compared by the sets that suffice, in `methods`
    "in_order": unordered,  # compared by the sets that suffice, in `methods`
    "alternatives": unordered,  # compared by the sets that suffice, in `methods`
    "on_contradiction": unordered,  # compared by the event that it raises, in `methods`
    "on_doubt": unordered,  # compared by the event that it raises, in `methods`
    "on_unavailable": unordered,  # compared by the event that it raises, in `methods`
    "attempts": zero_is_unbounded,
    "per": unordered,  # compared by the window that counts, in `methods`
    "backoff": smaller_is_looser,
}
VERIFIER: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "name": neutral,
    "type": unordered,
    "url": unordered,
    "call": unordered,
    "interactive": unordered,
    "timeout": unordered,
    "pass_at": smaller_is_looser,  # a lower score passes
    "fail_at": unordered,  # a doubt ends an attempt, and a failure does not
    "retries": unordered,
    "failures": unordered,
    "open_for": unordered,
    "max_concurrency": unordered,
    "hedge": unordered,
    "hedge_after": unordered,
    "request": unordered,
    "answer_at": unordered,
    "answer_as": unordered,
    "map": verdicts,
    "bearer_env": unordered,
    "certificate": unordered,
    "key": unordered,
    "authority": unordered,
    "digits": smaller_is_looser,  # fewer digits are guessed sooner
    "window": larger_is_looser,
    "expires": larger_is_looser,
    "questions": narrower,
}
#: fields of the policy itself
POLICY: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "credentials": credential_places,
    "agents": agents,
    "accounts_declared": neutral,  # the sources are compared one by one
    "hosts": wider_or_all,
    "staff_claim": unordered,
    "staff_issuers": wider,
    "staff_roles": unordered,
    "base": neutral,
}
