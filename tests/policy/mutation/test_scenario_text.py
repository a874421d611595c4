"""A plain scenario runs as its YAML does, and its YAML is read back as the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.mutation.scenario_text import format_plain_scenario, run_plain

if TYPE_CHECKING:
    from authguard.core.policy import Policy

STEPS: Final[dict[str, Any]] = {
    "name": "after a while: nobody",
    "given": {"account": "normal"},
    "steps": [
        {"after": "15m", "then": {"states": {"session": "idle"}}},
        {"ask": {"operation": "chat"}, "then": {"fallback": "sign_in_fresh"}},
    ],
}


def test_a_scenario_is_run(support_desk: Policy) -> None:
    result = run_plain(STEPS, support_desk)
    assert result is not None
    assert result.differences == ()
    assert [answer.fallback for answer in result.answers] == ["sign_in_fresh"]


def test_a_scenario_that_is_not_valid_has_no_result(support_desk: Policy) -> None:
    assert run_plain({**STEPS, "given": {"account": "nowhere"}}, support_desk) is None
    assert run_plain({**STEPS, "given": {"account": ["normal", "locked"]}}, support_desk) is None


def test_its_yaml_has_one_line_for_each_step() -> None:
    text = format_plain_scenario(STEPS)
    assert text.splitlines() == [
        '- name: "after a while: nobody"',
        "  given: {account: normal}",
        "  steps:",
        "    - {after: 15m, then: {states: {session: idle}}}",
        "    - {ask: {operation: chat}, then: {fallback: sign_in_fresh}}",
    ]


def test_its_yaml_is_read_as_the_same_values() -> None:
    odd = {"name": "yes", "ask": {"operation": "chat", "claims": ["no", "12", 12, 1.5, True, "a: b"]}}
    parsed = parse_yaml(format_plain_scenario(odd).encode(), "x.yaml", listed=True)
    assert parsed.problems == ()
    assert parsed.tree.to_plain() == [odd]
