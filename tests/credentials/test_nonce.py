"""Nonces are valid for all holders of the key, for two steps of time, and for no other deployment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.credentials.nonce import NONCE_STEP_S, NonceGenerator

NONCES = NonceGenerator(lambda: b"k" * 32)
NOW = 1_800_000_000.0


def test_a_nonce_counts_through_its_own_step_and_the_next() -> None:
    nonce = NONCES.current(NOW)
    assert NONCES.validate(nonce, NOW) == (True, "")
    later = NOW + NONCE_STEP_S
    assert NONCES.validate(nonce, later) == (True, NONCES.current(later))
    assert NONCES.validate(nonce, NOW + 2 * NONCE_STEP_S) == (False, NONCES.current(NOW + 2 * NONCE_STEP_S))


def test_a_nonce_of_the_future_does_not_count() -> None:
    assert NONCES.validate(NONCES.current(NOW + NONCE_STEP_S), NOW)[0] is False


def test_all_who_share_the_key_know_it_and_others_do_not() -> None:
    assert NonceGenerator(lambda: b"k" * 32).validate(NONCES.current(NOW), NOW) == (True, "")
    assert NonceGenerator(lambda: b"j" * 32).validate(NONCES.current(NOW), NOW)[0] is False


def test_a_nonce_may_stand_in_a_header_and_in_a_challenge() -> None:
    assert all(
        NONCES.current(NOW + step * NONCE_STEP_S).replace("-", "").replace("_", "").isalnum() for step in range(50)
    )


@given(st.text(max_size=64))
def test_what_is_made_up_never_counts(text: str) -> None:
    assert NONCES.validate(text, NOW) == (False, NONCES.current(NOW))


@pytest.mark.parametrize("moment", [0.0, 299.9, 1e11])
def test_every_time_has_a_nonce(moment: float) -> None:
    assert NONCES.validate(NONCES.current(moment), moment) == (True, "")
