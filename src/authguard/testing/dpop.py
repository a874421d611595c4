"""A client that proves possession of a key with each request (RFC 9449), validly or in the way that a test needs."""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authguard.testing.keys import SigningKey, compact
from authguard.testing.sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from authguard.ports import Clock
    from authguard.testing.keys import Algorithm

#: members of a thumbprint by type of key, in the order of their names (RFC 7638 3.2, RFC 8037 2)
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True, slots=True)
class DpopClient:
    """A client with its key, to which tokens can be bound.

    Attributes:
        key: signs the proofs.
        clock: source of `iat`; None for the wall clock.
    """

    key: SigningKey = field(repr=False)
    clock: Clock | None = None

    @classmethod
    def create(cls, clock: Clock | None = None, *, alg: Algorithm = "ES256") -> DpopClient:
        """Create a client with a fresh key."""
        return cls(SigningKey.generate(alg), clock)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half for the header of proofs: only the members that define the key."""
        whole = self.key.jwk()
        return {name: whole[name] for name in _MEMBERS[whole["kty"]]}

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the key (RFC 7638), base64url without padding."""
        return _unpadded(sha256(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode()).digest())

    @property
    def confirmation(self) -> dict[str, str]:
        """The `cnf` claim of a token that is bound to this client (RFC 9449 section 6.1)."""
        return {"jkt": self.thumbprint}

    def proof(
        self,
        method: str,
        url: str,
        token: str | SignIn | None = None,
        *,
        nonce: str | None = None,
        header: Mapping[str, Any] | None = None,
        drop: Collection[str] = (),
        **claims: Any,  # noqa: ANN401 - a claim is any JSON value
    ) -> str:
        """Return a proof (RFC 9449 section 4.2).

        Args:
            method: method of the request, for `htm`.
            url: URL of the request without query, for `htu`.
            token: access token that is sent with the proof, for `ath`; None leaves `ath` out.
            nonce: nonce from the server; None leaves it out.
            header: header parameters to add or replace.
            drop: names of claims and of header parameters to leave out.
            claims: claims to add or replace, by name.
        """
        access = token.access_token if isinstance(token, SignIn) else token
        now = time.time() if self.clock is None else self.clock.now()
        payload: dict[str, Any] = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(now)}
        if access is not None:
            payload["ath"] = _unpadded(sha256(access.encode()).digest())
        if nonce is not None:
            payload["nonce"] = nonce
        header_fields = {"typ": "dpop+jwt", "alg": self.key.alg, "jwk": self.jwk} | dict(header or {})
        return compact(
            {name: value for name, value in header_fields.items() if name not in drop},
            {name: value for name, value in (payload | claims).items() if name not in drop},
            self.key.sign,
        )

    def headers(self, token: str | SignIn, method: str, url: str, *, nonce: str | None = None) -> dict[str, str]:
        """Return the headers that present a token with a fresh proof (RFC 9449 section 7.1)."""
        access = token.access_token if isinstance(token, SignIn) else token
        return {"Authorization": f"DPoP {access}", "DPoP": self.proof(method, url, access, nonce=nonce)}


def _unpadded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
