"""JSON Schema (2020-12) of a line of the audit log, derived from the classes of `authguard.records.entries`.

Rule: the schema is closed: a line with an additional or a missing member is no record of this version.
"""

from __future__ import annotations

import re
from inspect import getdoc
from typing import Any, Final

import msgspec

from authguard.records.chain import MAX_LINE_BYTES, VERSION
from authguard.records.entries import Entry

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: members that the chain adds to every record
_LINK: Final[dict[str, Any]] = {
    "v": {"const": VERSION, "description": "version of the line format"},
    "seq": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "description": "position in the chain, from 0"},
    "prev": {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "hash of the previous line; zeros in the first",
    },
    "hash": {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": 'SHA-256 of the bytes of this line before `,"hash":"`, in hexadecimal',
    },
}
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def record_schema() -> dict[str, Any]:
    """Return the schema of one line, without its newline."""
    written = msgspec.json.schema(Entry)["$defs"]
    kinds = {str(kind.__struct_config__.tag): _kind(kind, written[kind.__name__]) for kind in Entry.__args__}
    return {
        "$schema": DIALECT,
        "title": f"A record of an authguard audit log, version {VERSION}",
        "description": f"One line of JSON, at most {MAX_LINE_BYTES} bytes with its newline; empty members are omitted.",
        "type": "object",
        "required": ["kind", *_LINK],
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in kinds],
        "$defs": kinds,
    }


def schema_text() -> str:
    """Return the schema as the package ships it."""
    return msgspec.json.format(msgspec.json.encode(record_schema()), indent=2).decode() + "\n"


def _kind(kind: Any, written: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a class of any record
    docstring = getdoc(kind) or ""
    summary, _, attributes = docstring.partition("\n\nAttributes:\n")
    words = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}
    properties = {
        name: {"description": words[name], **{key: value for key, value in schema.items() if key != "default"}}
        for name, schema in written["properties"].items()
        if name != "kind"
    }
    return {
        "description": " ".join(summary.split()),
        "type": "object",
        "properties": {"kind": {"const": str(kind.__struct_config__.tag)}, **properties, **_LINK},
        "required": [*written["required"], *_LINK],
        "additionalProperties": False,
    }
