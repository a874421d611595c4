"""Parse one YAML 1.2 file to a tree with places, and problems.

Rules of this file:
- Bytes, characters, nesting, nodes and items per list are limited.
- A bad file never raises an exception: each exception of the parser becomes a problem.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.policy.loading.yaml_scalar import MAX_NODES, MAX_PROBLEMS, REFUSED_CHARACTER
from authguard.policy.problem import Place, Problem
from authguard.policy.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 1_048_576
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)


class ParsedYaml(Struct, frozen=True):
    """The result of parsing a file.

    Attributes:
        tree: the mapping or list of the file; empty and not valid if the file could not be read.
        problems: problems in the order of the file.
        nodes: number of parsed nodes.
    """

    tree: Node
    problems: tuple[Problem, ...]
    nodes: int = 0


def parse_yaml(data: bytes, file: str, max_nodes: int = MAX_NODES, *, listed: bool = False) -> ParsedYaml:
    """Parse one file strictly.

    Args:
        data: content of the file; more than `MAX_BYTES` are refused unparsed.
        file: name of the file, for places.
        max_nodes: maximum number of nodes.
        listed: whether the document must be a list (scenarios) instead of a mapping.
    """
    start = Place(file, 1, 1)
    nothing = Node(() if listed else {}, start, is_valid=False)
    if len(data) > MAX_BYTES:
        message, advice = f"the file is larger than {MAX_BYTES >> 20} MiB", "leave out what is no part of the policy"
        return ParsedYaml(nothing, (Problem(code="file-too-large", place=start, message=message, advice=advice),))
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        message, advice = "the file begins with a byte order mark", "save it as UTF-8 without one"
        return ParsedYaml(nothing, (Problem(code="byte-order-mark", place=start, message=message, advice=advice),))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_of(file, data[: error.start].decode("utf-8", "replace"), error.start)
        message, advice = "the file is not UTF-8 text", "save it as UTF-8"
        return ParsedYaml(nothing, (Problem(code="not-utf-8", place=place, message=message, advice=advice),))
    if problems := (*_find_refused_characters(text, file), *_find_directives(text, file)):
        return ParsedYaml(nothing, problems)
    from authguard.policy.loading.yaml_composer import Composer, parse_events  # noqa: PLC0415 - the parser is slow

    composer = Composer(file, parse_events(text), max_nodes)
    tree = composer.document(nothing)
    return ParsedYaml(tree, tuple(composer.problems), composer.nodes)


def _place_of(file: str, text: str, position: int) -> Place:
    before = text[:position]
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _find_refused_characters(text: str, file: str) -> Iterator[Problem]:
    for count, found in enumerate(REFUSED_CHARACTER.finditer(text)):
        if count >= MAX_PROBLEMS // 10:
            return
        place = _place_of(file, text, found.start())
        if found[0] == "\t":
            yield Problem(code="tab", place=place, message="a tab", advice="indent with spaces")
        else:
            message = f"the character U+{ord(found[0]):04X} is not allowed in a policy"
            yield Problem(code="refused-character", place=place, message=message, advice="remove it")


def _find_directives(text: str, file: str) -> Iterator[Problem]:
    if found := _DIRECTIVE.search(text):
        place = _place_of(file, text, found.start())
        advice = "remove the line; this is YAML 1.2"
        yield Problem(code="directive", place=place, message="a YAML directive", advice=advice)
