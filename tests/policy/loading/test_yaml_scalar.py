"""A plain scalar has the value of YAML 1.2, and text that could mean something else needs quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.loading.yaml_scalar import REFUSED_CHARACTER, is_plain_scalar, resolve_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("FALSE", False), ("tRUE", "tRUE"), ("yes", "yes")),
        *(("0", 0), ("-12", -12), ("+3", 3), ("007", "007"), ("0x1f", "0x1f"), ("0o7", "0o7"), ("1_000", "1_000")),
        *(("1.50", 1.5), ("-0.5", -0.5), (".5", ".5"), ("1.", "1."), ("1e3", "1e3")),
        *(("9" * 18, 10**18 - 1), ("9" * 19, "9" * 19), ("12:30", "12:30"), ("2026-11-30", "2026-11-30")),
    ],
)
def test_a_scalar_has_the_value_of_the_core_schema(text: str, value: object) -> None:
    found = resolve_scalar(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["", "~", "Null", "on", "No", "Y", "true", "7", "-1.5", ".nan", "-.Inf"])
def test_text_with_another_meaning_is_not_plain(text: str) -> None:
    assert not is_plain_scalar(text)


@given(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12))
def test_a_plain_scalar_is_parsed_as_the_same_text(text: str) -> None:
    parsed = parse_yaml(f"a: {text}\n".encode(), "x.yaml")
    if is_plain_scalar(text):
        assert (parsed.problems, parsed.tree.value["a"].value) == ((), text)  # type: ignore[index, call-overload, union-attr]
    else:
        assert parsed.problems or parsed.tree.value["a"].value != text  # type: ignore[index, call-overload, union-attr]


@pytest.mark.parametrize("character", ["\t", "\x00", "\u2028", "\u202e", "\u2060", "\ufeff", "\ud800"])
def test_invisible_and_ambiguous_characters_are_refused(character: str) -> None:
    assert REFUSED_CHARACTER.search(f"a: {character}")


@pytest.mark.parametrize("character", ["\n", "\r\n", "é", "中", "🙂"])
def test_ordinary_characters_are_not(character: str) -> None:
    assert not REFUSED_CHARACTER.search(f"a: {character}")
