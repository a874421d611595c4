"""Results of a policy's scenarios and their coverage, as text, JSON and JUnit XML.

The JUnit XML follows the schema of Ant's JUnit task element by element, which CI servers read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.testing.coverage import measure_coverage
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.core.policy import Policy
    from authguard.policy.problem import Problem
    from authguard.policy.testing.coverage import Coverage, CoverageItem
    from authguard.policy.testing.part_coverage import PartCoverage
    from authguard.policy.testing.scenario import Scenario, ScenarioResult, ScenarioRun

#: characters that no XML 1.0 document may contain, escaped or not
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class PolicyTestReport(Struct, frozen=True, kw_only=True):
    """The results of the scenarios of one policy.

    Attributes:
        source: the policy as requested: a shipped name or a path.
        policy: the compiled policy.
        run: the results of the scenarios that could be parsed.
        problems: the problems of the scenarios that could not be parsed.
        coverage: the coverage of the policy.
        parts: the coverage of its parts, if it was asked for.
    """

    source: str
    policy: Policy
    run: ScenarioRun
    problems: tuple[Problem, ...]
    coverage: Coverage
    parts: PartCoverage | None = None

    @property
    def passed(self) -> bool:
        """Return whether every scenario was parsed and gave the expected answer."""
        return not self.run.failed and not self.problems


def run_tests(source: str) -> PolicyTestReport:
    """Run the scenarios of a policy.

    Args:
        source: a shipped name or a path.

    Raises:
        PolicyError: the policy itself has errors.
    """
    policy = load(source)
    scenarios, problems = parse_policy_scenarios(source, policy)
    run = run_scenarios(policy, scenarios)
    return PolicyTestReport(
        source=source, policy=policy, run=run, problems=problems, coverage=measure_coverage(policy, run)
    )


def parse_policy_scenarios(source: str, policy: Policy) -> tuple[tuple[Scenario, ...], tuple[Problem, ...]]:
    """Parse the scenarios beside a policy: the valid ones, and the problems of the others.

    Args:
        source: a shipped name or a path.
        policy: the policy.
    """
    folder = locator.scenarios_folder(locator.resolve_source(source))
    typed = Path(source).parent / folder.name
    named = typed if typed.resolve() == folder.resolve() else folder  # messages name a place as it was typed
    return parse_scenarios(named.glob("*.yaml"), policy)


def format_summary(report: PolicyTestReport) -> str:
    """Format one line with the number of scenarios that pass and their coverage."""
    results, covered = report.run.results, report.coverage
    transitions, rules = (
        f"{covered.count_covered(items)} of {len(items)}" for items in (covered.transitions, covered.rules)
    )
    return (
        f"{report.source}: {len(results) - len(report.run.failed)} of {len(results)} scenarios pass; "
        f"they cover {transitions} transitions and {rules} rules of its own ({covered.inherited} are inherited)"
    )


def format_failure(result: ScenarioResult) -> str:
    """Format one line about a failed scenario."""
    return f"{result.scenario.place}: failed: {result.scenario.title}: {'; '.join(result.differences)}"


def format_uncovered(item: CoverageItem) -> str:
    """Format one line about an uncovered transition or rule."""
    return f"{item.origin}: no scenario covers {item.kind} {item.label}"


def format_idle(item: CoverageItem) -> str:
    """Format one line about a condition that says nothing."""
    return f"{item.origin}: {item.kind} {item.label} says nothing: without it alone, every answer is the same"


def as_json(report: PolicyTestReport) -> dict[str, Any]:
    """Return scenarios, problems and coverage as JSON values."""
    covered = report.coverage
    return {
        "policy": report.source,
        "name": report.policy.name,
        "digest": report.policy.digest,
        "passed": report.passed,
        "scenarios": [
            {
                "name": result.scenario.name,
                "variant": result.scenario.variant,
                "file": result.scenario.place.file,
                "line": result.scenario.place.line,
                "passed": not result.differences,
                "differences": list(result.differences),
                "answers": [
                    {
                        "outcome": answer.outcome,
                        "fallback": answer.fallback,
                        "reason": answer.reason,
                        "rule": answer.rule.name if answer.rule else "",
                        "conditions": dict(answer.conditions),
                    }
                    for answer in result.answers
                ],
                "states": dict(result.states),
            }
            for result in report.run.results
        ],
        "problems": [
            {
                "code": problem.code,
                "file": problem.place.file,
                "line": problem.place.line,
                "message": problem.message,
                "advice": problem.advice,
            }
            for problem in report.problems
        ],
        "coverage": {
            "transitions": _share(covered, covered.transitions),
            "rules": _share(covered, covered.rules),
            "inherited": covered.inherited,
            "uncovered": [{"kind": item.kind, "is": item.label, "at": item.origin} for item in covered.uncovered],
        },
    }


def parts_as_json(parts: PartCoverage) -> dict[str, Any]:
    """Return the coverage of the parts of a policy as JSON values."""
    return {
        "covered": parts.total - len(parts.uncovered),
        "of": parts.total,
        "percent": round(parts.percent, 2),
        "uncovered": [{"kind": item.kind, "is": item.label, "at": item.origin} for item in parts.uncovered],
        "idle": [{"kind": item.kind, "is": item.label, "at": item.origin} for item in parts.idle],
    }


def _share(covered: Coverage, items: tuple[CoverageItem, ...]) -> dict[str, float]:
    return {"covered": covered.count_covered(items), "of": len(items), "percent": round(covered.percent(items), 2)}


def as_junit(reports: Sequence[PolicyTestReport], at: str) -> str:
    """Format a JUnit report: one suite per policy, one case per scenario.

    Args:
        reports: one report per policy.
        at: the time of the run, ``2026-01-31T23:59:59`` (the schema has no time zone).
    """
    root = ET.Element("testsuites")
    for index, report in enumerate(reports):
        root.append(_suite(report, index, at))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: PolicyTestReport, index: int, at: str) -> ET.Element:
    results, problems = report.run.results, report.problems
    suite = ET.Element(
        "testsuite",
        {
            "id": str(index),
            "package": _text(report.policy.name),
            "name": _text(report.source),
            "timestamp": at,
            "hostname": "localhost",
            "tests": str(len(results) + len(problems)),
            "failures": str(len(report.run.failed)),
            "errors": str(len(problems)),
            "time": "0",
        },
    )
    properties = ET.SubElement(suite, "properties")
    covered = report.coverage
    for name, items in (("transitions", covered.transitions), ("rules", covered.rules)):
        ET.SubElement(properties, "property", {"name": f"coverage.{name}", "value": f"{covered.percent(items):.2f}"})
    for result in results:
        case = _case(suite, report, result.scenario.title)
        if result.differences:
            failure = ET.SubElement(
                case, "failure", {"type": "expectation", "message": _text("; ".join(result.differences))}
            )
            failure.text = _text(format_failure(result))
    for problem in problems:
        case = _case(suite, report, f"{problem.place}: {problem.message}")
        error = ET.SubElement(case, "error", {"type": problem.code, "message": _text(problem.message)})
        error.text = _text(str(problem))
    ET.SubElement(suite, "system-out").text = "\n".join(map(_text, _lines(report)))
    ET.SubElement(suite, "system-err")
    return suite


def _lines(report: PolicyTestReport) -> Iterable[str]:
    yield format_summary(report)
    yield from map(format_uncovered, report.coverage.uncovered)


def _case(suite: ET.Element, report: PolicyTestReport, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"name": _text(name), "classname": _text(report.policy.name), "time": "0"})


def _text(typed: str) -> str:
    """Put text on one line and replace the characters that XML forbids; ElementTree escapes the rest."""
    return _NO_XML.sub("\ufffd", " ".join(typed.split()))
