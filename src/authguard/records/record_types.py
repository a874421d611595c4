"""Annotated types of record fields: pattern and length for the JSON Schema, and what the index of a log stores.

Rule: a type binds writers only. Reading does not check it, so that old logs stay readable at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.core.outcomes import Reason as Why

#: characters that neither print nor are a space: controls, changes of text direction, invisible ones (ASVS 16.4.1),
#: surrogates
UNPRINTABLE: Final = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
#: longest text of a person, longest name, and longest id, in characters
MAX_TEXT_CHARS: Final = 500
MAX_NAME_CHARS: Final = 128
MAX_ID_CHARS: Final = 64

#: HTTP method that the guard accepts, or the mark of a WebSocket handshake
METHOD: Final = r"[A-Z-]{1,32}|websocket"

#: key of a type's metadata that tells what the index of a log stores of a field
INDEXED: Final = "indexed"
_T = TypeVar("_T")
#: a field that the index stores for each line, so that records are found by its value
Column = Annotated[_T, Meta(extra={INDEXED: "column"})]
#: a field with few different values, which the index stores once for all lines that have the same ones
Shared = Annotated[_T, Meta(extra={INDEXED: "shared"})]


def _form(**schema: Any) -> Any:  # noqa: ANN401 - JSON Schema's own values
    return Meta(extra_json_schema=schema)


def _like(pattern: str) -> Any:  # noqa: ANN401 - as `_form`
    return _form(pattern=f"^(?:{pattern})$")


Id = Annotated[str, _like(rf"[0-9A-Za-z._-]{{1,{MAX_ID_CHARS}}}")]
Time = Annotated[float, _form(description="seconds since 1970 UTC")]
#: of a policy; empty only before one is loaded
Digest = Annotated[str, _like("(?:[0-9a-f]{2}){0,64}")]
#: name from a policy
Name = Annotated[str, _like(rf"[A-Za-z0-9_][A-Za-z0-9_. -]{{0,{MAX_NAME_CHARS - 1}}}")]
#: code from a closed vocabulary
Code = Annotated[str, _like(rf"[a-z][a-z0-9_.-]{{0,{MAX_NAME_CHARS - 1}}}")]
Rule = Annotated[str, _like(rf"(?:0|[1-9][0-9]{{0,9}}):[A-Za-z0-9_][A-Za-z0-9_. -]{{0,{MAX_NAME_CHARS - 1}}}")]
Event = Annotated[str, _like(rf"(?:{'|'.join(MACHINES)})\.[a-z][a-z0-9_-]{{0,63}}")]
#: a machine, or a flag of the policy
Machine = Annotated[str, _like("[a-z][a-z0-9_-]{0,63}")]
Result = Annotated[str, _form(enum=[one.value for one in Outcome])]
Reason = Annotated[str, _form(enum=[one.code for one in Why])]
#: an exception's class
Class = Annotated[str, _like(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME_CHARS - 1}}}")]
#: keyed hash, or a printable name if the policy asks for names
Pseudonym = Annotated[str, _like(rf"[^{UNPRINTABLE}]{{1,{MAX_TEXT_CHARS}}}")]
Hex = Annotated[str, _like("[0-9a-f]{1,128}")]
Fingerprint = Annotated[str, _like("[0-9a-f]{1,64}")]
TraceId = Annotated[str, _like("[0-9a-f]{32}")]
#: address of a client (RFC 4291, RFC 791), or its keyed hash
Peer = Annotated[str, _like("[0-9a-f:.]{2,45}")]
Method = Annotated[str, _like(METHOD)]
#: text of a person or of another system: bounded, without characters that forge a line or change its direction
Text = Annotated[str, _like(rf"[^{UNPRINTABLE}]{{1,{MAX_TEXT_CHARS}}}")]
#: field of the app: name, largest number of fields, and type of value
FIELD: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
FIELDS: Final = 24
Value = str | int | float | bool
Fields = Annotated[
    dict[str, Value],
    _form(
        propertyNames={"pattern": f"^(?:{FIELD})$"},
        maxProperties=FIELDS,
        additionalProperties={
            "anyOf": [
                {"type": "string", "pattern": f"^[^{UNPRINTABLE}]{{0,{MAX_TEXT_CHARS}}}$"},
                {"type": ["number", "boolean"]},
            ]
        },
    ),
]
#: a policy's own condition or flag -> its value
FIGURE: Final = "^-?[0-9]{1,60}(?:[.][0-9]{1,60})?(?: [A-Z]{3})?$"
Context = Annotated[
    dict[str, str],
    _form(
        propertyNames={"pattern": "^(?:[a-z][a-z0-9_-]{0,63})$"},
        maxProperties=FIELDS,
        additionalProperties={"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"},
    ),
]
#: exceeded limits with their figures: decimal digits, and the currency of an amount
ExceededLimits = Annotated[
    tuple[Mapping[str, str], ...],
    _form(
        items={
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": f"^[^{UNPRINTABLE}]{{1,{MAX_TEXT_CHARS}}}$"},
                **{name: {"type": "string", "pattern": FIGURE} for name in ("most", "spent", "left")},
            },
            "required": ["name", "most", "spent", "left"],
            "additionalProperties": False,
        }
    ),
]
#: name of a fact about a request, of those that `authguard.evaluation.recorded_facts` lists
FACT: Final = "[a-z][a-z0-9_]{0,31}"
Facts = Annotated[
    dict[str, Value],
    _form(
        propertyNames={"pattern": rf"^(?:{FACT})$"},
        additionalProperties={
            "anyOf": [
                {"type": "string", "pattern": f"^[^{UNPRINTABLE}]{{0,{MAX_TEXT_CHARS}}}$"},
                {"type": ["number", "boolean"]},
            ]
        },
    ),
]
Level = Annotated[str, _like("[a-z][a-z_]{0,31}")]
Count = Annotated[int, _form(minimum=0, maximum=1_000_000)]
Status = Annotated[int, _form(minimum=100, maximum=599)]
#: conditions with the same values in every policy; `limit` also has the names of a policy's limits
_CLOSED = CONDITIONS.keys() - {"limit"}
Cell = Annotated[
    tuple[str, ...],
    _form(
        prefixItems=[
            {"title": name, **({"enum": list(CONDITIONS[name])} if name in _CLOSED else {"type": "string"})}
            for name in DIMENSIONS
        ],
        minItems=len(DIMENSIONS),
        maxItems=len(DIMENSIONS),
    ),
]
