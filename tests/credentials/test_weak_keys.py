"""A key with a known weakness is refused; an ordinary one is accepted."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from authguard.credentials.weak_keys import _SMALL_ORDER_POINTS, find_rsa_weakness, find_weakness
from authguard.testing import SigningKey
from tests.support import weak_keys

_PUBLIC = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
_N = _PUBLIC.public_numbers().n
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_ordinary_keys_are_sound(alg: str) -> None:
    assert not find_weakness(SigningKey.generate(alg).private.public_key())


@pytest.mark.parametrize("exponent", [1, 3, 17, 257, 65535, 65536, 65538, 2**64 + 1])
def test_an_exponent_is_odd_and_neither_small_nor_huge(exponent: int) -> None:
    assert not find_rsa_weakness(_N, 65537)
    assert find_rsa_weakness(_N, exponent)


@pytest.mark.parametrize("factor", [2, 3, 997])
def test_a_modulus_with_a_small_factor_is_not_sound(factor: int) -> None:
    assert find_rsa_weakness(_N // factor * factor, 65537)


def test_a_modulus_below_2048_or_beyond_8192_bits_is_not_sound() -> None:
    assert find_rsa_weakness(_N >> 1 | 1, 65537)
    assert find_rsa_weakness(_N**5, 65537)


def test_the_weak_generators_are_recognised() -> None:
    assert find_weakness(weak_keys.roca().public_key())
    assert find_weakness(weak_keys.close().public_key())


def test_a_square_is_not_sound() -> None:
    prime = weak_keys.close().private_numbers().p
    assert find_rsa_weakness(prime * prime, 65537)


def _times_eight(y: int) -> tuple[int, int] | None:
    """Add a point of the curve of RFC 8032 5.1 to itself, three times; return `None` if y is on no point."""
    y %= _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P:
        return None
    for _ in range(3):
        product = _D * x * x * y * y % _P
        x, y = 2 * x * y * pow(1 + product, -1, _P) % _P, (y * y + x * x) * pow(1 - product, -1, _P) % _P
    return x, y


def test_the_listed_points_are_those_of_small_order() -> None:
    assert {_times_eight(int.from_bytes(raw, "little")) for raw in _SMALL_ORDER_POINTS} == {(0, 1)}
    assert len(_SMALL_ORDER_POINTS) == 7


@pytest.mark.parametrize("raw", sorted(_SMALL_ORDER_POINTS))
@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_point_of_small_order_is_no_key(raw: bytes, sign: int) -> None:
    key = Ed25519PublicKey.from_public_bytes(raw[:-1] + bytes([raw[-1] | sign]))
    assert find_weakness(key)
