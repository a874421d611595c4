"""Read a document from JSON values by the annotations of its models; every error is collected with its path.

Readers are built at the first use of a model, so that a start builds only those of the keys in its policy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

from msgspec import Meta, Struct

from authguard.policy.schema.document import Document
from authguard.policy.schema.key_text import format_written
from authguard.policy.schema.model import Parsed, Shorthand, keys_of
from authguard.policy.schema.types import resolve_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.policy.tree import Path

    #: takes a value, its path and the list of errors; returns the value for the model, or `_INVALID`
    Read = Callable[[Any, Path, list["DocumentError"]], Any]

#: stands for a value with an error
_INVALID: Final = object()
#: type -> accepted types of JSON values, and their name in messages
_SCALARS: Final[dict[type, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    bool: ((bool,), "`true` or `false`"),
}


class DocumentError(NamedTuple):
    """One error of a document.

    Attributes:
        path: of the value.
        code: problem code.
        detail: what is expected: a type, a bound, advice, or the known keys or values.
        is_key: whether the last key of the path is wrong, not its value.
    """

    path: Path
    code: str
    detail: str | tuple[str, ...] = ""
    is_key: bool = False


def read_document(value: object) -> tuple[Document | None, list[DocumentError]]:
    """Read a document.

    Args:
        value: of JSON.

    Returns:
        The document, or ``None`` if it has an error; and all errors.
    """
    errors: list[DocumentError] = []
    document = _model_reader(Document)(value, (), errors)
    return (None if errors else document), errors


@cache
def _model_reader(model: type[Struct]) -> Read:
    keys = [(key, one.field, one.annotation, one.is_required) for key, one in keys_of(model).items()]
    known = tuple(key for key, *_ in keys)
    readers: dict[str, Read] = {}

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            return _fail(errors, path, "wrong-type", "a mapping")
        found = {}
        for key, field, annotation, is_required in keys:
            if key in value:
                reader = readers.get(key) or readers.setdefault(key, _reader(annotation))
                found[field] = reader(value[key], (*path, key), errors)
            elif is_required:
                _fail(errors, (*path, key), "missing-key")
        for key in value:
            if key not in known:
                _fail(errors, (*path, key), "unknown-key", known, is_key=True)
        return _INVALID if errors else model(**found)

    return read


def _reader(annotation: Any) -> Read:  # noqa: ANN401 - annotations have no common type
    """Build the reader of a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _BUILDERS:
        return _BUILDERS[origin](*arguments)
    if arguments:
        return _union_reader([_reader(one) for one in arguments if one is not type(None)])
    return _scalar_reader(annotation) if annotation in _SCALARS else _model_reader(annotation)


def _annotated_reader(kind: object, *rules: object) -> Read:
    """Build the reader of an annotated type; later annotations apply before earlier ones, as they enclose them."""
    kind, rules = resolve_format(kind, rules)
    parsed = next((rule for rule in rules if isinstance(rule, Parsed)), None)
    read = _reader(kind) if parsed is None else _parsing_reader(parsed)
    for rule in rules:
        if isinstance(rule, Meta):
            read = _bounded_reader(read, rule)
        elif isinstance(rule, Shorthand):
            read = _expanding_reader(read, rule)
    return read


def _parsing_reader(parsed: Parsed) -> Read:
    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        try:
            return parsed.parse(value)
        except ValueError as error:
            return _fail(errors, path, parsed.code, str(error))

    return read


def _expanding_reader(inner: Read, shorthand: Shorthand) -> Read:
    words = get_args(shorthand.short) if get_origin(shorthand.short) is Literal else ()

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if words and isinstance(value, str) and value not in words:
            return _fail(errors, path, "unknown-value", words)
        return inner(shorthand.expand(value), path, errors)

    return read


def _bounded_reader(inner: Read, bounds: Meta) -> Read:
    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if isinstance(value, list | tuple | dict):  # before its items, of which there may be very many
            if bounds.max_length is not None and len(value) > bounds.max_length:
                return _fail(errors, path, "too-many-items", str(bounds.max_length))
            if bounds.min_length is not None and len(value) < bounds.min_length:
                return _fail(errors, path, "out-of-range", f"write at least {bounds.min_length}")
        found = inner(value, path, errors)
        if isinstance(found, str) and bounds.max_length is not None and len(found) > bounds.max_length:
            return _fail(errors, path, "out-of-range", f"write at most {bounds.max_length} characters")
        if found is not _INVALID and bounds.ge is not None and not found >= bounds.ge:
            return _fail(errors, path, "out-of-range", f"write at least {_describe_bound(bounds.ge, value, found)}")
        if found is not _INVALID and bounds.le is not None and not found <= bounds.le:
            return _fail(errors, path, "out-of-range", f"write at most {_describe_bound(bounds.le, value, found)}")
        return found

    return read


def _describe_bound(bound: float, value: object, found: object) -> str:
    """Return a bound in the unit in which a policy states it, if the value has a unit."""
    kind = "" if not isinstance(value, str) else "duration" if isinstance(found, float) else "size"
    return format_written(bound, kind)


def _literal_reader(*values: object) -> Read:
    known = tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if any(type(value) is type(one) and value == one for one in values):
            return value
        return _fail(errors, path, "unknown-value", tuple(filter(None, known)))

    return read


def _list_reader(item: object, _: object = ...) -> Read:
    read_item = _reader(item)

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if not isinstance(value, list | tuple):
            return _fail(errors, path, "wrong-type", "a list")
        return tuple([read_item(one, (*path, index), errors) for index, one in enumerate(value)])

    return read


def _set_reader(item: object) -> Read:
    read_list = _list_reader(item)

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        found = read_list(value, path, errors)
        return found if found is _INVALID else frozenset(found)

    return read


def _mapping_reader(key: object, item: object) -> Read:
    read_key, read_item = _reader(key), _reader(item)

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return _fail(errors, path, "wrong-type", "a mapping")
        found = {}
        for name, one in value.items():
            wrong: list[DocumentError] = []
            read_key(name, (*path, name), wrong)
            errors += [error._replace(is_key=True) for error in wrong]
            found[name] = read_item(one, (*path, name), errors)
        return found

    return read


def _union_reader(choices: list[Read]) -> Read:
    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if value is None:  # the full form of a short one; no document has a null
            return None
        wrong: list[DocumentError] = []
        for choice in choices:
            wrong = []
            found = choice(value, path, wrong)
            if not wrong:
                return found
        errors += wrong
        return _INVALID

    return read


def _scalar_reader(kind: type) -> Read:
    accepted, name = _SCALARS[kind]

    def read(value: Any, path: Path, errors: list[DocumentError]) -> Any:  # noqa: ANN401
        if type(value) not in accepted:
            return _fail(errors, path, "wrong-type", name)
        return kind(value)

    return read


def _fail(
    errors: list[DocumentError], path: Path, code: str, detail: str | tuple[str, ...] = "", *, is_key: bool = False
) -> object:
    errors.append(DocumentError(path, code, detail, is_key))
    return _INVALID


#: origin of a type with arguments -> builder of its reader
_BUILDERS: Final[dict[Any, Callable[..., Read]]] = {
    Annotated: _annotated_reader,
    Literal: _literal_reader,
    tuple: _list_reader,
    frozenset: _set_reader,
    dict: _mapping_reader,
}
