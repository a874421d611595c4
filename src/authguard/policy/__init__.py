"""The policy language: load, check and compile policy files.

Public names are imported lazily, so that a compiled policy does not import the YAML parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authguard.policy.catalogue import explain_problem
    from authguard.policy.checks.checker import CheckResult, check, check_all
    from authguard.policy.compiler import compile_draft, load
    from authguard.policy.explain.explainer import explain_decision
    from authguard.policy.loading.loader import LoadedDraft, load_draft
    from authguard.policy.problem import Place, Problem
    from authguard.policy.render.check_report import as_github, as_json
    from authguard.policy.render.sarif import as_sarif
    from authguard.policy.schema.json_schema import policy_schema, scenario_schema
    from authguard.policy.testing.report import PolicyTestReport, run_tests

__all__ = [
    "CheckResult",
    "LoadedDraft",
    "Place",
    "PolicyTestReport",
    "Problem",
    "as_github",
    "as_json",
    "as_sarif",
    "check",
    "check_all",
    "compile_draft",
    "explain_decision",
    "explain_problem",
    "load",
    "load_draft",
    "policy_schema",
    "run_tests",
    "scenario_schema",
]

#: public name -> its module; no name equals a module's name, because importing that module would replace the name
_HOMES = {
    "CheckResult": "checks.checker",
    "Place": "problem",
    "Problem": "problem",
    "LoadedDraft": "loading.loader",
    "PolicyTestReport": "testing.report",
    "as_github": "render.check_report",
    "as_json": "render.check_report",
    "as_sarif": "render.sarif",
    "check": "checks.checker",
    "check_all": "checks.checker",
    "compile_draft": "compiler",
    "explain_decision": "explain.explainer",
    "explain_problem": "catalogue",
    "load": "compiler",
    "policy_schema": "schema.json_schema",
    "load_draft": "loading.loader",
    "run_tests": "testing.report",
    "scenario_schema": "schema.json_schema",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    from importlib import import_module  # noqa: PLC0415 - imported on first use

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
