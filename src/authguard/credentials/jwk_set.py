"""Loading of JWK Sets (RFC 7517 5), as providers write them: unusable members are ignored, with the cause, one by one.

Never used (RFC 8725 3.2 and 3.5, RFC 7517 4): symmetric keys in a set, keys with private members, weak keys
(`weak_keys`), a ``use`` or ``key_ops`` for another purpose, and an ``alg`` that does not fit the key type. PyJWT's own
key set checks none of these, and silently drops keys named ``Ed25519`` (RFC 9864). A member that is ``null``, an empty
text or an empty list counts as absent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.core.deployment import TENANT_PLACEHOLDER
from authguard.credentials.jwk import EDDSA_NAMES, Key, KeySet, SignatureVerifier
from authguard.credentials.key_problem import IgnoredKey, KeyProblem
from authguard.credentials.weak_keys import find_weakness

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: maximum number of keys in a set
MAX_KEYS: Final = 100
MAX_NAME_CHARS: Final = 255
#: maximum number of keys with one ``kid`` and algorithm: each is tried, so it bounds the cost of a forged token
MAX_SAME_NAME: Final = 4

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
#: (kty, crv) -> the algorithms of such a key
_ALGORITHMS_BY_TYPE: Final[dict[tuple[object, object], frozenset[str]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("EC", "secp256k1"): frozenset({"ES256K"}),
    ("OKP", "Ed25519"): EDDSA_NAMES,
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: ``use`` of a signature key; SPIFFE has a name of its own (JWT-SVID 4)
_SIGNATURE_USES: Final = frozenset({"sig", "jwt-svid"})
#: allowed ``key_ops`` of a signature key (RFC 7517 4.3: no unrelated operations)
_KEY_OPERATIONS: Final = frozenset({"sign", "verify"})
_ENCRYPTION_OPERATIONS: Final = frozenset(
    {"encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"},
)
#: start of the names of algorithms for encryption (RFC 7518 4.1)
_ENCRYPTION_ALGORITHMS: Final = ("RSA-OAEP", "RSA1_5", "ECDH-ES", "A128", "A192", "A256", "PBES2", "dir")
_ENCRYPTION_CURVES: Final = frozenset({"X25519", "X448"})
#: names of algorithms and curves that may appear in a message
_NAME: Final = re.compile(r"[A-Za-z0-9_+.-]{1,40}")


def load_jwks(
    document: Mapping[str, object], algorithms: frozenset[str], issuers: Collection[str] = frozenset()
) -> KeySet:
    """Build the strong keys of a JWK Set (RFC 7517 5).

    Args:
        document: the parsed set.
        algorithms: from `allowed_algorithms`; keys for other algorithms are ignored.
        issuers: the issuers that use the set; a key that names another one is ignored. Empty if any may.

    Raises:
        ValueError: the document is not a JWK Set, or contains too many keys.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("not a JWK Set: it has no list `keys`")  # noqa: TRY004 - the document is malformed
    if len(listed) > MAX_KEYS:
        raise ValueError(f"a JWK Set with more than {MAX_KEYS} keys")
    keys: dict[tuple[object, ...], Key] = {}
    ignored: list[IgnoredKey] = []
    for position, member in enumerate(listed, 1):
        built = _build(member, algorithms, issuers)
        refusal = _add(keys, built) if isinstance(built, Key) else built
        if refusal is not None:
            ignored.append(IgnoredKey(position, _shown_name(member), *refusal))
    return KeySet(tuple(keys.values()), tuple(ignored))


_Refusal = tuple[KeyProblem, str]


def _add(keys: dict[tuple[object, ...], Key], built: Key) -> _Refusal | None:
    """Add a key; merge it with the same key for another algorithm, which providers list separately."""
    place = (built.name, built.identity, built.issuer)
    known = keys.get(place)
    if known is not None:
        keys[place] = Key(built.name, built.identity, {**known.verifiers, **built.verifiers}, built.issuer)
        return None
    twins = [key for key in keys.values() if built.name and key.name == built.name]
    if any(sum(each in twin.verifiers for twin in twins) >= MAX_SAME_NAME for each in built.verifiers):
        return KeyProblem.CROWDED, ""
    keys[place] = built
    return None


def _build(member: object, algorithms: frozenset[str], issuers: Collection[str]) -> Key | _Refusal:
    """Build one key, or return why it is not used."""
    if not isinstance(member, dict):
        return KeyProblem.MALFORMED, ""
    # absent: null, an empty text or an empty list
    given = {name: value for name, value in member.items() if value is not None and value not in ("", [])}
    name, owner = given.get("kid", ""), _owner(given)
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS:
        return KeyProblem.MALFORMED, "`kid`"
    if owner and issuers and owner not in issuers:
        return KeyProblem.OTHER_ISSUER, ""
    usable = _usable_algorithms(given)
    if not isinstance(usable, frozenset):
        return usable
    if algorithms.isdisjoint(usable):
        return KeyProblem.ALGORITHM_UNLISTED, ", ".join(sorted(usable))
    identity = tuple(str(given.get(part)) for part in ("kty", "crv", "x", "y", "n", "e"))
    verifiers = _build_verifiers(given, sorted(algorithms & usable))
    return Key(name, identity, verifiers, owner) if isinstance(verifiers, dict) else verifiers


def _build_verifiers(given: Mapping[str, Any], algorithms: list[str]) -> dict[str, SignatureVerifier] | _Refusal:
    """Build the key with each of its algorithms, and check its strength."""
    try:
        # PyJWT supports Ed25519 only under its older name
        built = {each: SignatureVerifier.of(given, "EdDSA" if each in EDDSA_NAMES else each) for each in algorithms}
        weakness = next(filter(None, (find_weakness(verifier.key) for verifier in built.values())), "")
    except Exception:  # noqa: BLE001 - a key that cannot be built, for whatever reason, is ignored
        return KeyProblem.MALFORMED, ""
    return (KeyProblem.WEAK, weakness) if weakness else built


def _owner(given: Mapping[str, object]) -> str:
    """Return the only issuer of a key in a set that several issuers share, as Entra names it; empty for all."""
    named = given.get("issuer")
    is_url = isinstance(named, str) and named.startswith(("https://", "http://"))
    return str(named) if is_url and TENANT_PLACEHOLDER not in str(named) else ""


def _usable_algorithms(given: Mapping[str, Any]) -> frozenset[str] | _Refusal:  # noqa: PLR0911 - one return for each check
    """Return the signature algorithms of a key by its type, curve, ``alg``, ``use`` and ``key_ops``."""
    kty, crv, alg, use, operations = (given.get(name) for name in ("kty", "crv", "alg", "use", "key_ops"))
    if kty == "oct":
        return KeyProblem.SYMMETRIC, ""
    if _PRIVATE_MEMBERS & given.keys():
        return KeyProblem.PRIVATE, ""
    if not all(isinstance(each, str | None) for each in (kty, crv, alg, use)) or kty is None:
        return KeyProblem.MALFORMED, ""
    if use is not None and use not in _SIGNATURE_USES:
        return (KeyProblem.ENCRYPTION if use == "enc" else KeyProblem.OTHER_USE), _shown(use)
    if operations is not None:
        refusal = _check_operations(operations)
        if refusal is not None:
            return refusal
    fitting = _ALGORITHMS_BY_TYPE.get((kty, crv), frozenset[str]())
    if alg is not None:
        fitting &= EDDSA_NAMES if alg in EDDSA_NAMES else {alg}
    if fitting:
        return fitting
    is_encryption = (alg or "").startswith(_ENCRYPTION_ALGORITHMS) or crv in _ENCRYPTION_CURVES
    return (KeyProblem.ENCRYPTION if is_encryption else KeyProblem.ALGORITHM_UNKNOWN), _shown(alg or crv or kty)


def _check_operations(operations: object) -> _Refusal | None:
    """Check ``key_ops`` (RFC 7517 4.3)."""
    if not isinstance(operations, list) or not all(isinstance(each, str) for each in operations):
        return KeyProblem.MALFORMED, "`key_ops`"
    if len(operations) != len(set(operations)):
        return KeyProblem.MALFORMED, "`key_ops` with a duplicate"
    if "verify" in operations and _KEY_OPERATIONS.issuperset(operations):
        return None
    is_encryption = bool(_ENCRYPTION_OPERATIONS.intersection(operations)) and "verify" not in operations
    return (KeyProblem.ENCRYPTION if is_encryption else KeyProblem.OTHER_USE), "`key_ops`"


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else ""


def _shown_name(member: object) -> str:
    """Return a ``kid`` for messages; empty if it cannot be displayed."""
    name = member.get("kid") if isinstance(member, dict) else None
    return name if isinstance(name, str) and len(name) <= MAX_NAME_CHARS and name.isprintable() else ""
