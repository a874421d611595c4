"""Keys that may verify the signatures of one issuer, and the choice among them; `jwk_set` loads them.

Rule: all keys of a set belong to one issuer, so several keys of one ``kid`` are alternatives, and each of them may
verify a token of that issuer (RFC 7517 4.5). Their number is bounded, since each attempt costs a verification.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm
from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.credentials.ecdsa import EcdsaAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jwt.algorithms import Algorithm

    from authguard.credentials.issuer_error import KeysUnusableError
    from authguard.credentials.key_problem import IgnoredKey

#: minimum length of a secret: that of the hash (RFC 7518 3.2)
MIN_SECRET_BYTES: Final[dict[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
#: two names of one algorithm (RFC 9864 2.2)
EDDSA_NAMES: Final = frozenset({"Ed25519", "EdDSA"})


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """One key with one algorithm.

    Attributes:
        algorithm: PyJWT's implementation, or that of `ecdsa`.
        key: in the form that the implementation requires.
    """

    algorithm: Algorithm | EcdsaAlgorithm = field(repr=False)
    key: Any = field(repr=False)

    @classmethod
    def of(cls, member: Mapping[str, object], name: str) -> SignatureVerifier:
        """Build the verifier of a JWK; the caller checks the strength of its key.

        Raises:
            Exception: any error of PyJWT or cryptography for a key that cannot be built.
        """
        built = PyJWK(dict(member), name)
        key = built.Algorithm.prepare_key(built.key)
        if isinstance(built.Algorithm, ECAlgorithm) and isinstance(key, EllipticCurvePublicKey):
            return cls(EcdsaAlgorithm(key, built.Algorithm.hash_alg()), key)
        return cls(built.Algorithm, key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether the signature of the message was made with this key."""
        return self.algorithm.verify(message, self.key, signature)


@dataclass(slots=True, eq=False)
class Key:
    """One strong key; its only mutable field is `retired`.

    Attributes:
        name: ``kid``; empty if the set gives none.
        identity: the public numbers, to recognize the key in a later set.
        verifiers: algorithm -> the key with that algorithm.
        issuer: the only issuer whose tokens it verifies, if several share the set; empty for all of them.
        retired: whether the issuer no longer publishes the key; tokens that it verified are then no longer valid.
    """

    name: str
    identity: tuple[str, ...] = field(repr=False)
    verifiers: Mapping[str, SignatureVerifier] = field(repr=False)
    issuer: str = ""
    retired: bool = False


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer; they verify tokens of no other issuer (RFC 8725 3.8).

    Attributes:
        keys: the usable keys.
        ignored: the other keys of the set, with the cause.
    """

    keys: tuple[Key, ...] = ()
    ignored: tuple[IgnoredKey, ...] = field(default=(), compare=False)
    _named: dict[tuple[str, str], tuple[Key, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Index the keys by ``kid`` and algorithm."""
        named: dict[tuple[str, str], tuple[Key, ...]] = {}
        for key in self.keys:
            for algorithm in key.verifiers if key.name else ():
                named[key.name, algorithm] = (*named.get((key.name, algorithm), ()), key)
        object.__setattr__(self, "_named", named)

    def choose(self, name: str | None, algorithm: str) -> tuple[Key, ...] | Reason:
        """Select the keys that may have signed a token: usually one, and a bounded number if they share a ``kid``.

        Args:
            name: the token's ``kid``, compared exactly; ``None`` if it has none, then exactly one key must fit.
            algorithm: the token's ``alg``, which the policy allows.

        Returns:
            The keys, ``KEY_UNKNOWN``, or ``ALGORITHM_REFUSED`` if the key of that name is for another algorithm. If no
            key has the name, the only key for the algorithm is selected if the set gives it no name.
        """
        if name:
            named = self._named.get((name, algorithm))
            if named:
                return named
            if any(key.name == name for key in self.keys):
                return Reason.ALGORITHM_REFUSED
        fitting = tuple(key for key in self.keys if algorithm in key.verifiers)
        is_clear = len(fitting) == 1 and (name is None or not fitting[0].name)
        return fitting if is_clear else Reason.KEY_UNKNOWN

    def replace_with(self, fresh: KeySet) -> KeySet:
        """Return the newly published set with the known `Key` objects; retire the keys that it lacks."""
        known = {_signature_of(key): key for key in self.keys}
        kept = tuple(known.pop(_signature_of(key), key) for key in fresh.keys)
        for removed in known.values():
            removed.retired = True
        return KeySet(kept, fresh.ignored)


def _signature_of(key: Key) -> tuple[object, ...]:
    """Return what makes a key the same one in a later set."""
    return key.name, key.identity, frozenset(key.verifiers), key.issuer


class DocumentVersion(Struct, frozen=True):
    """Identifies a response of an issuer, so that an unchanged document is not sent again (RFC 9110 8.8.3).

    Attributes:
        address: URL of the document.
        tag: its ``ETag``; empty for none.
    """

    address: str = ""
    tag: str = ""


class PublishedKeys(Struct, frozen=True):
    """The keys that an issuer publishes at present.

    Attributes:
        keys: the strong keys; ``None`` if the document has not changed.
        lifetime: freshness lifetime of the response in seconds (RFC 9111 4.2.1); negative if it gives none.
        version: of the response.
        problem: why none of the published keys is usable; ``None`` if one is.
    """

    keys: KeySet | None
    lifetime: float = -1.0
    version: DocumentVersion = DocumentVersion()
    problem: KeysUnusableError | None = None


def allowed_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """Return the accepted ``alg`` names of a policy's list: never ``none``, and Ed25519 under both its names."""
    named = frozenset(name for name in algorithms if name.lower() != "none")
    return named | EDDSA_NAMES if named & EDDSA_NAMES else named


def build_secret_key(value: bytes, algorithms: frozenset[str]) -> KeySet:
    """Build the single key of an issuer that shares a secret with us (development only).

    Raises:
        ValueError: the secret is too short for one of the algorithms, or is a public key or a JWK; the message contains
            no part of it.
    """
    least = max((MIN_SECRET_BYTES[name] for name in algorithms if name in MIN_SECRET_BYTES), default=0)
    if not least:
        raise ValueError("a secret requires HS256, HS384 or HS512")
    if len(value) < least:
        raise ValueError(f"the secret has to be at least {least} bytes long")
    member = {"kty": "oct", "k": urlsafe_b64encode(value).rstrip(b"=").decode()}
    try:
        verifiers = {name: SignatureVerifier.of(member, name) for name in algorithms if name in MIN_SECRET_BYTES}
    except Exception:  # noqa: BLE001 - an error of PyJWT or cryptography may contain the key
        raise ValueError("the secret is a key or a certificate, not a secret") from None
    return KeySet((Key("", (), verifiers),))
