"""Declarations are pure data: equal if they say the same, and without a parser or a comparison of their own."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import asdict

from authguard.core.declaration import Format, Key, Seconds


def test_a_declaration_is_plain_data() -> None:
    assert Key("Time.", "larger") == Key(description="Time.", looser="larger")
    assert asdict(Key("A part.")) == {"description": "A part.", "looser": ""}


def test_the_unit_of_a_type_is_named_in_its_annotation() -> None:
    assert get_args(Seconds) == (float, Format("duration"))
