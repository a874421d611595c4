"""A random policy of the size that the checks must prove quickly: 20 operations, 4 flags, 3 conditions, 60 rules.

The seed determines the policy. Its own rules stand in the phases `account` and `request` and lead to a denial or to a
person, so that the policy has no errors whatever they say.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

OPERATIONS: Final = 20
FLAGS: Final = 4
CONDITIONS: Final = 3
RULES: Final = 60
_RISKS: Final = ("routine", "sensitive", "high")
_STATES: Final = ("normal", "dormant", "minor", "delegated", "restricted")
_VALUES: Final = ("home", "near", "away")


def write_policy(seed: int) -> bytes:
    """Return the text of a policy, as JSON, which is YAML too."""
    random = Random(seed)  # noqa: S311 - a reproducible policy, no secret
    operations = [_operation(number, random) for number in range(OPERATIONS)]
    names = [one["name"] for one in operations]
    document: dict[str, Any] = {
        "authguard": 1,
        "name": f"random-{seed}",
        "extends": "support-desk",
        "operations": operations,
        "conditions": {
            f"condition_{number}": {
                "from": {"claim": f"claim_{number}"},
                "values": {value: [value] for value in _VALUES[:-1]},
                "default": _VALUES[-1],
            }
            for number in range(CONDITIONS)
        },
        "flags": {
            f"flag_{number}": {
                "by": "subject",
                "expires": f"{number + 1}h",
                "set_by": [{"app": "report"}],
            }
            for number in range(FLAGS)
        },
        "decisions": [_rule(number, names, random) for number in range(RULES)],
    }
    return json.dumps(document).encode()


def _operation(number: int, random: Random) -> dict[str, Any]:
    effect = random.choice(("read", "write"))
    return {
        "name": f"operation_{number}",
        "match": {"path": f"/operation/{number}", "method": "GET" if effect == "read" else "POST"},
        "risk": random.choice(_RISKS),
        "effect": effect,
        "scopes": [f"scope:{number % 4}"],
        "groups": [f"group_{number % 3}"],
    }


def _rule(number: int, names: list[str], random: Random) -> dict[str, Any]:
    # each flag is named by a rule without other conditions, so that it restricts
    when: dict[str, Any] = {"operation": random.sample(names, random.randint(1, 4))}
    if number < FLAGS:
        when[f"flag_{number}"] = "set"
    else:
        for name in random.sample(range(FLAGS), random.randint(0, 2)):
            when[f"flag_{name}"] = "set"
        for name in random.sample(range(CONDITIONS), random.randint(0, 2)):
            when[f"condition_{name}"] = random.sample(_VALUES, random.randint(1, 2))
        if random.choice((True, False)):
            when["account"] = random.sample(_STATES, random.randint(1, 2))
    phase = random.choice(("account", "request"))
    return {"phase": phase, "when": when, "do": "to_a_person"}
