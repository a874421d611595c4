"""The report names every survivor with its place, its proposal, and what no mutant changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.mutation import report
from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.mutation.trial import Fate, Trial, try_mutant
from tests.policy.mutation.desk import DESK, load_desk

if TYPE_CHECKING:
    from pathlib import Path

TIMER = DESK.splitlines().index("  - {event: session.idled, after: 5m, since: last_seen, states: [active]}") + 1


@pytest.fixture
def built(tmp_path: Path) -> report.MutationReport:
    """Give a report with a mutant of each fate."""
    desk = load_desk(tmp_path)
    changes = (
        (("timers", 11), None),
        (("on_fault",), "refuse"),
        (("on_fault",), "read_only"),
        (("decisions", 22, "when"), {"account": ["normal"]}),
        (("invariants", 0), None),
    )
    mutants = [make_mutant("any", desk.tree, path, new) for path, new in changes]
    trials = (*(try_mutant(desk, one) for one in mutants), Trial(mutant=mutants[0], fate=Fate.UNTRIED))
    return report.build_report(desk, trials, found=9, seed=5)


def test_the_summary_counts_every_fate(built: report.MutationReport) -> None:
    assert report.format_summary(built).endswith(
        "policy.yaml: 2 of 4 mutants are caught (50.0 %): 1 by checks, 1 by scenarios; "
        "2 survive, 1 equivalent, 1 untried (a choice of 9, seed 5)"
    )


def test_each_survivor_is_named_with_its_place_and_its_scenario(built: report.MutationReport) -> None:
    lines = list(report.iter_text(built, everything=False))
    assert lines[1].endswith(
        f"policy.yaml:{TIMER}: survives: any timers[11]: {{event: session.idled, after: 5m, since: last_seen, "
        "states: [active]} removed"
    )
    assert lines[2].startswith("    - name: ")
    assert "    no scenario was found that notices it" in lines
    assert lines[-1].startswith("not exercised by scenarios: audit, ")


def test_survivors_are_listed_up_to_a_bound(built: report.MutationReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_SHOWN", 1)
    assert "  and 1 more; --all shows them" in report.iter_text(built, everything=False)
    assert not any("more;" in line for line in report.iter_text(built, everything=True))


def test_the_proposals_are_a_scenario_file(built: report.MutationReport) -> None:
    text = report.format_proposals(built)
    parsed = parse_yaml(text.encode(), "proposed.yaml", listed=True)
    assert parsed.problems == ()
    assert len(parsed.tree.items()) == 1
    assert "# no scenario was found that notices it" in text


def test_json_has_each_mutant_and_the_counts(built: report.MutationReport) -> None:
    values = report.as_values(built)
    assert values["fates"] == {"refused": 1, "noticed": 1, "equivalent": 1, "survived": 2, "untried": 1}
    assert (values["found"], values["tried"], values["caught"], values["percent"]) == (9, 5, 2, 50.0)
    assert values["kinds"] == {"any": {"equivalent": 1, "noticed": 1, "refused": 1, "survived": 2, "untried": 1}}
    first = values["mutants"][0]
    assert (first["fate"], first["line"], first["path"]) == ("survived", TIMER, "timers[11]")
    assert first["scenario"].startswith("- name: ")


def test_nothing_to_try_counts_as_caught(built: report.MutationReport) -> None:
    nothing = report.build_report(built.original, (), found=0, seed=0)
    assert nothing.percent == 100.0
