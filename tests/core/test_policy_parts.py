"""Digests of a policy's parts: the part that differs has another digest, and no other has."""

from __future__ import annotations

import pytest

from authguard.core import policy_parts
from authguard.core.policy_parts import MAX_PARTS_CHARS, digest_parts, format_parts, parse_parts
from tests.support.harness import POLICY, policy_of

CHAT = "{name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}"


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("name: test-desk", "name: other", set()),
        ("audience: https://agent.test", "audience: https://other.test", {"reading"}),
        ("client: concierge", "client: butler", {"reading"}),
        ("frozen: suspended", "frozen: locked", {"states"}),
        ("identity: {credential: aal2}", "identity: {credential: aal3}", {"states"}),
        ("pass_at: 0.9", "pass_at: 0.8", {"states"}),
        ("scopes: [accounts]", "scopes: [chat]", {"operation:balance"}),
        ("{calls: 5, per: 10m", "{calls: 50, per: 10m", {"operation:refund"}),
    ],
)
def test_the_part_that_differs_is_the_only_one_with_another_digest(old: str, new: str, differs: set[str]) -> None:
    assert old in POLICY
    before, after = digest_parts(policy_of()), digest_parts(policy_of(POLICY.replace(old, new)))
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == differs


def test_a_fallback_counts_with_what_answers_after_its_attempts() -> None:
    def counted(times: int) -> str:
        more = f"fallbacks:\n  sign_in_fresh: {{kind: step_up, attempts: {times}, per: 15m, then: refuse}}\n"
        return digest_parts(policy_of(POLICY + more))["fallback:sign_in_fresh"]

    assert counted(1) != counted(2)
    assert counted(2) == counted(2)


def test_rules_and_timers_are_parts() -> None:
    before = digest_parts(policy_of())
    rule = "decisions:\n  - {when: {risk: sensitive, channel_change: switched, assurance: stale}, do: refuse}\n"
    timer = "timers:\n  - {event: session.idled, after: 5m, since: last_seen, states: [active]}\n"
    assert {key for key, value in digest_parts(policy_of(POLICY + rule)).items() if before[key] != value} == {"rules"}
    assert {key for key, value in digest_parts(policy_of(POLICY + timer)).items() if before[key] != value} == {"states"}


def test_an_operation_has_a_digest_for_what_it_matches_demands_measures_and_runs() -> None:
    def of(text: str) -> list[str]:
        return digest_parts(policy_of(POLICY.replace(CHAT, text)))["operation:chat"].split(".")

    before = of(CHAT)
    for place, text in (
        (policy_parts.MATCH, CHAT.replace("path: /chat", "path: /talk")),
        (policy_parts.DEMANDS, CHAT.replace("scopes: [chat]", "scopes: []")),
        (policy_parts.LIMITS, CHAT.replace("scopes: [chat]", "scopes: [chat], limits: [{calls: 5, per: 1m}]")),
        (policy_parts.RUNS, CHAT.replace("scopes: [chat]", "scopes: [chat], failed_on: [418]")),
    ):
        assert [one == other for one, other in zip(before, of(text), strict=True)] == [at != place for at in range(5)]


def test_a_record_holds_them_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of()
    assert parse_parts(format_parts(policy)) == digest_parts(policy)
    assert len("".join(format_parts(policy))) < MAX_PARTS_CHARS
    monkeypatch.setattr(policy_parts, "MAX_PARTS_CHARS", 100)
    assert set(parse_parts(format_parts(policy))) < set(digest_parts(policy))
