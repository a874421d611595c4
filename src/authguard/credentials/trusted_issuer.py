"""One trusted issuer: what its policy accepts, prepared once, and the verification of its tokens (RFC 8725 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jwk import allowed_algorithms
from authguard.credentials.signature import verify_signature
from authguard.credentials.token_kind import accepted_types, has_claims
from authguard.evaluation.claims import validate_claims

if TYPE_CHECKING:
    from authguard.core.deployment import Issuer
    from authguard.credentials.jwk import Key
    from authguard.credentials.jwks_cache import JwksCache
    from authguard.credentials.jws import UnverifiedToken
    from authguard.evaluation.claims import LogNames, ValidatedToken

#: reasons that say nothing about the token, and leave the token ``unproven``
_OUTAGES: Final = frozenset({Reason.KEYS_UNREACHABLE, Reason.KEYS_UNUSABLE, Reason.KEYS_BUSY})
_TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)


class TrustedIssuer(Struct, frozen=True, eq=False):
    """An issuer of the policy and its keys.

    Attributes:
        issuer: as the policy declares it.
        algorithms: accepted ``alg``.
        types: accepted ``typ``, from `accepted_types`.
        jwks_cache: its keys; tenants may share one.
        has_secret: whether a shared secret is its only key, so that the ``kid`` of a token does not matter.
    """

    issuer: Issuer
    algorithms: frozenset[str]
    types: frozenset[str]
    jwks_cache: JwksCache
    has_secret: bool

    @classmethod
    def of(cls, issuer: Issuer, jwks_cache: JwksCache) -> TrustedIssuer:
        """Prepare the checks of an issuer."""
        return cls(
            issuer,
            allowed_algorithms(issuer.algorithms),
            accepted_types(issuer.token, issuer.type),
            jwks_cache,
            bool(issuer.secret_env),
        )

    async def find_keys(self, unverified: UnverifiedToken, now: float) -> tuple[Key, ...] | NotProven:
        """Return the keys that may have signed a token; fetch them if necessary."""
        header = unverified.header
        keys = await self.jwks_cache.find(None if self.has_secret else header.key, header.algorithm, now)
        if isinstance(keys, Reason):
            return NotProven("unproven" if keys in _OUTAGES else "rejected", keys)
        return keys

    def verify(
        self, unverified: UnverifiedToken, keys: tuple[Key, ...], names: LogNames, now: float
    ) -> tuple[ValidatedToken, Key] | NotProven:
        """Verify the signature of a token, then validate its claims.

        Args:
            unverified: a token that names this issuer, with an algorithm and a ``typ`` that are accepted.
            keys: that may have signed it.
            names: functions for the names in the log.
            now: epoch seconds UTC.

        Returns:
            The token, and the key that signed it.
        """
        verified = verify_signature(unverified, keys, self.issuer)
        if isinstance(verified, NotProven):
            return verified
        claims, key = verified
        if not has_claims(self.issuer.token, unverified.header.kind, claims):
            return _TYPE_REFUSED
        validated = validate_claims(claims, unverified.content, self.issuer, names, unverified.token, now)
        return validated if isinstance(validated, NotProven) else (validated, key)
