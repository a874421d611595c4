"""Lists of the fields of records, derived from the classes of `authguard.records.entries`.

A class declares each field once: its name, its type and what the index of a log stores of it (`record_types.Column`,
`record_types.Shared`). The schema, the index and the columns of exports are derived from these declarations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from authguard.records.entries import Entry
from authguard.records.record_types import INDEXED

if TYPE_CHECKING:
    from collections.abc import Mapping


class Field(msgspec.Struct, frozen=True, gc=False):
    """One field of one kind of record.

    Attributes:
        name: of the field, as in a line.
        type: plain type of the value, without its bounds: `str`, `float`, `int`, a dict, or a tuple of strings.
        indexed: ``column`` if the index stores it for each line, ``shared`` if once for many lines; empty if neither.
        required: whether every line of the kind has the field.
        default: value that a line omits; `msgspec.NODEFAULT` if there is none.
    """

    name: str
    type: Any
    indexed: str
    required: bool
    default: Any

    @property
    def is_list(self) -> bool:
        """Return whether the value is a list of strings."""
        return get_origin(self.type) is tuple


def _read_fields(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    plain, annotated = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    return tuple(
        Field(one.name, plain[one.name], _indexed(annotated[one.name]), one.required, one.default)
        for one in msgspec.structs.fields(kind)
    )


def _indexed(annotation: Any) -> str:  # noqa: ANN401 - an annotation has no type of its own
    metas = (one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, Meta))
    return next((str(one.extra[INDEXED]) for one in metas if one.extra and INDEXED in one.extra), "")


#: kind of a record -> its fields, in the order of its lines
KINDS: Final[Mapping[str, tuple[Field, ...]]] = {
    str(kind.__struct_config__.tag): _read_fields(kind) for kind in Entry.__args__
}
#: the fields of all kinds; several kinds may have a field of one name
FIELDS: Final = tuple(one for fields in KINDS.values() for one in fields)
#: name of every field, where the first kind has it
NAMES: Final = tuple(dict.fromkeys(one.name for one in FIELDS))
#: names of what the index stores for each line
COLUMNS: Final = tuple(dict.fromkeys(one.name for one in FIELDS if one.indexed == "column"))
#: names of what the index stores once for many lines
SHARED: Final = tuple(dict.fromkeys(one.name for one in FIELDS if one.indexed == "shared"))


def kinds_with(name: str) -> frozenset[str]:
    """Return the kinds of records that have a field."""
    return frozenset(kind for kind, fields in KINDS.items() if any(one.name == name for one in fields))
