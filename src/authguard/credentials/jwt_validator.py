"""The port `authguard.ports.CredentialCheck` for JWT bearer tokens of the policy's issuers (RFC 6750, RFC 9068)."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Unseen
from authguard.credentials import bearer, jwk
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.claims import BOUND_TOKEN, EXPIRED, LogNames, validate_claims
from authguard.credentials.jwks_cache import JwksCache, RefreshPolicy
from authguard.credentials.jwks_fetcher import JwksFetcher
from authguard.credentials.jws import parse_compact
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
    from authguard.credentials.jws import UnverifiedToken
    from authguard.policy.deployment import Issuer

_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)
_ALGORITHM_REFUSED: Final = NotProven("rejected", Reason.ALGORITHM_REFUSED)
#: nobody can tell now whether the token is good
_OUTAGES: Final = frozenset({Reason.KEYS_UNREACHABLE, Reason.KEYS_BUSY})
_TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)


class JwtValidator:
    """Checks bearer JWTs of several issuers, each with its own keys.

    Args:
        issuers: ``iss`` -> what the policy says of that issuer.
        pseudonym: ``(issuer, subject)`` -> how the log names a subject.
        fingerprint: a credential -> a short keyed hash of it.
        environ: where the secrets of ``secret_env`` are read.
        folder: the policy's, against which ``key_file`` is resolved.
        client: the HTTP client for keys, which its owner closes; without it a new one is made for each fetch.
        pace: how often issuers are asked for their keys.
        cache: where good credentials are remembered.

    Attributes:
        names: how persons and credentials are named in the log.
    """

    __slots__ = ("_algorithms", "_cache", "_environ", "_fetcher", "_folder", "_issuers", "_keyrings", "names")

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        *,
        pseudonym: Callable[[str, str], str],
        fingerprint: Callable[[bytes], str],
        environ: Mapping[str, str],
        folder: Path,
        client: httpx2.AsyncClient | None = None,
        pace: RefreshPolicy | None = None,
        cache: Cache | None = None,
    ) -> None:
        self._issuers = dict(issuers)
        self.names: Final = LogNames(pseudonym=pseudonym, fingerprint=fingerprint)
        self._environ = environ
        self._folder = folder
        self._fetcher = JwksFetcher(client)
        self._cache = Cache() if cache is None else cache
        self._algorithms = {name: jwk.allowed_algorithms(issuer.algorithms) for name, issuer in self._issuers.items()}
        self._keyrings = {
            name: self._keyring(issuer, pace or RefreshPolicy()) for name, issuer in self._issuers.items()
        }
        if any(_is_fetched(issuer) for issuer in self._issuers.values()):
            self._fetcher.prepare()

    async def open(self) -> None:
        """Load key files and secrets; issuers need not be up. Safe to call again, which reads them anew.

        Raises:
            SettingsError: a key file or a secret cannot be used.
        """
        for name, issuer in self._issuers.items():
            if issuer.key_file:
                self._keyrings[name].set_static(load_key_file(issuer, self._folder, self._algorithms[name]))
            elif issuer.secret_env:
                self._keyrings[name].set_static(load_secret(issuer, self._environ, self._algorithms[name]))

    async def close(self) -> None:
        """Call back fetches that are on their way."""
        for keyring in self._keyrings.values():
            await keyring.close()

    def recall(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Give a verdict that is remembered, or that needs no more than a look at the header; never waits.

        Args:
            evidence: whose ``authorization`` is read.
            now: epoch seconds UTC.
        """
        header = evidence.authorization
        if not header:
            return bearer.MISSING
        if len(header) > bearer.MAX_HEADER_BYTES:
            return bearer.TOO_LARGE
        digest = sha256(bearer.canonical(header)).digest()
        entry = self._cache.find(digest)
        if entry is not None:
            keyring = entry.keyring
            if entry.since <= now < entry.until and not entry.key.retired and keyring.since <= now < keyring.due:
                return entry.proven
            if entry.key.retired:
                self._cache.remove(digest)
            elif now >= entry.until:
                self._cache.remove(digest)
                return EXPIRED
            return UNSEEN
        token = bearer.read(header)
        return token if isinstance(token, NotProven) else UNSEEN

    def examine(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Check a credential with the keys that are at hand; never waits.

        Args:
            evidence: whose ``authorization`` is read.
            now: epoch seconds UTC.
        """
        unverified = self._read(evidence.authorization)
        if isinstance(unverified, NotProven):
            return unverified
        key = self._keyrings[unverified.issuer].get_cached(self._key_id(unverified), unverified.header.algorithm, now)
        return key if isinstance(key, Unseen) else self._verify_bearer(evidence.authorization, unverified, key, now)

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Check a credential; wait for its issuer's keys where they are not known.

        Args:
            evidence: whose ``authorization`` is read.
            now: epoch seconds UTC.
        """
        unverified = self._read(evidence.authorization)
        if isinstance(unverified, NotProven):
            return unverified
        key = await self._find(unverified, now)
        return key if isinstance(key, NotProven) else self._verify_bearer(evidence.authorization, unverified, key, now)

    async def _find(self, unverified: UnverifiedToken, now: float) -> Key | NotProven:
        """Find the key that should have signed a token; where nobody can say, it is an outage."""
        keyring = self._keyrings[unverified.issuer]
        key = await keyring.find(self._key_id(unverified), unverified.header.algorithm, now)
        if isinstance(key, Reason):
            return NotProven("unproven" if key in _OUTAGES else "rejected", key)
        return key

    def _read(self, header: bytes) -> UnverifiedToken | NotProven:
        token = bearer.read(header)
        return token if isinstance(token, NotProven) else self._check_policy(token)

    def _key_id(self, unverified: UnverifiedToken) -> str | None:
        """Give the name of the key; a shared secret is the only key there is, by whatever name."""
        return None if self._issuers[unverified.issuer].secret_env else unverified.header.key

    async def validate(self, token: bytes, now: float) -> tuple[ValidatedToken, Key, JwksCache] | NotProven:
        """Check a token without its scheme, bound or not, and remember nothing; wait for keys where they are not known.

        Args:
            token: of the form ``token68``, bounded.
            now: epoch seconds UTC.
        """
        unverified = self._check_policy(token)
        if isinstance(unverified, NotProven):
            return unverified
        key = await self._find(unverified, now)
        if isinstance(key, NotProven):
            return key
        validated = self._verify_claims(unverified, key, now)
        return validated if isinstance(validated, NotProven) else (validated, key, self._keyrings[unverified.issuer])

    def cache_token(self, header: bytes, validated: ValidatedToken, key: ValidityKey, lease: Freshness) -> None:
        """Remember a good bearer credential, once for all spellings of its header."""
        intern_time, header = self._cache.intern_time, bearer.canonical(header)
        entry = Entry(
            validated.proven,
            intern_time(validated.since),
            intern_time(validated.until),
            key,
            lease,
            max(len(header), validated.weight),
        )
        self._cache.put(sha256(header).digest(), entry)

    def _verify_claims(self, unverified: UnverifiedToken, key: Key, now: float) -> ValidatedToken | NotProven:
        """Verify the signature and judge the claims."""
        issuer = self._issuers[unverified.issuer]
        claims = verify_signature(unverified, key, issuer)
        if isinstance(claims, NotProven):
            return claims
        if not has_claims(issuer.token, unverified.header.kind, claims):
            return _TYPE_REFUSED
        return validate_claims(claims, issuer, self.names, unverified.token, now)

    def _verify_bearer(self, header: bytes, unverified: UnverifiedToken, key: Key, now: float) -> Credential:
        """Verify and judge a bearer token; remember what is good."""
        validated = self._verify_claims(unverified, key, now)
        if isinstance(validated, NotProven):
            return validated
        if validated.thumbprint:
            return BOUND_TOKEN  # good only with a proof of possession, never as a bearer token (RFC 9449 7.2)
        self.cache_token(header, validated, key, self._keyrings[unverified.issuer])
        return validated.proven

    def _check_policy(self, token: bytes) -> UnverifiedToken | NotProven:
        """Refuse what the policy refuses whatever the signature: another issuer, algorithm or kind of token."""
        unverified = parse_compact(token)
        if isinstance(unverified, NotProven):
            return unverified
        issuer = self._issuers.get(unverified.issuer)
        if issuer is None:
            return _ISSUER_UNKNOWN
        if unverified.header.algorithm not in self._algorithms[unverified.issuer]:
            return _ALGORITHM_REFUSED
        return unverified if has_type(issuer.token, issuer.type, unverified.header.kind) else _TYPE_REFUSED

    def _keyring(self, issuer: Issuer, pace: RefreshPolicy) -> JwksCache:
        read = partial(self._from_issuer, issuer) if _is_fetched(issuer) else None
        return JwksCache(read, issuer.stale_keys, pace)

    async def _from_issuer(self, issuer: Issuer, known: jwk.DocumentVersion) -> jwk.PublishedKeys:
        answer = await self._fetcher.fetch_jwks(issuer, known)
        screened = None if answer.document is None else jwk.load_jwks(answer.document, self._algorithms[issuer.issuer])
        return jwk.PublishedKeys(screened, answer.lifetime, answer.version)


def _is_fetched(issuer: Issuer) -> bool:
    return issuer.discovery or bool(issuer.jwks_uri)
