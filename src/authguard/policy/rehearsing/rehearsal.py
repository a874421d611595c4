"""A policy with everything that its scenarios came to, for people and for programs.

The JUnit form keeps to what the schema of Ant's JUnit task takes, element by element, and so to what CI servers read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.rehearsing.coverage import coverage
from authguard.policy.rehearsing.scenario_reader import read_scenarios
from authguard.policy.rehearsing.scenarios import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.policy.compiled import Policy
    from authguard.policy.problems import Problem
    from authguard.policy.rehearsing.coverage import Coverage, Piece
    from authguard.policy.rehearsing.scenarios import Report, Result

#: what no XML 1.0 document may hold, escaped or not
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What the scenarios of one policy came to.

    Attributes:
        source: the policy as it was asked for.
        policy: compiled.
        report: of the scenarios that could be read.
        problems: of those that could not.
        coverage: of all that the policy is answerable for.
    """

    source: str
    policy: Policy
    report: Report
    problems: tuple[Problem, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        """Whether every scenario could be read and came out as expected."""
        return not self.report.failed and not self.problems


def rehearse(source: str) -> Rehearsal:
    """Run the scenarios of a policy.

    Args:
        source: a shipped name or a path.

    Raises:
        PolicyError: the policy itself has errors.
    """
    policy = load(source)
    scenarios, problems = read_scenarios(locator.scenarios(locator.given(source)).glob("*.yaml"), policy)
    report = run(policy, scenarios)
    return Rehearsal(source=source, policy=policy, report=report, problems=problems, coverage=coverage(policy, report))


def summary(rehearsal: Rehearsal) -> str:
    """Say in one line how many scenarios pass and how much they take."""
    results, covered = rehearsal.report.results, rehearsal.coverage
    transitions, rules = (
        f"{covered.taken(pieces)} of {len(pieces)}" for pieces in (covered.transitions, covered.rules)
    )
    return (
        f"{rehearsal.source}: {len(results) - len(rehearsal.report.failed)} of {len(results)} scenarios pass; "
        f"they take {transitions} transitions and {rules} rules of its own ({covered.inherited} are inherited)"
    )


def told(result: Result) -> str:
    """Say in one line how a scenario failed."""
    return f"{result.scenario.place}: failed: {result.scenario.title}: {'; '.join(result.differences)}"


def untaken(piece: Piece) -> str:
    """Say in one line what no scenario takes."""
    return f"{piece.origin}: no scenario takes {piece.kind} {piece.words}"


def as_json(rehearsal: Rehearsal) -> dict[str, Any]:
    """Give everything as plain values: scenarios, problems, coverage."""
    covered = rehearsal.coverage
    return {
        "policy": rehearsal.source,
        "name": rehearsal.policy.name,
        "digest": rehearsal.policy.digest,
        "passed": rehearsal.passed,
        "scenarios": [
            {
                "name": result.scenario.name,
                "variant": result.scenario.variant,
                "file": result.scenario.place.file,
                "line": result.scenario.place.line,
                "passed": not result.differences,
                "differences": list(result.differences),
                "answers": [
                    {"outcome": answer.outcome, "fallback": answer.fallback, "rule": answer.rule.name}
                    for answer in result.answers
                ],
                "states": dict(result.states),
            }
            for result in rehearsal.report.results
        ],
        "problems": [
            {
                "code": problem.code,
                "file": problem.place.file,
                "line": problem.place.line,
                "message": problem.message,
                "advice": problem.advice,
            }
            for problem in rehearsal.problems
        ],
        "coverage": {
            "transitions": _share(covered, covered.transitions),
            "rules": _share(covered, covered.rules),
            "inherited": covered.inherited,
            "untaken": [{"kind": piece.kind, "is": piece.words, "at": piece.origin} for piece in covered.untaken],
        },
    }


def _share(covered: Coverage, pieces: tuple[Piece, ...]) -> dict[str, float]:
    return {"taken": covered.taken(pieces), "of": len(pieces), "percent": round(covered.percent(pieces), 2)}


def as_junit(rehearsals: Sequence[Rehearsal], at: str) -> str:
    """Write a JUnit report: one suite for each policy, one case for each scenario.

    Args:
        rehearsals: of each policy.
        at: when they ran, ``2026-01-31T23:59:59`` (the schema takes no zone).
    """
    root = ET.Element("testsuites")
    for index, rehearsal in enumerate(rehearsals):
        root.append(_suite(rehearsal, index, at))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(rehearsal: Rehearsal, index: int, at: str) -> ET.Element:
    results, problems = rehearsal.report.results, rehearsal.problems
    suite = ET.Element(
        "testsuite",
        {
            "id": str(index),
            "package": _text(rehearsal.policy.name),
            "name": _text(rehearsal.source),
            "timestamp": at,
            "hostname": "localhost",
            "tests": str(len(results) + len(problems)),
            "failures": str(len(rehearsal.report.failed)),
            "errors": str(len(problems)),
            "time": "0",
        },
    )
    properties = ET.SubElement(suite, "properties")
    covered = rehearsal.coverage
    for name, pieces in (("transitions", covered.transitions), ("rules", covered.rules)):
        ET.SubElement(properties, "property", {"name": f"coverage.{name}", "value": f"{covered.percent(pieces):.2f}"})
    for result in results:
        case = _case(suite, rehearsal, result.scenario.title)
        if result.differences:
            failure = ET.SubElement(
                case, "failure", {"type": "expectation", "message": _text("; ".join(result.differences))}
            )
            failure.text = _text(told(result))
    for problem in problems:
        case = _case(suite, rehearsal, f"{problem.place}: {problem.message}")
        error = ET.SubElement(case, "error", {"type": problem.code, "message": _text(problem.message)})
        error.text = _text(str(problem))
    ET.SubElement(suite, "system-out").text = "\n".join(map(_text, _lines(rehearsal)))
    ET.SubElement(suite, "system-err")
    return suite


def _lines(rehearsal: Rehearsal) -> Iterable[str]:
    yield summary(rehearsal)
    yield from map(untaken, rehearsal.coverage.untaken)


def _case(suite: ET.Element, rehearsal: Rehearsal, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", {"name": _text(name), "classname": _text(rehearsal.policy.name), "time": "0"}
    )


def _text(typed: str) -> str:
    """Replace what no XML can hold, and put it on one line, as the schema's names are; the rest is escaped later."""
    return _NO_XML.sub("\ufffd", " ".join(typed.split()))
