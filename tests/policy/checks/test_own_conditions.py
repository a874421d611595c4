"""A condition has a name of its own, and is read from a header that only a gateway sets."""

from __future__ import annotations

import pytest

from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft

HEAD = "authguard: 1\nname: x\nextends: standard\nbase: true\nconditions:\n"


def problems_of(condition: str) -> list[str]:
    """Return the problems of a policy with one condition."""
    reading = load_draft("policy.yaml", text=f"{HEAD}  {condition}\n".encode())
    assert reading.draft is not None, reading.problems
    return [f"{one.code}: {one.message}" for one in (*reading.problems, *run_checks(reading.draft))]


@pytest.mark.parametrize("name", ["risk", "operation", "channel", "outcome", "amount", "account", "phase"])
def test_a_name_with_a_meaning_is_refused(name: str) -> None:
    found = problems_of(f"{name}: {{from: {{claim: a}}, values: [x], default: z}}")
    assert found == [f"name-reserved: `{name}` is reserved, and cannot name a condition"]


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Forwarded-For", "Sec-Fetch-Mode", "Authguard-X"])
def test_a_header_of_the_protocol_is_refused(header: str) -> None:
    source = f"{{header: {header}, secret_header: X-Secret, secret_env: SEGMENT}}"
    found = problems_of(f"segment: {{from: {source}, values: [x], default: z}}")
    assert found == [f"condition-source: `{header.lower()}` is a header of the protocol or of the guard"]


def test_a_condition_with_a_free_name_and_header_is_accepted() -> None:
    source = "{header: X-Segment, secret_header: X-Secret, secret_env: SEGMENT}"
    assert problems_of(f"segment: {{from: {source}, values: [x], default: z}}") == []
