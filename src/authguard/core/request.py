"""Inputs of a decision: the unverified evidence, the verified principal, and the requested operation.

Values only. `Evidence` is unverified request data. `Proven` and `NotProven` are the closed result of a credential
check, never ``None``. `Operation` is the policy's declaration of what can be requested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from authguard.core.claim_source import decode_claims
from authguard.core.operation_settings import OperationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.outcomes import Reason


CredentialFailure = Literal["missing", "expired", "rejected", "unproven"]

#: algorithms accepted for a proof of possession: asymmetric and sound (RFC 9449 4.3, 5; RFC 9864)
PROOF_ALGORITHMS: Final = ("ES256", "ES384", "Ed25519", "EdDSA", "PS256", "RS256")


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Unverified data of a request.

    Attributes:
        authorization: raw ``Authorization`` header value; empty if absent.
        headers: the other headers that the policy reads, lower-case name -> value.
        transaction: value of ``Authguard-Transaction``; empty for none.
        idempotency: value of ``Idempotency-Key``; empty for none.
        languages: value of ``Accept-Language``.
        trace: trace id of W3C ``traceparent``, or else of the active span; empty for none.
        peer: address of the client as the log names it; empty if the policy does not record it.
        has_reserved_headers: whether the request has headers that must be hidden from the app.
        proof: the ``DPoP`` header, several joined by commas (RFC 9110 5.3); empty if absent or not read.
        method: of the HTTP request, ``GET`` for a handshake; empty if no proof is read.
        address: requested public URL, normalised by `authguard.formats.urls`; empty if no proof is read.
        shown: whether a proof was verified when this connection was opened, so that its messages need none.
    """

    authorization: bytes = b""
    headers: Mapping[str, str] = {}
    transaction: str = ""
    idempotency: str = ""
    languages: str = ""
    trace: str = ""
    peer: str = ""
    has_reserved_headers: bool = False
    proof: bytes = b""
    method: str = ""
    address: str = ""
    shown: bool = False

    def __repr__(self) -> str:
        """Hide all content: it may be a credential."""
        return "Evidence(...)"


class Principal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Verified subject, actor and issuer; only top-level claims and the outermost ``act`` count (RFC 8693 4.1).

    Every live credential has one, so it holds only text, bytes and numbers: equal ones are shared, and the claims are
    kept as they were sent.

    Attributes:
        issuer: ``iss``.
        subject: ``sub``.
        client: OAuth client; empty if the issuer sends none.
        sid: the issuer's session id; empty if it sends none.
        actor: ``sub`` of the outermost ``act``; empty if the subject acts.
        actor_issuer: ``iss`` of the outermost ``act`` if it differs from `issuer`; else empty.
        chain: issuer and subject of all actors, outermost first; they only exclude approvers.
        person: whether the subject is a person, and not the client itself (RFC 6749 4.4).
        token_scopes: scopes of the token.
        acr: level of the person's sign-in by the issuer's ``levels``; without them the authentication context class, as
            sent. Empty for a client itself.
        amr: authentication methods.
        auth_time: time of the person's authentication, epoch seconds UTC; 0 if the issuer sends none.
        issued_at: ``iat``, epoch seconds UTC; 0 if the issuer sends none.
        expires_at: ``exp``, epoch seconds UTC.
        content: verified claims as JSON; never logged. `claims` decodes them.
        fingerprint: short keyed hash that distinguishes credentials.
        account_key: of the account record; this and the next three are computed once, so that a warm request hashes
            nothing.
        session_key: of the session's record.
        pseudonym: the subject's name in the log: a keyed hash, or the subject itself if the policy asks for names.
        actor_pseudonym: the actor's name in the log; empty if the subject acts.
    """

    issuer: str
    subject: str
    client: str = ""
    sid: str = ""
    actor: str = ""
    actor_issuer: str = ""
    chain: tuple[tuple[str, str], ...] = ()
    person: bool = True
    token_scopes: frozenset[str] = frozenset()
    acr: str = ""
    amr: tuple[str, ...] = ()
    auth_time: float = 0.0
    issued_at: float = 0.0
    expires_at: float = 0.0
    content: bytes = b"{}"
    fingerprint: str = ""
    account_key: bytes = b""
    session_key: bytes = b""
    pseudonym: str = ""
    actor_pseudonym: str = ""

    @property
    def claims(self) -> Mapping[str, Any]:
        """The verified claims, for the policy's sources and the app; must not be changed."""
        return decode_claims(self.content)

    def __repr__(self) -> str:
        """Contain only names that the log has too."""
        return f"Principal(pseudonym={self.pseudonym!r}, fingerprint={self.fingerprint!r})"


class Proven(msgspec.Struct, frozen=True, gc=False):
    """The credential is valid: issued for this audience by its issuer, and in force.

    Attributes:
        principal: verified principal.
        nonce: nonce for the next proof of possession if it changed (RFC 9449 8.2); else empty.
        first: cached decision of this credential, for one operation; ``None`` for none. It is dropped with the
            credential, and only `authguard.runtime.decision_cache` sets it.
        others: operation identity -> the cached decisions on further operations; ``None`` for none.
    """

    principal: Principal
    nonce: str = ""
    first: object = None
    others: dict[bytes, object] | None = None

    def __eq__(self, other: object) -> bool:
        """Compare the principals: a nonce and cached decisions are not part of the result."""
        return isinstance(other, Proven) and self.principal == other.principal

    __hash__ = None  # type: ignore[assignment]  # no set of credentials is ever needed

    def __repr__(self) -> str:
        """Hide the cached decisions."""
        return f"Proven({self.principal!r})"


@dataclass(frozen=True, slots=True)
class NotProven:
    """The credential is not valid; a condition of this request that raises no event.

    Attributes:
        condition: ``missing``, ``expired``, ``rejected`` or ``unproven`` (keys or introspection unreachable).
        reason: closed code for the log.
        nonce: nonce that a proof of possession must contain, if that is the reason (RFC 9449 9); else empty.
        claim: claim that is the reason, by its name or JSON Pointer in the policy; else empty.
    """

    condition: CredentialFailure
    reason: Reason
    nonce: str = field(default="", compare=False)
    claim: str = field(default="", compare=False)


class Unseen(Struct, frozen=True):
    """No result is cached for this credential; it must be checked."""


Credential = Proven | NotProven
UNSEEN: Final = Unseen()


class Limit(Struct, frozen=True, kw_only=True):
    """One limit of an operation.

    Attributes:
        name: unique within the policy: as declared, else ``operation/index``.
        amount: decimal digits of the largest sum; empty if the limit counts calls.
        currency: of `amount`.
        calls: number of calls; 0 if the limit counts an amount.
        per: the window in seconds; 0 is ``per: call``.
        by: ``subject``, ``session``, or one of `authguard.core.ledger_keys.LEDGER_DIMENSIONS`.
        tier: its name as a value of the dimension `limit`; empty for a limit without `then`.
        then: fallback once it is exceeded, in rules that do ``by_limit``; empty for that of the effect.
    """

    name: str
    amount: str = ""
    currency: str = ""
    calls: int = 0
    per: float = 0.0
    by: str = "subject"
    tier: str = ""
    then: str = ""


class Match(Struct, frozen=True, kw_only=True):
    """Conditions that identify an operation; empty fields match anything.

    Attributes:
        path: path template, ``/orders/{order_id}/refund``; ``{rest:path}`` also matches slashes.
        method: HTTP method in capitals; empty for any.
        websocket: path template of a WebSocket.
    """

    path: str = ""
    method: str = ""
    websocket: str = ""


NO_LEDGERS: Final = frozenset[str]()
#: fields of `Operation` that are derived from the others, which identify it
DERIVED_FIELDS: Final = frozenset(
    {
        *("transactional", "has_amount", "has_payee", "reads_body", "reads_form"),
        *("flag_dimensions", "ledger_dimensions", "identity"),
    }
)


class Operation(OperationSettings, frozen=True, kw_only=True):
    """An operation and its requirements.

    Attributes:
        match: conditions that identify it.
        risk: ``public`` ``self`` ``routine`` ``sensitive`` ``high`` ``staff``.
        effect: ``read`` or ``write``.
        acr: required assurance level; empty for none.
        max_age: maximum seconds since authentication; 0 for no maximum.
        amount_at: JSON Pointer (RFC 6901) to the amount; empty for none.
        amount_form: field of a form with the amount; empty for none. At most one of both is set.
        scale: digits after the decimal point of an amount in minor units; 0 for one in major units.
        currency_at: JSON Pointer to the currency; empty if `currency` is fixed or in a form.
        currency_form: field of a form with the currency; empty for none.
        currency: the fixed currency.
        payee_at: JSON Pointer to the payee; empty for none.
        payee_form: field of a form with the payee; empty for none.
        limits: amounts and counts.
        idempotency: whether an ``Idempotency-Key`` is required.
        binds: lower-case names of request headers that a transaction is bound to and that its approvers see.
        transactional: whether it runs once: a write of ``risk: high`` (DESIGN 6) or with ``idempotency: required``.
            This and the next fields are derived once, since every request reads them.
        has_amount: whether an amount is read from the body.
        has_payee: whether a payee is read from the body.
        reads_body: whether the decision depends on the body.
        reads_form: whether the body is a form.
        flag_dimensions: dimensions of the policy's flags that have a ledger record and that its payee determines.
        ledger_dimensions: dimensions of its limits and flags that have a ledger record.
        identity: digest of the whole declaration; cached decisions use it as key, since a name can be reused.
    """

    match: Match = Match()
    risk: str = "sensitive"
    effect: str = "write"
    acr: str = ""
    max_age: float = 0.0
    amount_at: str = ""
    amount_form: str = ""
    scale: int = 0
    currency_at: str = ""
    currency_form: str = ""
    currency: str = ""
    payee_at: str = ""
    payee_form: str = ""
    limits: tuple[Limit, ...] = ()
    idempotency: bool = False
    binds: tuple[str, ...] = ()
    transactional: bool = False
    has_amount: bool = False
    has_payee: bool = False
    reads_body: bool = False
    reads_form: bool = False
    flag_dimensions: frozenset[str] = frozenset()
    ledger_dimensions: frozenset[str] = frozenset()
    identity: bytes = b""

    def __post_init__(self) -> None:
        """Derive the other fields; the identity is a digest of every declared field, with sets sorted."""
        transactional = self.effect == "write" and (self.risk == "high" or self.idempotency)
        has_amount, has_payee = bool(self.amount_at or self.amount_form), bool(self.payee_at or self.payee_form)
        ledgers = frozenset(limit.by for limit in self.limits if limit.per and limit.by not in {"subject", "session"})
        force_setattr(self, "transactional", transactional)
        force_setattr(self, "has_amount", has_amount)
        force_setattr(self, "has_payee", has_payee)
        force_setattr(self, "reads_body", transactional or has_amount or has_payee)
        force_setattr(self, "reads_form", bool(self.amount_form or self.payee_form))
        force_setattr(self, "ledger_dimensions", ledgers | self.flag_dimensions)
        declared = [_in_order(getattr(self, name)) for name in self.__struct_fields__ if name not in DERIVED_FIELDS]
        digest = blake2b(msgspec.json.encode(declared), digest_size=16, person=b"operation").digest()
        force_setattr(self, "identity", digest)


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value
