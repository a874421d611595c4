"""The trial of a policy's mutants as text, as JSON values and as a file of proposed scenarios."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from authguard.policy.mutation.proposal import propose_scenario
from authguard.policy.mutation.trial import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.mutation.trial import Original, Trial

#: survivors with their proposals that are shown without `--all`
MAX_SHOWN: Final = 20
#: keys of a policy that no mutant changes, since no scenario can show them
UNEXERCISED: Final = (
    "audit",
    "budget",
    "cors",
    "credentials",
    "invariants",
    "issuers (other than `audience`)",
    "messages",
    "settings",
    "verifiers",
)
_HEADER: Final = """\
# Proposed scenarios: each passes on the policy and fails on the mutant in its comment.
# Keep a scenario only if its answer is what you want, and name it with a sentence.
"""


class MutationReport(Struct, frozen=True, kw_only=True):
    """The trial of all chosen mutants of one policy.

    Attributes:
        original: the policy.
        trials: in the order of the kinds.
        found: number of mutants that were found, of which the trials are a choice.
        seed: of the choice.
        proposals: name of a surviving mutant -> YAML of a scenario that notices it; empty if none was found.
    """

    original: Original
    trials: tuple[Trial, ...]
    found: int
    seed: int
    proposals: dict[str, str]

    def count(self, fate: Fate) -> int:
        """Return the number of mutants with a fate."""
        return sum(trial.fate is fate for trial in self.trials)

    @property
    def survivors(self) -> tuple[Trial, ...]:
        """Return the mutants that nothing noticed."""
        return tuple(trial for trial in self.trials if trial.fate is Fate.SURVIVED)

    @property
    def caught(self) -> int:
        """Return the number of mutants that a check or a scenario noticed."""
        return sum(trial.is_caught for trial in self.trials)

    @property
    def percent(self) -> float:
        """Return the percentage of caught mutants, without those that are equivalent or were not tried."""
        counted = self.caught + len(self.survivors)
        return 100.0 * self.caught / counted if counted else 100.0


def build_report(
    original: Original, trials: tuple[Trial, ...], *, found: int, seed: int, proposes: bool = True
) -> MutationReport:
    """Build the report, with a proposal for each surviving mutant.

    Args:
        original: the policy.
        trials: of its mutants.
        found: number of all its mutants.
        seed: of the choice.
        proposes: whether to search for the proposals.
    """
    survived = (trial for trial in trials if trial.fate is Fate.SURVIVED and proposes)
    proposals = {trial.mutant.name: propose_scenario(original, trial) for trial in survived}
    return MutationReport(original=original, trials=trials, found=found, seed=seed, proposals=proposals)


def format_summary(report: MutationReport) -> str:
    """Format one line with the number of mutants that are caught, and by what."""
    counts = {fate: report.count(fate) for fate in Fate}
    rest = [f"{counts[fate]} {fate.value}" for fate in (Fate.EQUIVALENT, Fate.UNTRIED) if counts[fate]]
    chosen = f" (a choice of {report.found}, seed {report.seed})" if len(report.trials) < report.found else ""
    return (
        f"{report.original.source}: {report.caught} of {report.caught + len(report.survivors)} mutants are caught "
        f"({report.percent:.1f} %): {counts[Fate.REFUSED]} by checks, {counts[Fate.NOTICED]} by scenarios; "
        + ", ".join([f"{counts[Fate.SURVIVED]} survive", *rest])
        + chosen
    )


def format_survivor(trial: Trial) -> str:
    """Format one line about a mutant that survived."""
    mutant = trial.mutant
    return f"{mutant.place.file}:{mutant.place.line}: survives: {mutant.name}"


def iter_text(report: MutationReport, *, everything: bool) -> Iterator[str]:
    """Yield the summary, each survivor with its proposal, and what no mutant changes."""
    yield format_summary(report)
    shown = report.survivors if everything else report.survivors[:MAX_SHOWN]
    for trial in shown:
        yield format_survivor(trial)
        proposal = report.proposals[trial.mutant.name]
        yield from (f"    {line}" for line in proposal.splitlines() or ["no scenario was found that notices it"])
    if len(shown) < len(report.survivors):
        yield f"  and {len(report.survivors) - len(shown)} more; --all shows them"
    yield f"not exercised by scenarios: {', '.join(UNEXERCISED)}"


def format_proposals(report: MutationReport) -> str:
    """Format the proposed scenarios as a scenario file; a person reviews each answer before it is kept."""
    blocks = [_HEADER]
    written = set()
    for trial in report.survivors:
        proposal = report.proposals[trial.mutant.name]
        comment = f"# {format_survivor(trial)}\n"
        if proposal and proposal not in written:
            blocks.append(comment + proposal)
        elif not proposal:
            blocks.append(f"{comment}# no scenario was found that notices it\n")
        written.add(proposal)
    return "\n".join(blocks)


def as_values(report: MutationReport) -> dict[str, Any]:
    """Return the report as JSON values."""
    kinds: dict[str, Counter[str]] = {}
    for trial in report.trials:
        kinds.setdefault(trial.mutant.kind, Counter())[trial.fate.value] += 1
    return {
        "policy": report.original.source,
        "name": report.original.policy.name,
        "digest": report.original.policy.digest,
        "seed": report.seed,
        "found": report.found,
        "tried": len(report.trials) - report.count(Fate.UNTRIED),
        "caught": report.caught,
        "percent": round(report.percent, 2),
        "fates": {fate.value: report.count(fate) for fate in Fate},
        "kinds": {kind: dict(sorted(fates.items())) for kind, fates in kinds.items()},
        "not_exercised": list(UNEXERCISED),
        "mutants": [
            {
                "kind": trial.mutant.kind,
                "path": trial.mutant.where,
                "change": trial.mutant.change,
                "file": trial.mutant.place.file,
                "line": trial.mutant.place.line,
                "fate": trial.fate.value,
                "by": trial.by,
                "scenario": report.proposals.get(trial.mutant.name, ""),
            }
            for trial in report.trials
        ],
    }
