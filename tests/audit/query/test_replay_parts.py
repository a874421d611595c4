"""Comparison of a recorded policy with another one: what a recorded value still says under it."""

from __future__ import annotations

from authguard.audit.query.replay_parts import PartComparison, compare
from authguard.core.policy_parts import digest_parts
from tests.support.harness import POLICY, policy_of

CHAT = "  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}\n"
BALANCE = (
    "  - {name: balance, match: {path: '/balance', method: GET}, risk: sensitive, effect: read, scopes: [accounts]}\n"
)
MORE = "  - {name: more, match: {path: '/{rest:path}', method: PUT}, risk: routine, effect: read}\n"


def of(old: str, new: str) -> PartComparison:
    return PartComparison(digest_parts(policy_of(old)), digest_parts(policy_of(new)))


def test_the_same_parts_are_the_same_in_all_respects() -> None:
    same = of(POLICY, POLICY.replace("name: test-desk", "name: other"))
    assert same.is_same
    assert same.reads_same
    assert same.moves_same
    assert same.all_limits_same()
    assert same.matches_nothing_new()
    for ask in (same.matches_same, same.demands_same, same.measures_same, same.limits_same, same.runs_same):
        assert ask("chat")
        assert not ask("nobody")
    assert same.counts_same("sign_in_fresh")
    assert not same.counts_same("nobody")


def test_a_request_matches_as_before_only_if_nothing_new_precedes_its_operation() -> None:
    before = of(POLICY, POLICY.replace(CHAT, MORE + CHAT))
    assert not before.matches_same("chat")
    assert before.matches_same("health")
    assert not before.matches_nothing_new()
    after = of(POLICY, POLICY.replace(BALANCE, BALANCE + MORE))
    assert after.matches_same("balance")
    assert not after.matches_same("refund")
    gone = of(POLICY, POLICY.replace(BALANCE, ""))
    assert gone.matches_same("refund")
    assert not gone.matches_same("balance")
    moved = of(POLICY, POLICY.replace(CHAT, "").replace(BALANCE, BALANCE + CHAT))
    assert moved.matches_same("balance"), "no request of it matched what follows it now"
    assert not moved.matches_same("chat")


def test_a_limit_is_the_same_only_with_the_same_places_of_the_amount() -> None:
    assert not of(POLICY, POLICY.replace("{calls: 5, per: 10m", "{calls: 6, per: 10m")).limits_same("refund")
    other = of(POLICY, POLICY.replace("amount: {at: /amount,", "amount: {at: /sum,"))
    assert not other.measures_same("refund")
    assert not other.limits_same("refund")
    assert not other.all_limits_same()


def test_policies_without_known_parts_are_not_compared() -> None:
    policy = policy_of()
    found = compare({"ab": {}}, policy, {policy.digest, "ab", "cd"})
    assert set(found) == {policy.digest, "ab"}
    assert found[policy.digest].is_same
    assert not found["ab"].moves_same
