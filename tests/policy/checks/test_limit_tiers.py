"""Limits with answers of their own: names, answers that refuse, and an order in which each of them decides."""

from __future__ import annotations

import pytest

from authguard.policy.checks.limit_tiers import check_limit_names, check_limit_order
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft

POLICY = """\
authguard: 1
name: desk
extends: support-desk
issuers: [{{issuer: 'https://idp.example', audience: desk, algorithms: [ES256], keys: discovery}}]
assurance: {{order: [aal1, aal2]}}
operations:
  - name: pay
    match: {{path: /pay, method: POST}}
    risk: high
    effect: write
    scopes: [pay]
    amount: {{at: /amount, currency: EUR}}
    limits:
{limits}
  - name: list
    match: {{path: /list, method: GET}}
    risk: routine
    effect: read
    limits: [{{name: lists, calls: 5, per: 1h, then: busy}}]
fallbacks:
  one: {{kind: hold, approvers: {{role: officer, acr: aal2}}}}
  other: {{kind: hold, approvers: {{role: controller, acr: aal2}}}}
  two: {{kind: hold, approvers: [{{role: officer, acr: aal2}}, {{role: controller}}]}}
"""
HIGH = "{name: over_5000, amount: 5000 EUR, per: call, then: two}"
MONTH = "{name: month, amount: 10000 EUR, per: 30d, then: two}"
LOW = "{name: over_500, amount: 500 EUR, per: call, then: one}"
OTHER = "{name: often, calls: 5, per: 1d, then: other}"
PLAIN = "{amount: 100 EUR, per: call}"


def problems(*limits: str) -> list[tuple[str, str]]:
    text = POLICY.format(limits="\n".join(f"      - {one}" for one in limits))
    reading = load_draft("desk.yaml", text=text.encode())
    assert not reading.problems, reading.problems
    draft = reading.draft
    assert draft is not None
    found = [*check_limit_names(draft), *check_limit_order(draft)]
    return [(one.code, one.message) for one in found]


def test_the_strictest_first_is_in_order_and_the_policy_is_sound() -> None:
    assert problems(HIGH, MONTH, LOW) == []
    assert problems(LOW) == []
    text = POLICY.format(limits="\n".join(f"      - {one}" for one in (HIGH, MONTH, LOW)))
    draft = load_draft("desk.yaml", text=text.encode()).draft
    assert draft is not None
    assert [one.message for one in run_checks(draft) if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        ((LOW, HIGH), "limit-shadowed", "`over_5000` never decides: what exceeds it exceeds `over_500` before it"),
        ((PLAIN, LOW), "limit-shadowed", "`over_500` never decides: what exceeds it exceeds `pay/0` before it"),
        ((LOW, MONTH), "limit-order", "may be exceeded, and `one` asks for less than `two`"),
        ((OTHER, LOW), "limit-order", "may be exceeded, and `other` asks for others than `one`"),
        ((LOW, OTHER.replace("other", "refuse")), "limit-order", "`one` may be approved still, and `refuse` may not"),
        ((HIGH, LOW, "{calls: 5, per: 1d}"), "limit-order", "`two` asks for others than `await_approval`"),
        ((LOW.replace("over_500", "within"),), "name-reserved", "`within` of `pay` has the name of a condition"),
        ((LOW.replace("over_500", "lists"),), "duplicate-name", "two limits have the name `lists`"),
        ((LOW.replace("one", "won"),), "unknown-name", "`won` is not a fallback"),
        ((LOW.replace("one", "read_only"),), "then-admits", "`read_only` lets the request through"),
    ],
)
def test_what_never_decides_or_decides_too_soon_is_refused(limits: tuple[str, ...], code: str, words: str) -> None:
    found = problems(*limits)
    assert code in [one for one, _ in found]
    assert any(words in message for _, message in found), found


def test_limits_without_answers_of_their_own_may_stand_in_any_order() -> None:
    assert problems(PLAIN, "{amount: 500 EUR, per: call}", "{calls: 3, per: 1d}") == []
