"""Each preset of a provider is data with its sources, and has the shape of the provider's tokens beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import authguard.policy
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.testing import list_shapes, load_shape

FOLDER = Path(authguard.policy.__file__).parent / "providers"
FILES = sorted(FOLDER.glob("*.yaml"))
KEYS = {"title", "sources", "date", "example", "defaults", "setup", "cannot"}
OPTIONAL = {"writes_scopes"}


def read(path: Path) -> dict[str, Any]:
    parsed = parse_yaml(path.read_bytes(), path.name)
    assert parsed.problems == ()
    plain: dict[str, Any] = parsed.tree.to_plain()
    return plain


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_preset_says_what_it_is_and_where_it_is_from(path: Path) -> None:
    preset = read(path)
    assert set(preset) - OPTIONAL == KEYS
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", preset["date"])
    assert preset["sources"]
    assert all(source.startswith("https://") for source in preset["sources"])
    assert set(preset["example"]) == {"issuer", "audience"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_to_configure_and_what_is_impossible_are_sentences(path: Path) -> None:
    preset = read(path)
    for sentence in (*preset["setup"], *preset["cannot"]):
        assert isinstance(sentence, str)
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_preset_and_the_shape_name_the_same_provider(path: Path) -> None:
    assert path.stem in list_shapes()
    preset, shape = read(path), load_shape(path.stem)
    assert preset["example"]["issuer"] == shape.issuer
    assert preset["example"]["audience"] == shape.audience


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_preset_accepts_a_shared_secret(path: Path) -> None:
    assert not [name for name in read(path)["defaults"]["algorithms"] if name.startswith("HS")]
