"""Keys of stored records: stable across versions, distinct for distinct identities, and free of personal data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authguard.core.record_keys import KEY_BYTES, account_key, identity_keys, session_key

#: lone surrogates too, as JSON can state them
TEXT = st.text(st.characters(), max_size=12)
IDENTITY = st.tuples(TEXT, TEXT, TEXT, TEXT)


def test_a_key_is_the_one_that_older_stores_hold() -> None:
    assert account_key("https://issuer.test", "anna").hex() == "b08aff1ee9005a0f5fcc2ba7a8624286"
    assert session_key("https://issuer.test", "anna", "app", "s1").hex() == "44bf75e7e0f6c29caac80e2067230f04"


@given(IDENTITY)
def test_both_keys_of_a_credential_are_the_single_ones(identity: tuple[str, str, str, str]) -> None:
    issuer, subject, _, _ = identity
    assert identity_keys(*identity) == (account_key(issuer, subject), session_key(*identity))


@given(IDENTITY, IDENTITY)
def test_only_equal_identities_share_a_key(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    assert (session_key(*one) == session_key(*other)) == (one == other)
    assert (account_key(*one[:2]) == account_key(*other[:2])) == (one[:2] == other[:2])


def test_a_boundary_between_two_parts_counts() -> None:
    assert account_key("ab", "c") != account_key("a", "bc")
    assert session_key("i", "s", "ab", "c") != session_key("i", "s", "a", "bc")


@given(IDENTITY)
def test_an_account_and_a_session_never_share_a_key(identity: tuple[str, str, str, str]) -> None:
    account, session = identity_keys(*identity)
    assert account != session
    assert len(account) == len(session) == KEY_BYTES
