"""What is known of one request before it is judged: the evidence, the proven principal, the operation wanted.

Values only. `Evidence` is what the shell read and nobody has verified; `Proven` and `NotProven` are the closed result
of a credential check, never ``None``; `Operation` is what the policy says of the thing asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.outcomes import Reason

#: what an app answers where nothing happened, if the policy does not say otherwise (RFC 9110 15.5)
#: a redirect that keeps the method says that it was not done here (RFC 9110 15.4.8, 15.4.9)
NO_EFFECT: Final = frozenset({307, 308, *range(400, 500)})

CredentialFailure = Literal["missing", "expired", "rejected", "unproven"]

#: with which a proof of possession may be signed: asymmetric, and sound (RFC 9449 4.3, 5; RFC 9864)
PROOF_ALGORITHMS: Final = ("ES256", "ES384", "Ed25519", "EdDSA", "PS256", "RS256")


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was sent, unverified.

    Attributes:
        authorization: the raw ``Authorization`` header value; empty where none was sent.
        headers: the few other headers that the policy reads, lower-case name -> value.
        transaction: the transaction that the caller names (``Authguard-Transaction``); empty for none.
        idempotency: the ``Idempotency-Key``; empty for none.
        languages: ``Accept-Language``, as sent.
        trace: the trace id of W3C ``traceparent``; empty where there is none.
        names_own: whether headers came that the app is not to see.
        proof: the ``DPoP`` header, several joined by commas (RFC 9110 5.3); empty where none was sent or none is read.
        method: of the HTTP request, ``GET`` for a handshake; empty where no proof is read.
        address: what the caller asked for, by the public URL, as `authguard.core.urls` writes it; empty where no
            proof is read.
        shown: whether a proof was checked when this connection was opened, so that what is said on it needs no other.
    """

    authorization: bytes = b""
    headers: Mapping[str, str] = {}
    transaction: str = ""
    idempotency: str = ""
    languages: str = ""
    trace: str = ""
    has_reserved_headers: bool = False
    proof: bytes = b""
    method: str = ""
    address: str = ""
    shown: bool = False

    def __repr__(self) -> str:
        """Tell nothing: what was sent may be a credential."""
        return "Evidence(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Subject, actor and issuer, once proven; only top-level claims and the outermost ``act`` (RFC 8693 4.1).

    Attributes:
        issuer: ``iss``.
        subject: ``sub``.
        client: ``client_id``, ``azp``, ``cid`` or ``appid``; empty where the issuer sends none.
        sid: the issuer's session id; empty where it sends none.
        actor: ``sub`` of the outermost ``act``; empty where the subject acts.
        actor_issuer: ``iss`` of the outermost ``act`` where that is not `issuer`; empty else.
        chain: issuer and subject of all actors, outermost first; they decide nothing but who may not approve.
        person: whether the subject is a person, and not the client itself (RFC 6749 4.4).
        token_scopes: what the token permits.
        acr: the authentication context class, as sent.
        amr: authentication methods.
        auth_time: when the person authenticated, epoch seconds UTC; 0 where the issuer sends none.
        issued_at: ``iat``, epoch seconds UTC; 0 where the issuer sends none.
        expires_at: ``exp``, epoch seconds UTC.
        claims: the verified claims, for the policy's sources; never logged.
        fingerprint: a short keyed hash of the credential, to tell two apart; not the credential.
        account_key: of the account record; this and the next three are derived once, so a warm request hashes nothing.
        session_key: of the session's record.
        pseudonym: the subject as the log names it: a keyed hash, or the subject itself where the policy says so.
        actor_pseudonym: the actor as the log names it; empty where the subject acts.
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
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)
    fingerprint: str = ""
    account_key: bytes = b""
    session_key: bytes = b""
    pseudonym: str = ""
    actor_pseudonym: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """The credential is good: it was issued for us, by whom it says, and is in force.

    Attributes:
        principal: who is proven.
        nonce: what the next proof of possession has to name, where that changed (RFC 9449 8.2); empty else.
        notes: what was decided of this very credential, by the operation's identity; forgotten with the credential.
    """

    principal: Principal
    nonce: str = field(default="", compare=False)
    notes: dict[bytes, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NotProven:
    """The credential is not good; a condition of this request and nobody's event.

    Attributes:
        condition: ``missing``, ``expired``, ``rejected`` or ``unproven`` (keys or introspection out of reach).
        reason: the closed code that the log keeps.
        nonce: what a proof of possession has to name, where that is what it lacks (RFC 9449 9); empty else.
    """

    condition: CredentialFailure
    reason: Reason
    nonce: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Unseen:
    """No verdict is remembered for this credential: it has to be checked."""


Credential = Proven | NotProven
UNSEEN: Final = Unseen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of an operation.

    Attributes:
        name: unique within the policy: ``operation/index``.
        amount: decimal digits of the most that may be spent; empty where the limit counts calls.
        currency: of `amount`.
        calls: how many calls; 0 where the limit counts an amount.
        per: the window in seconds; 0 is ``per: call``.
        by: ``subject``, ``session``, or one of `authguard.core.ledger_keys.SCOPED`.
    """

    name: str
    amount: str = ""
    currency: str = ""
    calls: int = 0
    per: float = 0.0
    by: str = "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How an operation is recognised; empty fields are not asked for.

    Attributes:
        path: a path template, ``/orders/{order_id}/refund``; ``{rest:path}`` takes slashes too.
        method: an HTTP method in capitals; empty takes any.
        websocket: a path template of a WebSocket.
    """

    path: str = ""
    method: str = ""
    websocket: str = ""


NO_LEDGERS: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked, and what it needs.

    Attributes:
        name: unique within the policy.
        match: how it is recognised.
        hosts: that a request for it names, ``*.DOMAIN`` for any below one; empty for any host.
        risk: ``public`` ``self`` ``routine`` ``sensitive`` ``high`` ``staff``.
        effect: ``read`` or ``write``.
        scopes: token scopes that it needs, all of them.
        roles: roles of staff of which a person needs one; empty for none.
        acr: the assurance level that it needs; empty for none.
        max_age: seconds since authentication at the most; 0 for none.
        amount_at: JSON Pointer (RFC 6901) to the amount; empty for none.
        currency_at: JSON Pointer to the currency; empty where `currency` is fixed.
        currency: the fixed currency.
        payee_at: JSON Pointer to who is paid; empty for none.
        limits: amounts and counts.
        idempotency: whether an ``Idempotency-Key`` is required.
        actor: ``any``; ``required``: an agent acts, never the subject; ``forbidden``: the subject acts, never an agent.
        failed_on: statuses of the app that say that nothing happened (DESIGN 6).
        binds: lower-case names of request headers that a transaction is bound to, and that its approvers see.
        identity: digest of the whole declaration. What is remembered of decisions is keyed by it: a name is for people.
    """

    name: str
    match: Match = Match()
    hosts: frozenset[str] = frozenset()
    risk: str = "sensitive"
    effect: str = "write"
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    acr: str = ""
    max_age: float = 0.0
    amount_at: str = ""
    currency_at: str = ""
    currency: str = ""
    payee_at: str = ""
    limits: tuple[Limit, ...] = ()
    idempotency: bool = False
    failed_on: frozenset[int] = NO_EFFECT
    actor: Literal["any", "required", "forbidden"] = "any"
    binds: tuple[str, ...] = ()
    identity: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the identity: a digest of every declared field, sets in order."""
        declared = [_in_order(getattr(self, one.name)) for one in fields(self) if one.init]
        digest = blake2b(msgspec.json.encode(declared), digest_size=16, person=b"operation").digest()
        object.__setattr__(self, "identity", digest)

    @property
    def transactional(self) -> bool:
        """Whether it runs once: a write of ``risk: high`` (DESIGN 6) or with ``idempotency: required``."""
        return self.effect == "write" and (self.risk == "high" or self.idempotency)

    @property
    def reads_body(self) -> bool:
        """Whether the guard must see the body before it can decide."""
        return self.transactional or bool(self.amount_at or self.payee_at)

    @property
    def ledger_dimensions(self) -> frozenset[str]:
        """What its limits count by that has a ledger of its own."""
        if not self.limits:
            return NO_LEDGERS
        return frozenset(limit.by for limit in self.limits if limit.per and limit.by not in {"subject", "session"})


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value
