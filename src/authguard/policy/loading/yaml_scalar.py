"""Bounds of a YAML document, and its scalars by the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import Final

MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
MAX_ITEMS: Final = 10_000
#: maximum reported problems
MAX_PROBLEMS: Final = 200

#: control characters, lone carriage returns, Unicode line breaks, bidirectional controls, invisible characters and
#: surrogates; tabs too, so that indentation is unambiguous
REFUSED_CHARACTER: Final = re.compile(
    r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]|\r(?!\n)"
)
_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)
#: booleans in YAML 1.1 and text in YAML 1.2; ambiguous without quotes
MAYBE_BOOLEAN: Final = frozenset({"yes", "no", "on", "off", "y", "n"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


def is_plain_scalar(text: str) -> bool:
    """Return whether text without quotes is parsed as the same text."""
    return (
        text not in NULLS
        and text.lower() not in MAYBE_BOOLEAN
        and not NO_NUMBER.fullmatch(text)
        and resolve_scalar(text) == text
    )


def resolve_scalar(text: str) -> str | int | float | bool:
    """Convert a plain scalar by the YAML 1.2 core schema, without octal, hexadecimal and exponents."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
