"""Validator for JWT bearer tokens; implements the port `authguard.ports.CredentialValidator` (RFC 6750, RFC 9068)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Unseen
from authguard.credentials import bearer
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.claims import BOUND_TOKEN, EXPIRED, LogNames, validate_claims
from authguard.credentials.jwk import allowed_algorithms
from authguard.credentials.jwks_cache import RefreshPolicy
from authguard.credentials.jwks_fetcher import JwksFetcher
from authguard.credentials.jws import parse_compact
from authguard.credentials.key_source import KeySource
from authguard.credentials.signature import verify_signature
from authguard.credentials.static_keys import load_key_file, load_secret
from authguard.credentials.token_kind import has_claims, has_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from authguard.credentials.cache import Freshness, ValidityKey
    from authguard.credentials.claims import ValidatedToken
    from authguard.credentials.jwk import Key
    from authguard.credentials.jwks_cache import JwksCache
    from authguard.credentials.jws import UnverifiedToken
    from authguard.policy.deployment import Issuer
    from authguard.ports import IssuerStatus

_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)
_KEY_UNKNOWN: Final = NotProven("rejected", Reason.KEY_UNKNOWN)
_ALGORITHM_REFUSED: Final = NotProven("rejected", Reason.ALGORITHM_REFUSED)
#: reasons that say nothing about the token, and leave the token ``unproven``
_OUTAGES: Final = frozenset({Reason.KEYS_UNREACHABLE, Reason.KEYS_UNUSABLE, Reason.KEYS_BUSY})
_TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)


class JwtValidator:
    """Validates the bearer JWTs of several issuers, each with separate keys.

    Args:
        issuers: ``iss`` -> the policy of that issuer.
        pseudonym: ``(issuer, subject)`` -> the name of the subject in the log.
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
        "_algorithms",
        "_cache",
        "_environ",
        "_fetcher",
        "_folder",
        "_issuers",
        "_jwks_caches",
        "_notify",
        "_sources",
        "names",
    )

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        *,
        pseudonym: Callable[[str, str], str],
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
        self._algorithms = {name: allowed_algorithms(issuer.algorithms) for name, issuer in self._issuers.items()}
        self._notify = notify
        self._sources = self._build_sources(refresh_policy or RefreshPolicy())
        self._jwks_caches = {issuer.issuer: source.cache for source in self._sources for issuer in source.issuers}

    async def open(self) -> None:
        """Load key files and secrets; issuers may be down. A second call loads them again.

        Raises:
            SettingsError: a key file or a secret is not usable.
        """
        for name, issuer in self._issuers.items():
            if issuer.key_file:
                self._jwks_caches[name].set_static(load_key_file(issuer, self._folder, self._algorithms[name]))
            elif issuer.secret_env:
                self._jwks_caches[name].set_static(load_secret(issuer, self._environ, self._algorithms[name]))

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
        digest = sha256(bearer.canonicalize(header)).digest()
        entry = self._cache.find(digest)
        if entry is not None:
            jwks_cache = entry.freshness
            if entry.since <= now < entry.until and not entry.key.retired and jwks_cache.since <= now < jwks_cache.due:
                return entry.proven
            if entry.key.retired:
                self._cache.remove(digest)
            elif now >= entry.until:
                self._cache.remove(digest)
                return EXPIRED
            return UNSEEN
        token = bearer.read(header)
        return token if isinstance(token, NotProven) else UNSEEN

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Validate a credential with the cached keys; never waits.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        unverified = self._read(evidence.authorization)
        if isinstance(unverified, NotProven):
            return unverified
        keys = self._jwks_caches[unverified.issuer].get_cached(
            self._key_id(unverified), unverified.header.algorithm, now
        )
        return keys if isinstance(keys, Unseen) else self._verify_bearer(evidence.authorization, unverified, keys, now)

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Validate a credential; fetch the keys of its issuer if they are not cached.

        Args:
            evidence: its ``authorization`` is read.
            now: epoch seconds UTC.
        """
        unverified = self._read(evidence.authorization)
        if isinstance(unverified, NotProven):
            return unverified
        keys = await self._find(unverified, now)
        if isinstance(keys, NotProven):
            return keys
        return self._verify_bearer(evidence.authorization, unverified, keys, now)

    async def _find(self, unverified: UnverifiedToken, now: float) -> tuple[Key, ...] | NotProven:
        jwks_cache = self._jwks_caches[unverified.issuer]
        keys = await jwks_cache.find(self._key_id(unverified), unverified.header.algorithm, now)
        if isinstance(keys, Reason):
            return NotProven("unproven" if keys in _OUTAGES else "rejected", keys)
        return keys

    def _read(self, header: bytes) -> UnverifiedToken | NotProven:
        token = bearer.read(header)
        return token if isinstance(token, NotProven) else self._check_policy(token)

    def _key_id(self, unverified: UnverifiedToken) -> str | None:
        # a shared secret is the only key of its issuer, so the ``kid`` does not matter
        return None if self._issuers[unverified.issuer].secret_env else unverified.header.key

    async def validate(self, token: bytes, now: float) -> tuple[ValidatedToken, Key, JwksCache] | NotProven:
        """Validate a token without its scheme, bound or not, and cache nothing; fetch keys if necessary.

        Args:
            token: in the form ``token68``, of bounded length.
            now: epoch seconds UTC.
        """
        unverified = self._check_policy(token)
        if isinstance(unverified, NotProven):
            return unverified
        keys = await self._find(unverified, now)
        if isinstance(keys, NotProven):
            return keys
        verified = self._verify_claims(unverified, keys, now)
        return verified if isinstance(verified, NotProven) else (*verified, self._jwks_caches[unverified.issuer])

    def cache_token(self, header: bytes, validated: ValidatedToken, key: ValidityKey, freshness: Freshness) -> None:
        """Cache a valid bearer credential, one entry for all spellings of its header."""
        intern_time, header = self._cache.intern_time, bearer.canonicalize(header)
        entry = Entry(
            validated.proven,
            intern_time(validated.since),
            intern_time(validated.until),
            key,
            freshness,
            max(len(header), validated.weight),
        )
        self._cache.put(sha256(header).digest(), entry)

    def _verify_claims(
        self, unverified: UnverifiedToken, keys: tuple[Key, ...], now: float
    ) -> tuple[ValidatedToken, Key] | NotProven:
        issuer = self._issuers[unverified.issuer]
        own = tuple(key for key in keys if key.issuer in {"", issuer.issuer})  # tenants may share a set
        if not own:
            return _KEY_UNKNOWN
        verified = verify_signature(unverified, own, issuer)
        if isinstance(verified, NotProven):
            return verified
        claims, key = verified
        if not has_claims(issuer.token, unverified.header.kind, claims):
            return _TYPE_REFUSED
        validated = validate_claims(claims, issuer, self.names, unverified.token, now)
        return validated if isinstance(validated, NotProven) else (validated, key)

    def _verify_bearer(
        self, header: bytes, unverified: UnverifiedToken, keys: tuple[Key, ...], now: float
    ) -> Credential:
        verified = self._verify_claims(unverified, keys, now)
        if isinstance(verified, NotProven):
            return verified
        validated, key = verified
        if validated.thumbprint:
            return BOUND_TOKEN  # valid only with a proof of possession, never as a bearer token (RFC 9449 7.2)
        self.cache_token(header, validated, key, self._jwks_caches[unverified.issuer])
        return validated.proven

    def _check_policy(self, token: bytes) -> UnverifiedToken | NotProven:
        """Parse a token; refuse an issuer, algorithm or kind that the policy does not allow."""
        unverified = parse_compact(token)
        if isinstance(unverified, NotProven):
            return unverified
        issuer = self._issuers.get(unverified.issuer)
        if issuer is None:
            return _ISSUER_UNKNOWN
        if unverified.header.algorithm not in self._algorithms[unverified.issuer]:
            return _ALGORITHM_REFUSED
        return unverified if has_type(issuer.token, issuer.type, unverified.header.kind) else _TYPE_REFUSED

    def _build_sources(self, refresh_policy: RefreshPolicy) -> tuple[KeySource, ...]:
        """Build a source of keys for each issuer, and one for all tenants that share metadata or keys."""
        groups: dict[tuple[object, ...], list[Issuer]] = {}
        for issuer in self._issuers.values():
            groups.setdefault(_source_key(issuer), []).append(issuer)
        return tuple(
            KeySource.of(issuers, self._algorithms[issuers[0].issuer], self._fetcher, refresh_policy, self._notify)
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
