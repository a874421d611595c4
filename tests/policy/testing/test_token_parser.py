"""A token and a body of a scenario are parsed within bounds; what cannot be sent is a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.testing.token import TokenSpec
from authguard.policy.testing.token_parser import MAX_VALUES, TokenParser

if TYPE_CHECKING:
    from authguard.policy.problem import Problem


def parse(text: str) -> tuple[TokenSpec, list[str]]:
    problems: list[Problem] = []
    node = parse_yaml(text.encode(), "token.yaml").tree
    return TokenParser(load("support-desk"), problems).parse_token(node), [problem.code for problem in problems]


def test_a_token_keeps_what_it_leaves_out_open() -> None:
    assert parse("{acr: aal1}") == (TokenSpec(acr="aal1"), [])
    assert parse("{scope: '', roles: [], age: 0s}") == (TokenSpec(scope=(), roles=(), age=0.0), [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{acr: 2}", "wrong-type"),
        ("{subject: [a]}", "wrong-type"),
        ("{scope: 5}", "wrong-type"),
        (f"{{roles: [{', '.join(['a'] * (MAX_VALUES + 1))}]}}", "wrong-type"),
        ("{issuer: 'https://other.example'}", "unknown-name"),
        ("{scopes: a}", "unknown-name"),
        ("{age: -5m}", "duration"),
        ("{claims: 7}", "wrong-type"),
    ],
)
def test_what_cannot_be_sent_is_a_problem(text: str, code: str) -> None:
    assert parse(text)[1] == [code]
