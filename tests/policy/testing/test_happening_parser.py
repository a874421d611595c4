"""Tests of the parser of what happens in a scenario: each mistake has a place and a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.testing.parser import parse_scenarios
from tests.policy.testing.test_happening import POLICY_TEXT
from tests.support.harness import policy_of

if TYPE_CHECKING:
    from pathlib import Path

DESK = policy_of(POLICY_TEXT)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("when: [{set: holt, by: app}]", "did you mean `hold`"),
        ("when: [{set: hold}]", "`by` is missing"),
        ("when: [{set: hold, clear: hold, by: app}]", "this says nothing that happens"),
        ("when: [{raise: hold}]", "did you mean|unknown|is not a key"),
        ("when: [{act: reinstale, by: desk}]", "did you mean `reinstate`"),
        ("when: [{act: reset, by: [7]}]", "this is no role"),
        ("when: [{act: reset, from: desk}]", "`from` is not"),
        ("when: [{account: norml, from: app}]", "did you mean `normal`"),
        ("when: [{account: locked}]", "`from` is missing"),
        ("when: [{account: locked, from: app, age: soon}]", "this is no duration"),
        ("approve: officer", "`approve` is a list of persons"),
        ("approve: [7]", "this is no role"),
        ("deny: [officer]", "this is no role"),
        ("app: 99", "this is no answer of an app"),
        ("app: maybe", "this is no answer of an app"),
        ("given: {at: noon}", "this is no time"),
        ("given: {at: '2026-12-07T10:00:00'}", "write it with its zone"),
        ("given: {hold: on}", "did you mean|`on` is not|unquoted|True"),
        ("ask: {operation: refund, amount: 3}", "this is no amount"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, part: str, said: str) -> None:
    rest = "" if part.startswith("ask") else ", ask: {operation: chat}"
    file = tmp_path / "s" / "a.yaml"
    file.parent.mkdir()
    file.write_text(f"- {{name: a, {part}{rest}, then: {{outcome: allow}}}}\n")
    scenarios, problems = parse_scenarios([file], DESK)
    assert scenarios == ()
    text = " ".join(map(str, problems))
    assert any(one in text for one in said.split("|")), text
