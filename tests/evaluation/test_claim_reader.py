"""A claim that identifies or limits is read strictly; one that only adds is left out if it cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.evaluation.claim_reader import (
    MAX_LIST_CHARS,
    MAX_TEXT_CHARS,
    MAX_TIME_S,
    ClaimError,
    find_labels,
    find_newest_time,
    find_words,
    has_value,
    is_name,
    read_text,
    read_texts,
    read_time,
)

NOW = 1_800_000_000


@pytest.mark.parametrize("value", ["anna", "Zo\u00eb", "\u6771\u4eac", "a" * MAX_TEXT_CHARS, ""])
def test_a_text_that_can_be_shown_is_read_as_it_is(value: str) -> None:
    assert read_text({"sub": value}, ("sub",)) == value


@pytest.mark.parametrize(
    "value",
    [7, True, ["anna"], {"a": 1}, "a" * (MAX_TEXT_CHARS + 1), "a\nb", "a\x00", "a\u202eb", "\ud800", "a\u2028", "\x85"],
)
def test_a_text_that_identifies_nobody_clearly_refuses_the_token_and_is_not_repeated(value: object) -> None:
    with pytest.raises(ClaimError) as caught:
        read_text({"sub": value}, ("sub",))
    assert (caught.value.claim, caught.value.is_missing, str(caught.value)) == ("sub", False, "sub")


def test_null_is_the_same_as_a_missing_claim_and_the_next_source_counts() -> None:
    claims = {"sid": None, "session": "s1", "acct": {"id": "a7"}}

    assert read_text(claims, ("sid", "session")) == "s1"
    assert read_text(claims, ("/acct/id", "session")) == "a7"
    assert read_text(claims, ("sid", "none")) == ""
    assert read_time({"exp": None}, "exp") == 0.0


def test_the_first_source_that_is_present_counts_even_if_it_cannot_be_read() -> None:
    with pytest.raises(ClaimError, match="sid"):
        read_text({"sid": 7, "session": "s1"}, ("sid", "session"))


@pytest.mark.parametrize("value", [0, NOW, NOW + 0.5, MAX_TIME_S])
def test_a_time_is_a_number_of_seconds(value: float) -> None:
    assert read_time({"exp": value}, "exp") == value


@pytest.mark.parametrize("value", ["1800000000", True, -1, MAX_TIME_S + 1, float("nan"), float("inf"), [NOW]])
def test_another_time_refuses_the_token(value: object) -> None:
    with pytest.raises(ClaimError, match="exp"):
        read_time({"exp": value}, "exp")


def test_the_newest_usable_time_of_the_first_usable_source_counts() -> None:
    claims = {"auth_time": "now", "methods": [{"at": NOW}, {"at": "x"}, {"at": NOW + 9}, {"at": True}]}

    assert find_newest_time(claims, ("auth_time", "/methods/*/at")) == NOW + 9
    assert find_newest_time(claims, ("auth_time",)) == 0.0


def test_a_list_of_texts_leaves_out_what_is_none_and_a_longer_one_as_a_whole() -> None:
    listed: list[Any] = ["pwd", 7, "otp", "a\nb"]

    assert read_texts(listed, 4) == ("pwd", "otp")
    assert read_texts(listed, 3) == ()
    assert read_texts("pwd", 3) == ("pwd",)
    assert read_texts({"pwd": 1}, 3) == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("chat orders", {"chat", "orders"}),
        ("chat  chat ", {"chat"}),
        (["chat", "orders", 7, ""], {"chat", "orders"}),
        (7, set()),
        ({"chat": 1}, set()),
        ("chat\torders", {"chat\torders"}),
    ],
)
def test_words_are_separated_by_blanks_or_listed(value: object, words: set[str]) -> None:
    assert find_words({"scope": value}, ("scope",), 9) == words


def test_too_many_words_refuse_the_token_instead_of_some_of_them() -> None:
    with pytest.raises(ClaimError, match="scope"):
        find_words({"scope": "a b c"}, ("scope",), 2)
    with pytest.raises(ClaimError, match="scope"):
        find_words({"scope": "x" * (MAX_LIST_CHARS + 1)}, ("scope",), 9)


def test_every_scalar_of_a_list_is_a_label() -> None:
    claims = {"kind": ["a", True, 7, 1.5, None, ["x"]], "idtyp": "app"}

    assert find_labels(claims, ("kind",)) == {"a", "true", "7"}
    assert find_labels(claims, ("none", "idtyp")) == {"app"}


@pytest.mark.parametrize(
    ("accepted", "found"),
    [((), True), (("app",), True), (("*@gserviceaccount.com",), False), (("user", "*pp"), True), (("ap",), False)],
)
def test_a_claim_has_a_value_exactly_or_by_its_end(accepted: tuple[str, ...], found: bool) -> None:  # noqa: FBT001 - a case
    assert has_value({"idtyp": "app"}, "idtyp", accepted) is found
    assert not has_value({"idtyp": None}, "idtyp", accepted)


def test_a_name_is_bounded_text_in_any_script() -> None:
    assert is_name("\u0410\u043d\u043d\u0430")
    assert not is_name("a" * (MAX_TEXT_CHARS + 1))
    assert not is_name(b"anna")
