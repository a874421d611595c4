"""A file that is no YAML is reported by the mistake in it, at its place."""

from __future__ import annotations

import pytest

from authguard.policy.loading.yaml_mistake import find_mistake
from authguard.policy.loading.yaml_parser import parse_yaml


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("operations:\n - name: chat\n   risk: high\n    effect: read\n", 4, "a colon where no key can be"),
        ("operations:\n - name: chat\n   match: {path: /chat}\n    effect: read\n", 4, "the indentation does not fit"),
        ("operations:\n  - name: chat\n  risk: high\n", 3, "the indentation does not fit the lines above"),
        ("on_fault: 'refuse\nname: a\n", 1, "a quotation mark is not closed"),
        ("agents: [a, b\nname: a\n", 1, "a list or mapping in brackets is not closed"),
        ("fallbacks:\n  refuse: {message: Sorry: no}\n", 2, "or text in it needs quotes"),
        ("message: Sorry: no\n", 1, "quote text that has `: `"),
        ("line: {source: *, dest: locked}\n", 1, "`*` begins an alias, and this is none; quote it: `'*'`"),
        ("text: &, a\n", 1, "`&` begins an anchor"),
        ("agents: - a\n", 1, "a `- ` where no list can begin"),
        ("name: a\nextends\nagents: [a]\n", 3, "a line above is neither `key: value` nor `- item`"),
        ("name: @a\n", 1, "text begins with a character that has another meaning; quote the text"),
        ('name: "a\\qb"\n', 1, "a backslash in double quotes is no known escape"),
    ],
)
def test_the_mistake_is_named_at_its_line_with_what_to_type(text: str, line: int, says: str) -> None:
    (problem,) = parse_yaml(text.encode(), "policy.yaml").problems
    assert problem.code == "syntax"
    assert says in problem.describe()
    assert problem.place.line == line


def test_what_the_parser_reports_otherwise_is_repeated_on_one_line() -> None:
    assert find_mistake("found\n  something   new", "").message == "the file is not YAML: found something new"
    assert find_mistake("", "while scanning").message == "the file is not YAML: while scanning"
    assert len(find_mistake("x" * 5_000, "").message) < 200
