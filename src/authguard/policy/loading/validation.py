"""Validate a policy tree with the pydantic models; convert validation errors to problems with places and advice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec
from pydantic import ValidationError

from authguard.policy.loading.yaml_parser import MAX_PROBLEMS
from authguard.policy.problem import Problem, did_you_mean
from authguard.policy.schema.document import Document
from authguard.policy.tree import MAX_QUOTE_CHARS, Node, format_path, quote

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from authguard.policy.tree import Path

#: pydantic's error type -> expected type
_EXPECTED: Final = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
}


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
    try:
        return Document.model_validate_json(canonical_json(tree)), ()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[: MAX_PROBLEMS + 1]
    return None, tuple(problem for detail in details for problem in _problem(detail, tree))


def _problem(detail: ErrorDetails, tree: Node) -> tuple[Problem, ...]:
    location = tuple(step for step in detail["loc"] if step != "[key]")
    node = tree.find(location)
    if not node.is_valid:
        return ()
    code, message, advice = _translate(detail, location, node)
    return (Problem(code=code, place=node.place, message=message, advice=advice),)


def _translate(detail: ErrorDetails, location: Path, node: Node) -> tuple[str, str, str]:
    """Translate a pydantic error to a code, a message and advice."""
    kind, context = detail["type"], detail.get("ctx", {})
    last = location[-1] if location else "the policy"
    where = quote(format_path(location[-2:]) if isinstance(last, int) else last)
    if kind == "extra_forbidden":
        return (
            "unknown-key",
            f"unknown key {quote(last)}",
            did_you_mean(str(last)[:MAX_QUOTE_CHARS], _known_keys(location[:-1])),
        )
    if kind == "missing":
        return "missing-key", f"the key {where} is missing", f"write `{last}: ...`"
    if kind == "literal_error":
        return _translate_enum_error(context["expected"], location, node, where, is_key=detail["loc"][-1] == "[key]")
    if kind in _EXPECTED:
        return "wrong-type", f"{where} must be {_EXPECTED[kind]}, not {_describe_value(node)}", ""
    return _translate_value_error(detail, node, where)


def _translate_value_error(detail: ErrorDetails, node: Node, where: str) -> tuple[str, str, str]:
    """Translate an error of a value with the right type and the wrong form, size or number."""
    context = detail.get("ctx", {})
    if detail["type"] == "authguard":
        return context["code"], f"{_describe_value(node)} is not valid for {where}", context["advice"]
    if detail["type"] == "too_long":
        bound = context["max_length"]
        return "too-many-items", f"{where} has more than {bound} entries, including inherited ones", "write fewer"
    text = " ".join(detail["msg"].split())[:160]
    return "out-of-range", f"{_describe_value(node)} is not valid for {where}", text[:1].lower() + text[1:]


def _translate_enum_error(
    expected: str, location: Path, node: Node, where: str, *, is_key: bool
) -> tuple[str, str, str]:
    """Translate an error of a key or value outside a closed set, which pydantic writes ``'a', 'b' or 'c'``."""
    values = [value for value in re.findall(r"'([^']*)'", expected) if value]
    if is_key:
        return (
            "unknown-key",
            f"unknown key {quote(location[-1])}",
            did_you_mean(str(location[-1])[:MAX_QUOTE_CHARS], values),
        )
    advice = did_you_mean(str(node.value)[:MAX_QUOTE_CHARS], values) if values else f"write {expected.lower()}"
    return "unknown-value", f"{_describe_value(node)} is not a value of {where}", advice


def _describe_value(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    return quote(str(node.value).lower() if isinstance(node.value, bool) else node.value)


def _known_keys(location: Path) -> tuple[str, ...]:
    """Return the keys that are allowed at a location, from the annotations of the models."""
    model: Any = Document
    for step in location:
        fields = _fields(model)
        items = (None, *(argument for argument in get_args(model) if argument is not Ellipsis))
        model = _unwrap_optional(fields[step] if step in fields else items[-1])
    return tuple(str(key) for key in _fields(model))


def _fields(model: Any) -> dict[str | int, Any]:  # noqa: ANN401 - as below
    """Return the keys of a model with their annotations; empty for other types."""
    return {info.alias or name: info.annotation for name, info in getattr(model, "model_fields", {}).items()}


def _unwrap_optional(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    """Return the type without ``| None``."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    return arguments[0] if len(arguments) < len(get_args(annotation)) else annotation
