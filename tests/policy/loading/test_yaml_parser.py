"""Strict reading: every bad byte is a problem with its code, line and column, and nothing ever raises."""

from __future__ import annotations

import pytest

from authguard.policy.loading.yaml_parser import MAX_BYTES, parse_yaml
from authguard.policy.loading.yaml_scalar import MAX_DEPTH, MAX_ITEMS, MAX_NODES, MAX_PROBLEMS
from authguard.policy.tree import format_path

#: what was typed; the code, the line and the column of the first problem
REFUSED = {
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
    "duplicate key, quoted": (b"a: 1\n'a': 3\n", "duplicate-key", 2, 1),
    "duplicate key, nested": (b"a:\n  b: 1\n  b: 2\n", "duplicate-key", 3, 3),
    "alias": (b"a: &x 1\nb: *x\n", "anchor", 1, 4),
    "alias to nothing": (b"a: *x\n", "alias", 1, 4),
    "alias as a key": (b"a: 1\n*x : 2\n", "alias", 2, 1),
    "anchor on a mapping": (b"a: &x {b: 1}\n", "anchor", 1, 4),
    "anchor on a key": (b"&x a: 1\n", "anchor", 1, 1),
    "merge key": (b"a: 1\n<<: {b: 1}\n", "merge-key", 2, 1),
    "local tag": (b"a: !x 1\n", "tag", 1, 4),
    "empty tag": (b"a: ! 1\n", "tag", 1, 4),
    "standard tag": (b"a: !!str 1\n", "tag", 1, 4),
    "python tag": (b"a: !!python/object/apply:os.system [ls]\n", "tag", 1, 4),
    "not a number": (b"a: .nan\n", "not-a-number", 1, 4),
    "infinite": (b"a: [1, -.Inf]\n", "not-a-number", 1, 8),
    "YAML 1.1": (b"%YAML 1.1\n---\na: 1\n", "directive", 1, 1),
    "any directive": (b"# c\n%TAG ! tag:x,2000:\n---\na: 1\n", "directive", 2, 1),
    "two documents": (b"a: 1\n---\nb: 2\n", "several-documents", 2, 1),
    "yes": (b"a: yes\n", "ambiguous-boolean", 1, 4),
    "NO": (b"a: [b, NO]\n", "ambiguous-boolean", 1, 8),
    "On": (b"a: On\n", "ambiguous-boolean", 1, 4),
    "off": (b"a: off\n", "ambiguous-boolean", 1, 4),
    "y": (b"a: y\n", "ambiguous-boolean", 1, 4),
    "N": (b"a: N\n", "ambiguous-boolean", 1, 4),
    "no as a key": (b"a: 1\nno: 2\n", "ambiguous-boolean", 2, 1),
    "ON as a key": (b"ON: 2\n", "ambiguous-boolean", 1, 1),
    "number as a key, twice": (b"1: a\n1.0: b\n", "duplicate-key", 2, 1),
    "boolean as a key, twice": (b"true: a\n'true': b\n", "duplicate-key", 2, 1),
    "boolean as a key, in two cases": (b"true: a\nTRUE: b\n", "duplicate-key", 2, 1),
    "list as a key": (b"? [a]\n: b\n", "key-not-text", 1, 3),
    "blank key": (b": b\n", "blank", 1, 1),
    "blank value": (b"a:\nb: 1\n", "blank", 1, 1),
    "null": (b"a: null\n", "blank", 1, 1),
    "tab as indentation": (b"a:\n\tb: 1\n", "tab", 2, 1),
    "tab elsewhere": (b"a: 1\t# c\n", "tab", 1, 5),
    "byte order mark": (b"\xef\xbb\xbfa: 1\n", "byte-order-mark", 1, 1),
    "UTF-16": ("a: 1\n".encode("utf-16"), "byte-order-mark", 1, 1),
    "latin-1": (b"a: 1\nb: \xe9\n", "not-utf-8", 2, 4),
    "NUL": (b"a: 1\nb: \x00\n", "refused-character", 2, 4),
    "escape": (b"a: \x1b[2J\n", "refused-character", 1, 4),
    "lone carriage return": (b"a: 1\rb: 2\n", "refused-character", 1, 5),
    "right-to-left override": ("a: x\u202ey\n".encode(), "refused-character", 1, 5),
    "line separator": ("a: x\u2028b: y\n".encode(), "refused-character", 1, 5),
    "escaped NUL": (b'a: "\\0"\n', "refused-character", 1, 4),
    "escaped half of a character": (b'a: "\\uD800"\n', "refused-character", 1, 4),
    "escaped override in a key": (b'"\\u202e": 1\n', "refused-character", 1, 1),
    "no such character": (b'a: "\\UFFFFFFFF"\n', "syntax", 1, 1),
    "unclosed list": (b"a: [1\n", "syntax", 1, 4),
    "bad indentation": (b"a: 1\n  b: 2\n", "syntax", 2, 4),
    "empty": (b"", "empty-file", 1, 1),
    "only a comment": (b"# c\n", "empty-file", 1, 1),
    "a list": (b"- a\n", "not-a-mapping", 1, 1),
    "a scalar": (b"a\n", "not-a-mapping", 1, 1),
}


@pytest.mark.parametrize(("typed", "code", "line", "column"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_names_its_code_line_and_column(typed: bytes, code: str, line: int, column: int) -> None:
    first = parse_yaml(typed, "policy.yaml").problems[0]
    assert (first.code, first.place.line, first.place.column) == (code, line, column)
    assert first.place.file == "policy.yaml"
    assert first.severity == "error"
    assert "\n" not in str(first)


def test_reading_goes_on_after_a_problem_and_tells_all_of_them() -> None:
    got = parse_yaml(b"a: yes\nb: &x 1\nb: 2\nc: !t 3\nd: .nan\n", "f")
    assert [problem.code for problem in got.problems] == [
        "ambiguous-boolean",
        "anchor",
        "duplicate-key",
        "tag",
        "not-a-number",
    ]
    assert not got.tree.entries()["a"].is_valid
    assert got.tree.entries()["b"].value == "1"


#: plain scalars: what YAML 1.1, or YAML 1.2 with octals and exponents, would make a surprise of
PLAIN = {
    "12": 12,
    "-3": -3,
    "0": 0,
    "0.9": 0.9,
    "-1.50": -1.5,
    "true": True,
    "FALSE": False,
    "tRue": "tRue",
    "1_000": "1_000",
    "0o17": "0o17",
    "0x1F": "0x1F",
    "017": "017",
    "007.5": "007.5",
    "12:30:00": "12:30:00",
    "190:20": "190:20",
    "1e3": "1e3",
    "1.": "1.",
    ".5": ".5",
    "2024-01-01": "2024-01-01",
    "9" * 19: "9" * 19,
    "\u0661\u0662": "\u0661\u0662",
    "500 EUR": "500 EUR",
    "yes please": "yes please",
    "=": "=",
    "~/keys.json": "~/keys.json",
}


@pytest.mark.parametrize(("typed", "value"), PLAIN.items())
def test_a_plain_scalar_is_never_a_surprise(typed: str, value: object) -> None:
    got = parse_yaml(f"a: {typed}\n".encode(), "f")
    assert got.problems == ()
    assert got.tree.to_plain() == {"a": value}
    assert type(got.tree.to_plain()["a"]) is type(value)


def test_what_is_quoted_is_text() -> None:
    got = parse_yaml(b"a: 'yes'\nb: \"1\"\n'no': 'null'\n\"<<\": '.nan'\n", "f")
    assert got.problems == ()
    assert got.tree.to_plain() == {"a": "yes", "b": "1", "no": "null", "<<": ".nan"}


def test_on_is_a_key_that_the_policy_language_itself_uses() -> None:
    assert parse_yaml(b"introspection: {on: opaque}\n", "f").problems == ()
    assert [problem.code for problem in parse_yaml(b"{on: on}\n", "f").problems] == ["ambiguous-boolean"]


def test_windows_line_endings_and_one_explicit_document_are_read() -> None:
    got = parse_yaml(b"---\r\na: 1\r\nb: [x]\r\n...\r\n", "f")
    assert got.problems == ()
    assert got.tree.to_plain() == {"a": 1, "b": ["x"]}
    assert got.tree.entries()["b"].place.line == 3


def test_every_value_knows_its_place_and_an_entry_that_of_its_key() -> None:
    tree = parse_yaml(b"a:\n  - {b: 1}\n  - c\nd: x\n", "f").tree
    places = {format_path(path): (node.place.line, node.place.column) for path, node in tree.iter_nodes()}
    assert places == {"": (1, 1), "a": (1, 1), "a[0]": (2, 5), "a[0].b": (2, 6), "a[1]": (3, 5), "d": (4, 1)}


def test_a_file_over_the_bound_is_not_even_decoded() -> None:
    got = parse_yaml(b"\xff" * (MAX_BYTES + 1), "f")
    assert [problem.code for problem in got.problems] == ["file-too-large"]
    assert got.nodes == 0
    assert parse_yaml(b"a: 1\n" + b"#" * (MAX_BYTES - 5), "f").problems == ()


def test_nesting_is_bounded_and_what_fits_is_read() -> None:
    def nested(depth: int) -> bytes:
        return b"a: " + b"[" * (depth - 1) + b"]" * (depth - 1)

    assert parse_yaml(nested(MAX_DEPTH), "f").problems == ()
    assert [problem.code for problem in parse_yaml(nested(MAX_DEPTH + 1), "f").problems] == ["too-deep"]


def test_nodes_and_items_are_bounded() -> None:
    assert parse_yaml(b"a: [" + b"x," * MAX_ITEMS + b"]", "f").problems == ()
    assert [problem.code for problem in parse_yaml(b"a: [" + b"x," * (MAX_ITEMS + 1) + b"]", "f").problems] == [
        "too-many-items"
    ]
    many = parse_yaml(b"".join(b"k%d: [%s]\n" % (index, b"x," * 9_999) for index in range(11)), "f")
    assert [problem.code for problem in many.problems] == ["too-many-nodes"]
    assert many.nodes == MAX_NODES + 1


def test_problems_are_bounded() -> None:
    assert len(parse_yaml(b"a: [" + b"yes," * 5_000 + b"]", "f").problems) == MAX_PROBLEMS
    assert len(parse_yaml(b"\t" * 5_000, "f").problems) <= MAX_PROBLEMS


BOMBS = {
    "billion laughs": b"a: &a [x,x]\n"
    + b"".join(b"%c: &%c [*%c,*%c,*%c]\n" % (c + 1, c + 1, c, c, c) for c in range(97, 121)),
    "a million brackets": b"a: " + b"[" * 1_000_000,
    "a million question marks": b"? " * 500_000,
    "a long flow of pairs": b"a: {" + b"b: {c: d}, " * 90_000 + b"}",
    "a long scalar": b"a: " + b"x" * 1_000_000,
    "a folded scalar": b"a: x\n" + b"  y\n" * 200_000,
    "a long quoted scalar": b'a: "' + b"\\n" * 500_000 + b'"',
    "a huge number": b"a: " + b"9" * 1_000_000,
    "ten mebibytes": b"a: b\n" * 2_097_152,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_what_is_made_to_exhaust_the_reader_is_cut_short_and_told_of_briefly(bomb: bytes) -> None:
    got = parse_yaml(bomb, "f")  # in a second; a million brackets, unbounded, take minutes
    assert got.nodes <= MAX_NODES + 1
    assert len(got.problems) <= MAX_PROBLEMS
    assert sum(len(str(problem)) for problem in got.problems) < 100_000
