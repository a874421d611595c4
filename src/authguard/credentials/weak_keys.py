"""Checks of public keys for known weaknesses, with which others could sign too; run once for each key.

RSA: fewer than 2048 bits, an exponent that is even, small or huge (FIPS 186-5 5.4), a modulus with a small factor or
with two close primes (CVE-2022-26320), or from the generator of CVE-2017-15361 (ROCA). Ed25519: a point of small order,
for which anyone can forge signatures (RFC 8032 5.1.7 does not check for it).
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, isqrt, prod
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator

RSA_MIN_BITS: Final = 2_048
#: a larger modulus or exponent only costs the verifier more time
RSA_MAX_BITS: Final = 8_192
RSA_MAX_EXPONENT_BITS: Final = 64
RSA_MIN_EXPONENT: Final = 65_537
#: rounds of Fermat's factorization: primes with a smaller difference are found
FERMAT_ROUNDS: Final = 100


def _primes(below: int) -> Iterator[int]:
    for number in range(2, below):
        if all(number % divisor for divisor in range(2, isqrt(number) + 1)):
            yield number


#: product of the small primes; no real modulus has one as a factor
_SMALL_PRIME_PRODUCT: Final = prod(_primes(1_000))
#: prime -> residues of the powers of 65537; all primes of the weak generator are such residues modulo all these primes
_ROCA_RESIDUES: Final = {
    prime: frozenset(pow(65_537, power, prime) for power in range(prime))
    for prime in _primes(168)
    if prime > 2  # noqa: PLR2004 - all numbers are odd
}
#: y of the points of an order that divides eight, canonical or not, without the sign of x
_SMALL_ORDER_POINTS: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def find_weakness(key: object) -> str:
    """Return the known weakness of a public key; empty if it has none.

    Args:
        key: a key of cryptography; it validates keys of NIST elliptic curves when it builds them.
    """
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return find_rsa_weakness(numbers.n, numbers.e)
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes_raw()
        return "point of small order" if raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER_POINTS else ""
    return ""


@lru_cache(maxsize=512)  # a set is loaded often, and seldom changes
def find_rsa_weakness(modulus: int, exponent: int) -> str:
    """Return the known weakness of an RSA key; empty if it has none.

    Args:
        modulus: ``n``.
        exponent: ``e``.
    """
    if not RSA_MIN_BITS <= modulus.bit_length() <= RSA_MAX_BITS:
        return f"RSA of {modulus.bit_length()} bits"
    if exponent < RSA_MIN_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > RSA_MAX_EXPONENT_BITS:
        return "RSA exponent"
    if gcd(modulus, _SMALL_PRIME_PRODUCT) != 1:
        return "small prime factor"
    if _has_roca_fingerprint(modulus):
        return "ROCA, CVE-2017-15361"
    return "close primes, CVE-2022-26320" if _has_close_primes(modulus) else ""


def _has_roca_fingerprint(modulus: int) -> bool:
    """Return whether the modulus is from the generator of CVE-2017-15361 (Nemec et al., CCS 2017, section 3.3)."""
    return all(modulus % prime in powers for prime, powers in _ROCA_RESIDUES.items())


def _has_close_primes(modulus: int) -> bool:
    middle = isqrt(modulus - 1) + 1
    for number in range(middle, middle + FERMAT_ROUNDS):
        rest = number * number - modulus
        if isqrt(rest) ** 2 == rest:
            return True
    return False
