"""Coverage: a policy is answerable for what it writes and what it changes, and not for what it inherits as it was."""

from __future__ import annotations

from authguard.policy.compiler import load
from authguard.policy.testing.coverage import measure_coverage
from authguard.policy.testing.scenario import DEFAULT_STATES, Scenario, ScenarioRun, Step, run_scenarios

NOTHING = ScenarioRun(results=(), edges=frozenset(), rules=frozenset())

OWN = b"""\
authguard: 1
name: own
extends: standard
issuers: [{issuer: 'https://idp.example', audience: own, algorithms: [ES256], keys: discovery}]
accounts: [{from: claim, claim: status, map: {ok: normal, dead: deceased, held: on_hold}}]
machines:
  account:
    states: [on_hold]
    transitions:
      - {trigger: on_hold, source: [deceased, closed, merged, compromised], dest: '='}
      - {trigger: on_hold, source: '*', dest: on_hold}
decisions:
  - {when: {account: on_hold, credential: good, session: active}, do: to_a_person}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
  refuse: {kind: deny, message: "No."}
"""


def test_the_standard_policy_is_answerable_for_all_of_itself() -> None:
    covered = measure_coverage(load("standard"), NOTHING)
    assert (len(covered.transitions), len(covered.rules), covered.inherited) == (62, 45, 2)
    assert len(covered.uncovered) == 107
    assert covered.min_percent == 0.0
    assert {item.origin.partition(":")[0] for item in covered.uncovered} == {"standard.yaml"}


def test_a_policy_is_answerable_for_what_it_writes_and_for_what_it_changes() -> None:
    policy = load("own.yaml", text=OWN)
    covered = measure_coverage(policy, NOTHING)
    assert [item.origin for item in covered.rules if item.origin.startswith("own.yaml")] == ["own.yaml:13"]
    assert [item.label.partition(":")[2] for item in covered.rules] == [
        "prove_otherwise",
        "prove_identity",
        "to_a_person",
        "prove_identity",
        "prove_otherwise",
    ], "its own, and those that lead to a hand-off where they led to a proof; other words for a denial change nothing"
    own = [item for item in covered.transitions if item.origin.startswith("own.yaml")]
    inherited = [item for item in covered.transitions if not item.origin.startswith("own.yaml")]
    assert [item.index for item in own] == [0, 1]
    assert {item.machine for item in inherited} == {"account"}
    assert all(item.sources == {"on_hold"} for item in inherited), "each that answers for the state that it adds"


def test_an_inherited_transition_counts_only_when_it_is_taken_from_an_added_state() -> None:
    policy = load("own.yaml", text=OWN)

    def missing(state: str) -> set[str]:
        given = {**policy.initial, **DEFAULT_STATES, "account": state}
        report = run_scenarios(policy, [Scenario(name="one", given=given, steps=(Step(when=("account.deceased",)),))])
        return {item.label for item in measure_coverage(policy, report).uncovered}

    deceased = "account: deceased: * -> deceased"
    assert deceased in missing("normal")
    assert deceased not in missing("on_hold")


def test_a_rule_that_the_driver_never_reaches_is_nobodys_to_take() -> None:
    switched = "34:prove_identity"  # a switch of the channel moves the verification before the table decides
    standard = load("standard")
    assert switched in {rule.name for rule in standard.table.rules}
    assert switched not in {item.label for item in measure_coverage(standard, NOTHING).rules}
    staying = OWN.replace(
        b"fallbacks:\n",
        b"  - {when: {channel_change: switched, verification: verified, risk: high}, do: refuse}\n"
        b"  - {phase: caller, when: {credential: expired, account: deceased}, do: refuse}\n"
        b"  - {phase: caller, when: {credential: expired, account: [deceased, unknown]}, do: refuse}\nfallbacks:\n",
    )
    own = [item for item in measure_coverage(load("own.yaml", text=staying), NOTHING).rules if "refuse" in item.label]
    assert [item.index for item in own] == [3]


def test_nothing_to_answer_for_is_all_taken() -> None:
    text = OWN[: OWN.index(b"machines:")].replace(b", held: on_hold", b"") + OWN[OWN.index(b"fallbacks:") :]
    policy = load("own.yaml", text=text)
    covered = measure_coverage(policy, NOTHING)
    assert covered.transitions == ()
    assert covered.percent(covered.transitions) == 100.0
    assert covered.min_percent == 0.0, "of the rules that it changes none is taken"


def test_a_line_that_is_overridden_wholly_is_nobodys_to_take() -> None:
    text = OWN.replace(
        b"    transitions:\n", b"    transitions:\n      - {trigger: reinstated, source: '*', dest: normal}\n"
    )
    counted = [
        item
        for item in measure_coverage(load("own.yaml", text=text), NOTHING).transitions
        if "reinstated" in item.label
    ]
    assert [item.origin for item in counted] == ["own.yaml:10"]
