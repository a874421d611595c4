"""What checking came to, as machines read it: a JSON document, and the workflow commands of GitHub Actions.

The JSON's shape is promised: keys are added, never renamed or taken away, and `format` counts up if that ever breaks.
SARIF has a file of its own (`authguard.policy.render.sarif`).
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.checks.checker import CheckResult
    from authguard.policy.problem import Problem

#: the version of the JSON document's shape
FORMAT: Final = 1
#: severity -> the workflow command that shows it
_COMMANDS: Final = {"error": "error", "note": "notice"}


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Give one problem as JSON values; `line` and `column` count from 1, 0 where unknown; `path` may be null."""
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
    """Write one JSON document of all that was checked, indented, keys in a fixed order.

    Args:
        checked: in the order in which they were asked for.
        more: what else belongs to each policy, at the same places; empty where nothing does.
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
            "problems": [problem_as_json(problem) for problem in one.problems],
            **(more[place] if place < len(more) else {}),
        }
        for place, one in enumerate(checked)
    ]
    document = {"format": FORMAT, "usable": all(one.is_usable for one in checked), "policies": policies}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_github(checked: Sequence[CheckResult]) -> Iterator[str]:
    """Write one workflow command for each problem, so that a pull request shows it at its line."""
    for one in checked:
        for problem in one.problems:
            place = problem.place
            where = [f"file={_property(relative_path(place.file))}"] if place.file else []
            where += [f"line={place.line}"] if place.line else []
            where += [f"col={place.column}"] if place.column else []
            where.append(f"title={_property(f'authguard {problem.code}')}")
            yield f"::{_COMMANDS.get(problem.severity, 'warning')} {','.join(where)}::{_data(problem.describe())}"


def relative_path(file: str) -> str:
    """Write a file's path relative to the current folder where it lies below it, with slashes."""
    path = PurePath(file)
    here = Path.cwd()
    return (path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path).as_posix()


def _data(text: str) -> str:
    """Escape the message of a workflow command: it ends with its line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command: commas part properties, colons end them."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
