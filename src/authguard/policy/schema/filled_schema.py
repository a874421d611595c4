"""JSON Schemas with the values of one policy: an editor completes its states, names and levels, and marks other ones.

Rules of this file:
- The general schemas are filled, so that they have no shape of their own.
- A name that only the policy gives meaning to is one of its names: a state, a fallback, an operation, a level.
- A name that an issuer gives meaning to (scope, role) is offered, and any other is accepted.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.core.decision_table import SKIP_PHASE, dimension_values
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import OPERATION, extra_names, find_extra
from authguard.core.outcomes import ALLOW, Outcome
from authguard.core.tiers import LIMIT, limit_values
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.policy.draft import Draft

#: the words that a target state, a source or a trigger may have besides names
_ANY: Final = "*"
_STAY: Final = "="
#: what a rule may do besides answering
_ACTS: Final = ("by_limit", SKIP_PHASE)
_OUTCOMES: Final = tuple(one.value for one in Outcome)


def fill_policy_schema(draft: Draft, *, shipped: Iterable[str] = (), providers: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of one policy file with the values of a policy.

    Args:
        draft: merged; its names may be unresolved.
        shipped: names of shipped policies, which `extends` may have.
        providers: presets of identity providers.
    """
    schema = _copy(policy_schema())
    models: dict[str, Any] = schema["$defs"]
    top = schema["properties"]
    values = dimension_choices(draft)
    answers = (ALLOW.name, *draft.fallbacks)
    _fill_rules(models, values, answers)
    _fill_fallbacks(draft, models, top)
    _fill_machines(draft, models, top)
    _fill_names(draft, models)
    _offer(top["extends"], shipped)
    _offer(models["Issuer"]["properties"].get("provider", {}), providers)
    return schema


def fill_scenario_schema(draft: Draft) -> dict[str, Any]:
    """Return the schema of scenario files with the values of a policy."""
    schema = _copy(scenario_schema())
    values = dimension_choices(draft)
    scenario = schema["items"]["properties"]
    for machine in MACHINES:
        _choose(scenario["given"]["properties"][machine], values[machine])
    for step in (scenario, scenario["steps"]["items"]["properties"]):
        asked, then = step["ask"]["properties"], step["then"]["properties"]
        for name in asked.keys() & values.keys():
            _choose(asked[name], values[name])
        if draft.channels.trusts and "channel" in asked:
            _choose(asked["channel"], (*draft.channels.trusts, "unknown"))
        _choose(asked["operation"], dict.fromkeys(one.name for one in _operations(draft)))
        _choose(then["fallback"], (ALLOW.name, *draft.fallbacks))
        for machine in MACHINES:
            _choose(then["states"]["properties"][machine], values[machine])
    return schema


def _copy(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of which no two parts are one object, so that each can be filled alone."""
    copied: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return copied


def dimension_choices(draft: Draft) -> dict[str, tuple[str, ...]]:
    """Return every dimension that a rule may name, with the values that it may have there."""
    states = {name: spec.states for name, spec in draft.machines.items()}
    values = dimension_values(states, find_extra(draft, extra_names(draft)))
    values[OPERATION] = (*values[OPERATION], *_groups(draft))
    values[LIMIT] = limit_values(draft)
    return values


def _groups(draft: Draft) -> tuple[str, ...]:
    return tuple(dict.fromkeys(group for one in draft.operations for group in sorted(one.groups)))


def _operations(draft: Draft) -> tuple[Any, ...]:
    return (*draft.operations, draft.otherwise) if draft.admits_unnamed else draft.operations


def _fill_rules(models: dict[str, Any], values: Mapping[str, tuple[str, ...]], answers: Iterable[str]) -> None:
    rule, invariant = models["Rule"]["properties"], models["Invariant"]["properties"]
    _choose(rule["do"], (*answers, *_ACTS))
    _name_dimensions(rule["when"], values)
    _name_dimensions(invariant["never"], {**values, "outcome": _OUTCOMES, "fallback": tuple(answers)})


def _name_dimensions(schema: dict[str, Any], values: Mapping[str, tuple[str, ...]]) -> None:
    """Replace a mapping of any names by one with these dimensions, each with its values."""
    any_value = next(iter(schema.pop("patternProperties").values()))
    schema["properties"] = {}
    for name, known in values.items():
        schema["properties"][name] = deepcopy(any_value)
        _choose(schema["properties"][name], known)
    schema["additionalProperties"] = False


def _fill_fallbacks(draft: Draft, models: dict[str, Any], top: dict[str, Any]) -> None:
    fallback = models["Fallback"]["properties"]
    _choose(fallback["then"], draft.fallbacks)
    _choose(fallback["methods"], draft.methods)
    _choose(top["on_fault"], draft.fallbacks)
    for name in ("all", "any", "sequence", "of"):
        _choose(models["Method"]["properties"][name], draft.verifiers)
    _choose(models["Limit"]["properties"]["then"], draft.fallbacks)


def _fill_machines(draft: Draft, models: dict[str, Any], top: dict[str, Any]) -> None:
    """Give each machine a schema of its own, with its states and triggers."""
    events: dict[str, None] = {}
    properties: dict[str, Any] = {}
    for name, spec in draft.machines.items():
        triggers = dict.fromkeys(trigger for line in spec.lines for trigger in line.triggers if trigger != _ANY)
        events |= dict.fromkeys(f"{name}.{trigger}" for trigger in triggers)
        line = deepcopy(models["Line"])
        _choose(line["properties"]["trigger"], (*triggers, _ANY))
        _choose(line["properties"]["source"], (*spec.states, _ANY))
        _choose(line["properties"]["dest"], (*spec.states, _STAY))
        machine = deepcopy(models["States"])
        machine["properties"]["initial"] |= {"enum": list(spec.states)}
        machine["properties"]["transitions"]["items"] = line
        properties[name] = machine
    for machine in properties.values():
        _choose(machine["properties"]["transitions"]["items"]["properties"]["raises"], events)
    described = {key: top["machines"][key] for key in ("description",) if key in top["machines"]}
    top["machines"] = {**described, "type": "object", "properties": properties, "additionalProperties": False}
    _choose(models["State"]["properties"]["like"], draft.machines["account"].states)
    timer = models["Timer"]["properties"]
    _choose(timer["event"], events)
    _choose(timer["states"], dict.fromkeys(state for spec in draft.machines.values() for state in spec.states))
    _choose(models["AccountSource"]["properties"]["map"], draft.machines["account"].states)


def _fill_names(draft: Draft, models: dict[str, Any]) -> None:
    """Fill levels, and offer scopes and roles."""
    levels = draft.assurance.order
    if levels:
        for model, key in (("Need", "acr"), ("Fallback", "acr"), ("Approvers", "acr"), ("Identity", "credential")):
            _choose(models[model]["properties"][key], levels)
        for model in ("Assurance", "Levels"):
            _choose(models[model]["properties"]["map"], levels)
    scopes = dict.fromkeys(scope for one in _operations(draft) for scope in sorted(one.scopes))
    for model in ("Operation", "Otherwise", "Fallback"):
        _offer(models[model]["properties"]["scopes"], scopes)
    roles = _known_roles(draft)
    _offer(models["Operation"]["properties"]["roles"], roles)
    _offer(models["Approvers"]["properties"]["role"], roles)
    for model in ("FlagSetter", "FlagClearer"):
        _offer(models[model]["properties"]["role"], roles)
    operations = dict.fromkeys(one.name for one in draft.operations)
    _choose(models["FlagSetter"]["properties"]["operation"], (*operations, *_groups(draft)))
    _offer(models["Agent"]["properties"]["issuer"], dict.fromkeys(one.issuer for one in draft.issuers))


def _known_roles(draft: Draft) -> list[str]:
    roles = {role for one in draft.operations for role in one.roles}
    roles |= {one.role for item in draft.fallbacks.values() for one in item.approvers if one.role}
    roles |= set(draft.staff_roles.values())
    return sorted(roles)


def _choose(schema: dict[str, Any], values: Iterable[str]) -> None:
    """Replace each text in a schema by one of these values; nothing changes without values."""
    listed = list(dict.fromkeys(values))
    if listed:
        _replace_texts(schema, {"enum": listed})


def _offer(schema: dict[str, Any], values: Iterable[str]) -> None:
    """Let an editor offer these values for each text in a schema; every other text stays valid."""
    listed = list(dict.fromkeys(values))
    if listed:
        _replace_texts(schema, {"examples": listed})


def _replace_texts(schema: dict[str, Any], values: dict[str, Any]) -> None:
    for part in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            _replace_texts(part, values)
    for part in schema.get("patternProperties", {}).values():
        _replace_texts(part, values)
    if schema.get("type") == "string":
        if "enum" in values:
            for rule in ("pattern", "minLength", "maxLength"):
                schema.pop(rule, None)
        schema |= values
