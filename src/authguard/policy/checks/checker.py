"""Check a whole policy: return every problem as a value, and the proof's counts if there is no error.

The command line, the `pre-commit` hooks and programs get the same values.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from authguard.policy.checks.flags import describe_polarities
from authguard.policy.checks.policy_search import find_policies
from authguard.policy.checks.registry import run_checks
from authguard.policy.checks.table import ProofCounts, count_proved
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import POLICY_FILENAME, is_shipped_name
from authguard.policy.loading.yaml_scalar import MAX_PROBLEMS
from authguard.policy.problem import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from authguard.policy.draft import Draft


class CheckResult(Struct, frozen=True, kw_only=True):
    """The result of checking one policy.

    Attributes:
        source: the requested policy: a shipped name or a path.
        name: the policy's name; empty if the file cannot be parsed.
        digest: SHA-256 (hex) of the merged document in canonical form; empty if the file cannot be parsed.
        problems: errors and notes in the order of the files.
        figures: counts of what was proved; ``None`` if there is an error.
        flags: flag -> ``restricts`` or ``permits``; empty if there is an error.
        draft: the merged document; ``None`` if a file cannot be parsed or validated.
    """

    source: str
    name: str = ""
    digest: str = ""
    problems: tuple[Problem, ...]
    figures: ProofCounts | None = None
    flags: Mapping[str, str] = {}
    draft: Draft | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that are errors."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def is_usable(self) -> bool:
        """Return whether an app may start with the policy."""
        return self.figures is not None

    def with_problems(self, more: Iterable[Problem]) -> CheckResult:
        """Return a copy with more problems; an error among them makes the policy unusable."""
        problems = _sorted((*self.problems, *more))
        refused = any(problem.severity == "error" for problem in problems)
        return replace(self, problems=problems, figures=None if refused else self.figures)


def check(source: str | Path, *, text: bytes | None = None) -> CheckResult:
    """Read a policy and run all checks; a bad policy never raises.

    Args:
        source: a shipped name (``standard``, ``support-desk``) or the path of a file.
        text: the file's content, if known; `source` then only determines its name and folder.
    """
    reading = load_draft(source, text=text)
    problems = _sorted((*reading.problems, *(run_checks(reading.draft) if reading.draft else ())))
    draft = reading.draft
    if draft is None:
        return CheckResult(source=str(source), problems=problems)
    refused = any(problem.severity == "error" for problem in problems)
    return CheckResult(
        source=str(source),
        name=draft.name,
        digest=draft.digest,
        problems=problems,
        figures=None if refused else count_proved(draft),
        flags={} if refused else describe_polarities(draft),
        draft=draft,
    )


def _sorted(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems and keep at most `MAX_PROBLEMS`, errors before notes."""
    found = sorted(dict.fromkeys(problems), key=lambda problem: (problem.place, problem.code, problem.message))
    if len(found) > MAX_PROBLEMS + 1:  # with one more, the parser has already reported that there are more
        kept = sorted(found, key=lambda problem: problem.severity != "error")[:MAX_PROBLEMS]
        message = f"there are more problems than the {MAX_PROBLEMS} that are shown"
        more = Problem(code="too-many-problems", place=found[-1].place, message=message)
        found = [*(problem for problem in found if problem in set(kept)), more]
    return tuple(found)


def check_all(given: str, *, report_skipped: Callable[[str], object] = bool) -> tuple[CheckResult, ...]:
    """Check a shipped name, a file, a policy's folder or a folder of policies.

    Args:
        given: the argument. A folder without a `policy.yaml` means every `policy.yaml` below it.
        report_skipped: called with each place below a folder that was not searched, and the reason.

    Returns:
        One result per policy; a folder without any policy, or too large to be searched, yields one problem.
    """
    path = Path(given)
    if is_shipped_name(given) or not path.is_dir():
        return (check(given),)
    if (path / POLICY_FILENAME).exists() or (path / POLICY_FILENAME).is_symlink():
        return (check(path / POLICY_FILENAME),)
    search = find_policies(path)
    for skipped in search.skipped:
        report_skipped(skipped)
    if search.limit or not search.found:
        message = f"there is {search.limit or 'no policy'} in the folder `{given[:200]}`"
        advice = f"name a folder with a `{POLICY_FILENAME}`"
        problem = Problem(code="file-missing", place=Place(given), message=message, advice=advice)
        return (CheckResult(source=given, problems=(problem,)),)
    return tuple(check(one) for one in search.found)
