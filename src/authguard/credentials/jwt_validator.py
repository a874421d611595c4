"""Validator for JWT bearer tokens; implements the port `authguard.ports.CredentialValidator` (RFC 6750, RFC 9068)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Unseen
from authguard.credentials import bearer
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.jwk import allowed_algorithms
from authguard.credentials.jwks_cache import RefreshPolicy
from authguard.credentials.jwks_fetcher import JwksFetcher
from authguard.credentials.jws import parse_compact
from authguard.credentials.key_source import KeySource
from authguard.credentials.static_keys import load_key_file, load_secret
from authguard.credentials.trusted_issuer import TrustedIssuer
from authguard.evaluation.claims import BOUND_TOKEN, EXPIRED, LogNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from authguard.core.deployment import Issuer
    from authguard.credentials.cache import Freshness, ValidityKey
    from authguard.credentials.jwk import Key
    from authguard.credentials.jwks_cache import JwksCache
    from authguard.credentials.jws import UnverifiedToken
    from authguard.evaluation.claims import ValidatedToken
    from authguard.ports import IssuerStatus

_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)
_ALGORITHM_REFUSED: Final = NotProven("rejected", Reason.ALGORITHM_REFUSED)
_TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)
#: start of a canonical header with a JWT: base64url of ``{"``
_JWT_START: Final = bearer.BEARER + b"eyJ"


class JwtValidator:
    """Validates the bearer JWTs of several issuers, each with separate keys.

    Args:
        issuers: ``iss`` -> the policy of that issuer.
        pseudonym: ``(issuer, subject, account key)`` -> the name of the subject in the log.
        fingerprint: credential -> a short keyed hash.
        environ: the environment with the secrets of ``secret_env``.
        folder: folder of the policy, against which ``key_file`` is resolved.
        client: the HTTP client for keys, closed by its owner; by default each fetch makes a new one.
        refresh_policy: how often keys are fetched.
        cache: of verified credentials.
        notify: called with the status of an issuer when it changes; must not raise.

    Attributes:
        names: functions for the names of persons and credentials in the log.
    """

    __slots__ = (
        "_cache",
        "_environ",
        "_fetcher",
        "_folder",
        "_issuers",
        "_notify",
        "_sources",
        "_trusted",
        "names",
    )

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        *,
        pseudonym: Callable[[str, str, bytes], str],
        fingerprint: Callable[[bytes], str],
        environ: Mapping[str, str],
        folder: Path,
        client: httpx2.AsyncClient | None = None,
        refresh_policy: RefreshPolicy | None = None,
        cache: Cache | None = None,
        notify: Callable[[IssuerStatus], None] = lambda _: None,
    ) -> None:
        self._issuers = dict(issuers)
        self.names: Final = LogNames(pseudonym=pseudonym, fingerprint=fingerprint)
        self._environ = environ
        self._folder = folder
        self._fetcher = JwksFetcher(client)
        self._cache = Cache() if cache is None else cache
        self._notify = notify
        self._sources = self._build_sources(refresh_policy or RefreshPolicy())
        self._trusted = {
            issuer.issuer: TrustedIssuer.of(issuer, source.cache)
            for source in self._sources
            for issuer in source.issuers
        }

    async def open(self) -> None:
        """Load key files and secrets; issuers may be down. A second call loads them again.

        Raises:
            SettingsError: a key file or a secret is not usable.
        """
        for trusted in self._trusted.values():
            issuer = trusted.issuer
            if issuer.key_file:
                trusted.jwks_cache.set_static(load_key_file(issuer, self._folder, trusted.algorithms))
            elif issuer.secret_env:
                trusted.jwks_cache.set_static(load_secret(issuer, self._environ, trusted.algorithms))
        for source in self._sources:
            if source.issuers[0].insecure_http:
                self._notify(source.status())

    def prefetch(self, now: float) -> None:
        """Start to fetch the keys of all issuers; never waits.

        Args:
            now: epoch seconds UTC.
        """
        for source in self._sources:
            source.cache.prefetch(now)

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Return the status of each issuer; several tenants with one source of keys have one."""
        return tuple(source.status() for source in self._sources)

    async def close(self) -> None:
        """Cancel the fetches in flight."""
        for source in self._sources:
            await source.cache.close()
        await self._fetcher.close()

    def get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Return the cached result, or a rejection that only takes the header; never waits.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        header = evidence.authorization
        if not header:
            return bearer.MISSING
        if len(header) > bearer.MAX_HEADER_BYTES:
            return bearer.TOO_LARGE
        digest = sha256(header).digest()
        entry = self._cache.find(digest)
        if entry is None and (canonical := bearer.canonicalize(header)) is not header:
            digest = sha256(canonical).digest()
            entry = self._cache.find(digest)
        if entry is not None:
            jwks_cache = entry.freshness
            if entry.since <= now < entry.until and not entry.key.retired and jwks_cache.since <= now < jwks_cache.due:
                return entry.proven
            if entry.key.retired:
                self._cache.remove(digest)
            # an expired token stays, so that each of its requests gets the same reply, also while keys are unavailable
            return UNSEEN if entry.key.retired or now < entry.until else EXPIRED
        if header.startswith(_JWT_START):
            return UNSEEN  # the validation reads it, and can reject it as well
        token = bearer.read(header)
        return token if isinstance(token, NotProven) else UNSEEN

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Validate a credential with the cached keys; never waits.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        token = bearer.split(evidence.authorization)
        return token if isinstance(token, NotProven) else self.validate_bearer(token, now)

    def validate_bearer(self, token: bytes, now: float) -> Credential | Unseen:
        """Validate a bearer token without its scheme with the cached keys; never waits.

        Args:
            token: as sent, of bounded length.
            now: epoch seconds UTC.
        """
        unverified = self._parse(token)
        if isinstance(unverified, NotProven):
            return unverified
        trusted = self._trusted[unverified.issuer]
        header = unverified.header
        keys = trusted.jwks_cache.get_cached(None if trusted.has_secret else header.key, header.algorithm, now)
        if isinstance(keys, Unseen):
            return keys
        return self._verify_bearer(unverified, trusted, keys, now)

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Validate a credential; fetch the keys of its issuer if they are not cached.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        token = bearer.split(evidence.authorization)
        unverified = token if isinstance(token, NotProven) else self._parse(token)
        if isinstance(unverified, NotProven):
            return unverified
        trusted = self._trusted[unverified.issuer]
        keys = await trusted.find_keys(unverified, now)
        if isinstance(keys, NotProven):
            return keys
        return self._verify_bearer(unverified, trusted, keys, now)

    async def validate(self, token: bytes, now: float) -> tuple[ValidatedToken, Key, JwksCache] | NotProven:
        """Validate a token without its scheme, bound or not, and cache nothing; fetch keys if necessary.

        Args:
            token: as sent, of bounded length.
            now: epoch seconds UTC.
        """
        unverified = self._parse(token)
        if isinstance(unverified, NotProven):
            return unverified
        trusted = self._trusted[unverified.issuer]
        keys = await trusted.find_keys(unverified, now)
        if isinstance(keys, NotProven):
            return keys
        verified = trusted.verify(unverified, keys, self.names, now)
        return verified if isinstance(verified, NotProven) else (*verified, trusted.jwks_cache)

    def cache_token(self, token: bytes, validated: ValidatedToken, key: ValidityKey, freshness: Freshness) -> None:
        """Cache a valid bearer token, one entry for all spellings of its header."""
        entry = Entry(validated.proven, validated.since, validated.until, key, freshness)
        self._cache.put(sha256(bearer.BEARER + token).digest(), entry)

    def _parse(self, token: bytes) -> UnverifiedToken | NotProven:
        """Parse a token; refuse an issuer, algorithm or kind that the policy does not allow."""
        unverified = parse_compact(token)
        if isinstance(unverified, NotProven):
            return unverified
        trusted = self._trusted.get(unverified.issuer)
        if trusted is None:
            return _ISSUER_UNKNOWN
        if unverified.header.algorithm not in trusted.algorithms:
            return _ALGORITHM_REFUSED
        return unverified if unverified.header.kind in trusted.types else _TYPE_REFUSED

    def _verify_bearer(
        self, unverified: UnverifiedToken, trusted: TrustedIssuer, keys: tuple[Key, ...], now: float
    ) -> Credential:
        verified = trusted.verify(unverified, keys, self.names, now)
        if isinstance(verified, NotProven):
            return verified
        validated, key = verified
        if validated.thumbprint:
            return BOUND_TOKEN  # valid only with a proof of possession, never as a bearer token (RFC 9449 7.2)
        self.cache_token(unverified.token, validated, key, trusted.jwks_cache)
        return validated.proven

    def _build_sources(self, refresh_policy: RefreshPolicy) -> tuple[KeySource, ...]:
        """Build a source of keys for each issuer, and one for all tenants that share metadata or keys."""
        groups: dict[tuple[object, ...], list[Issuer]] = {}
        for issuer in self._issuers.values():
            groups.setdefault(_source_key(issuer), []).append(issuer)
        return tuple(
            KeySource.of(
                issuers, allowed_algorithms(issuers[0].algorithms), self._fetcher, refresh_policy, self._notify
            )
            for issuers in groups.values()
        )


def _source_key(issuer: Issuer) -> tuple[object, ...]:
    """Return what tenants must have in common to share their keys; an issuer without tenants shares them with none."""
    address = issuer.discovery_url or issuer.jwks_uri
    if not issuer.template or not address:
        return (issuer.issuer,)
    return issuer.template, address, issuer.algorithms, issuer.stale_keys, issuer.insecure_http


def needs_token_validator(issuers: Mapping[str, Issuer]) -> bool:
    """Return whether a policy requires more than the validation of JWT bearer tokens."""
    return any(issuer.introspection is not None or issuer.sender_constraint != "none" for issuer in issuers.values())
