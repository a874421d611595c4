"""Reports of policy checks as JSON and as GitHub Actions workflow commands.

The JSON format is stable: keys may be added, but are never renamed or removed without a new `format` number.
SARIF reports are in `authguard.policy.render.sarif`.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.checks.checker import CheckResult
    from authguard.policy.problem import Problem

#: version of the JSON format
FORMAT: Final = 1
#: severity -> workflow command
_COMMANDS: Final = {"error": "error", "note": "notice"}


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as JSON values; `line` and `column` start at 1, or are 0 if unknown; `path` may be null."""
    return {
        "code": problem.code,
        "severity": problem.severity,
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "message": problem.message,
        "advice": problem.advice,
        "box": problem.box,
        "cell": dict(problem.cell),
        "path": None if problem.path is None else list(problem.path),
    }


def as_json(checked: Sequence[CheckResult], *, more: Sequence[dict[str, Any]] = ()) -> str:
    """Format check results as one indented JSON document, with keys in a fixed order.

    Args:
        checked: results, in the order of the command line.
        more: further members for each policy, in the same order; may be empty.
    """
    policies = [
        {
            "source": one.source,
            "name": one.name,
            "digest": one.digest,
            "usable": one.is_usable,
            "proved": None
            if one.figures is None
            else {
                "pairs": one.figures.pairs,
                "cells": one.figures.cells,
                "rules": one.figures.rules,
                "invariants": one.figures.invariants,
            },
            **({"flags": dict(one.flags)} if one.flags else {}),
            "problems": [problem_as_json(problem) for problem in one.problems],
            **(more[place] if place < len(more) else {}),
        }
        for place, one in enumerate(checked)
    ]
    document = {"format": FORMAT, "usable": all(one.is_usable for one in checked), "policies": policies}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_github(checked: Sequence[CheckResult]) -> Iterator[str]:
    """Yield one workflow command for each problem, which a pull request shows at its line."""
    for one in checked:
        for problem in one.problems:
            place = problem.place
            where = [f"file={_property(relative_path(place.file))}"] if place.file else []
            where += [f"line={place.line}"] if place.line else []
            where += [f"col={place.column}"] if place.column else []
            where.append(f"title={_property(f'authguard {problem.code}')}")
            yield f"::{_COMMANDS.get(problem.severity, 'warning')} {','.join(where)}::{_data(problem.describe())}"


def relative_path(file: str) -> str:
    """Return a path with slashes, relative to the current folder if it is below that."""
    path = PurePath(file)
    here = Path.cwd()
    return (path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path).as_posix()


def _data(text: str) -> str:
    """Escape the message of a workflow command, which ends at a line break."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command, which ends at a comma or a colon."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
