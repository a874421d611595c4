"""The merged policy written out as YAML, with where each line came from; read again, it has the same digest.

Rules of this file:
- Everything is written so that `authguard.policy.loading.yaml_parser` takes it, and takes it for what it was.
- What was written on one line stays on one line; what stood on several gets a line each, with its own origin.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.yaml_parser import is_plain_scalar
from authguard.policy.tree import Node, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

#: columns after which origins stand, where a line is no longer itself
COLUMN: Final = 96
#: what a file says of itself; of the other keys the order is that of the files
_FIRST: Final = ("authguard", "name", "base")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def as_yaml(tree: Node, digest: str) -> str:
    """Write a merged document.

    Args:
        tree: the document, as `authguard.policy.loading.loader.LoadedDraft` has it.
        digest: of the policy, for the first line.

    Returns:
        YAML that reads back as the same document, so with the same digest.
    """
    lines = [f"# the merged policy {scalar(tree.entries()['name'].value)}; digest {digest}"]
    first: dict[str, Node] = {key: tree.entries()[key] for key in _FIRST if key in tree.entries()}
    whole = Node({**first, **tree.entries()}, tree.place)
    lines += (f"{text:<{COLUMN}}  # {origin}" for text, origin in _mapping(whole, ""))
    return "\n".join(lines) + "\n"


def as_values(tree: Node) -> dict[str, Any]:
    """Give the document's plain values, and for each dotted path where it was written, ``file:line``."""
    return {
        "document": tree.to_plain(),
        "origins": {format_path(path): _origin(node) for path, node in tree.iter_nodes() if path},
    }


def _origin(node: Node) -> str:
    """Tell where a node was written, in characters that no comment ends at."""
    return "".join(char if char.isprintable() else "?" for char in f"{node.place.file}:{node.place.line}")


def _mapping(node: Node, indent: str) -> Iterator[tuple[str, str]]:
    """Write the entries of a mapping, one or more lines each."""
    for key, inner in node.entries().items():
        head = f"{indent}{scalar(key)}:"
        if _stands_on_one_line(inner):
            yield f"{head} {_flow(inner)}", _origin(inner)
        else:
            yield head, _origin(inner)
            yield from _mapping(inner, indent + "  ") if inner.entries() else _list(inner, indent + "  ")


def _list(node: Node, indent: str) -> Iterator[tuple[str, str]]:
    """Write the items of a list, one or more lines each."""
    for inner in node.items():
        if _stands_on_one_line(inner):
            yield f"{indent}- {_flow(inner)}", _origin(inner)
            continue
        lines = _mapping(inner, indent + "  ") if inner.entries() else _list(inner, indent + "  ")
        text, origin = next(lines)  # not empty: nothing that is empty takes several lines
        yield f"{indent}- {text[len(indent) + 2 :]}", origin
        yield from lines


def _stands_on_one_line(node: Node) -> bool:
    """Whether all of a value was written on one line; a scalar and an empty value always are."""
    return len({(inner.place.file, inner.place.line) for _, inner in node.iter_nodes()}) == 1


def _flow(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in node.value.items()) + "}"
    if isinstance(node.value, tuple):
        return "[" + ", ".join(map(_flow, node.value)) + "]"
    return scalar(node.value)


def scalar(value: object) -> str:
    """Write a scalar so that it reads back as itself: text in quotes unless it is a plain word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        digits = format(Decimal(repr(value)), "f")  # the reader takes no exponent
        return digits if "." in digits else f"{digits}.0"
    text = str(value)
    return text if _WORD.fullmatch(text) and is_plain_scalar(text) else json.dumps(text, ensure_ascii=False)
