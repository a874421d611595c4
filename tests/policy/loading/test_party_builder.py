"""Agents and staff belong to issuers; where several may speak, the policy has to say to which."""

from __future__ import annotations

import pytest

from authguard.core.agents import Agent
from authguard.policy.loading.loader import load_draft

ONE = "https://idp.example"
TWO = "https://partner.example"
STAFF = f"staff: {{claim: roles, issuer: '{ONE}'}}\n"


def found(rest: str, *issuers: str) -> tuple[frozenset[Agent], frozenset[str], list[tuple[str, str, str]]]:
    """Read a policy; return its agents, whose roles make staff, and its problems with their advice."""
    listed = "".join(f"  - {{issuer: '{one}', audience: a, algorithms: [ES256], keys: discovery}}\n" for one in issuers)
    text = f"authguard: 1\nname: p\nextends: standard\naccounts: none\nissuers:\n{listed}{rest}"
    reading = load_draft("p.yaml", text=text.encode())
    assert reading.draft is not None, reading.problems
    problems = [(problem.code, problem.message, problem.advice) for problem in reading.problems]
    return reading.draft.agents, reading.draft.staff_issuers, problems


@pytest.mark.parametrize(
    ("rest", "agents"),
    [
        ("agents: [bot]\n", {Agent(ONE, "bot")}),
        ("agents: [{client: bot}]\n", {Agent(ONE, "bot")}),
        (
            f"agents: [bot, {{issuer: '{ONE}', client: job, alone: true}}]\n",
            {Agent(ONE, "bot"), Agent(ONE, "job", True)},
        ),
    ],
)
def test_with_one_issuer_a_name_is_enough(rest: str, agents: set[Agent]) -> None:
    assert found(rest, ONE) == (agents, {ONE}, [])


def test_with_several_each_names_its_own() -> None:
    rest = STAFF + f"agents: [{{issuer: '{TWO}', client: bot}}]\n"
    assert found(rest, ONE, TWO) == ({Agent(TWO, "bot")}, {ONE}, [])


@pytest.mark.parametrize("issuer", ["[]", f"['{ONE}', '{TWO}']", f"'{TWO}'"])
def test_roles_of_nobody_of_some_or_of_all_make_staff(issuer: str) -> None:
    _, staff, problems = found(f"staff: {{claim: roles, issuer: {issuer}}}\n", ONE, TWO)
    assert (staff, problems) == (frozenset(one for one in (ONE, TWO) if one in issuer), [])


def test_with_several_a_name_alone_says_what_to_type() -> None:
    agents, staff, problems = found("agents: [bot]\n", ONE, TWO)
    assert (agents, staff) == ({Agent("", "bot")}, frozenset())
    assert [(code, advice) for code, _, advice in problems] == [
        (
            "staff-issuer",
            f"write `{STAFF.strip()}` with the issuer of your staff, or `issuer: []` for no staff",
        ),
        ("agent-issuer", f"write `{{issuer: '{ONE}', client: bot}}` with the issuer of that client"),
    ]


def test_who_is_named_is_an_issuer_of_the_policy() -> None:
    rest = f"staff: {{claim: roles, issuer: '{ONE}/'}}\nagents: [{{issuer: '{ONE}.', client: bot}}]\n"
    problems = found(rest, ONE)[2]
    assert [(code, advice) for code, _, advice in problems] == [
        ("staff-issuer", f"did you mean `{ONE}`?"),
        ("agent-issuer", f"did you mean `{ONE}`?"),
    ]
