"""Rules that do `by_limit` are expanded to one rule for each answer; their cells make up those of the rule."""

from __future__ import annotations

import pytest

from authguard.core.decision_table import Rule
from authguard.core.request import Limit, Operation
from authguard.core.tiers import find_tiers
from authguard.policy.loading.limit_rule import BY_LIMIT, expand_rule, find_strange

PAY = Operation(
    name="pay",
    effect="write",
    limits=(Limit(name="high", tier="high", then="two"), Limit(name="month", tier="month", then="two")),
)
LIST = Operation(name="list", effect="read", limits=(Limit(name="often", tier="often", then="later"),))
TIERS = find_tiers((PAY, LIST))
ALL = frozenset({"exceeded", *TIERS})


def expand(**when: frozenset[str]) -> list[tuple[str, dict[str, list[str]]]]:
    rule = Rule(when=when, do=BY_LIMIT, index=3, origin="policy.yaml:7")
    found = list(expand_rule(rule, TIERS))
    assert {one.origin for one in found} <= {rule.origin}
    return [(one.do, {name: sorted(values) for name, values in one.when.items()}) for one in found]


def test_a_rule_for_writes_leads_to_the_limits_of_writes() -> None:
    assert expand(limit=ALL, effect=frozenset({"write"}), transaction=frozenset({"none"})) == [
        ("two", {"limit": ["high", "month"], "effect": ["write"], "transaction": ["none"]}),
        ("await_approval", {"limit": ["exceeded"], "effect": ["write"], "transaction": ["none"]}),
    ]


def test_a_rule_for_reads_slows_down_what_has_no_answer() -> None:
    assert expand(limit=ALL, effect=frozenset({"read"})) == [
        ("later", {"limit": ["often"], "effect": ["read"]}),
        ("slow_down", {"limit": ["exceeded"], "effect": ["read"]}),
    ]


def test_a_rule_for_both_is_split_by_effect_and_one_limit_alone_is_not() -> None:
    assert [do for do, _ in expand(limit=ALL)] == ["two", "later", "slow_down", "await_approval"]
    assert expand(limit=frozenset({"month"})) == [("two", {"limit": ["month"]})]


def test_any_other_rule_stays_as_it_is() -> None:
    rule = Rule(when={"limit": ALL}, do="refuse", index=0)
    assert list(expand_rule(rule, TIERS)) == [rule]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"limit": ALL}, ""),
        ({"limit": frozenset({"high"})}, ""),
        ({"effect": frozenset({"read"})}, "does not name `limit`"),
        ({"limit": frozenset({"within", "hihg"})}, "names `hihg`, `within`"),
    ],
)
def test_what_cannot_be_expanded_is_said(when: dict[str, frozenset[str]], words: str) -> None:
    assert find_strange(Rule(when=when, do=BY_LIMIT, index=0), TIERS) == words
