"""JSON Pointer as specified by RFC 6901."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.formats.json_pointer import PointerError, resolve_pointer, set_pointer

DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 2}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", DOCUMENT), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/m~0n", 8), ("/~01", 2)],
)
def test_a_pointer_finds_what_the_standard_says(pointer: str, value: object) -> None:
    assert resolve_pointer(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/nothing", "/foo/2", "/foo/01", "/foo/-", "/foo/-1", "/foo/²", "/foo/0/x"])
def test_what_is_not_there_is_said(pointer: str) -> None:
    with pytest.raises(PointerError):
        resolve_pointer(DOCUMENT, pointer)


def test_a_value_is_put_where_a_pointer_leads() -> None:
    document: dict[str, Any] = {}
    set_pointer(document, "/a/b~1c", 1)
    set_pointer(document, "/a/d", 2)
    assert document == {"a": {"b/c": 1, "d": 2}}
    for pointer in ("/a/d/e", ""):
        with pytest.raises(PointerError):
            set_pointer(document, pointer, 3)
