"""Hostile texts: further lines, terminal commands, reversed writing, and excessive length."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

#: what alone does harm: line ends of every kind, NUL, escapes, marks of direction, what hides, halves of characters
MARKS: Final = (
    *("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\x7f", "\x08"),
    *("\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"),
    *("\u200b", "\u2060", "\ufeff", "\u00ad", "\U000e0041", "\ud800", "\udfff", "\udc80"),
    *('"', "\\", "\\u202e", '"}\n{"kind":"act"', ',"v":2,"seq":0', "' OR 1=1", "=cmd()", "<script>", "%s%n", "[bold]"),
)
TEXTS: Final = st.one_of(
    st.lists(st.sampled_from(MARKS) | st.text(max_size=8), max_size=6).map("".join),
    st.sampled_from(MARKS).map(lambda mark: "x" * 5_000 + mark),
    st.text(st.characters(), max_size=40),
)


def is_harmless(text: str) -> bool:
    """Whether a line of text is one line, and shows what it holds in the order in which it holds it."""
    return text.isprintable()
