"""Every policy that ships proves, passes its own scenarios, and its README tells the truth about it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from scripts import readmes

from authguard.core.outcomes import Outcome
from authguard.errors import MachineFaultError
from authguard.policy import compiler
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.table.boxes import BoxCoverage, Space, count, intersect, is_empty, reach
from authguard.policy.testing import report
from authguard.policy.testing.report import format_failure, format_uncovered
from authguard.policy.testing.scenario import format_line, run_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft
    from authguard.policy.testing.scenario import Scenario

SHIPPED = sorted(locator.shipped_policies())
EXAMPLES = [name for name in SHIPPED if name != "standard"]
#: each is loaded once, and played once
load, run_tests = cache(compiler.load), cache(report.run_tests)
POLICIES = Path(__file__).parents[2] / "policies"
#: the app speaks, or spoke
WORDLESS = {Outcome.ALLOW, Outcome.RESTRICT, Outcome.REPEAT}
#: what is said while somebody is on the telephone
SPOKEN = {Outcome.CHALLENGE, Outcome.VERIFY, Outcome.STEP_UP, Outcome.HOLD, Outcome.HANDOFF}


def test_the_shipped_policies_are_these() -> None:
    assert SHIPPED == ["banking", "insurance", "shopping-agent", "standard", "support-desk", "telecom", "telehealth"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_policy_has_nothing_to_refuse(name: str) -> None:
    reading = load_draft(name)
    assert reading.draft is not None
    problems = (*reading.problems, *run_checks(reading.draft))
    assert [str(problem) for problem in problems if problem.severity == "error"] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_policy_is_proved_with_little_work(name: str) -> None:
    policy = load(name)
    proof = reach(policy.table.rules, Space(policy.table.values))
    assert isinstance(proof, BoxCoverage)
    assert proof.gap == ()
    assert sum(count(box) for boxes in proof.reaches for box in boxes) == count(Space(policy.table.values).whole)
    assert proof.nodes < 2_000, "far from the budget, so that what a deployment adds stays provable"


@pytest.mark.parametrize("name", SHIPPED)
def test_its_scenarios_pass_and_take_all_that_it_is_answerable_for(name: str) -> None:
    one = run_tests(name)
    assert [str(problem) for problem in one.problems] == []
    assert [format_failure(result) for result in one.run.failed] == []
    assert [format_uncovered(piece) for piece in one.coverage.uncovered] == []
    asked = {step.ask.operation for result in one.run.results for step in result.scenario.steps if step.ask}
    assert asked >= {operation.name for operation in one.policy.operations}


@pytest.mark.parametrize("name", SHIPPED)
def test_deleting_any_one_of_its_transitions_or_rules_is_caught(name: str) -> None:
    draft = load_draft(name).draft
    assert draft is not None
    scenarios = [result.scenario for result in run_tests(name).run.results]
    idle = _idle_rules(name)
    deletions = [one for one in _deletions(draft) if one[0] not in idle]
    assert len(idle) <= 2, "one of them answers reads that skip the account's phase"
    own = [index for index in range(len(draft.rules)) if draft.place(f"decisions[{index}]").file == draft.place().file]
    assert len(deletions) >= len(own) - len(idle)
    assert [what for what, shorter in deletions if not _is_caught(shorter, scenarios)] == []


def _idle_rules(name: str) -> set[str]:
    """Give the rules of cells that no request brings about: they guard against the machines of other policies."""
    one = run_tests(name)
    counted = {item.index for item in one.coverage.rules}
    own = [rule for rule in one.policy.table.rules if rule.origin.startswith(f"{one.policy.file}:")]
    return {f"rule {rule.name} ({rule.origin})" for rule in own if rule.index not in counted}


def _deletions(draft: Draft) -> Iterator[tuple[str, Draft]]:
    """Give the policy without each of the rules and transitions that its own file holds, one at a time."""
    own = draft.place().file
    for index, rule in enumerate(draft.rules):
        if draft.place(f"decisions[{index}]").file == own:
            kept = (*draft.rules[:index], *draft.rules[index + 1 :])
            rules = tuple(replace(other, index=place) for place, other in enumerate(kept))
            yield f"rule {rule.name} ({rule.origin})", replace(draft, rules=rules)
    for machine, spec in draft.machines.items():
        for index, line in enumerate(spec.lines):
            if draft.place(f"machines.{machine}.transitions[{index}]").file == own:
                shorter = replace(spec, lines=(*spec.lines[:index], *spec.lines[index + 1 :]))
                yield f"{machine}: {format_line(line)}", replace(draft, machines={**draft.machines, machine: shorter})


def _is_caught(draft: Draft, scenarios: list[Scenario]) -> bool:
    """Whether a scenario fails, or the checker refuses the policy; asked in the order of their cost."""
    try:
        if run_scenarios(compile_draft(draft), scenarios).failed:
            return True
    except MachineFaultError:
        pass  # a hole or a cell without a rule: the checker says so before anything runs
    return any(problem.severity == "error" for problem in run_checks(draft))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_answer_that_a_customer_can_get_has_words_in_english_and_german(name: str) -> None:
    policy = load(name)
    spoken = policy.channels.declared and "voice" in policy.channels.trusts
    for fallback in policy.fallbacks.values():
        if fallback.kind in WORDLESS or fallback.name == "ask_scope":  # the app's own fault, and not the customer's
            continue
        if fallback.name == "waiting":  # in the words of the hold that it waits for
            continue
        assert {language for language, _ in fallback.message.texts} == {"", "de"}, fallback.name
        if spoken and fallback.kind in SPOKEN:
            assert {("", "voice"), ("de", "voice")} <= fallback.message.texts.keys(), fallback.name


@pytest.mark.parametrize("name", EXAMPLES)
def test_desks_that_differ_by_the_account_use_the_same_words(name: str) -> None:
    desks = [one for one in load(name).fallbacks.values() if one.kind is Outcome.HANDOFF]
    assert len({tuple(sorted(desk.message.texts.items())) for desk in desks}) == 1, (
        "words would tell what the account says"
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_its_readme_is_in_step_with_it(name: str) -> None:
    assert (POLICIES / name / "README.md").read_text(encoding="utf-8") == readmes.readme(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_readme_names_every_operation_as_the_policy_has_it(name: str) -> None:
    text = (POLICIES / name / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    for operation in load(name).operations:
        assert (operation.match.path or operation.match.websocket) in rows[operation.name]
        assert operation.match.method in rows[operation.name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_person_wrote_in_its_readme_names_no_amount_that_the_policy_does_not_have(name: str) -> None:
    written = (POLICIES / name / "README.md").read_text(encoding="utf-8").partition(readmes.MARKER)[0]
    limits = [limit for operation in load(name).operations for limit in operation.limits]
    format_failure = {number.replace(",", "") for number in re.findall(r"([0-9][0-9,]*) EUR", written)}
    assert format_failure <= {limit.amount for limit in limits}


def test_banking_keeps_the_time_outs_of_nist_sp_800_63b_4() -> None:
    policy = load("banking")
    due = {timer.event: timer.after for timer in policy.timers.declared if timer.event.startswith("session.")}
    assert due["session.idled"] <= 15 * 60, "2.3.3: inactivity at AAL3"
    assert due["session.aged"] <= 12 * 3_600, "2.3.3: overall at AAL3"
    needs = {operation.name: (operation.acr, operation.max_age) for operation in policy.operations}
    assert needs["balance"] == ("aal2", 12 * 3_600), "2.2.3: overall at AAL2 at most 24 h; a session ends after 12"
    assert needs["statement"] == ("aal2", 3_600), "2.2.3: inactivity at AAL2"
    assert {needs[name] for name in ("payment", "payee")} == {("aal3", 300)}
    assert [one.count for one in policy.fallbacks["await_approval"].approvers] == [2], "four eyes"


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_nobody_named_is_refused(name: str) -> None:
    policy = load(name)
    assert not policy.admits_unnamed
    assert policy.all_operations == policy.operations


def test_telecom_ranks_a_moved_number_below_a_death() -> None:
    rank = load("telecom").strictness
    assert rank["suspended"] < rank["sim_swap_hold"] < rank["compromised"] < rank["ported_out"] < rank["deceased"]


def test_what_the_example_puts_before_the_standard_rules_changes_only_which_desk_takes_over() -> None:
    standard, example = load("standard"), load("support-desk")
    space = Space(standard.table.values)
    proofs = [reach(policy.table.rules, space) for policy in (standard, example)]
    decided, deciding = (proof.reaches for proof in proofs if isinstance(proof, BoxCoverage))
    added = [rule for rule in example.table.rules if not rule.origin.startswith("standard.yaml")]
    assert len(added) == 2
    for rule in added:
        assert example.fallbacks[rule.do].kind is Outcome.HANDOFF
        before = {
            standard.table.rules[index].do
            for index, boxes in enumerate(decided)
            if any(not is_empty(intersect(box, taken)) for taken in boxes for box in deciding[rule.index])
        }
        assert before == {"to_a_person"}, "nobody is handed over who was to sign in, or learns more than before"


def test_a_deployment_extends_the_example_with_its_own_issuer_and_shorter_timers() -> None:
    text = b"""
authguard: 1
name: mine
extends: support-desk
issuers:
  - {issuer: 'https://idp.example', audience: mine, algorithms: [ES256], keys: discovery}
timers:
  - {event: session.idled, after: 5s, since: last_seen, states: [active]}
"""
    policy = load("mine.yaml", text=text)
    assert set(policy.issuers) == {"https://idp.example"}
    assert [timer.after for timer in policy.timers.declared if timer.event == "session.idled"] == [5.0]
    assert [operation.name for operation in policy.operations] == [
        operation.name for operation in load("support-desk").operations
    ]
