"""JSON Schemas (2020-12) of policy files and scenario files, for completion and checks in editors.

The schemas do not resolve names or prove properties; `authguard policy check` does.
"""

from __future__ import annotations

from typing import Any, Final

from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.schema import units
from authguard.policy.schema.description import KEY_DESCRIPTIONS, SCENARIO_KEY_DESCRIPTIONS
from authguard.policy.schema.document import Document

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAME: Final = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}


def policy_schema() -> dict[str, Any]:
    """Return the schema of one policy file, before it is merged with its base policy."""
    written = Document.model_json_schema(by_alias=True)
    models = {"Document": written, **written["$defs"]}
    for model, schema in models.items():
        for key, value in schema.get("properties", {}).items():
            schema["properties"][key] = {"description": KEY_DESCRIPTIONS[model][key], **_plain(value)}
        schema.pop("title", None)
    return {"$schema": DIALECT, "title": "An authguard policy", **written}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Remove titles, defaults in internal units, and null, which is refused."""
    kept: dict[str, Any] = {key: inner for key, inner in value.items() if key not in {"title", "default"}}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False  # names that do not match the pattern are refused
    choices = [choice for choice in kept.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        return {**kept, **choices[0]}
    return {**kept, "anyOf": choices} if choices else kept


def scenario_schema() -> dict[str, Any]:
    """Return the schema of one scenario file; states, events and operations depend on the policy."""
    states = dict.fromkeys(MACHINES, _NAME)
    several = dict.fromkeys(MACHINES, _one_or_list(_NAME))
    asked = {name: _one_or_list({"enum": list(values)}) for name, values in CONDITIONS.items()}
    event = {"type": "string", "pattern": f"^(?:{'|'.join(MACHINES)})\\.[a-z][a-z0-9_-]{{0,63}}$"}
    step = {
        "after": {"type": "string", "pattern": f"^(?:{units.DURATION_PATTERN.pattern})$"},
        "when": {"type": "array", "items": event},
        "ask": _closed({"operation": _one_or_list(_NAME), **asked}),
        "then": _closed(
            {"outcome": {"enum": [one.value for one in Outcome]}, "fallback": _NAME, "states": _closed(states)}, least=1
        ),
    }
    steps = {"type": "array", "minItems": 1, "items": _closed(step, least=1)}
    scenario = _closed({"name": {"type": "string", "minLength": 1}, "given": _closed(several), **step, "steps": steps})
    scenario["required"] = ["name"]
    scenario["anyOf"] = [{"required": ["ask", "then"]}, {"required": ["steps"]}]
    return {"$schema": DIALECT, "title": "Scenarios of an authguard policy", "type": "array", "items": scenario}


def _closed(properties: dict[str, Any], least: int = 0) -> dict[str, Any]:
    """Return the schema of a mapping with exactly these keys."""
    described = {
        key: {"description": SCENARIO_KEY_DESCRIPTIONS.get(key, _about(key)), **value}
        for key, value in properties.items()
    }
    return {"type": "object", "properties": described, "additionalProperties": False, "minProperties": least}


def _about(key: str) -> str:
    return f"State of the machine `{key}`." if key in MACHINES else f"The condition `{key}` of the request."


def _one_or_list(value: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
