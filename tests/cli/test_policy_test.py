"""Tests of `authguard policy test`: failures, coverage and formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, INVALID, OK, USAGE

if TYPE_CHECKING:
    from pathlib import Path

OWN = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts:
  - from: claim
    claim: status
    map: {normal: normal, dormant: dormant, minor: minor, delegated: delegated, restricted: restricted,
      locked: locked, suspended: suspended, compromised: compromised, merged: merged,
      deceased: deceased, closed: closed, on_hold: on_hold}
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
machines:
  account:
    states: [on_hold]
    transitions:
      - {trigger: on_hold, source: '*', dest: on_hold}
decisions:
  - {when: {account: on_hold, credential: good, session: active}, do: to_a_person}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
PASSES = "- {name: chats, given: {account: normal}, ask: {operation: chat}, then: {outcome: allow}}\n"
HELD = "- {name: held, when: [account.on_hold], ask: {operation: chat}, then: {outcome: handoff}}\n"
FAILS = "- {name: idles, when: [session.idled], ask: {operation: chat}, then: {outcome: allow}}\n"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "test", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def write(folder: Path, scenarios: str = "", policy: str = OWN) -> str:
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    if scenarios:
        (folder / "scenarios").mkdir()
        (folder / "scenarios" / "one.yaml").write_text(scenarios, encoding="utf-8")
    return str(folder)


def test_it_tells_what_no_scenario_takes_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path, PASSES)
    code, out, err = call(capsys, folder)
    assert (code, err) == (OK, "")
    first, *missing, after = out.splitlines()
    assert after == f"next: authguard policy test {folder}/policy.yaml --generate"
    assert (
        "1 of 1 scenarios pass; they cover 0 of 16 transitions and 0 of 5 rules of its own (90 are inherited)" in first
    )
    assert f"{folder}/policy.yaml:19: no scenario covers rule 22:to_a_person" in missing
    assert f"{folder}/policy.yaml:17: no scenario covers transition account: on_hold: * -> on_hold" in missing
    assert len(missing) == 21


def test_all_names_everything_that_a_long_report_leaves_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = "".join(
        f"  - {{when: {{account: on_hold, limit: {limit}, assurance: {assurance}, channel_change: {channel}}},"
        f" do: to_a_person}}\n"
        for limit in ("within", "exceeded")
        for assurance in ("met", "stale")
        for channel in ("same", "switched", "unknown")
    )
    folder = write(tmp_path, PASSES, OWN.replace("decisions:\n", f"decisions:\n{rules}"))
    code, out, _ = call(capsys, folder)
    assert code == OK
    assert out.count("no scenario covers") == 20
    assert "  and 13 more; --all shows them" in out
    assert call(capsys, "--all", folder)[1].count("no scenario covers") == 16 + 17


def test_it_names_the_scenario_that_fails_and_exits_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, write(tmp_path, PASSES + FAILS))
    assert code == INVALID
    assert "one.yaml:2:3: failed: idles: the outcome is `step_up`, not `allow` (rule 13:sign_in_fresh, standard" in out
    assert "1 of 2 scenarios pass" in out


def test_a_misspelt_scenario_fails_even_where_all_others_pass(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = call(capsys, write(tmp_path, PASSES + FAILS.replace("session.idled", "session.idld")))
    assert code == INVALID
    assert "error[unknown-name]: `session.idld` is not an event; did you mean `session.idled`?" in out
    assert "1 of 1 scenarios pass" in out


def test_a_draft_that_nobody_finished_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, write(tmp_path, PASSES + HELD.replace("handoff", "___")))
    assert code == INVALID
    assert "one.yaml:2:72: error[scenario-unfinished]: the expected answer is missing" in out


def test_too_little_coverage_fails_where_a_share_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = write(tmp_path, PASSES + HELD)
    code, _, err = call(capsys, folder, "--fail-under", "7")
    assert code == INVALID
    assert err == f"{folder}/policy.yaml: scenarios cover 6.2 %, less than 7 %\n"
    assert call(capsys, folder, "--fail-under", "6")[0] == OK
    assert call(capsys, folder, "--fail-under", "101")[0] == USAGE


def test_json_says_everything(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path, PASSES + HELD + FAILS + HELD.replace("handoff", "___").replace("held", "draft"))
    code, out, _ = call(capsys, folder, "--format", "json")
    assert code == INVALID
    whole = json.loads(out)
    assert (set(whole), whole["passed"]) == ({"passed", "policies"}, False)
    (told,) = whole["policies"]
    assert (told["name"], told["passed"]) == ("mine", False)
    assert [one["passed"] for one in told["scenarios"]] == [True, True, False]
    (answer,) = told["scenarios"][1]["answers"]
    assert answer["conditions"]["credential"] == "good"
    del answer["conditions"]
    assert answer == {"outcome": "handoff", "fallback": "to_a_person", "reason": "decided", "rule": "22:to_a_person"}
    assert told["scenarios"][2]["line"] == 3
    assert told["problems"][0]["code"] == "scenario-unfinished"
    assert told["coverage"]["rules"] == {"covered": 1, "of": 5, "percent": 20.0}
    assert told["coverage"]["uncovered"][0]["kind"] == "rule"


def test_the_report_goes_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path, PASSES + FAILS)
    code, out, _ = call(capsys, folder, "--format", "junit", "--output", str(tmp_path / "report.xml"))
    assert (code, out) == (INVALID, "")
    assert (tmp_path / "report.xml").read_text(encoding="utf-8").startswith('<?xml version="1.0" encoding="UTF-8"?>')
    code, _, err = call(capsys, folder, "--output", str(tmp_path / "nowhere" / "report.txt"))
    assert code == FAILED
    assert "cannot be written" in err


def test_it_drafts_what_is_missing_and_overwrites_nobodys_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, file = write(tmp_path), tmp_path / "scenarios" / "draft.yaml"
    file.parent.mkdir()
    code, out, _ = call(capsys, folder, "--generate")
    assert code == OK
    assert out.count("- name: ") == 21
    assert call(capsys, folder, "--generate", "--output", str(file))[0] == OK
    assert file.read_text(encoding="utf-8") == out
    code, _, err = call(capsys, folder, "--generate", "--output", str(file))
    assert code == USAGE
    assert "exists" in err
    code, out, _ = call(capsys, folder)
    assert code == INVALID, "a draft is no scenario"
    assert "error[scenario-unfinished]" in out
    assert call(capsys, folder, "standard", "--generate")[0] == USAGE


def test_a_policy_without_scenarios_does_not_pass_for_tested(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = call(capsys, write(tmp_path))
    assert code == USAGE
    assert "there are no scenarios" in err


def test_without_a_path_it_takes_the_current_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, PASSES)
    monkeypatch.chdir(tmp_path)
    assert call(capsys)[0] == OK


def test_coverage_names_the_parts_that_no_scenario_covers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path, PASSES)
    assert "no scenario covers need" not in call(capsys, folder, "--all")[1]
    code, out, _ = call(capsys, folder, "--coverage", "--all")
    assert code == OK
    assert "no scenario covers condition" in out
    code, out, _ = call(capsys, folder, "--coverage", "--json", "--fail-under", "1")
    parts = json.loads(out)["policies"][0]["coverage"]["parts"]
    assert parts["of"] - parts["covered"] == len(parts["uncovered"]) > 0
    assert {"kind", "is", "at"} == parts["uncovered"][0].keys()


def test_shipped_policies_are_tested_by_their_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "standard", "support-desk", "--fail-under", "100")
    assert code == OK
    assert "scenarios pass; they cover 62 of 62 transitions and 45 of 45 rules of its own (2 are inherited)" in out


def test_mutants_that_no_scenario_notices_are_listed_on_demand(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = write(tmp_path, PASSES + HELD)
    code, plain, _ = call(capsys, folder)
    assert (code, "survives: " in plain) == (OK, False)
    code, out, err = call(capsys, folder, "--mutants")
    assert (code, err) == (OK, "")
    assert "mutants are caught" in out
    assert "policy.yaml:12: survives: scopes-emptied operations[0].scopes: [chat] -> []" in out
    assert out.splitlines()[-2].startswith("not exercised by scenarios: ")
    assert out.splitlines()[-1].endswith(" --generate")  # what no scenario covers comes first


AGENTS = """\
authguard: 1
name: agents
extends: support-desk
agents: [helper]
"""


def test_mutants_count_for_the_lowest_permitted_share(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path, PASSES, AGENTS)
    assert call(capsys, folder, "--fail-under", "100")[0] == OK  # the file has no transitions and no rules
    code, out, err = call(capsys, folder, "--mutants", "--fail-under", "100", "--json")
    assert code == INVALID
    assert "0.0 % of the mutants are caught, less than 100 %" in err
    mutants = json.loads(out)["policies"][0]["coverage"]["mutants"]
    assert (mutants["covered"], mutants["of"], mutants["percent"]) == (0, 2, 0.0)
    assert mutants["survivors"][0]["kind"] == "agent-dropped"


def test_the_next_command_proposes_scenarios_for_mutants(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = call(capsys, write(tmp_path, PASSES, AGENTS), "--mutants")[1]
    assert out.splitlines()[-1].startswith("next: authguard policy mutate ")
