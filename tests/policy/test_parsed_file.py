"""The generated trees of the shipped policies are those of their YAML, and count for no other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.loading import parsed_file
from authguard.policy.loading.locator import find_shipped, shipped_policies
from authguard.policy.loading.parsed_file import format_parsed, parsed_path, read_parsed
from authguard.policy.loading.preset import list_presets, preset_path
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", shipped_policies())
def test_a_generated_tree_is_that_of_the_file(name: str) -> None:
    file = find_shipped(name)
    expect_generated(file.path.read_bytes(), file.shown)


@pytest.mark.parametrize("name", list_presets())
def test_a_generated_tree_of_a_preset_is_that_of_the_file(name: str) -> None:
    expect_generated(preset_path(name).read_bytes(), f"providers/{name}.yaml")


def expect_generated(data: bytes, shown: str) -> None:
    """Expect the tree that the YAML has, in the bytes that the script writes."""
    parsed = parse_yaml(data, shown)
    assert parsed.problems == ()
    assert read_parsed(data, shown) == parsed
    assert parsed_path(shown).read_text("utf-8") == format_parsed(data, parsed)


def test_a_changed_file_and_a_damaged_tree_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_file, "FOLDER", tmp_path)
    shown, data = "mine/policy.yaml", b"a: {b: [1, 2.5, true, x]}\n"
    assert read_parsed(data, shown) is None
    parsed = parse_yaml(data, shown)
    parsed_path(shown).write_text(format_parsed(data, parsed), "utf-8")
    assert read_parsed(data, shown) == parsed
    assert read_parsed(data + b" ", shown) is None
    parsed_path(shown).write_text("{", "utf-8")
    assert read_parsed(data, shown) is None
