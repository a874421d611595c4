"""Coverage: a policy is answerable for what it writes and what it changes, and not for what it inherits as it was."""

from __future__ import annotations

from authguard.policy.compiler import load
from authguard.policy.rehearsing.coverage import coverage
from authguard.policy.rehearsing.scenarios import GIVEN, Report, Scenario, Step, run

NOTHING = Report(results=(), edges=frozenset(), rules=frozenset())

OWN = b"""\
authguard: 1
name: own
extends: standard
issuers: [{issuer: 'https://idp.example', audience: own, algorithms: [ES256], keys: discovery}]
accounts: none
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
  refuse: {kind: deny, say: "No."}
"""


def test_the_standard_policy_is_answerable_for_all_of_itself() -> None:
    covered = coverage(load("standard"), NOTHING)
    assert (len(covered.transitions), len(covered.rules), covered.inherited) == (62, 38, 0)
    assert len(covered.untaken) == 100
    assert covered.least == 0.0
    assert {piece.origin.partition(":")[0] for piece in covered.untaken} == {"standard.yaml"}


def test_a_policy_is_answerable_for_what_it_writes_and_for_what_it_changes() -> None:
    policy = load("own.yaml", text=OWN)
    covered = coverage(policy, NOTHING)
    assert covered.rules[0].origin == "own.yaml:13"
    assert [piece.words.partition(":")[2] for piece in covered.rules] == [
        "to_a_person",
        "prove_identity",
        "prove_otherwise",
        "prove_identity",
    ], "its own, and those that lead to a hand-off where they led to a proof; other words for a denial change nothing"
    own = [piece for piece in covered.transitions if piece.origin.startswith("own.yaml")]
    inherited = [piece for piece in covered.transitions if not piece.origin.startswith("own.yaml")]
    assert [piece.index for piece in own] == [0, 1]
    assert {piece.machine for piece in inherited} == {"account"}
    assert all(piece.sources == {"on_hold"} for piece in inherited), "each that answers for the state that it adds"


def test_an_inherited_transition_counts_only_when_it_is_taken_from_an_added_state() -> None:
    policy = load("own.yaml", text=OWN)

    def missing(state: str) -> set[str]:
        given = {**policy.initial, **GIVEN, "account": state}
        report = run(policy, [Scenario(name="one", given=given, steps=(Step(when=("account.deceased",)),))])
        return {piece.words for piece in coverage(policy, report).untaken}

    deceased = "account: deceased: * -> deceased"
    assert deceased in missing("normal")
    assert deceased not in missing("on_hold")


def test_nothing_to_answer_for_is_all_taken() -> None:
    policy = load("own.yaml", text=OWN[: OWN.index(b"machines:")] + OWN[OWN.index(b"fallbacks:") :])
    covered = coverage(policy, NOTHING)
    assert covered.transitions == ()
    assert covered.percent(covered.transitions) == 100.0
    assert covered.least == 0.0, "of the rules that it changes none is taken"


def test_a_line_that_is_overridden_wholly_is_nobodys_to_take() -> None:
    text = OWN.replace(
        b"    transitions:\n", b"    transitions:\n      - {trigger: reinstated, source: '*', dest: normal}\n"
    )
    counted = [
        piece for piece in coverage(load("own.yaml", text=text), NOTHING).transitions if "reinstated" in piece.words
    ]
    assert [piece.origin for piece in counted] == ["own.yaml:10"]
