"""Words about the keys of a policy, from their declarations: description, default, and the kind of the value."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta

from authguard.policy.schema.types import parser_of, resolve_format
from authguard.policy.schema.units import format_duration, format_size

if TYPE_CHECKING:
    from authguard.policy.schema.model import DeclaredKey

#: problem code of a parser -> kind of its values
_KINDS = {"duration": "duration", "size": "size", "money": "money", "message": "texts"}
_SCALARS = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}


def describe(key: DeclaredKey) -> str:
    """Return the description of a key with its default, unless the description names it in words of its own."""
    description = key.declared.description if key.declared is not None else ""
    default = format_default(key)
    if not default or "default" in description:
        return description
    return f"{description.removesuffix('.')}; default {default}."


def format_default(key: DeclaredKey) -> str:
    """Return the default of a key as a policy writes it; empty if the key is required or means nothing if missing."""
    value = key.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float) and 0 < value < inf:
        kind = kind_of(key.annotation)
        return format_written(value, kind)
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`" if isinstance(value, str) and value else ""


def format_written(value: float, kind: str) -> str:
    """Format a number in the unit in which a policy states it: a ``duration``, a ``size``, or any other kind."""
    if kind == "duration":
        return "without end" if value == inf else format_duration(value)
    return format_size(int(value)) if kind == "size" else f"{value:.12g}"


def kind_of(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """Return the kind of a value in a few words: ``duration``, ``list of text``, ``Budget``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        parser = parser_of(arguments[1:])
        kind, _ = resolve_format(arguments[0], arguments[1:])
        return kind_of(kind) if parser is None else _KINDS.get(parser.code, "text")
    if origin is Literal:
        return " or ".join(f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in arguments if one != "")
    if origin in {tuple, frozenset}:
        return f"list of {kind_of(arguments[0])}"
    if origin is dict:
        return f"mapping to {kind_of(arguments[1])}"
    if arguments:
        return " or ".join(kind_of(one) for one in arguments if one is not type(None))
    return _SCALARS.get(annotation) or str(annotation.__name__)


def format_bounds(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """Return the bounds of a value as ``1m to 30d``, ``at most 100``; empty without bounds."""
    _, rules = resolve_format(None, getattr(annotation, "__metadata__", ()))
    bounds = next((rule for rule in rules if isinstance(rule, Meta)), None)
    if bounds is None:
        return ""
    kind = kind_of(annotation)
    of_value = bounds.ge if bounds.ge is not None else bounds.min_length, bounds.le or bounds.max_length
    least, most = ("" if one is None else format_written(one, kind) for one in of_value)
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else f"at most {most}"
