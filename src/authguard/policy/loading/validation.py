"""Validate a policy tree with the models; convert errors to problems with places and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from authguard.policy.loading.document_reader import read_document
from authguard.policy.loading.yaml_scalar import MAX_PROBLEMS
from authguard.policy.problem import Problem, did_you_mean
from authguard.policy.tree import MAX_QUOTE_CHARS, Node, format_path, quote

if TYPE_CHECKING:
    from authguard.policy.loading.document_reader import DocumentError
    from authguard.policy.schema.document import Document
    from authguard.policy.tree import Path

#: expected type -> how it is written
_SHAPES: Final = {
    "a list": "begin each entry with `- `, or write `[...]`",
    "a mapping": "write `key: value` entries, or `{key: value}`",
    "text": "write it on the line of the key, in quotes if it has `: ` or a bracket",
}
#: problem codes with a message of their own; every other code has the one of a malformed value
_CHOICES: Final = frozenset({"unknown-key", "unknown-value"})


def canonical_json(tree: Node) -> bytes:
    """Return a tree as canonical JSON: sorted keys, no blanks, UTF-8."""
    return msgspec.json.encode(tree.to_plain(), order="sorted")


def validate_document(tree: Node) -> tuple[Document | None, tuple[Problem, ...]]:
    """Validate the merged tree.

    The validated bytes are exactly the bytes of the digest.

    Returns:
        The document, or ``None`` if it is not valid; and the problems that the parser did not report, at most
        `MAX_PROBLEMS` + 1.
    """
    document, found = read_document(msgspec.json.decode(canonical_json(tree)))
    errors = _without_misspelt(found)
    return document, tuple(problem for error in errors[: MAX_PROBLEMS + 1] for problem in _problem(error, tree))


def _without_misspelt(errors: list[DocumentError]) -> list[DocumentError]:
    """Leave out a missing key that an unknown key of the same mapping most likely means."""
    missing = {error.path for error in errors if error.code == "missing-key"}
    if not missing:
        return errors
    from difflib import get_close_matches  # noqa: PLC0415 - only a problem needs it

    meant: set[Path] = set()
    for error in errors:
        if error.code == "unknown-key" and isinstance(error.detail, tuple):
            near = get_close_matches(str(error.path[-1])[:MAX_QUOTE_CHARS], error.detail, n=1, cutoff=0.6)
            meant.update((*error.path[:-1], one) for one in near)
    return [error for error in errors if error.code != "missing-key" or error.path not in meant]


def _problem(error: DocumentError, tree: Node) -> tuple[Problem, ...]:
    node = tree.find(error.path)
    if not node.is_valid:
        return ()
    message, advice = _translate(error, node)
    code = "unknown-key" if error.is_key and error.code in _CHOICES else error.code
    return (Problem(code=code, place=node.place, message=message, advice=advice),)


def _translate(error: DocumentError, node: Node) -> tuple[str, str]:
    """Return the message and the advice."""
    last = error.path[-1] if error.path else "the policy"
    where = quote(format_path(error.path[-2:]) if isinstance(last, int) else last)
    if isinstance(error.detail, tuple):
        if error.is_key:
            return f"unknown key {quote(last)}", did_you_mean(str(last)[:MAX_QUOTE_CHARS], error.detail)
        advice = did_you_mean(str(node.value)[:MAX_QUOTE_CHARS], error.detail)
        return f"{_describe_value(node)} is not a value of {where}", advice
    if error.code == "missing-key":
        return f"the key {where} is missing", f"write `{last}: ...`"
    if error.code == "wrong-type":
        return f"{where} must be {error.detail}, not {_describe_value(node)}", _SHAPES.get(str(error.detail), "")
    if error.code == "too-many-items":
        return f"{where} has more than {error.detail} entries, including inherited ones", "write fewer"
    return f"{_describe_value(node)} is not valid for {where}", error.detail


def _describe_value(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    return quote(str(node.value).lower() if isinstance(node.value, bool) else node.value)
