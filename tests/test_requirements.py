"""The ledger and the tests say the same: no entry without a test that runs, no test of the ledger without an entry."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.requirements import Requirement, attacks, attacks_of, requirements

TESTS = Path(__file__).parent
#: how a source may begin: somebody who described the attack, or the rule that it breaks
SOURCE = re.compile(
    r"(CVE-\d{4}-\d+|GHSA(-[0-9a-z]{4}){3}|RFC \d{4} \d|draft-[a-z0-9-]+ \d|OIDC \w+ \d|WIRE \d|ASVS \d|"
    r"FIELD \d|ROCA|Wycheproof|NIST )"
)
LEAST = 100


def _played() -> list[tuple[str, str]]:
    """Give (id, test) for every test of `tests/advisories/`; the id is empty where a test names none."""
    found: list[tuple[str, str]] = []
    for path in sorted((TESTS / "advisories").glob("test_*.py")):
        module = importlib.import_module(f"tests.advisories.{path.stem}")
        for name, value in vars(module).items():
            if name.startswith("test_") and callable(value):
                found += [(each, f"{path.stem}::{name}") for each in attacks_of(value) or ("",)]
    return found


def test_every_attack_of_the_ledger_is_played_by_a_test() -> None:
    assert {entry.id for entry in attacks()} - {name for name, _ in _played()} == set()


def test_every_test_of_the_ledger_plays_an_entry() -> None:
    known = {entry.id for entry in attacks()}
    assert [test for name, test in _played() if name not in known] == []


def test_no_test_of_the_ledger_is_skipped_or_expected_to_fail() -> None:
    for path in (TESTS / "advisories").glob("*.py"):
        assert not re.search(r"\b(skip|skipif|xfail|importorskip)\b", path.read_text("utf-8")), path.name


def test_every_attack_is_one_of_its_own_with_a_source_that_can_be_looked_up() -> None:
    found = attacks()
    assert [name for name, times in Counter(entry.id for entry in found).items() if times > 1] == []
    assert [text for text, times in Counter(entry.attack for entry in found).items() if times > 1] == []
    pairs = Counter(entry.source for entry in found)
    assert [source for source, times in pairs.items() if times > 1] == []
    assert [entry.id for entry in found if not SOURCE.match(entry.source)] == []
    assert len(found) >= LEAST


@pytest.mark.parametrize("requirement", requirements(), ids=lambda found: found.source)
def test_every_requirement_is_held_by_tests_that_exist(requirement: Requirement) -> None:
    known = {entry.id for entry in attacks()}
    assert requirement.tests
    for name in requirement.tests:
        if name.startswith("attack:"):
            assert name.removeprefix("attack:") in known
            continue
        path, _, test = name.partition("::")
        tree = ast.parse((TESTS.parent / path).read_text("utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in names, name
