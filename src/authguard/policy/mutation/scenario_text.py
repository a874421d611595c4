"""A scenario as plain values: parsed with the names of a policy, run, and written as YAML that a person can paste."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.yaml_scalar import is_plain_scalar
from authguard.policy.mutation.mutant import to_node
from authguard.policy.problem import Place
from authguard.policy.render.yaml_document import scalar
from authguard.policy.testing.parser import parse_scenario_nodes
from authguard.policy.testing.scenario import run_scenarios

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.testing.scenario import ScenarioResult

#: a scenario, with the keys of its YAML
PlainScenario = dict[str, Any]
#: parts of a scenario with several steps that its YAML has one line for
_STEPS: Final = "steps"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


def run_plain(scenario: PlainScenario, policy: Policy) -> ScenarioResult | None:
    """Parse and run a scenario.

    Args:
        scenario: with the keys of its YAML; lists of variants are not permitted.
        policy: the policy.

    Returns:
        Its result; ``None`` if the scenario is not valid for the policy.
    """
    scenarios, problems = parse_scenario_nodes([to_node(scenario, Place("proposal"))], policy)
    if problems or len(scenarios) != 1:
        return None
    return run_scenarios(policy, scenarios).results[0]


def format_plain_scenario(scenario: PlainScenario) -> str:
    """Format a scenario as one item of a YAML list, with a line for each step."""
    lines = []
    for key, value in scenario.items():
        if key == _STEPS:
            lines += [f"{key}:", *(f"  - {_flow(step)}" for step in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "".join(f"{'- ' if not place else '  '}{line}\n" for place, line in enumerate(lines))


def _scalar(value: object) -> str:
    """Format a scalar; durations and names stay plain, as a person writes them."""
    text = str(value)
    return text if isinstance(value, str) and _PLAIN.fullmatch(text) and is_plain_scalar(text) else scalar(value)


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)
