"""The port `authguard.ports.CredentialCheck` where a policy asks for more than JWTs: opaque tokens, revocation, proofs.

Rules:
- A JWT is checked first, and asked about only where its issuer's policy says so; both have to agree.
- An opaque token is shown to one issuer only (RFC 7662 4), a JWT at most to the one whose key signed it.
- A bound token counts with a proof and never without; that a proof is used once, the store decides for all processes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Unseen
from authguard.credentials import bearer, dpop, introspection_claims
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.claims import BOUND_TOKEN, EXPIRED, UNBOUND_TOKEN
from authguard.credentials.introspection import IntrospectionLimits, Introspector
from authguard.credentials.introspection_client import UNCLEAR, IntrospectionEndpoint, TokenStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from authguard.credentials.cache import Freshness, ValidityKey
    from authguard.credentials.claims import ValidatedToken
    from authguard.credentials.jwt_validator import JwtValidator
    from authguard.credentials.nonce import NonceGenerator
    from authguard.policy.deployment import Issuer

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_INACTIVE: Final = NotProven("rejected", Reason.TOKEN_INACTIVE)
_REPLAYED: Final = NotProven("rejected", Reason.PROOF_REPLAYED)
#: with what a JSON object begins in base64url: the header of whatever may be taken for a JWT
_BEGINNINGS: Final = (b"ew", b"ex", b"ey", b"ez")
#: seconds by which a request's time may lie before another's without the clock having stepped back
CLOCK_TOLERANCE_S: Final = 1.0


class OneTimeStore(Protocol):
    """What decides that something is used once: the part of `authguard.ports.Store` that is needed here."""

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Take a name; false where it was taken before."""
        ...


@dataclass(slots=True, eq=False)
class _Validity:
    """An issuer's word for a token, and for how long it is taken.

    Attributes:
        since: epoch seconds UTC; from then, ...
        due: ... until then.
        retired: never; it ends by its time alone.
    """

    since: float
    due: float
    retired: bool = False


class TokenValidator:
    """Checks bearer tokens and bound ones, JWTs and opaque ones.

    Args:
        jwt: checks JWTs, and remembers what is good as a bearer token.
        issuers: ``iss`` -> what the policy says of that issuer.
        environ: where the secrets are read.
        nonces: for proofs.
        store: decides that a proof is used once.
        client: the HTTP client for questions, which its owner closes.
        manners: how issuers are asked.
        cache: where good bound tokens are remembered; one of its own.
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
        "_opaque_issuer",
        "_store",
        "recall",
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
    ) -> None:
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
        #: where no token is bound, the memory of bearer tokens is asked as if there were no gate before it
        self.recall: Callable[[Evidence, float], Credential | Unseen] = self._recall if self._bound else jwt.recall
        #: good bound tokens by the SHA-256 of the token; apart from those that are good by themselves
        self._bound_tokens = Cache() if cache is None else cache

    async def open(self) -> None:
        """Load keys and secrets; issuers need not be up. Safe to call again.

        Raises:
            SettingsError: a key file or a secret cannot be used.
        """
        await self._jwt.open()
        for name, introspector in self._introspectors.items():
            issuer = self._issuers[name]
            if issuer.introspection is not None:
                introspector.open(IntrospectionEndpoint.of(issuer, issuer.introspection, self._environ))

    async def close(self) -> None:
        """Call back what is on its way."""
        await self._jwt.close()
        for introspector in self._introspectors.values():
            await introspector.close()

    def _recall(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Give a verdict that is remembered; a bound token has none without its proof. Never waits.

        Args:
            evidence: whose ``authorization`` is read.
            now: epoch seconds UTC.
        """
        if self._bound and _is_bound(evidence.authorization):
            return UNSEEN
        return self._jwt.recall(evidence, now)

    def examine(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Check a credential where that takes neither an issuer's word nor the store; never waits.

        Args:
            evidence: whose ``authorization`` is read.
            now: epoch seconds UTC.
        """
        if self._bound and _is_bound(evidence.authorization):
            return UNSEEN
        token = bearer.read(evidence.authorization)
        if isinstance(token, NotProven):
            return token
        if is_jwt(token):
            return UNSEEN if self._introspects_jwts else self._jwt.examine(evidence, now)
        if self._opaque_issuer is None:
            return _MALFORMED
        refused = self._introspectors[self._opaque_issuer.issuer].is_known_inactive(sha256(token).digest(), now)
        return _INACTIVE if refused else UNSEEN

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Check a credential; wait for keys, for an issuer's word and for the store where it takes them.

        Args:
            evidence: whose ``authorization``, ``proof``, ``method`` and ``address`` are read.
            now: epoch seconds UTC.

        Raises:
            StoreError: it cannot be told whether a proof was used before.
        """
        header = evidence.authorization
        if self._bound and _is_bound(header):
            return await self._check_bound(evidence, now)
        token = bearer.read(header)
        if isinstance(token, NotProven):
            return token
        weighed = await self._validate(token, sha256(token).digest(), now)
        if isinstance(weighed, NotProven):
            return weighed
        validated, ground, lease = weighed
        if validated.thumbprint:
            return BOUND_TOKEN
        self._jwt.cache_token(header, validated, ground, lease)
        return validated.proven

    async def _check_bound(self, evidence: Evidence, now: float) -> Credential:
        """Check a token that comes with a proof, and the proof (RFC 9449 7.1)."""
        token = bearer.read(evidence.authorization, bearer.DPOP)
        if isinstance(token, NotProven):
            return token
        digest = sha256(token).digest()
        entry = self._find(digest, now) or await self._validate_bound(token, digest, now)
        if isinstance(entry, NotProven):
            return entry
        principal = entry.proven.principal
        if evidence.shown:
            return entry.proven  # a proof is for one request (RFC 9449 4.3), and this one's was the handshake
        issuer = self._issuers[principal.issuer]
        shown = dpop.verify_proof(
            evidence, digest, _thumbprint(principal.claims), issuer=issuer, nonces=self._nonces, now=now
        )
        if isinstance(shown, NotProven):
            return shown
        if not await self._store.claim(shown.name, shown.until, now):
            return _REPLAYED
        return replace(entry.proven, nonce=shown.nonce) if shown.nonce else entry.proven

    async def _validate_bound(self, token: bytes, digest: bytes, now: float) -> Entry | NotProven:
        """Check a token that has to be bound, and remember it where it is good."""
        weighed = await self._validate(token, digest, now)
        if isinstance(weighed, NotProven):
            return weighed
        validated, ground, lease = weighed
        if not validated.thumbprint:
            return UNBOUND_TOKEN
        entry = Entry(
            validated.proven, validated.since, validated.until, ground, lease, max(len(token), validated.weight)
        )
        self._bound_tokens.put(digest, entry)
        return entry

    def _find(self, digest: bytes, now: float) -> Entry | NotProven | None:
        """Find a bound token that is known to be good; ``None`` says that it has to be checked, and is no verdict."""
        entry = self._bound_tokens.find(digest)
        if entry is None:
            return None
        if (
            entry.since <= now < entry.until
            and not entry.key.retired
            and entry.keyring.since <= now < entry.keyring.due
        ):
            return entry
        if entry.key.retired or now >= entry.until:
            self._bound_tokens.remove(digest)
        return EXPIRED if now >= entry.until and not entry.key.retired else None

    async def _validate(
        self, token: bytes, digest: bytes, now: float
    ) -> tuple[ValidatedToken, ValidityKey, Freshness] | NotProven:
        """Check a token, bound or not, with all that its issuer's policy asks for."""
        if not is_jwt(token):
            return await self._validate_opaque(token, digest, now)
        weighed = await self._jwt.validate(token, now)
        if isinstance(weighed, NotProven):
            return weighed
        validated, key, keyring = weighed
        claims = validated.proven.principal.claims
        issuer = self._issuers[validated.proven.principal.issuer]
        if issuer.introspection is None or not issuer.introspection.always:
            return weighed
        said = await self._introspect(issuer, token, digest, now)
        if isinstance(said, NotProven):
            return said
        if not introspection_claims.matches_jwt(said, dict(claims), issuer, now):
            return UNCLEAR
        return validated, key, _Validity(now - CLOCK_TOLERANCE_S, min(keyring.due, now + issuer.introspection.cache))

    async def _validate_opaque(
        self, token: bytes, digest: bytes, now: float
    ) -> tuple[ValidatedToken, ValidityKey, Freshness] | NotProven:
        issuer = self._opaque_issuer
        if issuer is None or issuer.introspection is None:
            return _MALFORMED
        said = await self._introspect(issuer, token, digest, now)
        if isinstance(said, NotProven):
            return said
        validated = introspection_claims.validate_response(said, issuer, self._jwt.names, token, now)
        if isinstance(validated, NotProven):
            return validated
        validity = _Validity(now - CLOCK_TOLERANCE_S, now + issuer.introspection.cache)
        # what an issuer says may be far longer than the token that it says it of, and is remembered with it
        return replace(validated, weight=len(msgspec.json.encode(said))), validity, validity

    async def _introspect(
        self, issuer: Issuer, token: bytes, digest: bytes, now: float
    ) -> dict[str, object] | NotProven:
        """Give what an issuer says of an active token."""
        introspector = self._introspectors[issuer.issuer]
        if introspector.is_known_inactive(digest, now):
            return _INACTIVE
        said = await introspector.introspect(token, digest, now)
        return _INACTIVE if isinstance(said, TokenStatus) else said


def opaque_token_issuer(issuers: Mapping[str, Issuer]) -> Issuer | None:
    """Tell which issuer an opaque token is shown to: the one that says ``on: opaque``, else the only one that is asked.

    ``None`` where there is none, or no telling: such a token is then refused.
    """
    asked = [issuer for issuer in issuers.values() if issuer.introspection is not None]
    opaque = [issuer for issuer in asked if issuer.introspection is not None and not issuer.introspection.always]
    found = opaque or asked
    return found[0] if len(found) == 1 else None


def needs_token_validator(issuers: Mapping[str, Issuer]) -> bool:
    """Whether a policy asks for more than JWTs as bearer tokens."""
    return any(issuer.introspection is not None or issuer.sender_constraint != "none" for issuer in issuers.values())


def is_jwt(token: bytes) -> bool:
    """Whether a token may be taken for a JWT: three parts, of which the first is a JSON object's beginning."""
    return token.startswith(_BEGINNINGS) and token.count(b".") == 2  # noqa: PLR2004 - RFC 7515 7.1


def _is_bound(header: bytes) -> bool:
    return header[:5].lower() == b"dpop "


def _thumbprint(claims: Mapping[str, object]) -> str:
    """Give what `claims.validate_claims` found to be there."""
    bound = claims.get("cnf")
    found = bound.get("jkt") if isinstance(bound, dict) else None
    return found if isinstance(found, str) else ""
