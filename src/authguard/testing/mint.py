"""An issuer without a process, for unit tests: keys, their JWKS and tokens.

Rule: the time comes from the clock of the test, never from the wall clock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from authguard.testing.keys import ALGORITHMS, PUBLISHABLE, Algorithm, SigningKey, compact, jwks
from authguard.testing.shape import ShapeValues, load_shape

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from authguard.ports import Clock


@dataclass(frozen=True, slots=True)
class Mint:
    """An issuer: its keys, and the tokens that they sign.

    Attributes:
        clock: source of `iat`, `exp` and `auth_time`.
        issuer: the `iss` of every token.
        audience: the default `aud` of tokens.
        keys: one key for each algorithm.
    """

    clock: Clock
    issuer: str
    audience: str
    keys: Mapping[Algorithm, SigningKey] = field(repr=False)

    @classmethod
    def create(cls, clock: Clock, *, issuer: str = "https://issuer.test", audience: str = "https://agent.test") -> Mint:
        """Create an issuer with a key for each of ES256, RS256, EdDSA, Ed25519 and HS256.

        The keys of an issuer name are cached for the life of the test process, because an RSA key takes a tenth of a
        second to generate. Two names never share a key. `rotated` generates new ones.
        """
        return cls(clock, issuer, audience, _cached_keys(issuer))

    def rotated(self, *algs: Algorithm) -> Mint:
        """Return the same issuer with fresh keys for the given algorithms, or for all of them."""
        fresh = {alg: SigningKey.generate(alg) for alg in algs or tuple(self.keys)}
        return Mint(self.clock, self.issuer, self.audience, MappingProxyType({**self.keys, **fresh}))

    def jwks(self, *algs: Algorithm) -> dict[str, Any]:
        """Return the JWK set (RFC 7517 section 5) of the given algorithms; by default ES256, RS256 and EdDSA.

        `Ed25519` (RFC 9864) is included only if given; HS256 never is.
        """
        return jwks(*(self.keys[alg] for alg in algs or PUBLISHABLE))

    def claims(self, *, lifetime: float = 300.0, drop: Collection[str] = (), **claims: Any) -> dict[str, Any]:  # noqa: ANN401 - a claim is any JSON value
        """Return the claims of an access token (RFC 9068 section 2.2): the arguments override the defaults.

        Args:
            lifetime: seconds from `iat` to `exp`; negative for an expired token.
            drop: names of claims to leave out.
            claims: claims to add or replace, by name.
        """
        now = int(self.clock.now())
        defaults: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "customer-1",
            "aud": self.audience,
            "client_id": "app-1",
            "iat": now,
            "exp": now + int(lifetime),
            "jti": secrets.token_urlsafe(12),
            "auth_time": now,
            "acr": "aal1",
            "amr": ["pwd"],
            "scope": "",
            "sid": "session-1",
        }
        return {name: value for name, value in (defaults | claims).items() if name not in drop}

    def mint(
        self,
        *,
        alg: Algorithm = "ES256",
        typ: str | None = "at+jwt",
        header: Mapping[str, Any] | None = None,
        lifetime: float = 300.0,
        drop: Collection[str] = (),
        **claims: Any,  # noqa: ANN401 - a claim is any JSON value
    ) -> str:
        """Return a signed access token (RFC 9068).

        Args:
            alg: algorithm of the issuer's key that signs.
            typ: the `typ` header (RFC 9068 section 2.1); None leaves it out.
            header: header parameters to add or replace.
            lifetime: seconds from `iat` to `exp`; negative for an expired token.
            drop: names of claims to leave out.
            claims: claims to add or replace, by name.
        """
        key = self.keys[alg]
        payload = self.claims(lifetime=lifetime, drop=drop, **claims)
        return compact(self.header(alg, typ) | dict(header or {}), payload, key.sign)

    def mint_as(
        self,
        provider: str,
        kind: str = "access",
        *,
        subject: str = "customer-1",
        audience: str | Sequence[str] | None = None,
        client: str = "app-1",
        scope: str = "chat",
        strong: bool = False,
        session: str | None = "S",
        signed_in: float | None = 0.0,
        lifetime: float | None = None,
        **claims: Any,  # noqa: ANN401 - a claim is any JSON value
    ) -> str:
        """Return a signed token in the shape that an identity provider documents, with this issuer's `iss`.

        Args:
            provider: name of a shape, such as `okta`; see `list_shapes`.
            kind: `access` for what clients send to an API, `id` for an ID token, `machine` for a token without a
                person, or a variant, such as `access-v1` of `entra`.
            subject: the person, or the id of the machine where the provider does not repeat the client.
            audience: the API that the token is for; by default the audience of this issuer. Cognito writes it as
                `client_id`, other ID tokens name the client instead.
            client: the OAuth client.
            scope: granted scopes, separated by blanks.
            strong: whether the person passed the provider's step-up.
            session: session id, where the provider writes one; None leaves it out.
            signed_in: seconds since the person signed in, where the provider writes the time; None leaves it out. A
                refreshed token has the earlier time and the same session.
            lifetime: seconds from `iat` to `exp`; None for the provider's default, negative for an expired token.
            claims: claims to add or replace, by name.

        Raises:
            ValueError: the provider or the kind is not known, or a step-up leaves no trace in this kind of token.
        """
        shape = load_shape(provider).kind(kind)
        key = self.keys[shape.header["alg"]]
        values = ShapeValues(
            issuer=self.issuer,
            audience=self.audience if audience is None else audience,
            subject=subject,
            client=client,
            scope=scope,
            session=session,
            now=int(self.clock.now()),
            signed_in=signed_in,
            lifetime=lifetime,
            kid=key.kid,
        )
        header, payload = shape.fill(values, strong=strong)
        return compact(header, payload | claims, key.sign)

    def mint_event(self, event_type: str, subject: Mapping[str, Any], *, alg: Algorithm = "ES256", **event: Any) -> str:  # noqa: ANN401 - a member is any JSON value
        """Return a signed security event token (RFC 8417 section 2.2; CAEP and RISC payloads).

        Args:
            event_type: URI of the event.
            subject: the `sub_id` (RFC 9493), such as `{"format": "iss_sub", "iss": ..., "sub": ...}`.
            alg: algorithm of the issuer's key that signs.
            event: members of the event, such as `event_timestamp`.
        """
        payload = {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": int(self.clock.now()),
            "jti": secrets.token_urlsafe(12),
            "sub_id": dict(subject),
            "events": {event_type: event},
        }
        return compact(self.header(alg, "secevent+jwt"), payload, self.keys[alg].sign)

    def header(self, alg: Algorithm = "ES256", typ: str | None = "at+jwt") -> dict[str, Any]:
        """Return the header of a valid token: `alg` and `kid` of the key, and `typ` unless None."""
        key = self.keys[alg]
        return {"alg": key.alg, "kid": key.kid} | ({} if typ is None else {"typ": typ})


@lru_cache(maxsize=16)
def _cached_keys(issuer: str) -> Mapping[Algorithm, SigningKey]:
    """Generate the keys of an issuer name once; the name is the key of the cache."""
    del issuer
    return MappingProxyType({alg: SigningKey.generate(alg) for alg in ALGORITHMS})
