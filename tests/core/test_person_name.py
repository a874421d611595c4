"""Names of persons are compared by what a reader sees, and a reason without a letter is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.person_name import distinct_names, has_letters, normalize_name


@pytest.mark.parametrize(
    "spelling",
    ["Anna Meier", "anna meier", "ANNA  MEIER", "anna.meier", "\uff21nna Meier", "Anna\u200bMeier"],
)
def test_spellings_of_one_name_are_one_person(spelling: str) -> None:
    assert normalize_name(spelling) == "annameier"


def test_different_names_stay_different() -> None:
    assert len({normalize_name(name) for name in ("anna", "anne", "anna2", "\u0430nna")}) == 4


def test_letters_that_fold_into_several_are_compared_by_them() -> None:
    assert normalize_name("Strau\u00df") == normalize_name("STRAUSS")
    assert normalize_name("\ufb01nn") == normalize_name("FINN")


@pytest.mark.parametrize(
    "text", ["", " ", "...", "\u3164", "\u115f\u1160", "\u200b\u200d", "\uffa0", "\U0001f600", "\n\t", "\u0301"]
)
def test_a_text_without_a_visible_letter_is_no_reason(text: str) -> None:
    assert not has_letters(text)


@pytest.mark.parametrize("text", ["called back", "7", " \u00e9 ", "\u6771"])
def test_a_letter_or_digit_of_any_script_is_a_reason(text: str) -> None:
    assert has_letters(text)


def test_one_person_counts_once_with_the_first_spelling() -> None:
    assert distinct_names(["Anna", "bob", "ANNA", "an-na", "Bob", "carol"]) == ("Anna", "bob", "carol")


@given(st.text(max_size=30))
def test_a_normal_form_is_its_own_and_case_never_matters(text: str) -> None:
    plain = normalize_name(text)

    assert normalize_name(plain) == plain
    assert normalize_name(f" {text}.") == plain
