"""Reports of policy checks as SARIF 2.1.0 (OASIS), for code scanning and editors.

Problem codes are SARIF rules, and problems are results. Columns count code points, as in the YAML parser.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from authguard.policy.render.check_report import problem_as_json, relative_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.policy.checks.checker import CheckResult
    from authguard.policy.problem import Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
#: severity -> level of a result (SARIF 2.1.0, 3.27.10)
_LEVELS: Final = {"error": "error", "note": "note"}


def as_sarif(checked: Sequence[CheckResult], meanings: Mapping[str, str], version: str) -> str:
    """Format check results as one indented SARIF log.

    Args:
        checked: results, in the order of the command line.
        meanings: problem code -> one sentence.
        version: version of authguard.
    """
    problems = [problem for one in checked for problem in one.problems]
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "authguard",
        "semanticVersion": version,
        "rules": [_rule(code, meanings.get(code, code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(problem, codes.index(problem.code)) for problem in problems],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode()


def _rule(code: str, meaning: str) -> dict[str, Any]:
    plain = meaning.replace("`", "")
    return {
        "id": code,
        "shortDescription": {"text": plain[:1].upper() + plain[1:]},
        "help": {"text": f"Run: authguard policy check --explain {code}"},
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    place = problem.place
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
    if place.line:
        location["region"] = {"startLine": place.line, **({"startColumn": place.column} if place.column else {})}
    members = problem_as_json(problem)
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _LEVELS.get(problem.severity, "warning"),
        "message": {"text": problem.describe()},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"authguardProblem/v1": _fingerprint(problem)},
        "properties": {key: members[key] for key in ("advice", "box", "cell", "path")},
    }
    if problem.path:
        steps = [{"location": {"message": {"text": event}}} for event in problem.path]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _uri(file: str) -> str:
    """Return a path as a URI reference, relative if possible, so that a log is valid on other machines."""
    path = relative_path(file)
    if PurePath(path).is_absolute():
        return PurePath(path).as_uri()
    return quote(path)


def _fingerprint(problem: Problem) -> str:
    """Return a fingerprint that is stable when lines move: a hash of code, file name and message."""
    identity = f"{problem.code}\n{PurePath(problem.place.file).name}\n{problem.message}"
    return sha256(identity.encode()).hexdigest()
