"""The parsed trees of shipped policies and presets in generated files: read in a hundredth of the time of the YAML.

Rules:
- A file counts only for the exact bytes of the YAML: it has their digest. Otherwise the YAML is parsed.
- `scripts/parsed_policy.py` writes them; `make check` compares them with the YAML.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from authguard.policy.loading.yaml_parser import ParsedYaml
from authguard.policy.problem import Place
from authguard.policy.tree import Node

FOLDER: Final = Path(__file__).parents[1] / "parsed"


def parsed_path(shown: str) -> Path:
    """Return the path of the generated file of a shipped file.

    Args:
        shown: name of the file in places: `standard.yaml`, `support-desk/policy.yaml` or `providers/okta.yaml`.
    """
    return FOLDER / f"{shown.removesuffix('/policy.yaml').removesuffix('.yaml')}.json"


def format_parsed(data: bytes, parsed: ParsedYaml) -> str:
    """Return the content of the generated file.

    Args:
        data: bytes of the YAML file.
        parsed: its parsed tree, without problems.
    """
    document = {"sha256": sha256(data).hexdigest(), "nodes": parsed.nodes, "tree": _pack(parsed.tree)}
    return json.dumps(document, separators=(",", ":")) + "\n"


def read_parsed(data: bytes, shown: str) -> ParsedYaml | None:
    """Return the parsed tree of a shipped file; ``None`` if there is no generated file for these bytes.

    Args:
        data: bytes of the YAML file.
        shown: name of the file in places.
    """
    try:
        document = json.loads(parsed_path(shown).read_bytes())
    except (OSError, ValueError):
        return None
    if document.get("sha256") != sha256(data).hexdigest():
        return None
    return ParsedYaml(_unpack(document["tree"], shown), (), document["nodes"])


def _pack(node: Node) -> list[Any]:
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: _pack(one) for key, one in value.items()}
    elif isinstance(value, tuple):
        value = [_pack(one) for one in value]
    return [value, node.place.line, node.place.column]


def _unpack(packed: list[Any], shown: str) -> Node:
    value, line, column = packed
    if isinstance(value, dict):
        value = {key: _unpack(one, shown) for key, one in value.items()}
    elif isinstance(value, list):
        value = tuple([_unpack(one, shown) for one in value])
    return Node(value, Place(shown, line, column))
