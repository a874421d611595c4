"""Try mutants of a policy: which ones `policy check` refuses, which ones a scenario notices, and which ones survive."""

from __future__ import annotations

from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.errors import MachineFaultError, PolicyError
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft, require_sound
from authguard.policy.loading.loader import load_draft, load_merged
from authguard.policy.mutation.equivalence import are_equivalent
from authguard.policy.mutation.kinds import find_mutants, pick_mutants
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.report import parse_policy_scenarios
from authguard.policy.testing.scenario import run_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft
    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.problem import Problem
    from authguard.policy.testing.scenario import Scenario, ScenarioRun
    from authguard.policy.tree import Node

#: largest number of mutants of one call, and its time in seconds, if the caller names none
MAX_MUTANTS: Final = 2_000
MAX_SECONDS: Final = 300.0


class Fate(StrEnum):
    """What became of a mutant."""

    #: `policy check` refuses it
    REFUSED = "refused"
    #: a scenario fails
    NOTICED = "noticed"
    #: nothing that a request or the clock shows has changed
    EQUIVALENT = "equivalent"
    #: nothing noticed it
    SURVIVED = "survived"
    #: the time was over before its turn
    UNTRIED = "untried"


class Trial(Struct, frozen=True, kw_only=True):
    """The trial of one mutant.

    Attributes:
        mutant: the change.
        fate: what became of it.
        by: the problem code, or the name of the first failing scenario; empty for neither.
        policy: the compiled mutant if nothing noticed it; ``None`` otherwise.
    """

    mutant: Mutant
    fate: Fate
    by: str = ""
    policy: Policy | None = None

    @property
    def is_caught(self) -> bool:
        """Return whether a check or a scenario noticed the mutant."""
        return self.fate in (Fate.REFUSED, Fate.NOTICED)


class Original(Struct, frozen=True, kw_only=True):
    """A policy that passes its checks and scenarios, with what its mutants share.

    Attributes:
        source: a shipped name or a path.
        tree: the merged document.
        draft: its draft.
        policy: compiled.
        scenarios: its scenarios.
    """

    source: str
    tree: Node
    draft: Draft
    policy: Policy
    scenarios: tuple[Scenario, ...]


class FailingPolicyError(Exception):
    """A scenario of the policy itself fails or cannot be parsed, so that its mutants show nothing.

    Attributes:
        problems: of scenarios that cannot be parsed.
        run: the results of the others.
    """

    def __init__(self, problems: tuple[Problem, ...], run: ScenarioRun) -> None:
        self.problems, self.run = problems, run
        super().__init__("the scenarios of the policy itself do not pass")


def load_original(source: str) -> Original:
    """Load a policy and its scenarios.

    Args:
        source: a shipped name or a path.

    Raises:
        PolicyError: the policy has errors.
        FailingPolicyError: its scenarios do not pass.
    """
    loaded = load_draft(source)
    draft = require_sound(loaded)
    if loaded.tree is None:
        raise PolicyError(loaded.problems)
    policy = compile_draft(draft)
    scenarios, problems = parse_policy_scenarios(source, policy)
    run = run_scenarios(policy, scenarios)
    if problems or run.failed:
        raise FailingPolicyError(problems, run)
    return Original(source=source, tree=loaded.tree, draft=draft, policy=policy, scenarios=scenarios)


def try_mutants(
    original: Original,
    *,
    most: int = MAX_MUTANTS,
    seed: int = 0,
    inherited: bool = False,
    seconds: float = MAX_SECONDS,
    clock: Callable[[], float] = perf_counter,
) -> tuple[Trial, ...]:
    """Try mutants of a policy.

    Args:
        original: the policy.
        most: largest number of mutants; a seeded choice if there are more.
        seed: of the choice.
        inherited: whether to change what the policy inherits, too; its base policy's scenarios are to notice that.
        seconds: time after which no further mutant is tried.
        clock: seconds, monotonic.
    """
    found = find_mutants(original.tree, "" if inherited else original.policy.file)
    end = clock() + seconds
    scenarios = list(original.scenarios)
    trials = []
    for mutant in pick_mutants(found, most=most, seed=seed):
        if clock() < end:
            trials.append(try_mutant(original, mutant, scenarios))
        else:
            trials.append(Trial(mutant=mutant, fate=Fate.UNTRIED))
    return tuple(trials)


def try_mutant(original: Original, mutant: Mutant, scenarios: list[Scenario] | None = None) -> Trial:
    """Try one mutant; its scenarios come first, since they cost less than its proofs.

    Args:
        original: the policy.
        mutant: one of its mutants.
        scenarios: its scenarios, in the order in which they are tried; the one that fails moves to the front, since it
            often notices the next mutants, too. ``None`` for their own order.
    """
    ordered = list(original.scenarios) if scenarios is None else scenarios
    loaded = load_merged(original.source, mutant.apply(original.tree), original.draft.changes)
    code = _first_error(loaded.problems)
    if code or loaded.draft is None:
        return Trial(mutant=mutant, fate=Fate.REFUSED, by=code)
    try:
        policy = compile_draft(loaded.draft)
        failing = _first_failure(policy, ordered)
    except (MachineFaultError, KeyError):  # names that do not resolve, holes: the checks report them
        return Trial(mutant=mutant, fate=Fate.REFUSED, by=_first_error(run_checks(loaded.draft)))
    if failing is not None:
        ordered.remove(failing)
        ordered.insert(0, failing)
        return Trial(mutant=mutant, fate=Fate.NOTICED, by=failing.title)
    if code := _first_error(run_checks(loaded.draft)):
        return Trial(mutant=mutant, fate=Fate.REFUSED, by=code)
    is_same = are_equivalent(original.policy, policy)
    return Trial(mutant=mutant, fate=Fate.EQUIVALENT if is_same else Fate.SURVIVED, policy=policy)


def _first_error(problems: Iterable[Problem]) -> str:
    return next((problem.code for problem in problems if problem.severity == "error"), "")


def _first_failure(policy: Policy, scenarios: Iterable[Scenario]) -> Scenario | None:
    """Return the first scenario that the mutant answers otherwise; ``None`` if there is none."""
    deployment = Deployment(policy)
    return next((one for one in scenarios if run_scenarios(policy, (one,), deployment=deployment).failed), None)
