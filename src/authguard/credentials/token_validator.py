"""Validator for opaque tokens, token revocation and DPoP; implements the port `authguard.ports.CredentialValidator`.

Rules:
- A JWT is validated first, and introspected only if its issuer's policy requires it; both results must agree.
- An opaque token is sent to one issuer only (RFC 7662 4), a JWT at most to the issuer that signed it.
- A bound token is valid only with a proof. The store decides for all processes that a proof is used once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Unseen
from authguard.credentials import bearer, dpop, introspection_claims
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.introspection import IntrospectionLimits, Introspector
from authguard.credentials.introspection_client import IntrospectionEndpoint, TokenStatus
from authguard.evaluation.claims import BOUND_TOKEN, EXPIRED, UNBOUND_TOKEN
from authguard.ports import IntrospectionProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from authguard.core.deployment import Issuer
    from authguard.credentials.cache import Freshness, ValidityKey
    from authguard.credentials.jwt_validator import JwtValidator
    from authguard.credentials.nonce import NonceGenerator
    from authguard.evaluation.claims import ValidatedToken
    from authguard.ports import IssuerStatus

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_INACTIVE: Final = NotProven("rejected", Reason.TOKEN_INACTIVE)
_REPLAYED: Final = NotProven("rejected", Reason.PROOF_REPLAYED)
#: base64url of the start of a JSON object, which is the header of any JWT
_JSON_STARTS: Final = (b"ew", b"ex", b"ey", b"ez")
#: seconds by which the times of two requests may be out of order without a step back of the clock
CLOCK_TOLERANCE_S: Final = 1.0


class OneTimeStore(Protocol):
    """The store of names that can be used once; the required part of `authguard.ports.Store`."""

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Claim a name; return whether it was not claimed before."""
        ...


@dataclass(slots=True, eq=False)
class _Validity:
    """Validity of an introspection response; both a `ValidityKey` and a `Freshness`.

    Attributes:
        since: start in epoch seconds UTC.
        due: end in epoch seconds UTC, exclusive.
        retired: always false; a response ends only by time.
    """

    since: float
    due: float
    retired: bool = False


class TokenValidator:
    """Validates bearer tokens and bound tokens, both JWTs and opaque tokens.

    Args:
        jwt: the validator of JWTs, which caches valid bearer tokens.
        issuers: ``iss`` -> the policy of that issuer.
        environ: the environment with the secrets.
        nonces: the generator of nonces for proofs.
        store: decides that a proof is used once.
        client: the HTTP client for introspection, closed by its owner.
        limits: of the introspection requests.
        cache: of valid bound tokens; by default the validator has one.
        notify: called with the problem of an introspection endpoint at the start.
    """

    __slots__ = (
        "_bound",
        "_bound_tokens",
        "_environ",
        "_introspectors",
        "_introspects_jwts",
        "_issuers",
        "_jwt",
        "_nonces",
        "_notify",
        "_opaque_issuer",
        "_store",
        "get_cached",
    )

    def __init__(
        self,
        jwt: JwtValidator,
        issuers: Mapping[str, Issuer],
        *,
        environ: Mapping[str, str],
        nonces: NonceGenerator,
        store: OneTimeStore,
        client: httpx2.AsyncClient | None = None,
        limits: IntrospectionLimits | None = None,
        cache: Cache | None = None,
        notify: Callable[[IntrospectionProblem], None] = lambda _: None,
    ) -> None:
        self._notify = notify
        self._jwt = jwt
        self._issuers = dict(issuers)
        self._environ = environ
        self._nonces = nonces
        self._store = store
        self._introspectors = {
            name: Introspector(issuer.introspection.cache, client, limits)
            for name, issuer in self._issuers.items()
            if issuer.introspection is not None
        }
        self._introspects_jwts = any(
            issuer.introspection and issuer.introspection.always for issuer in self._issuers.values()
        )
        self._bound = any(issuer.sender_constraint == "dpop" for issuer in self._issuers.values())
        self._opaque_issuer = opaque_token_issuer(self._issuers)
        #: without bound tokens the method of the JWT validator itself, which saves a call for each request
        self.get_cached: Callable[[Evidence, float], Credential | Unseen] = (
            self._get_cached if self._bound else jwt.get_cached
        )
        #: valid bound tokens by the SHA-256 of the token; separate from the cache of bearer tokens
        self._bound_tokens = Cache() if cache is None else cache

    async def open(self) -> None:
        """Load keys and secrets; issuers may be down. May be called again.

        Raises:
            SettingsError: a key file or a secret is not usable.
        """
        await self._jwt.open()
        for name, introspector in self._introspectors.items():
            issuer = self._issuers[name]
            if issuer.introspection is not None:
                introspector.open(IntrospectionEndpoint.of(issuer, issuer.introspection, self._environ))

    def prefetch(self, now: float) -> None:
        """Start to fetch the keys of all issuers, and to check their introspection endpoints; never waits."""
        self._jwt.prefetch(now)
        for name, introspector in self._introspectors.items():
            introspector.prefetch(partial(self._report, name))

    def _report(self, issuer: str, message: str, is_outage: bool) -> None:  # noqa: FBT001 - of a callback
        self._notify(IntrospectionProblem(issuer, message, is_outage))

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Return the status of each issuer; never waits."""
        return self._jwt.issuer_statuses()

    async def close(self) -> None:
        """Cancel all requests in flight."""
        await self._jwt.close()
        for introspector in self._introspectors.values():
            await introspector.close()

    def _get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Return the cached result; a bound token has none, since each request needs a proof. Never waits."""
        if self._bound and _is_bound(evidence.authorization):
            return UNSEEN
        return self._jwt.get_cached(evidence, now)

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Validate a credential unless that takes introspection or the store; never waits.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        if self._bound and _is_bound(evidence.authorization):
            return UNSEEN
        token = bearer.read(evidence.authorization)
        if isinstance(token, NotProven):
            return token
        if is_jwt(token):
            return UNSEEN if self._introspects_jwts else self._jwt.validate_bearer(token, now)
        if self._opaque_issuer is None:
            return _MALFORMED
        inactive = self._introspectors[self._opaque_issuer.issuer].is_known_inactive(sha256(token).digest(), now)
        return _INACTIVE if inactive else UNSEEN

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Validate a credential; fetch keys, introspect and query the store if necessary.

        Args:
            evidence: its ``authorization``, ``proof``, ``method`` and ``address`` are read.
            now: epoch seconds UTC.

        Raises:
            StoreError: the store cannot decide whether a proof was used before.
        """
        header = evidence.authorization
        if self._bound and _is_bound(header):
            return await self._check_bound(evidence, now)
        token = bearer.read(header)
        if isinstance(token, NotProven):
            return token
        result = await self._validate(token, sha256(token).digest(), now)
        if isinstance(result, NotProven):
            return result
        validated, key, freshness = result
        if validated.thumbprint:
            return BOUND_TOKEN
        self._jwt.cache_token(token, validated, key, freshness)
        return validated.proven

    async def validate(self, token: bytes, now: float) -> tuple[ValidatedToken, ValidityKey, Freshness] | NotProven:
        """Validate a token without its scheme and without its proof, and cache nothing.

        Args:
            token: in the form ``token68``, of bounded length.
            now: epoch seconds UTC.
        """
        return await self._validate(token, sha256(token).digest(), now)

    async def _check_bound(self, evidence: Evidence, now: float) -> Credential:
        """Validate a bound token and its proof (RFC 9449 7.1)."""
        token = bearer.read(evidence.authorization, bearer.DPOP)
        if isinstance(token, NotProven):
            return token
        digest = sha256(token).digest()
        entry = self._find(digest, now) or await self._validate_bound(token, digest, now)
        if isinstance(entry, NotProven):
            return entry
        principal = entry.proven.principal
        if evidence.shown:
            return entry.proven  # a proof is for one request (RFC 9449 4.3): that was the handshake of this WebSocket
        issuer = self._issuers[principal.issuer]
        proof = dpop.verify_proof(
            evidence, digest, _thumbprint(principal.claims), issuer=issuer, nonces=self._nonces, now=now
        )
        if isinstance(proof, NotProven):
            return proof
        if not await self._store.claim(proof.name, proof.until, now):
            return _REPLAYED
        return replace(entry.proven, nonce=proof.nonce) if proof.nonce else entry.proven

    async def _validate_bound(self, token: bytes, digest: bytes, now: float) -> Entry | NotProven:
        result = await self._validate(token, digest, now)
        if isinstance(result, NotProven):
            return result
        validated, key, freshness = result
        if not validated.thumbprint:
            return UNBOUND_TOKEN
        entry = Entry(validated.proven, validated.since, validated.until, key, freshness)
        self._bound_tokens.put(digest, entry)
        return entry

    def _find(self, digest: bytes, now: float) -> Entry | NotProven | None:
        """Return the cached entry of a valid bound token; ``None`` means that the token must be validated."""
        entry = self._bound_tokens.find(digest)
        if entry is None:
            return None
        if (
            entry.since <= now < entry.until
            and not entry.key.retired
            and entry.freshness.since <= now < entry.freshness.due
        ):
            return entry
        if entry.key.retired or now >= entry.until:
            self._bound_tokens.remove(digest)
        return EXPIRED if now >= entry.until and not entry.key.retired else None

    async def _validate(
        self, token: bytes, digest: bytes, now: float
    ) -> tuple[ValidatedToken, ValidityKey, Freshness] | NotProven:
        """Validate a token, bound or not, in all ways that its issuer's policy requires."""
        if not is_jwt(token):
            return await self._validate_opaque(token, digest, now)
        result = await self._jwt.validate(token, now)
        if isinstance(result, NotProven):
            return result
        validated, key, jwks_cache = result
        claims = validated.proven.principal.claims
        issuer = self._issuers[validated.proven.principal.issuer]
        if issuer.introspection is None or not issuer.introspection.always:
            return result
        response = await self._introspect(issuer, token, digest, now)
        if isinstance(response, NotProven):
            return response
        mismatch = introspection_claims.check_jwt_response(response, dict(claims), issuer, now)
        if mismatch is not None:
            return mismatch
        due = min(jwks_cache.due, now + issuer.introspection.cache)
        return validated, key, _Validity(now - CLOCK_TOLERANCE_S, due)

    async def _validate_opaque(
        self, token: bytes, digest: bytes, now: float
    ) -> tuple[ValidatedToken, ValidityKey, Freshness] | NotProven:
        issuer = self._opaque_issuer
        if issuer is None or issuer.introspection is None:
            return _MALFORMED
        response = await self._introspect(issuer, token, digest, now)
        if isinstance(response, NotProven):
            return response
        validated = introspection_claims.validate_response(response, issuer, self._jwt.names, token, now)
        if isinstance(validated, NotProven):
            return validated
        validity = _Validity(now - CLOCK_TOLERANCE_S, now + issuer.introspection.cache)
        return validated, validity, validity

    async def _introspect(
        self, issuer: Issuer, token: bytes, digest: bytes, now: float
    ) -> dict[str, object] | NotProven:
        introspector = self._introspectors[issuer.issuer]
        if introspector.is_known_inactive(digest, now):
            return _INACTIVE
        response = await introspector.introspect(token, digest, now)
        return _INACTIVE if isinstance(response, TokenStatus) else response


def opaque_token_issuer(issuers: Mapping[str, Issuer]) -> Issuer | None:
    """Return the issuer of opaque tokens: the one with ``on: opaque``, else the only one with introspection.

    ``None`` if there is none or no unique one: opaque tokens are then refused.
    """
    introspecting = [issuer for issuer in issuers.values() if issuer.introspection is not None]
    opaque = [issuer for issuer in introspecting if issuer.introspection and not issuer.introspection.always]
    found = opaque or introspecting
    return found[0] if len(found) == 1 else None


def is_jwt(token: bytes) -> bool:
    """Return whether a token has the form of a JWT: three parts, the first the start of a JSON object."""
    return token.startswith(_JSON_STARTS) and token.count(b".") == 2  # noqa: PLR2004 - RFC 7515 7.1


def _is_bound(header: bytes) -> bool:
    return header[:5].lower() == b"dpop "


def _thumbprint(claims: Mapping[str, object]) -> str:
    # `validate_claims` has validated the type of ``cnf``
    bound = claims.get("cnf")
    found = bound.get("jkt") if isinstance(bound, dict) else None
    return found if isinstance(found, str) else ""
