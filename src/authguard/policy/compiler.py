"""Compile a checked draft to a `Policy`; raise `PolicyError` for a policy with errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from authguard.core.machine import compile_machine
from authguard.errors import PolicyError
from authguard.policy.assembly import assemble
from authguard.policy.checks.flags import with_polarity
from authguard.policy.checks.proof_file import is_proved
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.locator import is_shipped_name

if TYPE_CHECKING:
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
    return compile_draft(require_sound(load_draft(source, text=text), _find_file(source)))


def _find_file(source: str | Path) -> Path | None:
    """Return the path of a policy file, beside which its proof may be; None for a shipped policy."""
    return None if is_shipped_name(str(source)) else Path(source)


def require_sound(reading: LoadedDraft, file: Path | None = None) -> Draft:
    """Return a loaded draft if its checks find no error, or a proof file says so (`policy.checks.proof_file`).

    Args:
        reading: the loaded draft.
        file: path of the policy file; without one, the checks run.

    Raises:
        PolicyError: the policy has errors. The exception lists errors and notes, ordered by file and line.
    """
    draft = reading.draft
    has_proof = draft is not None and file is not None and is_proved(draft, file)
    found = [*reading.problems, *(run_checks(draft) if draft is not None and not has_proof else ())]
    problems = sorted(found, key=lambda problem: problem.place)
    if draft is None or any(problem.severity == "error" for problem in problems):
        raise PolicyError(problems)
    return draft


def compile_draft(draft: Draft) -> Policy:
    """Compile a draft without errors.

    Raises:
        MachineFaultError: a machine is not total, or differs from its table.
    """
    machines = {name: compile_machine(spec) for name, spec in draft.machines.items()}
    return assemble(draft, machines, with_polarity(draft))
