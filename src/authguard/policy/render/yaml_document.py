"""The merged policy as YAML or JSON values, with the origin of each line.

Rules of this file:
- The YAML output loads to the same document, and so to the same digest.
- A value from one source line stays on one line. A value from several lines gets one line for each, with its origin.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.yaml_scalar import is_plain_scalar
from authguard.policy.tree import Node, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

#: column of the origins, unless a line is longer
COLUMN: Final = 96
#: keys that come first; other keys keep the order of the files
_FIRST: Final = ("authguard", "name", "base")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def as_yaml(tree: Node, digest: str) -> str:
    """Format a merged document as YAML.

    Args:
        tree: the document, as `authguard.policy.loading.loader.LoadedDraft` has it.
        digest: digest of the policy, for the first line.

    Returns:
        YAML text that loads to the same document and digest.
    """
    lines = [f"# the merged policy {scalar(tree.entries()['name'].value)}; digest {digest}"]
    first: dict[str, Node] = {key: tree.entries()[key] for key in _FIRST if key in tree.entries()}
    whole = Node({**first, **tree.entries()}, tree.place)
    lines += (f"{text:<{COLUMN}}  # {origin}" for text, origin in _mapping(whole, ""))
    return "\n".join(lines) + "\n"


def as_values(tree: Node) -> dict[str, Any]:
    """Return the plain values of a document, and the origin ``file:line`` of each dotted path."""
    return {
        "document": tree.to_plain(),
        "origins": {format_path(path): _origin(node) for path, node in tree.iter_nodes() if path},
    }


def _origin(node: Node) -> str:
    """Return the origin of a node, without characters that would end a comment."""
    return "".join(char if char.isprintable() else "?" for char in f"{node.place.file}:{node.place.line}")


def _mapping(node: Node, indent: str) -> Iterator[tuple[str, str]]:
    """Yield lines and origins of the entries of a mapping."""
    for key, inner in node.entries().items():
        head = f"{indent}{scalar(key)}:"
        if _is_single_line(inner):
            yield f"{head} {_flow(inner)}", _origin(inner)
        else:
            yield head, _origin(inner)
            yield from _mapping(inner, indent + "  ") if inner.entries() else _list(inner, indent + "  ")


def _list(node: Node, indent: str) -> Iterator[tuple[str, str]]:
    """Yield lines and origins of the items of a list."""
    for inner in node.items():
        if _is_single_line(inner):
            yield f"{indent}- {_flow(inner)}", _origin(inner)
            continue
        lines = _mapping(inner, indent + "  ") if inner.entries() else _list(inner, indent + "  ")
        text, origin = next(lines)  # never empty: an empty value is on one line
        yield f"{indent}- {text[len(indent) + 2 :]}", origin
        yield from lines


def _is_single_line(node: Node) -> bool:
    """Return whether a value is from one source line, as scalars and empty values always are."""
    return len({(inner.place.file, inner.place.line) for _, inner in node.iter_nodes()}) == 1


def _flow(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in node.value.items()) + "}"
    if isinstance(node.value, tuple):
        return "[" + ", ".join(map(_flow, node.value)) + "]"
    return scalar(node.value)


def scalar(value: object) -> str:
    """Format a scalar as YAML; text is quoted unless it is a plain word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        digits = format(Decimal(repr(value)), "f")  # the parser does not accept exponents
        return digits if "." in digits else f"{digits}.0"
    text = str(value)
    return text if _WORD.fullmatch(text) and is_plain_scalar(text) else json.dumps(text, ensure_ascii=False)
