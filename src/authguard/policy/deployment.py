"""Compiled settings of a deployment: issuers, account sources, verifiers, assurance levels and channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How an issuer is asked whether a token is active (RFC 7662).

    Attributes:
        url: of its endpoint.
        client_id: our name there.
        secret_env: name of the variable that holds our secret.
        cache: seconds that an answer is used again, ``exp`` at the most; 0 asks each time.
        always: whether its JWTs are asked about too, after their own check; else only tokens that are no JWT.
    """

    url: str
    client_id: str
    secret_env: str
    cache: float = 30.0
    always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who may speak.

    Attributes:
        issuer: ``iss``, compared exactly.
        audience: ``aud`` must hold it.
        algorithms: allowed ``alg`` names.
        discovery: keys by discovery (RFC 8414, OpenID Connect Discovery).
        jwks_uri: keys at this address; empty for none.
        key_file: keys in this file (a JWK Set); empty for none. Resolved against the policy's folder.
        secret_env: name of the variable that holds an HMAC secret (development only); empty for none.
        leeway: seconds of clock skew.
        stale_keys: seconds that known keys outlive an unreachable issuer.
        token: the kind that is taken, and no other: ``access``, ``id`` or ``assertion``.
        type: the ``typ`` header asked for of access tokens, ``at+jwt``, or ``any``.
        max_lifetime: seconds; a credential that claims to live longer is refused.
        renewal: what proves a fresh sign-in: ``auth_time``, ``sid`` or ``iat``.
        require: names of further claims that a token must have, beside ``iss``, ``aud``, ``exp`` and ``sub``.
        introspection: how it is asked; ``None`` where it is not.
        sender_constraint: ``dpop`` where its tokens count only with a proof of possession (RFC 9449), else ``none``.
        proof_window: seconds that a proof may be old.
        nonce: whether a proof has to name a nonce of ours (RFC 9449 9).
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    discovery: bool = False
    jwks_uri: str = ""
    key_file: str = ""
    secret_env: str = ""
    leeway: float = 30.0
    stale_keys: float = 86_400.0
    token: Literal["access", "id", "assertion"] = "access"  # noqa: S105 - a kind of token
    type: str = "at+jwt"
    max_lifetime: float = 3_600.0
    renewal: Literal["auth_time", "sid", "iat"] = "auth_time"
    require: tuple[str, ...] = ()
    introspection: Introspection | None = None
    sender_constraint: Literal["none", "dpop"] = "none"
    proof_window: float = 60.0
    nonce: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSource:
    """Where account states come from.

    Attributes:
        name: unique: ``claim:account_status``, ``python:module:function`` or ``http:ADDRESS``.
        claim: the claim's name; empty where it is asked.
        map: status -> account state, ``unrecognised`` where missing; empty where the source speaks our states.
        call: ``module:function``; empty for none.
        url: of an HTTP directory; empty for none.
        status_at: JSON Pointer to the status in its answer.
        true_at: JSON Pointer to the moment at which it was true, epoch seconds UTC; empty where it does not say.
        delegations_at: JSON Pointer to who may act for the account, in its answer or in the claims; empty for nobody.
        max_age: seconds that an answer is used again.
        timeout: seconds for one question.
        failures: in a row, after which the breaker opens; 0 for no breaker.
        open_for: seconds for which it stays open.
        max_concurrency: questions that are open at the same time at the most.
        bearer_env: name of the variable that holds our token; empty for none.
        certificate: file of our certificate; empty for none. Resolved against the policy's folder.
        key: file of its key.
        authority: file of the certificate authority that it is held to; empty for the usual ones.
    """

    name: str
    claim: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    call: str = ""
    url: str = ""
    status_at: str = "/status"
    true_at: str = ""
    delegations_at: str = ""
    max_age: float = 300.0
    timeout: float = 0.5
    failures: int = 0
    open_for: float = 0.0
    max_concurrency: int = 50
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


#: seconds before the first further question to a verifier; doubled for each further one
RETRY_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A service that answers "is it them?".

    Attributes:
        name: as the policy names it.
        type: ``http``, ``python``, ``totp``, ``kba`` or ``code``.
        url: of an HTTP service; empty for none.
        call: ``module:function``; empty for none.
        interactive: whether the customer has to answer something.
        timeout: seconds for one question.
        pass_at: the score from which on it is them, 0 to 1.
        fail_at: the score up to which it is not.
        retries: further questions where there was no answer.
        failures: in a row, after which the breaker opens; 0 for no breaker.
        open_for: seconds for which it stays open.
        max_concurrency: questions that are open at the same time at the most.
        hedge: where else to ask, an address or ``module:function``; empty for nowhere.
        hedge_after: seconds after which.
        request: where (JSON Pointer) to put what (``subject``, ``issuer``, ``session``, ``attempt``, ``channel``,
            ``answers``, ``answers.FIELD``); empty for the usual shape.
        answer_at: where in the answer it is said.
        answer_as: what is said there: a ``score`` from 0 to 1, whether it ``passed``, or a word for the ``verdict``.
        map: word -> ``passed``, ``failed``, ``doubted`` or ``unavailable``.
        bearer_env: name of the variable that holds our token for the service; empty for none.
        certificate: file of our certificate for it; empty for none. Resolved against the policy's folder.
        key: file of its key.
        authority: file of the certificate authority that the service is held to; empty for the usual ones.
        digits: of a ``totp`` or a ``code``.
        window: steps that the clock of a ``totp`` may be off, each way.
        expires: seconds for which a ``code`` counts.
        questions: of a ``kba``, all of which have to be answered.
    """

    name: str
    type: Literal["http", "python", "totp", "kba", "code"]
    url: str = ""
    call: str = ""
    interactive: bool = True
    timeout: float = 2.0
    pass_at: float = 1.0
    fail_at: float = 0.0
    retries: int = 0
    failures: int = 0
    open_for: float = 0.0
    max_concurrency: int = 50
    hedge: str = ""
    hedge_after: float = 0.0
    request: Mapping[str, str] = field(default_factory=dict)
    answer_at: str = "/score"
    answer_as: Literal["score", "passed", "verdict"] = "score"
    map: Mapping[str, str] = field(default_factory=dict)
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""
    digits: int = 6
    window: int = 1
    expires: float = 300.0
    questions: tuple[str, ...] = ()

    @property
    def max_duration(self) -> float:
        """Seconds after which it has answered whatever happens: each question, the pauses, the hedge, a little more."""
        pauses = RETRY_PAUSE_S * (2**self.retries - 1)
        return self.timeout * (self.retries + 1) + float(pauses) + self.hedge_after + 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """How sign-in strength is compared; ``acr`` has no order of its own (RFC 9470 9).

    Attributes:
        order: levels, weakest first.
        map: an issuer's ``acr`` value -> a level.
    """

    order: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)

    def rank(self, acr: str) -> int:
        """Give the level's place in the order, from 1; 0 for a value that the policy does not know."""
        level = self.map.get(acr, acr)
        return self.order.index(level) + 1 if level in self.order else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where the customer speaks from, and where trust may be carried.

    Attributes:
        header: the header that names the channel, lower-case; empty for none. Believed only beside the secret.
        secret_header: the header in which a gateway proves itself, lower-case; the app never sees it.
        secret_env: name of the variable that holds the secret, or several, separated by blanks.
        claim: the claim that names it; empty for none.
        paths: path template -> channel.
        trusts: channel -> the channels to which trust earned there carries.
        declared: whether the policy declares channels at all; if not, every request's channel is ``same``.
    """

    header: str = ""
    secret_header: str = ""
    secret_env: str = ""
    claim: str = ""
    paths: tuple[tuple[str, str], ...] = ()
    trusts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    declared: bool = False
