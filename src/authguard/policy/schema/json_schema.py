"""JSON Schemas (2020-12) of policy files and scenario files, for completion and checks in editors.

The schemas do not resolve names or prove properties; `authguard policy check` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

from msgspec import Meta, Struct

from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome, Reason
from authguard.policy.schema import units
from authguard.policy.schema.description import SCENARIO_KEY_DESCRIPTIONS
from authguard.policy.schema.document import KIND_KEYS, Document, Fallback
from authguard.policy.schema.key_text import describe
from authguard.policy.schema.model import Parsed, Shorthand, keys_of
from authguard.policy.schema.types import resolve_format

if TYPE_CHECKING:
    from collections.abc import Iterator

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[dict[type, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_NAME: Final = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}


def policy_schema() -> dict[str, Any]:
    """Return the schema of one policy file, before it is merged with its base policy."""
    models: dict[str, dict[str, Any]] = {}
    _model_schema(Document, models)
    written = models.pop(Document.__name__)
    models[Fallback.__name__]["allOf"] = list(_keys_of_kinds(models[Fallback.__name__]["properties"]))
    return {"$schema": DIALECT, "title": "An authguard policy", "$defs": dict(sorted(models.items())), **written}


def _keys_of_kinds(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield for each kind of fallback the keys that it may have."""
    special = frozenset[str]().union(*KIND_KEYS.values())
    for kind in properties["kind"]["enum"]:
        keys = sorted(name for name in properties if name not in special or name in KIND_KEYS.get(kind, ()))
        condition = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        yield {"if": condition, "then": {"propertyNames": {"enum": keys}}}


def _model_schema(model: type[Struct], models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a reference to the schema of a model; add the schema, and those of the models in it, to `models`."""
    name = model.__name__
    if name not in models:
        models[name] = {}  # a model may contain itself
        keys = keys_of(model)
        required = [key for key, declared in keys.items() if declared.is_required]
        models[name] |= {
            "additionalProperties": False,
            "description": model.__doc__,
            "properties": {
                key: {
                    "description": describe(one),
                    **_schema(one.annotation, models),
                }
                for key, one in keys.items()
            },
            **({"required": required} if required else {}),
            "type": "object",
        }
    return {"$ref": f"#/$defs/{name}"}


def _schema(annotation: Any, models: dict[str, dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - any annotation
    """Return the schema of a type; null is left out, since a policy has none."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated_schema(arguments[0], arguments[1:], models)
    if origin is Literal:
        choices = {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        return {**choices, "type": _TYPES[type(arguments[0])]}
    if origin in {tuple, frozenset}:
        return {"items": _schema(arguments[0], models), "type": "array"}
    if origin is dict:
        return _mapping_schema(_schema(arguments[0], models), _schema(arguments[1], models))
    if arguments:
        return _any_of([_schema(one, models) for one in arguments if one is not type(None)])
    return {"type": _TYPES[annotation]} if annotation in _TYPES else _model_schema(annotation, models)


def _annotated_schema(kind: object, rules: tuple[object, ...], models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of an annotated type; bounds of a parsed value are not those of its text."""
    kind, rules = resolve_format(kind, rules)
    parsed = next((rule for rule in rules if isinstance(rule, Parsed)), None)
    found = dict(parsed.schema) if parsed else _schema(kind, models)
    for rule in rules:
        if isinstance(rule, Shorthand):
            found = _any_of([_schema(rule.short, models), found])
        elif isinstance(rule, Meta):
            found |= _bounds(rule, found)
    return found


def _bounds(rule: Meta, found: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of numbers, of the length of text, or of the number of entries."""
    kind = {"array": "Items", "object": "Properties"}.get(str(found.get("type")), "Length")
    declared: dict[str, Any] = {f"max{kind}": rule.max_length, f"min{kind}": rule.min_length}
    if found.get("type") in {"integer", "number"}:
        declared |= {"maximum": rule.le, "minimum": rule.ge}
    return {name: bound for name, bound in declared.items() if bound is not None}


def _mapping_schema(key: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "pattern" in key:  # names that do not match the pattern are refused
        return {"patternProperties": {key["pattern"]: value}, "type": "object", "additionalProperties": False}
    names = {"propertyNames": {"enum": key["enum"]}} if "enum" in key else {}
    return {"additionalProperties": value, **names, "type": "object"}


def _any_of(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def scenario_schema() -> dict[str, Any]:
    """Return the schema of one scenario file; states, events and operations depend on the policy."""
    states = dict.fromkeys(MACHINES, _NAME)
    several = dict.fromkeys(MACHINES, _one_or_list(_NAME))
    asked = {name: _one_or_list({"enum": list(values)}) for name, values in CONDITIONS.items()}
    asked["limit"] = _one_or_list(_NAME)  # a condition, or the name of a limit
    asked["channel"] = _one_or_list(_NAME)
    event = {"type": "string", "pattern": f"^(?:{'|'.join(MACHINES)})\\.[a-z][a-z0-9_-]{{0,63}}$"}
    text = {"type": "string", "minLength": 1}
    step = {
        "after": {"type": "string", "pattern": f"^(?:{units.DURATION_PATTERN.pattern})$"},
        "times": {"type": "integer", "minimum": 1, "maximum": 100},
        "when": {"type": "array", "items": {"anyOf": [event, *_changes()]}},
        "approve": {"type": "array", "items": _one_or_list(text), "minItems": 1, "maxItems": 20},
        "deny": text,
        "ask": _named({"operation": _one_or_list(_NAME), **_request_facts(), **asked}),
        "app": {"anyOf": [{"const": "none"}, {"type": "integer", "minimum": 200, "maximum": 599}]},
        "then": _closed(
            {
                "outcome": {"enum": [*(one.value for one in Outcome), "refused"]},
                "fallback": _NAME,
                "reason": {"enum": [one.code for one in Reason]},
                **_reply_details(),
                "states": _named(states),
            },
            least=1,
        ),
    }
    steps = {"type": "array", "minItems": 1, "items": _closed(step, least=1)}
    given = _named({**several, "at": _one_or_list(text)})
    scenario = _closed({"name": text, "given": given, **step, "steps": steps})
    scenario["required"] = ["name"]
    scenario["anyOf"] = [{"required": ["ask", "then"]}, {"required": ["steps"]}]
    return {"$schema": DIALECT, "title": "Scenarios of an authguard policy", "type": "array", "items": scenario}


def _changes() -> Iterator[dict[str, Any]]:
    """Yield the schemas of what the app, a person or a source does in a scenario."""
    text = {"type": "string", "minLength": 1}
    for verb in ("set", "clear"):
        yield _closed({verb: _NAME, "by": text, "payee": text}) | {"required": [verb, "by"]}
    age = {"type": "string", "pattern": f"^(?:{units.DURATION_PATTERN.pattern})$"}
    yield _closed({"account": _NAME, "from": text, "age": age}) | {"required": ["account", "from"]}
    acts = {"enum": ["reinstate", "reset", "engage", "release"]}
    yield _closed({"act": acts, "by": _one_or_list(text)}) | {"required": ["act", "by"]}


def _reply_details() -> dict[str, Any]:
    """Return the schemas of what a scenario may expect of a reply besides its fallback."""
    names = {"type": "array", "items": {"type": "string"}}
    approvers = {"role": {"type": "string"}, "count": {"type": "integer", "minimum": 1}, "acr": {"type": "string"}}
    return {
        "message": {"type": "string"},
        "queue": {"type": "string"},
        "approvers": _one_or_list(_closed(approvers, least=1)),
        "methods": names,
        "verifiers": names,
        "scopes": names,
        "retry_after": {"type": "string", "pattern": f"^(?:{units.DURATION_PATTERN.pattern})$"},
        "max_age": {"type": "string", "pattern": f"^(?:since_entered|{units.DURATION_PATTERN.pattern})$"},
    }


def _request_facts() -> dict[str, Any]:
    """Return the schemas of what a scenario's request states of itself."""
    text = {"type": "string", "minLength": 1, "maxLength": 1_024}
    words = {"anyOf": [{"type": "string"}, {"type": "array", "items": text}]}
    age = {"type": "string", "pattern": f"^(?:none|{units.DURATION_PATTERN.pattern})$"}
    token = {
        **dict.fromkeys(("issuer", "subject"), text),
        **{key: {"type": "string"} for key in ("client", "session", "acr")},
        **dict.fromkeys(("scope", "roles", "act"), words),
        "age": age,
        "claims": {"type": "object"},
    }
    return {
        "request": {"type": "string", "pattern": "^(?:[A-Z]{1,16}|websocket) /"},
        "token": _closed(token),
        "body": {"type": "object"},
        "amount": {"type": "string", "pattern": f"^(?:{units.MONEY_PATTERN.pattern})$"},
        "idempotency_key": {"type": "string", "maxLength": 1_024},
    }


def _closed(properties: dict[str, Any], least: int = 0) -> dict[str, Any]:
    """Return the schema of a mapping with exactly these keys."""
    described = {
        key: {"description": SCENARIO_KEY_DESCRIPTIONS.get(key, _about(key)), **value}
        for key, value in properties.items()
    }
    return {"type": "object", "properties": described, "additionalProperties": False, "minProperties": least}


def _named(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping with these keys, and the flags and conditions of a policy."""
    return _closed(properties) | {"additionalProperties": False, "patternProperties": {_NAME["pattern"]: {}}}


def _about(key: str) -> str:
    return f"State of the machine `{key}`." if key in MACHINES else f"The condition `{key}` of the request."


def _one_or_list(value: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
