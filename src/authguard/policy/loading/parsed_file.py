"""The parsed tree of a shipped policy in a generated file, read in a hundredth of the time that the YAML takes.

Rules:
- The file counts only for the exact bytes of the YAML: it has their digest. Otherwise the YAML is parsed.
- `scripts/parsed_policy.py` writes it; `make check` compares it with the YAML.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authguard.policy.loading.yaml_parser import ParsedYaml
from authguard.policy.problem import Place
from authguard.policy.tree import Node

if TYPE_CHECKING:
    from pathlib import Path


def parsed_path(path: Path) -> Path:
    """Return the path of the generated file of a policy file."""
    return path.with_suffix(".parsed.json")


def format_parsed(data: bytes, parsed: ParsedYaml) -> str:
    """Return the content of the generated file.

    Args:
        data: bytes of the YAML file.
        parsed: its parsed tree, without problems.
    """
    document = {"sha256": sha256(data).hexdigest(), "nodes": parsed.nodes, "tree": _pack(parsed.tree)}
    return json.dumps(document, separators=(",", ":")) + "\n"


def read_parsed(path: Path, data: bytes, shown: str) -> ParsedYaml | None:
    """Return the parsed tree of a shipped policy file; ``None`` if there is no generated file for these bytes.

    Args:
        path: of the YAML file.
        data: its bytes.
        shown: name of the file in places.
    """
    try:
        document = json.loads(parsed_path(path).read_bytes())
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
