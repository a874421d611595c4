"""The mistakes behind the parser's syntax errors, in words for who writes a policy and not a YAML parser."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Mistake(NamedTuple):
    """A mistake in the syntax of a file.

    Attributes:
        message: description, in lower case.
        advice: what to type.
        at_context: whether it is where the parser's context begins, not where the parser stopped.
    """

    message: str
    advice: str
    at_context: bool = False


_BRACKETS: Final = Mistake(
    "a list or mapping in brackets is not closed, or text in it needs quotes",
    "close the bracket, put a comma between entries, and quote text that has `: ` or a bracket",
    at_context=True,
)
#: patterns of the parser's problem and of its context -> mistake; the first match counts
_MISTAKES: Final[tuple[tuple[str, str, Mistake], ...]] = (
    (
        "unexpected end of stream",
        "quoted scalar",
        Mistake("a quotation mark is not closed", "close it, with the same mark", at_context=True),
    ),
    (
        "expected alphabetic or numeric character",
        "alias",
        Mistake("`*` begins an alias, and this is none", "quote it: `'*'`", at_context=True),
    ),
    (
        "expected alphabetic or numeric character",
        "anchor",
        Mistake("`&` begins an anchor, and this is none", "quote the text", at_context=True),
    ),
    ("expected ',' or", "", _BRACKETS),
    ("expected the node content", "flow", _BRACKETS),
    (
        "mapping values are not allowed",
        "",
        Mistake(
            "a colon where no key can be: a second one in a line, or a line that is indented too far",
            "quote text that has `: `, or begin the line in the column of the keys above",
        ),
    ),
    (
        "sequence entries are not allowed",
        "",
        Mistake("a `- ` where no list can begin", "begin the list in a line below its key"),
    ),
    (
        "expected <block end>",
        "",
        Mistake(
            "the indentation does not fit the lines above",
            "begin the line in the column of the keys, or of the `- `, to which it belongs",
        ),
    ),
    (
        "could not find expected ':'",
        "",
        Mistake("a line above is neither `key: value` nor `- item`", "write a colon and a blank after the key"),
    ),
    (
        "cannot start any token",
        "",
        Mistake("text begins with a character that has another meaning", "quote the text"),
    ),
    (
        "found unknown escape character",
        "",
        Mistake("a backslash in double quotes is no known escape", "write single quotes, or two backslashes"),
    ),
)


def find_mistake(problem: str, context: str) -> Mistake:
    """Return the mistake behind a syntax error.

    Args:
        problem: what the parser reports.
        context: what it was doing.
    """
    for in_problem, in_context, mistake in _MISTAKES:
        if in_problem in problem and in_context in context:
            return mistake
    shown = re.sub(r"\s+", " ", problem or context or "it cannot be parsed")[:120]
    return Mistake(f"the file is not YAML: {shown}", "")
