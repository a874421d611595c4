"""Signing keys and the JWS compact serialization (RFC 7515 section 7.1), for tests only.

Rules:
- A key signs with the one algorithm that it was generated for (RFC 8725 section 3.1); `forgery` breaks this on purpose.
- Neither `repr` nor `jwk` reveals a private half.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Algorithm: TypeAlias = Literal["ES256", "RS256", "EdDSA", "Ed25519", "HS256"]
Published: TypeAlias = Literal["ES256", "RS256", "EdDSA"]
Private: TypeAlias = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey | bytes

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "RS256", "EdDSA", "Ed25519", "HS256")
PUBLISHABLE: Final[tuple[Published, ...]] = ("ES256", "RS256", "EdDSA")
"""The algorithms of published keys. RFC 9864's name `Ed25519` is left out: some key sets drop such a key silently."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of an issuer.

    Attributes:
        kid: its id in the JWKS and in the header of tokens (RFC 7517 section 4.5).
        alg: its one algorithm; `Ed25519` is RFC 9864's name for `EdDSA` with this curve.
        private: the private half; for HS256 the 32 shared bytes.
    """

    kid: str
    alg: Algorithm
    private: Private = field(repr=False)

    @classmethod
    def generate(cls, alg: Algorithm = "ES256", *, kid: str | None = None) -> SigningKey:
        """Generate a key: P-256, RSA of 2048 bits, Ed25519 or 256 shared bits."""
        private: Private
        match alg:
            case "ES256":
                private = generate_private_key(SECP256R1())
            case "RS256":
                private = generate_rsa(public_exponent=65537, key_size=2048)
            case "EdDSA" | "Ed25519":
                private = Ed25519PrivateKey.generate()
            case "HS256":
                private = secrets.token_bytes(32)
        return cls(kid or f"{alg.lower()}-{secrets.token_hex(4)}", alg, private)

    @classmethod
    def from_pem(cls, pem: bytes, alg: Algorithm) -> SigningKey:
        """Return the key of a PEM file from `to_pem`; its `kid` is the start of its thumbprint.

        Raises:
            ValueError: the file has no private key for this algorithm.
        """
        private = load_pem_private_key(pem, None)
        kinds: dict[str, type] = {"ES256": EllipticCurvePrivateKey, "RS256": RSAPrivateKey}
        if not isinstance(private, kinds.get(alg, Ed25519PrivateKey)):
            raise ValueError(f"it has no private key for {alg}")  # noqa: TRY004 - the file is wrong, not the caller
        found = cls("", alg, cast("Private", private))
        return cls(f"trial-{sha256(found.public_pem()).hexdigest()[:12]}", alg, found.private)

    def to_pem(self) -> bytes:
        """Return the private half as unencrypted PEM, for trials on this machine only.

        Raises:
            ValueError: the key is symmetric.
        """
        if isinstance(self.private, bytes):
            raise ValueError("a shared secret has no PEM form")  # noqa: TRY004 - as `jwk`
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwk(self) -> dict[str, Any]:
        """Return the public half as a JSON Web Key (RFC 7517, RFC 8037) with `kid`, `use` and `alg`.

        Raises:
            ValueError: the key is symmetric and has no public half.
        """
        plain = dict(_algorithm(self.alg).to_jwk(self._public(), as_dict=True))
        # RFC 7517 section 4.3 advises against `key_ops` together with `use`
        plain.pop("key_ops", None)
        return plain | {"kid": self.kid, "use": "sig", "alg": self.alg}

    def public_pem(self) -> bytes:
        """Return the public half as PEM, the form that algorithm confusion uses as a shared secret.

        Raises:
            ValueError: the key is symmetric.
        """
        pem: bytes = self._public().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message in the format of RFC 7518 section 3."""
        return _algorithm(self.alg).sign(message, self.private)

    def _public(self) -> Any:  # noqa: ANN401 - the type depends on the algorithm
        match self.private:
            case bytes():
                raise ValueError("a shared secret has no public half: never publish an HS256 key")
            case pair:
                return pair.public_key()


def compact(header: Mapping[str, Any], payload: Mapping[str, Any] | bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return the compact serialization (RFC 7515 section 7.1) of any header and payload, valid or not.

    PyJWT is not used for encoding, because it rightly refuses most of the tokens that a test needs.
    """
    body = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    signing_input = f"{segment(json.dumps(header, separators=(',', ':')).encode())}.{segment(body)}"
    return f"{signing_input}.{segment(sign(signing_input.encode()))}"


def segment(raw: bytes) -> str:
    """Return unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwks(*keys: SigningKey) -> dict[str, Any]:
    """Return a JWK set (RFC 7517 section 5) of the public halves, without symmetric keys."""
    return {"keys": [key.jwk() for key in keys if key.alg != "HS256"]}


def _algorithm(alg: Algorithm) -> jwt.algorithms.Algorithm:
    # PyJWT knows Ed25519 only under its older name
    return jwt.get_algorithm_by_name("EdDSA" if alg == "Ed25519" else alg)
