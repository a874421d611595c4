"""JWK Sets: the keys that may verify a signature, checked at load time; weak or unusable keys are left out.

Refused (RFC 8725 3.2 and 3.5, RFC 7517 4): symmetric keys in a set, keys with private members, all keys that share a
``kid``, weak keys (`weak_keys`), a ``use`` or ``key_ops`` for another purpose, and an ``alg`` that does not fit the key
type. PyJWT's own key set checks none of these, and silently drops keys named ``Ed25519`` (RFC 9864).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jwt import PyJWK

from authguard.core.outcomes import Reason
from authguard.credentials.weak_keys import is_weak

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jwt.algorithms import Algorithm

#: maximum number of keys in a set
MAX_KEYS: Final = 100
MAX_NAME_CHARS: Final = 255

#: minimum length of a secret: that of the hash (RFC 7518 3.2)
MIN_SECRET_BYTES: Final[dict[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
#: two names of one algorithm (RFC 9864 2.2)
_EDDSA_NAMES: Final = frozenset({"Ed25519", "EdDSA"})
#: (kty, crv) -> the algorithms of such a key
_ALGORITHMS_BY_TYPE: Final[dict[tuple[object, object], frozenset[str]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("EC", "secp256k1"): frozenset({"ES256K"}),
    ("OKP", "Ed25519"): _EDDSA_NAMES,
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


#: allowed ``key_ops`` of a signature key (RFC 7517 4.3: no unrelated operations)
_KEY_OPERATIONS: Final = frozenset({"sign", "verify"})


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """One key with one algorithm.

    Attributes:
        algorithm: PyJWT's implementation.
        key: in the form that the implementation requires.
    """

    algorithm: Algorithm = field(repr=False)
    key: Any = field(repr=False)

    @classmethod
    def of(cls, member: Mapping[str, object], name: str) -> SignatureVerifier:
        """Build the verifier of a JWK.

        Raises:
            ValueError: the key is too short for the algorithm (RFC 7518 3.2 and 3.3).
            Exception: any error of PyJWT or cryptography for a key that cannot be built.
        """
        built = PyJWK(dict(member), name)
        key = built.Algorithm.prepare_key(built.key)
        if built.Algorithm.check_key_length(key):
            raise ValueError("the key is too short")
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
        retired: whether the issuer no longer publishes the key; tokens that it verified are then no longer valid.
    """

    name: str
    identity: tuple[str, ...] = field(repr=False)
    verifiers: Mapping[str, SignatureVerifier] = field(repr=False)
    retired: bool = False


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer; they verify tokens of no other issuer (RFC 8725 3.8)."""

    keys: tuple[Key, ...] = ()

    def choose(self, name: str | None, algorithm: str) -> Key | Reason:
        """Select the key for the signature of a token.

        Args:
            name: the token's ``kid``, compared exactly; ``None`` if it has none, then exactly one key must fit.
            algorithm: the token's ``alg``, which the policy allows.

        Returns:
            The key, ``KEY_UNKNOWN``, or ``ALGORITHM_REFUSED`` if the key of that name is for another algorithm.
        """
        if name is None:
            fitting = [key for key in self.keys if algorithm in key.verifiers]
            return fitting[0] if len(fitting) == 1 else Reason.KEY_UNKNOWN
        for key in self.keys:
            if key.name == name and name:
                return key if algorithm in key.verifiers else Reason.ALGORITHM_REFUSED
        return Reason.KEY_UNKNOWN

    def replace_with(self, fresh: KeySet) -> KeySet:
        """Return the newly published set with the known `Key` objects; retire the keys that it lacks."""
        known = {(key.name, key.identity, frozenset(key.verifiers)): key for key in self.keys}
        kept = tuple(known.pop((key.name, key.identity, frozenset(key.verifiers)), key) for key in fresh.keys)
        for removed in known.values():
            removed.retired = True
        return KeySet(kept)


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """Identifies a response of an issuer, so that an unchanged document is not sent again (RFC 9110 8.8.3).

    Attributes:
        address: URL of the document.
        tag: its ``ETag``; empty for none.
    """

    address: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The keys that an issuer publishes at present.

    Attributes:
        keys: the strong keys; ``None`` if the document has not changed.
        lifetime: freshness lifetime of the response in seconds (RFC 9111 4.2.1); negative if it gives none.
        version: of the response.
    """

    keys: KeySet | None
    lifetime: float = -1.0
    version: DocumentVersion = DocumentVersion()


def allowed_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """Return the accepted ``alg`` names of a policy's list: never ``none``, and Ed25519 under both its names."""
    named = frozenset(name for name in algorithms if name.lower() != "none")
    return named | _EDDSA_NAMES if named & _EDDSA_NAMES else named


def load_jwks(document: Mapping[str, object], algorithms: frozenset[str]) -> KeySet:
    """Build the strong keys of a JWK Set (RFC 7517 5).

    Args:
        document: the parsed set.
        algorithms: from `allowed_algorithms`; keys for other algorithms are left out.

    Raises:
        ValueError: the document is not a JWK Set, or contains too many keys.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("not a JWK Set, or too large")
    members = [member for member in listed if isinstance(member, dict)]
    names = Counter(name for member in members if isinstance(name := member.get("kid"), str))
    built = (_build(member, algorithms) for member in members if names[str(member.get("kid"))] <= 1)
    return KeySet(tuple(key for found in built for key in found))


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


def _build(member: dict[str, object], algorithms: frozenset[str]) -> tuple[Key, ...]:
    """Build one key; return no key if it is weak or not for an accepted algorithm."""
    name = member.get("kid", "")
    fitting = algorithms & _usable_algorithms(member)
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not fitting:
        return ()
    try:
        # PyJWT supports Ed25519 only under its older name
        verifiers = {
            each: SignatureVerifier.of(member, "EdDSA" if each in _EDDSA_NAMES else each) for each in sorted(fitting)
        }
        if any(is_weak(verifier.key) for verifier in verifiers.values()):
            return ()
    except Exception:  # noqa: BLE001 - a key that cannot be built, for whatever reason, is left out
        return ()
    identity = tuple(str(member.get(part)) for part in ("kty", "crv", "x", "y", "n", "e"))
    return (Key(name, identity, verifiers),)


def _usable_algorithms(member: dict[str, object]) -> frozenset[str]:
    """Return the algorithms of a key by its type, curve, ``alg``, ``use`` and ``key_ops``; none if it is refused."""
    kty, crv, alg, ops = member.get("kty"), member.get("crv"), member.get("alg"), member.get("key_ops", ["verify"])
    if not isinstance(kty, str) or not isinstance(crv, str | None) or not isinstance(alg, str | None):
        return frozenset()
    if (
        _PRIVATE_MEMBERS & member.keys()
        or member.get("use", "sig") != "sig"
        or not isinstance(ops, list)
        or "verify" not in ops
        or not all(isinstance(each, str) and each in _KEY_OPERATIONS for each in ops)
        or len(ops) != len(set(ops))
    ):
        return frozenset()
    fitting = _ALGORITHMS_BY_TYPE.get((kty, crv), frozenset[str]())
    if alg is None:
        return fitting
    return fitting & (_EDDSA_NAMES if alg in _EDDSA_NAMES else {alg})
