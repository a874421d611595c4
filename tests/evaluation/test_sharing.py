"""Equal values of different tokens are one object; the number of shared values is bounded."""

from __future__ import annotations

from authguard.evaluation import sharing


def test_equal_values_are_one_object() -> None:
    first = sharing.share(b"aal2".decode())
    assert sharing.share(b"aal2".decode()) is first
    words = sharing.share(frozenset({"chat", "orders"}))
    assert sharing.share(frozenset({"orders", "chat"})) is words


def test_a_time_is_a_float_whatever_number_the_issuer_sends() -> None:
    first = sharing.share_time(1_800_000_000)
    assert isinstance(first, float)
    assert sharing.share_time(int("1800000000")) is first


def test_the_number_of_shared_values_is_bounded() -> None:
    for number in range(2 * sharing.MAX_VALUES):
        assert sharing.share(f"client-{number}") == f"client-{number}"
    assert sharing.share.cache_info().currsize == sharing.MAX_VALUES
    assert sharing.share_time.cache_info().maxsize == sharing.MAX_TIMES
