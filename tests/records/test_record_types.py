"""Tests of the types of fields: what each pattern accepts, and that it is bounded."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from msgspec import Meta

from authguard.records import record_types
from authguard.records.record_types import INDEXED, MAX_ID_CHARS, MAX_NAME_CHARS, MAX_TEXT_CHARS, Column, Shared


def pattern_of(name: str) -> str:
    schema: dict[str, Any] = next(
        one.extra_json_schema for one in get_args(getattr(record_types, name)) if isinstance(one, Meta)
    )
    return str(schema["pattern"])


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("Id", "01a2-b.c_D", "01/a"),
        ("Id", "a" * MAX_ID_CHARS, "a" * (MAX_ID_CHARS + 1)),
        ("Digest", "", "0"),
        ("Digest", "0f" * 64, "0f" * 65),
        ("Name", "prove identity", " prove"),
        ("Name", "a" * MAX_NAME_CHARS, "a" * (MAX_NAME_CHARS + 1)),
        ("Code", "key.rotated", "Key"),
        ("Rule", "22:prove_identity", "022:prove_identity"),
        ("Event", "session.revoked", "door.opened"),
        ("Class", "StoreError", "Store Error"),
        ("Pseudonym", "alice", "al\u202eice"),
        ("Hex", "0f", "0F"),
        ("Fingerprint", "0" * 64, "0" * 65),
        ("TraceId", "0" * 32, "0" * 31),
        ("Peer", "2001:db8::1", "fe80::1%eth0"),
        ("Method", "websocket", "get"),
        ("Text", "a" * MAX_TEXT_CHARS, "a" * (MAX_TEXT_CHARS + 1)),
        ("Text", "é", "two\nlines"),
        ("Level", "warning", "Warning"),
    ],
)
def test_a_pattern_accepts_its_values_and_no_other(name: str, accepted: str, refused: str) -> None:
    pattern = pattern_of(name)
    assert re.search(pattern, accepted)
    assert not re.search(pattern, refused)


@pytest.mark.parametrize("code", [0x00, 0x1B, 0x7F, 0xAD, 0x200B, 0x2028, 0x202E, 0x2066, 0xFEFF, 0xD800])
def test_no_text_has_a_character_that_forges_a_line_or_hides(code: int) -> None:
    for name in ("Text", "Pseudonym"):
        assert not re.search(pattern_of(name), f"a{chr(code)}b")


def test_what_the_index_stores_is_in_the_metadata_of_the_type() -> None:
    for role, stored in ((Column, "column"), (Shared, "shared")):
        metas = [one for one in get_args(role[record_types.Hex]) if isinstance(one, Meta)]
        assert [one.extra for one in metas] == [None, {INDEXED: stored}]
        assert metas[0].extra_json_schema == {"pattern": pattern_of("Hex")}
