"""Compiled settings of a deployment: issuers, account sources, verifiers, assurance levels and channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from authguard.core.issuer_settings import IntrospectionSettings, IssuerSettings
from authguard.core.service_settings import AccountSourceSettings, VerifierSettings


class Introspection(IntrospectionSettings, frozen=True, kw_only=True):
    """Token introspection settings of an issuer (RFC 7662).

    Attributes:
        always: whether JWTs are introspected too, after local validation; otherwise only opaque tokens are.
    """

    always: bool = False


#: claim or JSON Pointer -> accepted values as text, each possibly with a leading ``*``; empty if any is accepted
ClaimValues = Mapping[str, tuple[str, ...]]


#: placeholder of a tenant in an issuer, as metadata and keys about all tenants write it (Entra, OpenID Connect)
TENANT_PLACEHOLDER: Final = "{tenantid}"


def expand_tenants(issuer: str, tenants: Iterable[str]) -> tuple[str, ...]:
    """Return the ``iss`` of each tenant; the issuer itself without tenants."""
    return tuple(issuer.replace(TENANT_PLACEHOLDER, tenant) for tenant in tenants) or (issuer,)


class Issuer(IssuerSettings, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted.

    Attributes:
        audience: accepted recipients; a token must name one of them.
        discovery: whether keys are found by discovery (RFC 8414, OpenID Connect Discovery).
        discovery_url: address of the metadata; empty if it is derived from the issuer.
        template: `issuer` as metadata about several tenants names it, with ``{tenantid}``; empty for a single tenant.
        jwks_uri: address of the keys; empty for none.
        insecure_http: whether metadata and keys may be fetched without TLS.
        key_file: file of the keys (a JWK Set), resolved against the policy's folder; empty for none.
        secret_env: environment variable with an HMAC secret (development only); empty for none.
        introspection: introspection settings; ``None`` without introspection.
        sender_constraint: ``dpop`` if tokens need a proof of possession (RFC 9449), otherwise ``none``.
        proof_window: maximum age of a proof in seconds; unused with `nonce`.
        nonce: whether a proof must contain a nonce issued by the guard (RFC 9449 9), which then stands in for its time.
    """

    audience: tuple[str, ...]
    discovery: bool = False
    discovery_url: str = ""
    template: str = ""
    jwks_uri: str = ""
    insecure_http: bool = False
    key_file: str = ""
    secret_env: str = ""
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


class AccountSource(AccountSourceSettings, frozen=True, kw_only=True):
    """A source of account states.

    Attributes:
        name: unique name: ``claim:account_status``, ``python:module:function`` or ``http:ADDRESS``.
        status_at: JSON Pointer to the status in the response.
        true_at: JSON Pointer to the time of the status in epoch seconds (UTC); empty if the response has none.
        delegations_at: JSON Pointer to the delegations of the account, in the response or the claims; empty for none.
        pointers: JSON Pointers to what conditions of the policy read of the response; none for a claim.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        bearer_env: environment variable with the guard's token; empty for none.
        certificate: file of the guard's certificate, resolved against the policy's folder; empty for none.
        key: file of the certificate's key.
        authority: file of the certificate authority of the service; empty for the system's authorities.
    """

    name: str
    status_at: str = "/status"
    true_at: str = ""
    delegations_at: str = ""
    pointers: tuple[str, ...] = ()
    failures: int = 0
    open_for: float = 0.0
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


#: seconds before the first retry of a verifier; doubled for each further retry
RETRY_PAUSE_S: Final = 0.1


class Verifier(VerifierSettings, frozen=True, kw_only=True):
    """A service that verifies identity.

    Attributes:
        name: name in the policy.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        hedge: address or ``module:function`` of a second service; empty for none.
        hedge_after: seconds without a response before the second service is called.
        answer_at: JSON Pointer to the result in the response.
        answer_as: type of the result: a ``score`` from 0 to 1, a boolean (``passed``), or a word (``verdict``).
        map: word -> ``passed``, ``failed``, ``doubted`` or ``unavailable``.
        bearer_env: environment variable with the guard's token for the service; empty for none.
        certificate: file of the guard's certificate, resolved against the policy's folder; empty for none.
        key: file of the certificate's key.
        authority: file of the certificate authority of the service; empty for the system's authorities.
    """

    name: str
    failures: int = 0
    open_for: float = 0.0
    hedge: str = ""
    hedge_after: float = 0.0
    answer_at: str = "/score"
    answer_as: Literal["score", "passed", "verdict"] = "score"
    map: Mapping[str, str] = field(default_factory=dict)
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""

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
