"""JWK Sets: which keys may verify what, screened when they are loaded; a key that is not sound is not there.

Refused (RFC 8725 3.2 and 3.5, RFC 7517 4): symmetric keys in a set, keys that bring their private half, all keys that
share a ``kid``, keys that anybody could sign with (`soundness`), ``use`` or ``key_ops`` for something else, and an
``alg`` that does not go with the key's type. PyJWT's own key set checks none of these and silently drops keys named
``Ed25519`` (RFC 9864).
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

#: keys of one set at the most
MAX_KEYS: Final = 100
MAX_NAME_CHARS: Final = 255

#: bytes of a secret at the least: the hash's own length (RFC 7518 3.2)
MIN_SECRET_BYTES: Final[dict[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
#: one key under two names (RFC 9864 2.2)
_EDWARDS: Final = frozenset({"Ed25519", "EdDSA"})
#: (kty, crv) -> the algorithms that such a key can verify
_FITTING: Final[dict[tuple[object, object], frozenset[str]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("EC", "secp256k1"): frozenset({"ES256K"}),
    ("OKP", "Ed25519"): _EDWARDS,
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


#: what the key of a signature may be for (RFC 7517 4.3: nothing unrelated beside it)
_OPERATIONS: Final = frozenset({"sign", "verify"})


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """One key under one algorithm's name.

    Attributes:
        algorithm: PyJWT's implementation.
        key: as that implementation wants it.
    """

    algorithm: Algorithm = field(repr=False)
    key: Any = field(repr=False)

    @classmethod
    def of(cls, member: Mapping[str, object], name: str) -> SignatureVerifier:
        """Build one of a JWK.

        Raises:
            ValueError: the key is too short for the algorithm (RFC 7518 3.2 and 3.3).
            Exception: whatever PyJWT and cryptography say of a key that cannot be built.
        """
        built = PyJWK(dict(member), name)
        key = built.Algorithm.prepare_key(built.key)
        if built.Algorithm.check_key_length(key):
            raise ValueError("the key is too short")
        return cls(built.Algorithm, key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is this key's."""
        return self.algorithm.verify(message, self.key, signature)


@dataclass(slots=True, eq=False)
class Key:
    """One sound key; the only thing that ever changes is that it is retired.

    Attributes:
        name: ``kid``; empty where the set gives none.
        identity: the public numbers, to know the same key again in a later set.
        verifiers: algorithm -> the key under that name.
        retired: whether its issuer no longer publishes it; what it verified counts no more.
    """

    name: str
    identity: tuple[str, ...] = field(repr=False)
    verifiers: Mapping[str, SignatureVerifier] = field(repr=False)
    retired: bool = False


@dataclass(frozen=True, slots=True)
class KeySet:
    """An issuer's keys: they verify for this issuer and for no other (RFC 8725 3.8)."""

    keys: tuple[Key, ...] = ()

    def choose(self, name: str | None, algorithm: str) -> Key | Reason:
        """Choose the key that should have signed a token.

        Args:
            name: the token's ``kid``, compared exactly; ``None`` where it names none, which takes exactly one key that
                fits.
            algorithm: the token's ``alg``, which the policy allows.

        Returns:
            The key, ``KEY_UNKNOWN``, or ``ALGORITHM_REFUSED`` where the key of that name is for something else.
        """
        if name is None:
            fitting = [key for key in self.keys if algorithm in key.verifiers]
            return fitting[0] if len(fitting) == 1 else Reason.KEY_UNKNOWN
        for key in self.keys:
            if key.name == name and name:
                return key if algorithm in key.verifiers else Reason.ALGORITHM_REFUSED
        return Reason.KEY_UNKNOWN

    def replace_with(self, fresh: KeySet) -> KeySet:
        """Let a newly published set take this one's place: what is in both goes on, what is gone is retired."""
        known = {(key.name, key.identity, frozenset(key.verifiers)): key for key in self.keys}
        kept = tuple(known.pop((key.name, key.identity, frozenset(key.verifiers)), key) for key in fresh.keys)
        for gone in known.values():
            gone.retired = True
        return KeySet(kept)


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """Which answer of an issuer it was, so that the next request need not bring it again (RFC 9110 8.8.3).

    Attributes:
        address: where it came from.
        tag: its ``ETag``; empty for none.
    """

    address: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What an issuer publishes now.

    Attributes:
        keys: the sound ones; ``None`` where they are still those of the version that was named.
        lifetime: seconds for which the answer says that it is fresh (RFC 9111 4.2.1); negative where it says nothing.
        version: of the answer.
    """

    keys: KeySet | None
    lifetime: float = -1.0
    version: DocumentVersion = DocumentVersion()


def allowed_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """Give the ``alg`` names that a policy's list lets in: ``none`` never, and Ed25519 under both its names."""
    named = frozenset(name for name in algorithms if name.lower() != "none")
    return named | _EDWARDS if named & _EDWARDS else named


def load_jwks(document: Mapping[str, object], algorithms: frozenset[str]) -> KeySet:
    """Build the sound keys of a JWK Set (RFC 7517 5).

    Args:
        document: the parsed set.
        algorithms: `allowed_algorithms` for this issuer; keys are built for no others.

    Raises:
        ValueError: it is not a JWK Set, or holds too many keys.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("not a JWK Set, or too large")
    members = [member for member in listed if isinstance(member, dict)]
    names = Counter(name for member in members if isinstance(name := member.get("kid"), str))
    built = (_build(member, algorithms) for member in members if names[str(member.get("kid"))] <= 1)
    return KeySet(tuple(key for found in built for key in found))


def build_secret_key(value: bytes, algorithms: frozenset[str]) -> KeySet:
    """Build the one key of an issuer that shares a secret with us (development only).

    Raises:
        ValueError: the secret is too short for one of the algorithms, or looks like a public key or a JWK; the message
            holds nothing of it.
    """
    least = max((MIN_SECRET_BYTES[name] for name in algorithms if name in MIN_SECRET_BYTES), default=0)
    if not least:
        raise ValueError("a secret goes with HS256, HS384 or HS512")
    if len(value) < least:
        raise ValueError(f"the secret has to be at least {least} bytes long")
    member = {"kty": "oct", "k": urlsafe_b64encode(value).rstrip(b"=").decode()}
    try:
        verifiers = {name: SignatureVerifier.of(member, name) for name in algorithms if name in MIN_SECRET_BYTES}
    except Exception:  # noqa: BLE001 - whatever PyJWT or cryptography say of a key, it may hold the key
        raise ValueError("the secret is a key or a certificate, not a secret") from None
    return KeySet((Key("", (), verifiers),))


def _build(member: dict[str, object], algorithms: frozenset[str]) -> tuple[Key, ...]:
    """Build one key; none where it is not sound or not for us."""
    name = member.get("kid", "")
    fitting = algorithms & _fitting(member)
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not fitting:
        return ()
    try:
        # PyJWT knows Ed25519 by its older name alone
        verifiers = {
            each: SignatureVerifier.of(member, "EdDSA" if each in _EDWARDS else each) for each in sorted(fitting)
        }
        if any(is_weak(verifier.key) for verifier in verifiers.values()):
            return ()
    except Exception:  # noqa: BLE001 - a key that cannot be built, for whatever reason, is not there
        return ()
    identity = tuple(str(member.get(part)) for part in ("kty", "crv", "x", "y", "n", "e"))
    return (Key(name, identity, verifiers),)


def _fitting(member: dict[str, object]) -> frozenset[str]:
    """Tell what a key is for, by its type, curve, ``alg``, ``use`` and ``key_ops``; nothing where it is not sound."""
    kty, crv, alg, ops = member.get("kty"), member.get("crv"), member.get("alg"), member.get("key_ops", ["verify"])
    if not isinstance(kty, str) or not isinstance(crv, str | None) or not isinstance(alg, str | None):
        return frozenset()
    if (
        _PRIVATE & member.keys()
        or member.get("use", "sig") != "sig"
        or not isinstance(ops, list)
        or "verify" not in ops
        or not all(isinstance(each, str) and each in _OPERATIONS for each in ops)
        or len(ops) != len(set(ops))
    ):
        return frozenset()
    fitting = _FITTING.get((kty, crv), frozenset[str]())
    if alg is None:
        return fitting
    return fitting & (_EDWARDS if alg in _EDWARDS else {alg})
