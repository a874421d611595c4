"""How models declare the keys of a policy: their base class, and the annotations of values that are no plain types.

`authguard.policy.loading.document_reader` reads a document by them; `authguard.policy.schema.json_schema` describes it.
Bounds are declared by `msgspec.Meta`. A library that derives readers from annotations takes longer at each start than
the rest of the check of a policy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import NODEFAULT, Struct

from authguard.core.declaration import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class StrictModel(Struct, frozen=True):
    """Base class of all models: immutable; a document has none but its keys, and no value is coerced."""


class Parsed(Struct, frozen=True, eq=False):
    """Annotation of a value that a function parses.

    Attributes:
        parse: returns the parsed value; the message of its `ValueError` is the advice.
        code: problem code of that error.
        schema: JSON Schema of the written value.
    """

    parse: Callable[[object], object]
    code: str
    schema: Mapping[str, Any]


class Shorthand(Struct, frozen=True, eq=False):
    """Annotation of a value with a short form.

    Attributes:
        expand: returns the full form of a short one, and any other value unchanged.
        short: type of the short form.
    """

    expand: Callable[[object], object]
    short: object


class DeclaredKey(NamedTuple):
    """A key of a model.

    Attributes:
        field: name of the attribute.
        annotation: type of the value.
        is_required: whether the key has no default.
        default: value of a missing key; `NODEFAULT` if the key is required, or if each document has its own.
    """

    field: str
    annotation: Any
    is_required: bool
    default: Any = NODEFAULT

    @property
    def declared(self) -> Key | None:
        """What the field declares of itself."""
        rules = getattr(self.annotation, "__metadata__", ())
        return next((rule for rule in rules if isinstance(rule, Key)), None)


@cache
def keys_of(model: type[Struct]) -> dict[str, DeclaredKey]:
    """Return the keys of a model by their names in a policy."""
    names = model.__struct_fields__
    annotations: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        annotations |= getattr(base, "__annotations__", {})
    defaults = (*(NODEFAULT,) * (len(names) - len(model.__struct_defaults__)), *model.__struct_defaults__)
    return {
        key: DeclaredKey(name, annotations[name], default is NODEFAULT, default)
        for key, name, default in zip(model.__struct_encode_fields__, names, defaults, strict=True)
    }
