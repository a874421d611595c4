"""Every problem code is explained by a policy that has it and the same one without, and both are run."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import authguard.policy
from authguard.cli.policy_app import list_endpoints, load_app
from authguard.policy import catalogue
from authguard.policy.catalogue import MEANINGS, Example, explain_problem, load_examples
from authguard.policy.checks.checker import check
from authguard.policy.checks.route_coverage import match_routes
from authguard.policy.loading import loader, locator
from authguard.policy.testing.parser import parse_scenarios

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.loading.yaml_parser import ParsedYaml
    from authguard.policy.problem import Problem

PACKAGE = Path(authguard.policy.__file__).parent
SHOWN = sorted(code for code, example in load_examples().items() if not example.no_example)


@pytest.fixture(autouse=True)
def shipped_files_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes of the same shipped file give the same tree, so two hundred examples need not parse it anew."""
    monkeypatch.setattr(loader, "parse_yaml", parsed)


READ = loader.parse_yaml


def parsed(data: bytes, file: str, nodes_left: int) -> ParsedYaml:
    return (
        parsed_shipped(data, file)
        if file in {"standard.yaml", "support-desk/policy.yaml"}
        else READ(data, file, nodes_left)
    )


@cache
def parsed_shipped(data: bytes, file: str) -> ParsedYaml:
    return READ(data, file)


def run(
    example: Example, text: str, folder: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> tuple[Problem, ...]:
    """Check an example as the command line would."""
    if example.kind == "scenarios":
        (folder / "example.yaml").write_bytes(example.fill_placeholders(text))
        return parse_scenarios([folder / "example.yaml"], policy)[1]
    if example.kind == "app":
        (folder / "app.py").write_text(text, encoding="utf-8")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, "app", raising=False)
        app = load_app("app:app")
        monkeypatch.delitem(sys.modules, "app")
        draft = check("support-desk").draft
        assert draft is not None
        return match_routes(list_endpoints(app), draft)[1]
    for name, other in example.other_files.items():
        (folder / name).write_text(other, encoding="utf-8")
    if text:
        (folder / "policy.yaml").write_bytes(example.fill_placeholders(text))
        return check(folder / "policy.yaml").problems
    return check(folder / example.checked_path).problems


@pytest.mark.parametrize("code", SHOWN)
def test_the_bad_example_has_its_code_and_the_fixed_one_has_not(
    code: str, tmp_path: Path, support_desk: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load_examples()[code]
    wanted = example.reported_as or code
    bad = run(example, example.bad, tmp_path, support_desk, monkeypatch)
    found = {problem.code for problem in bad}
    assert wanted in found
    errors = {problem.code for problem in bad if problem.severity == "error"}
    assert errors - {wanted} == set(example.other_codes), [str(problem) for problem in bad]
    fixed = run(example, example.fixed, tmp_path, support_desk, monkeypatch)
    assert wanted not in {problem.code for problem in fixed}
    assert [str(problem) for problem in fixed if problem.severity == "error"] == []


def test_every_code_has_an_entry_and_every_entry_a_code() -> None:
    assert set(load_examples()) == set(MEANINGS)


def test_every_code_that_the_source_can_give_has_a_meaning_and_the_other_way_round() -> None:
    given: set[str] = set()
    spelt: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        tables = [node for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "CODES"]
        inside = {id(leaf) for table in tables for leaf in ast.walk(table)}
        for node in ast.walk(tree):
            if id(node) in inside:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                spelt.add(node.value)
            if isinstance(node, ast.Call):
                named = {keyword.arg: keyword.value for keyword in node.keywords}
                first = (
                    node.args[0]
                    if node.args and ast.unparse(node.func).endswith((".note", "_note", "_report", "_RefusedError"))
                    else None
                )
                code = named.get("code", first)
                if isinstance(code, ast.Constant) and ast.unparse(node.func) != "Example":
                    given.add(code.value)
    assert given <= set(MEANINGS), "a code without a meaning"
    assert set(MEANINGS) <= spelt, "a meaning without a code"
    assert len(given) > 50, "the scan sees the source"


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_an_explanation_says_what_the_code_means_and_shows_both_examples(code: str) -> None:
    said, example = explain_problem(code), load_examples()[code]
    assert said.startswith(f"{code}: {MEANINGS[code]}")
    assert example.no_example or "fixed:\n\n    " in said
    assert "\t" not in said
    assert max(map(len, said.splitlines())) < 400


def test_the_meanings_are_one_phrase_each() -> None:
    for code, meaning in MEANINGS.items():
        assert "\n" not in meaning, code
        assert not meaning.endswith("."), code


def test_the_example_header_extends_a_policy_that_ships() -> None:
    assert catalogue.HEADER.splitlines()[-1].partition("extends: ")[2] in locator.shipped_policies()
