"""Compiled settings of a deployment: issuers, account sources, verifiers, assurance levels and channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace


class Introspection(Struct, frozen=True, kw_only=True):
    """Token introspection settings of an issuer (RFC 7662).

    Attributes:
        url: introspection endpoint.
        client_id: client id of the guard at the endpoint.
        secret_env: environment variable with the client secret.
        cache: seconds for which a response is cached, at most until ``exp``; 0 disables the cache.
        always: whether JWTs are introspected too, after local validation; otherwise only opaque tokens are.
        optional: claims that a response may lack (RFC 7662 2.2), of ``aud``, ``exp``, ``iss`` and ``sub``.
    """

    url: str
    client_id: str
    secret_env: str
    cache: float = 30.0
    always: bool = False
    optional: tuple[str, ...] = ()


class ClaimSources(Struct, frozen=True, kw_only=True):
    """Where an issuer states each fact: names of claims or JSON Pointers; the first one present counts.

    Attributes:
        subject: the subject.
        client: the OAuth client; the claims that are present must agree, since a second client would be another actor.
        scopes: scopes, a list or a text separated by blanks.
        roles: staff roles; empty for the claim of the policy's ``staff``.
        acr: authentication context class (OpenID Connect Core 2).
        auth_time: time of the person's authentication; of several values of one source the newest counts.
        session: session id of the issuer.
        audience: recipients, a text or a list.
    """

    subject: tuple[str, ...] = ("sub",)
    client: tuple[str, ...] = ("client_id", "azp", "cid", "appid")
    scopes: tuple[str, ...] = ("scope", "scp")
    roles: tuple[str, ...] = ()
    acr: tuple[str, ...] = ("acr",)
    auth_time: tuple[str, ...] = ("auth_time",)
    session: tuple[str, ...] = ("sid",)
    audience: tuple[str, ...] = ("aud",)


class Levels(Struct, frozen=True, kw_only=True):
    """Assurance levels of an issuer's tokens.

    Attributes:
        claim: claims or JSON Pointers with the value; empty for the source of ``acr``.
        map: value -> level, strongest level first; of several values the strongest counts.
        none: level of a token without a known value; empty for no level.
    """

    claim: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)
    none: str = ""


#: claim or JSON Pointer -> accepted values as text, each possibly with a leading ``*``; empty if any is accepted
ClaimValues = Mapping[str, tuple[str, ...]]


#: placeholder of a tenant in an issuer, as metadata and keys about all tenants write it (Entra, OpenID Connect)
TENANT_PLACEHOLDER: Final = "{tenantid}"


def expand_tenants(issuer: str, tenants: Iterable[str]) -> tuple[str, ...]:
    """Return the ``iss`` of each tenant; the issuer itself without tenants."""
    return tuple(issuer.replace(TENANT_PLACEHOLDER, tenant) for tenant in tenants) or (issuer,)


class Issuer(Struct, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted.

    Attributes:
        issuer: expected ``iss``, compared exactly; with `tenants` a template.
        tenants: tenants of the template, before it is expanded; empty for a single issuer.
        provider: name of the preset; empty for none.
        audience: accepted recipients; a token must name one of them.
        algorithms: allowed ``alg`` values.
        discovery: whether keys are found by discovery (RFC 8414, OpenID Connect Discovery).
        discovery_url: address of the metadata; empty if it is derived from the issuer.
        template: `issuer` as metadata about several tenants names it, with ``{tenantid}``; empty for a single tenant.
        jwks_uri: address of the keys; empty for none.
        insecure_http: whether metadata and keys may be fetched without TLS.
        key_file: file of the keys (a JWK Set), resolved against the policy's folder; empty for none.
        secret_env: environment variable with an HMAC secret (development only); empty for none.
        leeway: allowed clock skew in seconds.
        stale_keys: seconds for which cached keys are used while the issuer is unreachable.
        token: the only accepted kind of token: ``access``, ``id`` or ``assertion``.
        type: required ``typ`` header of access tokens, ``at+jwt`` or ``any``.
        max_lifetime: longest accepted lifetime of a credential in seconds.
        evidence: what each token states about the sign-in: its time (``auth_time``), a session id (``sid``), neither
            (``none``), or what it happens to hold (``any``).
        claims: where the issuer states each fact.
        require: claims that a token must have, in addition to ``iss``, ``exp``, the subject and the audience.
        require_person: claims of which a person's token must have one; neither an ID token nor a machine's has any.
        machine: claims of which any one marks the token of a machine.
        levels: assurance levels of its tokens; ``None`` if the policy's ``assurance`` maps ``acr``.
        scope_prefix: prefix with which the issuer writes scopes, or requires clients to ask for them.
        introspection: introspection settings; ``None`` without introspection.
        sender_constraint: ``dpop`` if tokens need a proof of possession (RFC 9449), otherwise ``none``.
        proof_window: maximum age of a proof in seconds; unused with `nonce`.
        nonce: whether a proof must contain a nonce issued by the guard (RFC 9449 9), which then stands in for its time.
    """

    issuer: str
    tenants: tuple[str, ...] = ()
    provider: str = ""
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    discovery: bool = False
    discovery_url: str = ""
    template: str = ""
    jwks_uri: str = ""
    insecure_http: bool = False
    key_file: str = ""
    secret_env: str = ""
    leeway: float = 30.0
    stale_keys: float = 86_400.0
    token: Literal["access", "id", "assertion"] = "access"  # noqa: S105 - a kind of token
    type: str = "at+jwt"
    max_lifetime: float = 3_600.0
    evidence: Literal["auth_time", "sid", "none", "any"] = "any"
    claims: ClaimSources = ClaimSources()
    require: ClaimValues = field(default_factory=dict)
    require_person: tuple[str, ...] = ()
    machine: ClaimValues = field(default_factory=dict)
    levels: Levels | None = None
    scope_prefix: str = ""
    introspection: Introspection | None = None
    sender_constraint: Literal["none", "dpop"] = "none"
    proof_window: float = 60.0
    nonce: bool = False

    def expand(self) -> tuple[Issuer, ...]:
        """Return one issuer for each tenant; the issuer itself without tenants."""
        if not self.tenants:
            return (self,)
        names = expand_tenants(self.issuer, self.tenants)
        return tuple(replace(self, issuer=name, template=self.issuer, tenants=()) for name in names)


class AccountSource(Struct, frozen=True, kw_only=True):
    """A source of account states.

    Attributes:
        name: unique name: ``claim:account_status``, ``python:module:function`` or ``http:ADDRESS``.
        claim: name of the claim; empty for other sources.
        map: status -> account state; a missing status is ``unrecognised``. Empty if the source sends account states.
        call: ``module:function``; empty for none.
        url: address of an HTTP directory; empty for none.
        status_at: JSON Pointer to the status in the response.
        true_at: JSON Pointer to the time of the status in epoch seconds (UTC); empty if the response has none.
        delegations_at: JSON Pointer to the delegations of the account, in the response or the claims; empty for none.
        max_age: seconds for which a response is cached.
        timeout: seconds for one call.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        max_concurrency: maximum number of concurrent calls.
        bearer_env: environment variable with the guard's token; empty for none.
        certificate: file of the guard's certificate, resolved against the policy's folder; empty for none.
        key: file of the certificate's key.
        authority: file of the certificate authority of the service; empty for the system's authorities.
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


#: seconds before the first retry of a verifier; doubled for each further retry
RETRY_PAUSE_S: Final = 0.1


class Verifier(Struct, frozen=True, kw_only=True):
    """A service that verifies identity.

    Attributes:
        name: name in the policy.
        type: ``http``, ``python``, ``totp``, ``kba`` or ``code``.
        url: address of an HTTP service; empty for none.
        call: ``module:function``; empty for none.
        interactive: whether the customer must enter an answer.
        timeout: seconds for one call.
        pass_at: lowest score that passes, 0 to 1.
        fail_at: highest score that fails; a score between the two is in doubt.
        retries: maximum number of retries if the service does not respond.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        max_concurrency: maximum number of concurrent calls.
        hedge: address or ``module:function`` of a second service; empty for none.
        hedge_after: seconds without a response before the second service is called.
        request: JSON Pointer -> value at that place of the request (``subject``, ``issuer``, ``session``, ``attempt``,
            ``channel``, ``answers``, ``answers.FIELD``); empty for the default request.
        answer_at: JSON Pointer to the result in the response.
        answer_as: type of the result: a ``score`` from 0 to 1, a boolean (``passed``), or a word (``verdict``).
        map: word -> ``passed``, ``failed``, ``doubted`` or ``unavailable``.
        bearer_env: environment variable with the guard's token for the service; empty for none.
        certificate: file of the guard's certificate, resolved against the policy's folder; empty for none.
        key: file of the certificate's key.
        authority: file of the certificate authority of the service; empty for the system's authorities.
        digits: length of a ``totp`` or a ``code``.
        window: accepted time steps before and after the current one of a ``totp``.
        expires: lifetime of a ``code`` in seconds.
        questions: questions of a ``kba``; each must be answered.
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
        """Maximum seconds until a result: all calls, the pauses between them, the hedge, and one second of margin."""
        pauses = RETRY_PAUSE_S * (2**self.retries - 1)
        return self.timeout * (self.retries + 1) + float(pauses) + self.hedge_after + 1.0


class Assurance(Struct, frozen=True, kw_only=True):
    """The order of assurance levels; ``acr`` values have no inherent order (RFC 9470 9).

    Attributes:
        order: levels, weakest first.
        map: ``acr`` value of an issuer -> level.
    """

    order: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)

    def rank(self, acr: str) -> int:
        """Return the rank of a level, from 1; 0 for an unknown value."""
        level = self.map.get(acr, acr)
        return self.order.index(level) + 1 if level in self.order else 0


class Channels(Struct, frozen=True, kw_only=True):
    """The channels through which customers contact the agent, and the trust between them.

    Attributes:
        header: lower-case name of the header with the channel; empty for none. Ignored without the secret.
        secret_header: lower-case name of the header with the gateway's secret; removed before the app runs.
        secret_env: environment variable with the secret, or with several secrets separated by blanks.
        claim: claim with the channel; empty for none.
        paths: path template -> channel.
        trusts: channel -> other channels in which proof of identity from this channel counts.
        declared: whether the policy declares channels; otherwise the channel of every request is ``same``.
    """

    header: str = ""
    secret_header: str = ""
    secret_env: str = ""
    claim: str = ""
    paths: tuple[tuple[str, str], ...] = ()
    trusts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    declared: bool = False
