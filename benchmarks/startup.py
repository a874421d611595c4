"""Processor time of a start: the proof of a policy, the whole check as a command, and the import.

Waiting is not counted: neither for other processes nor for the disk. Fresh interpreters have their compiled modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft
from authguard.policy.loading.loader import load_draft
from benchmarks.large_policy import large_policy
from benchmarks.rounds import Spread
from benchmarks.warm import UnfairError

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

SECONDS: Final = 60
BARE: Final = "import starlette.applications, starlette.middleware, starlette.requests, starlette.responses"
IMPORT: Final = """\
from time import process_time
{before}
start = process_time()
{what}
print((process_time() - start) * 1000)
"""
#: modules that load when a guard is built are loaded here at the latest
STANDING: Final = """\
from authguard import AuthGuard
AuthGuard(None, policy="support-desk", store="memory", pseudonym_key=bytes(32), environ={})
"""


def proof(times: int) -> Spread:
    """Time the proof of the standard policy after parsing: every check and the compilation; milliseconds."""
    draft = load_draft("standard").draft
    if draft is None:
        raise UnfairError("the standard policy cannot be read")
    return _proof(draft, times)


def large(times: int) -> Spread:
    """Time the proof of a large policy whose machines raise events in each other; milliseconds."""
    return _proof(large_policy(), times)


def _proof(draft: Draft, times: int) -> Spread:
    taken = []
    for _ in range(times):
        fresh = replace(draft)  # results of checks are cached by the draft's identity
        start = process_time()
        problems = run_checks(fresh)
        compile_draft(fresh)
        taken.append((process_time() - start) * 1000)
        if any(problem.severity == "error" for problem in problems):
            raise UnfairError("the policy is not proved")
    return Spread.of(taken)


def command(times: int) -> Spread:
    """Time `authguard policy check standard` as a process; milliseconds."""
    script = str(Path(sys.executable).with_name("authguard"))
    taken = []
    for _ in range(times):
        process = subprocess.Popen([script, "policy", "check", "standard"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise UnfairError("the standard policy is not accepted")
        taken.append((used.ru_utime + used.ru_stime) * 1000)
    return Spread.of(taken)


def importing(times: int) -> Spread:
    """Time the import in fresh interpreters that have imported Starlette; milliseconds."""
    return _fresh("from authguard import AuthGuard", times)


def standing(times: int) -> Spread:
    """Time the import and the building of a guard, its policy read and proved; milliseconds."""
    return _fresh(STANDING, times)


def _fresh(what: str, times: int) -> Spread:
    program = IMPORT.format(before=BARE, what=what)
    taken = []
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=SECONDS)
        taken.append(float(done.stdout))
    return Spread.of(taken)
