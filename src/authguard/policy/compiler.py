"""Compile a checked draft to a `Policy`; raise `PolicyError` for a policy with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.machine import compile_machine
from authguard.errors import PolicyError
from authguard.policy.assembly import assemble
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft
    from authguard.policy.loading.loader import LoadedDraft


def load(source: str | Path, *, text: bytes | None = None) -> Policy:
    """Load, check and compile a policy.

    Args:
        source: a shipped name (``standard``, ``support-desk``) or a path.
        text: content of the file; if given, `source` only names the file and its folder.

    Raises:
        PolicyError: the policy has errors. The exception lists errors and notes, ordered by file and line.
    """
    return compile_draft(require_sound(load_draft(source, text=text)))


def require_sound(reading: LoadedDraft) -> Draft:
    """Return a loaded draft if its checks find no error.

    Raises:
        PolicyError: the policy has errors. The exception lists errors and notes, ordered by file and line.
    """
    found = [*reading.problems, *(run_checks(reading.draft) if reading.draft else ())]
    problems = sorted(found, key=lambda problem: problem.place)
    if reading.draft is None or any(problem.severity == "error" for problem in problems):
        raise PolicyError(problems)
    return reading.draft


def compile_draft(draft: Draft) -> Policy:
    """Compile a draft without errors.

    Raises:
        MachineFaultError: a machine is not total, or differs from its table.
    """
    machines = {name: compile_machine(spec) for name, spec in draft.machines.items()}
    return assemble(draft, machines)
