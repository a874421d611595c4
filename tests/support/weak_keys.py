"""Two RSA keys with weak generation, for tests; their primes are public because anybody can factor them.

The first is of the form that CVE-2017-15361 found: p = k * M + (65537 ** a mod M), with M the product of 126 primes.
The second has primes next to each other (CVE-2022-26320).
"""

from __future__ import annotations

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)

_ROCA_P = (
    "fd72f3528b83f668f9fe942ee83a8d1f0abfa7a416b21710d7d3256260514df9"
    "8757232e83706774edf9e30dc25dcf9e25ca0420246f73c3c30180f4a766863a"
    "0aeffbc4f495d993e600094822de8cca03694c5ae66696824d36d8ee404a51e6"
    "8802bc5680d5593b984ab16ce6885d7690754632a25733d3f4711e74ee9c7ebb"
)
_ROCA_Q = (
    "fe9bcf3372f4e9746a82c3455e3d6fdecd39e0407e0fd48127378bfad0728ee1"
    "47712ed1a8f34708303c8e7c69a7aa98175cde9fa538c4e4355ae560eb5634bd"
    "525c0bf6f033d80098fd2b259a05691a8e96cab7c1308034c6c84d35474a6386"
    "a03bc38fd9c9db460d584627ac0b527ed3a08a80e6980399fc613d6ec01806c3"
)
_CLOSE_P = (
    "d51e0870dcfdf599e1bd8079356e3d5235ecd2b9bf8ace40bcc8c3e9517d397d"
    "c06d5df15f42bce9ccfcf59670bbef09dbede7d02461dbbf014ec9a3dc0fb706"
    "7946d2f0732768580ee7e0c13272431dd04a1641a926ffd1d500f99d48bf1cf8"
    "a5b1d39c6fb35c1d485e6da652112690b51ac2a484d10fe56bc2cea956a446fb"
)
_CLOSE_Q = (
    "d51e0870dcfdf599e1bd8079356e3d5235ecd2b9bf8ace40bcc8c3e9517d397d"
    "c06d5df15f42bce9ccfcf59670bbef09dbede7d02461dbbf014ec9a3dc0fb706"
    "7946d2f0732768580ee7e0c13272431dd04a1641a926ffd1d500f99d48bf1cf8"
    "a5b1d39c6fb35c1d485e6da652112690b51ac2a484d10fe56bc2cea956a44bd9"
)


def weak_key(p: str, q: str) -> RSAPrivateKey:
    """Build a private key of two primes in hex."""
    first, second, e = int(p, 16), int(q, 16), 65537
    d = pow(e, -1, (first - 1) * (second - 1))
    return RSAPrivateNumbers(
        p=first,
        q=second,
        d=d,
        dmp1=rsa_crt_dmp1(d, first),
        dmq1=rsa_crt_dmq1(d, second),
        iqmp=rsa_crt_iqmp(first, second),
        public_numbers=RSAPublicNumbers(e, first * second),
    ).private_key()


def roca() -> RSAPrivateKey:
    """Build the key of CVE-2017-15361."""
    return weak_key(_ROCA_P, _ROCA_Q)


def close() -> RSAPrivateKey:
    """Build the key of CVE-2022-26320."""
    return weak_key(_CLOSE_P, _CLOSE_Q)


def jwk(key: RSAPrivateKey, kid: str = "weak") -> dict[str, object]:
    """Give the public half as a JWK for RS256."""
    plain = dict(jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True))
    return plain | {"kid": kid, "alg": "RS256"}
