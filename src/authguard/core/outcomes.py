"""The eleven outcomes, the fallbacks that name them, and the closed reason codes.

A `Reason` is one row: replies, the audit log, the reference and the tests read the same row.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from authguard.core.approvers import Required  # noqa: TC001 - the types of fields are read
from authguard.core.fallback_settings import FallbackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(StrEnum):
    """Result of a request (DESIGN 4)."""

    ALLOW = "allow"
    RESTRICT = "restrict"
    REPEAT = "repeat"
    CHALLENGE = "challenge"
    STEP_UP = "step_up"
    VERIFY = "verify"
    HOLD = "hold"
    HANDOFF = "handoff"
    RETRY = "retry"
    DENY = "deny"
    TERMINATE = "terminate"


#: outcomes in which the app runs
ADMITTING: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT})


class Need(StrEnum):
    """Requirement of an outcome, which the checker proves for each cell that leads to the outcome."""

    #: somebody to ask, to hold for, to answer or to sign out
    CREDENTIAL = "a proven credential"
    #: a write whose transaction can start, so that it runs once
    STARTABLE = "a transaction that can start"
    #: a transaction that waits for an approval, or will wait
    WAITING = "a transaction that an approval can release"
    #: a transaction that the app has reported as done, so that there is a response to repeat
    FINISHED = "a transaction that has run"


#: outcome -> its requirements; an outcome that is not listed can answer every request
NEEDS: Final[Mapping[Outcome, tuple[Need, ...]]] = {
    Outcome.ALLOW: (Need.STARTABLE,),
    Outcome.RESTRICT: (Need.CREDENTIAL, Need.STARTABLE),
    Outcome.REPEAT: (Need.CREDENTIAL, Need.FINISHED),
    Outcome.VERIFY: (Need.CREDENTIAL,),
    Outcome.HOLD: (Need.CREDENTIAL, Need.WAITING),
    Outcome.TERMINATE: (Need.CREDENTIAL,),
}

#: outcome -> (HTTP status, title, next action) (WIRE 2); an admitted request has the app's own status
RESPONSES: Final[dict[Outcome, tuple[int, str, str]]] = {
    Outcome.REPEAT: (200, "Already done", "stop"),
    Outcome.CHALLENGE: (401, "Sign-in needed", "authenticate"),
    Outcome.STEP_UP: (401, "Stronger or fresher sign-in needed", "authenticate"),
    Outcome.VERIFY: (403, "Proof of identity needed", "verify"),
    Outcome.HOLD: (202, "Waiting for an approval", "wait"),
    Outcome.HANDOFF: (403, "A person takes over", "talk_to_person"),
    Outcome.RETRY: (503, "Try again later", "retry"),
    Outcome.DENY: (403, "Not allowed", "stop"),
    Outcome.TERMINATE: (401, "The session has ended", "authenticate"),
}


class Reason(Enum):
    """Reason of a decision, as a closed code: ``(code, HTTP status without a cell, text for the caller)``.

    The text is the same for all reasons that an attacker could otherwise distinguish (WIRE 0).
    """

    # credentials: the status is unused, since the table decides on a credential's condition
    CREDENTIAL_MISSING = ("credential-missing", 401, "no credential was sent")
    CREDENTIAL_MALFORMED = ("credential-malformed", 401, "the access token is not valid")
    SCHEME_UNKNOWN = ("scheme-unknown", 401, "no credential was sent")
    TOKEN_TOO_LARGE = ("token-too-large", 401, "the access token is not valid")
    TOKEN_TOO_COMPLEX = ("token-too-complex", 401, "the access token is not valid")
    TOKEN_EXPIRED = ("token-expired", 401, "the access token has expired")
    TOKEN_NOT_YET_VALID = ("token-not-yet-valid", 401, "the access token is not valid")
    SIGNATURE_INVALID = ("signature-invalid", 401, "the access token is not valid")
    ALGORITHM_REFUSED = ("algorithm-refused", 401, "the access token is not valid")
    TYPE_REFUSED = ("type-refused", 401, "the access token is not valid")
    ISSUER_UNKNOWN = ("issuer-unknown", 401, "the access token is not valid")
    AUDIENCE_WRONG = ("audience-wrong", 401, "the access token is not valid")
    CLAIM_MISSING = ("claim-missing", 401, "the access token is not valid")
    CLAIM_MALFORMED = ("claim-malformed", 401, "the access token is not valid")
    CLAIM_REFUSED = ("claim-refused", 401, "the access token is not valid")
    LIFETIME_EXCEEDED = ("lifetime-exceeded", 401, "the access token is not valid")
    KEY_UNKNOWN = ("key-unknown", 401, "the access token is not valid")
    BOUND_TOKEN = ("bound-token", 401, "the access token is not valid")
    UNBOUND_TOKEN = ("unbound-token", 401, "the access token is not valid")
    SIGNED_OUT = ("signed-out", 401, "the access token is not valid")
    TOKEN_INACTIVE = ("token-inactive", 401, "the access token is not valid")
    PROOF_INVALID = ("proof-invalid", 401, "the proof of possession is not valid")
    PROOF_REPLAYED = ("proof-replayed", 401, "the proof of possession is not valid")
    NONCE_WANTED = ("nonce-wanted", 401, "the proof of possession must contain the nonce of this response")
    KEYS_UNREACHABLE = ("keys-unreachable", 503, "the sign-in service cannot be reached")
    KEYS_UNUSABLE = ("keys-unusable", 503, "the sign-in service cannot be reached")
    KEYS_BUSY = ("keys-busy", 503, "the sign-in service cannot be reached")
    INTROSPECTION_UNREACHABLE = ("introspection-unreachable", 503, "the sign-in service cannot be reached")
    INTROSPECTION_UNCLEAR = ("introspection-unclear", 503, "the sign-in service cannot be reached")
    INTROSPECTION_INCOMPLETE = ("introspection-incomplete", 503, "the sign-in service cannot be reached")
    INTROSPECTION_SIGNED = ("introspection-signed", 503, "the sign-in service cannot be reached")
    # requests without a cell
    CREDENTIAL_AMBIGUOUS = ("credential-ambiguous", 400, "send one credential, in one place")
    ORIGIN_REFUSED = ("origin-refused", 403, "a page of this origin cannot use the cookie")
    REQUEST_MALFORMED = ("request-malformed", 400, "the request is malformed")
    OPERATION_UNNAMED = ("operation-unnamed", 404, "there is no such operation")
    PATH_LOOKALIKE = ("path-lookalike", 404, "there is no such operation")
    HOST_MISDIRECTED = ("host-misdirected", 421, "this host is not served here")
    BODY_TOO_LARGE = ("body-too-large", 413, "the body is larger than this service reads")
    BODY_TOO_COMPLEX = ("body-too-complex", 413, "the body holds more values than this service reads")
    BODY_TIMEOUT = ("body-timeout", 408, "the body did not arrive in time")
    BODY_CUT = ("body-cut", 400, "the body did not arrive whole")
    BODY_MALFORMED = ("body-malformed", 400, "the body is not the JSON document that this endpoint takes")
    PROOF_MALFORMED = ("proof-malformed", 400, "name a method that was asked for, with short answers")
    TRANSACTION_UNKNOWN = ("transaction-unknown", 404, "there is no such transaction")
    TRANSACTION_ALTERED = ("transaction-altered", 422, "this is not the request that the transaction is for")
    TRANSACTION_TOO_LONG = ("transaction-too-long", 413, "this is more than a person can be asked to read and approve")
    TRANSACTION_OVER = ("transaction-over", 409, "this transaction does not wait for such a decision")
    LIMIT_EXCEEDED = (
        "limit-exceeded",
        409,
        "this goes over a limit: see `limits`, and name in `over` what may be exceeded",
    )
    APPROVER_INVOLVED = ("approver-involved", 403, "the subject and the actors of a transaction cannot decide on it")
    STAFF_UNAUTHORISED = ("staff-unauthorised", 403, "this takes a role that you do not have")
    STAFF_INVOLVED = ("staff-involved", 403, "staff cannot lift restrictions of their own account or session")
    APPROVER_WEAK = ("approver-weak", 403, "sign in as strongly as this approval asks")
    IDEMPOTENCY_MISSING = ("idempotency-missing", 400, "send an Idempotency-Key header with this request")
    BUSY = ("busy", 503, "other requests for the same account are being decided; try again")
    ACCOUNT_BUSY = ("account-busy", 429, "too many requests of this account at once; try again")
    TOO_MANY_HELD = (
        "too-many-held",
        429,
        "too many of your requests wait for an approval",
    )
    # the table and the guard itself
    DECIDED = ("decided", 0, "")
    ATTEMPTS_SPENT = ("attempts-spent", 0, "")
    ROLE_MISSING = ("role-missing", 0, "")
    ROLES_EXCEEDED = ("roles-exceeded", 0, "")
    # values of a request that its limits need
    BODY_UNREADABLE = ("body-unreadable", 0, "")
    AMOUNT_MISSING = ("amount-missing", 0, "")
    AMOUNT_MALFORMED = ("amount-malformed", 0, "")
    CURRENCY_MISSING = ("currency-missing", 0, "")
    CURRENCY_MALFORMED = ("currency-malformed", 0, "")
    CURRENCY_REFUSED = ("currency-refused", 0, "")
    PAYEE_MISSING = ("payee-missing", 0, "")
    PAYEE_MALFORMED = ("payee-malformed", 0, "")
    COUNTER_UNKNOWN = ("counter-unknown", 0, "")
    POLICY_CHANGED = (
        "policy-changed",
        409,
        "the policy has changed since; make a new request",
    )
    SESSION_CHANGED = ("session-changed", 409, "another session requested this; make a new request")
    GUARD_FAULT = ("guard-fault", 503, "the service cannot answer now")
    GUARD_TIMEOUT = ("guard-timeout", 503, "the service cannot answer now")

    def __init__(self, code: str, status: int, public: str) -> None:
        """Unpack the row."""
        self.code = code
        self.status = status
        self.public = public


class LocalizedText(Struct, frozen=True):
    """Texts for the customer, per language and channel.

    Attributes:
        texts: (language or "", channel or "default") -> text.
    """

    texts: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def find(self, languages: tuple[str, ...], channel: str) -> str:
        """Return the text for a caller: their languages in order, then the policy's default.

        Args:
            languages: lower-case language tags, most preferred first; ``de-at`` also matches ``de``.
            channel: the caller's channel; empty for none.

        Returns:
            The text, or an empty string if the policy has none.
        """
        for language in languages:
            for tag in (language, language.partition("-")[0]):
                for place in (channel, "default"):
                    if (tag, place) in self.texts:
                        return self.texts[tag, place]
        return self.texts.get(("", channel)) or self.texts.get(("", "default"), "")


class Fallback(FallbackSettings, frozen=True, kw_only=True):
    """A policy's named response to a request that is not simply allowed (POLICY, "Fallbacks").

    Attributes:
        name: name in the policy; ``allow`` is the engine's own.
        kind: the outcome.
        message: texts for the customer.
        acr: required level; empty for the operation's.
        max_age: seconds; 0 for the operation's.
        since_entered: whether the sign-in must be later than the start of the session's state.
        approvers: places that different persons must fill before a held request runs.
        after: seconds to wait before a retry; of a decision with `until_expiry`, those until then.
        until_expiry: whether a retry waits until time alone makes the deciding rule stop matching.
    """

    name: str
    kind: Outcome
    message: LocalizedText = LocalizedText()
    acr: str = ""
    max_age: float = 0.0
    since_entered: bool = False
    approvers: Required = ()
    after: float = 0.0
    until_expiry: bool = False


ALLOW: Final = Fallback(name="allow", kind=Outcome.ALLOW)
