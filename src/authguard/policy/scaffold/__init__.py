"""Files of a new policy, from a few answers: the policy, scenarios, a README and the JSON Schemas.

Rules of this package:
- The generated policy is valid and its scenarios pass for all answers; a test runs every combination.
- Answers are data: `yaml_document.scalar` writes them into YAML, and Markdown shows them as code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from authguard.errors import PolicyError
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.render.diagram import render_mermaid
from authguard.policy.scaffold.answers import KEYS_FILENAME, NONE, Answers
from authguard.policy.scaffold.policy_text import write_policy
from authguard.policy.scaffold.scenario_text import write_scenarios
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem

__all__ = ["KEYS_FILENAME", "NONE", "Answers", "build_files", "find_errors"]


def build_files(answers: Answers) -> dict[str, str]:
    """Build the files of a new policy in memory.

    Args:
        answers: answers of the user.

    Returns:
        Relative path -> text; ``policy.yaml`` has been checked.

    Raises:
        PolicyError: an answer is not valid in the policy; the problems name the line of ``policy.yaml``.
        NotFound: there is no shipped policy of the name that is to be extended.
    """
    locator.find_shipped(answers.extends)
    policy = "\n".join(write_policy(answers)) + "\n"
    draft, problems = _check(policy)
    if draft is None or any(problem.severity == "error" for problem in problems):
        raise PolicyError(problems)
    compiled = compile_draft(draft)
    made = {locator.POLICY_FILENAME: policy, **write_scenarios(answers, compiled)}
    if answers.keys:
        made[KEYS_FILENAME] = answers.keys
    made["README.md"] = _readme(answers, render_mermaid(compiled, "session"), tuple(sorted(made)))
    for name, schema in (("authguard.schema.json", policy_schema()), ("scenarios.schema.json", scenario_schema())):
        made[name] = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
    return made


def find_errors(answers: Answers) -> tuple[Problem, ...]:
    """Return the errors of the policy that answers produce, in the order of its lines; empty for valid answers."""
    _, problems = _check("\n".join(write_policy(answers)) + "\n")
    return tuple(problem for problem in problems if problem.severity == "error")


@lru_cache(maxsize=1)  # the policy of valid answers is checked when they are given, and built afterwards
def _check(policy: str) -> tuple[Draft | None, tuple[Problem, ...]]:
    """Return the draft of a policy and all problems, ordered by place."""
    reading = load_draft(locator.POLICY_FILENAME, text=policy.encode())
    found = [*reading.problems, *(run_checks(reading.draft) if reading.draft else ())]
    return reading.draft, tuple(sorted(found, key=lambda problem: problem.place))


def _readme(answers: Answers, session: str, made: tuple[str, ...]) -> str:
    name = "".join(char for char in answers.name if char.isprintable() and char not in "`<>#")
    listed = "\n".join(f"- `{path}`" for path in made)
    return f"""\
# The policy {name}

It extends `{answers.extends}` with the issuers, operations and fallbacks of this app.

{listed}

Check it, run its scenarios, print the merged policy, and explain a decision:

```sh
authguard policy check .
authguard policy test .
authguard policy show .
authguard policy show . --format html --output policy.html
authguard policy explain . --operation chat --state session=idle
```

`check` proves that every state handles every event and that every case has a decision. `test` runs the scenarios and
lists what they do not cover. Declare the operations of your app in `policy.yaml`, and add a scenario for each.

## States of a session

```mermaid
{session}```
"""
