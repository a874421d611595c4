"""The generated tree of the standard policy is that of its YAML, and counts for no other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.loading.locator import find_shipped
from authguard.policy.loading.parsed_file import format_parsed, parsed_path, read_parsed
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from pathlib import Path


def test_the_generated_tree_is_that_of_the_file() -> None:
    file = find_shipped("standard")
    data = file.path.read_bytes()
    parsed = parse_yaml(data, file.shown)
    assert parsed.problems == ()
    assert read_parsed(file.path, data, file.shown) == parsed
    assert parsed_path(file.path).read_text("utf-8") == format_parsed(data, parsed)


def test_a_changed_file_and_a_damaged_tree_are_parsed(tmp_path: Path) -> None:
    file, data = tmp_path / "standard.yaml", b"a: {b: [1, 2.5, true, x]}\n"
    assert read_parsed(file, data, "s") is None
    parsed = parse_yaml(data, "s")
    parsed_path(file).write_text(format_parsed(data, parsed), "utf-8")
    assert read_parsed(file, data, "s") == parsed
    assert read_parsed(file, data + b" ", "s") is None
    parsed_path(file).write_text("{", "utf-8")
    assert read_parsed(file, data, "s") is None
