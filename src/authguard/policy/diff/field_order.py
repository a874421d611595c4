"""How each field of a policy is compared: as its key declares it, or, for what a builder computes, as given here.

Every field has a row here, and a test compares the rows with the fields, so that none is omitted. The row of a field
that is compared by its effect names the module that does so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.cors import Cors, CorsSettings
from authguard.core.deployment import AccountSource, Channels, Issuer, Verifier
from authguard.core.outcomes import Fallback
from authguard.core.own_conditions import OwnCondition
from authguard.core.request import Operation
from authguard.core.verification import Method
from authguard.policy.diff.permissiveness import (
    APART,
    COMPARISONS,
    larger_is_looser,
    neutral,
    set_is_looser,
    smaller_is_looser,
    unordered,
    verdicts,
    wider,
    zero_is_unbounded,
)
from authguard.policy.draft import Draft
from authguard.policy.schema import condition, document, verification
from authguard.policy.schema import deployment as model
from authguard.policy.schema import issuer as issuer_model
from authguard.policy.schema.model import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from msgspec import Struct

    from authguard.policy.diff.permissiveness import Direction

    Rows = dict[str, Callable[[object, object], Direction]]


def rows_of(declared: type[Struct], compiled: type[Struct]) -> Rows:
    """Return the comparisons that the keys of a model declare, of the fields that have the same name when compiled."""
    found = {one.field: one.declared.looser for one in keys_of(declared).values() if one.declared}
    shared = found.keys() & set(compiled.__struct_fields__)
    return {
        field: COMPARISONS[looser] for field, looser in found.items() if field in shared and looser not in {"", APART}
    }


ISSUER: Final[Rows] = rows_of(issuer_model.Issuer, Issuer) | {
    "discovery": unordered,
    "discovery_url": unordered,
    "template": unordered,
    "jwks_uri": unordered,
    "insecure_http": larger_is_looser,
    "key_file": unordered,
    "secret_env": unordered,
    "nonce": smaller_is_looser,
    "proof_window": larger_is_looser,
}
OPERATION: Final[Rows] = rows_of(model.Operation, Operation) | {
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
}
FALLBACK: Final[Rows] = rows_of(document.Fallback, Fallback) | {
    "name": neutral,
    "since_entered": smaller_is_looser,
    "until_expiry": neutral,  # a client that waits is not admitted for it
}
ACCOUNT: Final[Rows] = rows_of(model.AccountSource, AccountSource) | {
    "name": neutral,
    "status_at": unordered,
    "true_at": unordered,
    "delegations_at": set_is_looser,
    "pointers": neutral,  # compared with the conditions that read them
    "failures": unordered,
    "open_for": unordered,
    "bearer_env": unordered,
    "certificate": unordered,
    "key": unordered,
    "authority": unordered,
}
CHANNELS: Final[Rows] = rows_of(model.Channels, Channels) | {
    "header": unordered,
    "secret_header": unordered,
    "secret_env": unordered,
    "claim": unordered,
    "paths": unordered,
    "declared": smaller_is_looser,
}
#: without the values and what they are read from, which are compared by their effect, in `own_conditions`
CONDITION: Final[Rows] = rows_of(condition.ConditionFrom, OwnCondition) | {
    "name": neutral,
    "kind": unordered,
    "pointer": unordered,
    "failures": unordered,
    "open_for": unordered,
}
CORS: Final[Rows] = rows_of(CorsSettings, Cors) | {
    "declared": larger_is_looser,
}
METHOD: Final[Rows] = rows_of(verification.Method, Method) | {
    "name": neutral,
    "verifiers": unordered,  # compared by the sets that suffice, in `methods`
    "need": unordered,  # compared by the sets that suffice, in `methods`
    "in_order": unordered,  # compared by the sets that suffice, in `methods`
    "alternatives": unordered,  # compared by the sets that suffice, in `methods`
}
VERIFIER: Final[Rows] = rows_of(verification.Verifier, Verifier) | {
    "name": neutral,
    "failures": unordered,
    "open_for": unordered,
    "hedge_after": unordered,
    "answer_at": unordered,
    "answer_as": unordered,
    "map": verdicts,
    "bearer_env": unordered,
    "certificate": unordered,
    "key": unordered,
    "authority": unordered,
}
#: fields of the policy itself
POLICY: Final[Rows] = rows_of(document.Document, Draft) | {
    "accounts_declared": neutral,  # the sources are compared one by one
    "staff_claim": unordered,
    "staff_issuers": wider,
    "staff_roles": unordered,
}
