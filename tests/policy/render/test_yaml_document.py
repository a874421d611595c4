"""Tests that the YAML of a merged policy loads to the same document, with the origin of each line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.validation import canonical_json
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.problem import Place
from authguard.policy.render.yaml_document import as_values, as_yaml
from authguard.policy.tree import Node

HOME = Path(__file__).parents[3]
POLICIES = [
    *sorted(locator.shipped_policies()),
    str(HOME / "examples" / "support_desk" / "policy.yaml"),
    str(HOME / "tests" / "fuzz" / "policy.yaml"),
]

#: what the reader takes: no control characters but line breaks, nothing that turns the writing round
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co"])
    | st.sampled_from("\n :#'\"-[]{},&*!|>%@`"),
    max_size=12,
) | st.sampled_from(
    ["yes", "On", "~", "null", "", "1", "-1.5", ".nan", "true", "*", "&a", "- a", "a: b", "a #b", "<<", "?", "=", "---"]
)
SCALARS = (
    st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.decimals(-(10**9), 10**9, places=6, allow_nan=False).map(float)
    | st.floats(0, 10**17, allow_nan=False).map(lambda number: float(f"{number:.18f}"))
    | TEXT
)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """Generate a mapping of any shape, with values on any lines."""

    def node(depth: int) -> Node:
        place = Place(draw(st.sampled_from(["a.yaml", "b\n.yaml"])), draw(st.integers(1, 3)))
        kind = draw(st.integers(0, 2 if depth < 4 else 0))
        if kind == 1:
            return Node(tuple(node(depth + 1) for _ in range(draw(st.integers(0, 3)))), place)
        if kind == 2:
            return Node({key: node(depth + 1) for key in draw(st.lists(TEXT, max_size=3, unique=True))}, place)
        return Node(draw(SCALARS), place)

    keys = draw(st.lists(TEXT, max_size=4, unique=True))
    return Node({"name": Node("x", Place("a.yaml", 1)), **{key: node(1) for key in keys if key != "name"}}, Place())


@given(nodes())
def test_every_document_reads_back_as_itself(tree: Node) -> None:
    shown = as_yaml(tree, "0" * 64)
    got = parse_yaml(shown.encode(), "shown.yaml")
    assert got.problems == ()
    assert canonical_json(got.tree) == canonical_json(tree)
    assert type(got.tree.to_plain()) is dict


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_shown_loads_to_the_same_digest(name: str, tmp_path: Path) -> None:
    reading = load_draft(name)
    assert reading.draft is not None
    assert reading.tree is not None
    shown = as_yaml(reading.tree, reading.draft.digest)
    folder = locator.resolve_source(name).folder
    again = load_draft(folder / "shown.yaml", text=shown.encode())
    assert again.draft is not None, again.problems
    assert again.draft.digest == reading.draft.digest
    assert again.draft.rules == tuple(
        replace(rule, origin=new.origin) for rule, new in zip(reading.draft.rules, again.draft.rules, strict=True)
    )
    (tmp_path / "shown.yaml").write_text(shown, "utf-8")
    assert "extends" not in again.draft.places


def test_each_line_says_where_it_was_written() -> None:
    reading = load_draft("support-desk")
    assert reading.draft is not None
    assert reading.tree is not None
    shown = as_yaml(reading.tree, reading.draft.digest)
    sources = {
        "standard.yaml": locator.find_shipped("standard").path.read_text("utf-8").splitlines(),
        "support-desk/policy.yaml": locator.find_shipped("support-desk").path.read_text("utf-8").splitlines(),
    }
    lines = shown.splitlines()
    assert lines[0] == f"# the merged policy support-desk; digest {reading.draft.digest}"
    for line in lines[1:]:
        text, _, origin = line.rpartition("  # ")
        file, _, number = origin.rpartition(":")
        words = set(re.findall(r"[a-z_]{3,}", text))
        assert words <= set(re.findall(r"[a-z_]{3,}", sources[file][int(number) - 1])), line


def test_json_has_the_document_and_the_origin_of_every_value() -> None:
    reading = load_draft("support-desk")
    assert reading.tree is not None
    told = as_values(reading.tree)
    assert told["document"]["name"] == "support-desk"
    assert told["origins"]["decisions[21].do"].startswith("standard.yaml:")
    assert told["origins"]["decisions[22].do"].startswith("support-desk/policy.yaml:")
    assert told["origins"]["decisions[24].do"].startswith("standard.yaml:")


def test_what_extends_is_not_part_of_the_digest_but_what_it_brings_is() -> None:
    whole = load_draft("standard")
    assert whole.tree is not None
    text = as_yaml(whole.tree, "").replace("name: standard", "name: mine", 1)
    child = load_draft("a.yaml", text=b"authguard: 1\nname: mine\nextends: standard\nbase: true\n").draft
    alone = load_draft("b.yaml", text=text.encode()).draft
    assert child is not None
    assert alone is not None
    assert child.digest == alone.digest


def test_what_extends_nothing_readable_is_told_as_before() -> None:
    reading = load_draft("a.yaml", text=b"authguard: 1\nname: mine\nextends: 5\n")
    assert reading.draft is None
    assert [problem.code for problem in reading.problems] == ["malformed-value"]
