"""The campaign: draws a policy, a mutant of it and a walk for each seed, runs the real guard, and asks every oracle.

``python -m tests.campaign.campaign --from 0 --count 200`` prints what it finds; a finding has the seed, the policy and
a walk that was shortened as far as the finding stays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from tests.campaign import counted, oracle
from tests.campaign.context import find_wrong_conditions, find_wrong_flags
from tests.campaign.document import draw_document
from tests.campaign.extended_walk import extend_walk
from tests.campaign.mutation import draw_mutant
from tests.campaign.pair import compare_diff, compare_replay, find_divergence
from tests.campaign.promise import find_broken_promises
from tests.campaign.reading import Accepted, Refused, quick_parser, read
from tests.campaign.story import can_be_written, compare_scenario, tell
from tests.campaign.walk import draw_walk
from tests.campaign.way import WayPlayer, last_refused
from tests.campaign.world import World, no_delay, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.campaign.oracle import Finding
    from tests.campaign.world import Action, Seen

#: of so many walks one runs on SQLite
SQLITE_EVERY: Final = 25
#: of so many walks one is explained
EXPLAIN_EVERY: Final = 10
#: of so many walks the way out of the last refusal is played
WAY_EVERY: Final = 4
#: attempts to shorten a walk
MAX_SHRINKS: Final = 300


class Case(Struct):
    """What a seed brought.

    Attributes:
        seed: of it.
        refused: codes of the errors of a refused policy.
        findings: of the oracles.
        decisions: number of decisions.
        document: the policy, if it was accepted.
        edits: of the mutant.
        walk: as run, or as shortened after a finding.
        story: a line for each step of the walk.
    """

    seed: int
    refused: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    decisions: int = 0
    document: dict[str, object] = field(default_factory=dict)
    edits: tuple[str, ...] = ()
    walk: tuple[Action, ...] = ()
    story: tuple[str, ...] = ()


class Campaign:
    """Runs cases in one process, on one event loop.

    Args:
        folder: for keys, logs and stores.
        runner: of the event loop.
    """

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self.folder = folder
        self.runner = runner
        self.counts: Counter[str] = Counter()
        self.edits: tuple[str, ...] = ()
        self.pursuit: list[Seen] = []
        self._mutants: dict[int, Accepted | None] = {}
        prepare(folder)

    def run(self, seed: int, *, shrink: bool = True) -> Case:
        """Run the case of a seed."""
        accepted = read(draw_document(seed), self.folder)
        if isinstance(accepted, Refused):
            return Case(seed, refused=accepted.codes)
        walk = extend_walk(seed, accepted.document, draw_walk(seed, accepted.document))
        seen, findings = self._judge(seed, accepted, walk)
        if findings and shrink:
            name = findings[0].oracle
            walk = self._shorten(walk, lambda one: any(f.oracle == name for f in self._judge(seed, accepted, one)[1]))
            seen, shorter = self._judge(seed, accepted, walk)
            findings = shorter or findings
        return Case(
            seed,
            findings=tuple(findings),
            decisions=sum(len(one.decisions) for one in seen),
            document=accepted.document,
            edits=self.edits,
            walk=walk,
            story=tuple(map(oracle.describe, [*seen, *self.pursuit])),
        )

    def _drive(
        self, seed: int, accepted: Accepted, walk: tuple[Action, ...], *, pursue: bool = False
    ) -> tuple[list[Seen], list[Finding]]:
        """Run a walk; with `pursue`, look whether promises are kept after it."""
        store: Path | str = "memory"
        if seed % SQLITE_EVERY == 0:
            store = self.folder / f"{time.monotonic_ns()}.db"

        async def go() -> tuple[list[Seen], list[Finding]]:
            world = World(accepted.policy, self.folder, store)
            try:
                seen = await world.run(walk)
                broken, story = await find_broken_promises(world, accepted, len(walk)) if pursue else ([], [])
                self.pursuit = story
                return seen, broken
            finally:
                await world.close()

        return self.runner.run(go())

    def _judge(self, seed: int, accepted: Accepted, walk: tuple[Action, ...]) -> tuple[list[Seen], list[Finding]]:
        seen, broken = self._drive(seed, accepted, walk, pursue=True)
        policy = accepted.policy
        findings = [
            *oracle.find_faults(seen),
            *oracle.find_wrong_cells(policy, seen),
            *oracle.find_broken_invariants(accepted, seen),
            *oracle.find_unmet_needs(accepted, seen),
            *counted.find_exceeded_limits(policy, seen),
            *counted.find_uncounted_attempts(policy, seen),
            *oracle.find_gaps_of_log(policy, seen),
            *oracle.find_impossible_steps(accepted, seen),
            *oracle.find_wrong_owners(policy, seen),
            *oracle.find_lost_raises(policy, seen),
            *oracle.find_wrong_channels(accepted, seen),
            *find_wrong_conditions(accepted, seen),
            *find_wrong_flags(policy, seen),
            *broken,
        ]
        if seed % EXPLAIN_EVERY == 0:
            findings += oracle.find_wrong_explanations(policy, seen)
        if seed % WAY_EVERY == 0:
            findings += self._follow_way(accepted, walk, seen)
        log = self.folder / "walk.jsonl"
        oracle.write_log(log, [entry for one in seen for entry in one.entries])
        findings += oracle.find_replay_differences(policy, log)
        if can_be_written(accepted.document):
            self.counts["scenarios"] += 1
            told, _ = self._drive(seed, accepted, tell(walk, accepted.document))
            found = list(compare_scenario(accepted, told))
            findings += found
            if found:
                self.pursuit = told
        mutant = self._mutant(seed, accepted)
        if mutant is not None:
            findings += self._compare(seed, accepted, mutant, walk, seen, log)
        return seen, findings

    def _follow_way(self, accepted: Accepted, walk: tuple[Action, ...], seen: list[Seen]) -> list[Finding]:
        """Run a walk up to its last refused request, and do what `policy explain` prints for it."""
        place = last_refused(accepted, seen)
        if place is None:
            return []

        async def go() -> list[Finding]:
            world = World(accepted.policy, self.folder)
            try:
                again = await world.run(walk[: place + 1])
                player = WayPlayer(world, accepted, again[-1])
                is_played, found = await player.play()
                self.counts["ways"] += is_played
                if found:
                    self.pursuit = player.story
                return found
            finally:
                await world.close()

        return self.runner.run(go())

    def _mutant(self, seed: int, accepted: Accepted) -> Accepted | None:
        """Return the mutant of a seed, if it is accepted and differs."""
        if seed not in self._mutants:
            document, edits = draw_mutant(seed, accepted.document)
            found = read(document, self.folder) if edits else None
            self._mutants = {seed: found if isinstance(found, Accepted) else None}
            self.edits = edits
        return self._mutants[seed]

    def _compare(  # noqa: PLR0917 - a pair and its walk
        self, seed: int, old: Accepted, new: Accepted, walk: tuple[Action, ...], seen: list[Seen], log: Path
    ) -> list[Finding]:
        """Compare a run with the run of the same walk under a mutant."""
        divergence = find_divergence(seen, self._drive(seed, new, walk)[0])
        self.counts["pairs"] += 1
        findings = list(compare_replay(new, log, seen, divergence))
        if divergence is not None:
            self.counts["divergences"] += 1
            self.counts["admissions"] += divergence.is_looser or divergence.is_stricter
            findings += compare_diff(old, new, divergence)
        return findings

    @staticmethod
    def _shorten(walk: tuple[Action, ...], is_found: Callable[[tuple[Action, ...]], bool]) -> tuple[Action, ...]:
        """Remove parts of a walk while the finding stays."""
        tries, size = 0, len(walk) // 2
        while size:
            place = 0
            while place < len(walk) and tries < MAX_SHRINKS:
                tries += 1
                shorter = walk[:place] + walk[place + size :]
                if is_found(shorter):
                    walk = shorter
                else:
                    place += size
            size //= 2
        return walk


@contextmanager
def campaign() -> Iterator[Campaign]:
    """Open a campaign in a temporary folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authguard-campaign-")))
        stack.enter_context(quick_parser())
        stack.enter_context(no_delay())
        runner = stack.enter_context(asyncio.Runner())
        yield Campaign(folder, runner)


def render(case: Case) -> str:
    """Render a case with findings for people."""
    lines = [f"seed {case.seed}: {one.oracle}: {one.words} (action {one.at})" for one in case.findings[:10]]
    lines += [f"mutant: {case.edits}", "policy:", json.dumps(case.document), "walk:"]
    return "\n".join([*lines, *(f"  {place}. {line}" for place, line in enumerate(case.story))])


def main() -> int:
    """Run a part of the campaign from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--from", type=int, default=0, dest="begin")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--brief", action="store_true")
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    kinds: Counter[tuple[str, str]] = Counter()
    by_oracle: dict[str, set[int]] = {}
    begin = time.process_time()
    with campaign() as running:
        for seed in range(chosen.begin, chosen.begin + chosen.count):
            case = running.run(seed, shrink=not chosen.brief)
            counts["refused" if case.refused else "accepted"] += 1
            counts["decisions"] += case.decisions
            if case.findings:
                counts["found"] += 1
                for one in case.findings:
                    by_oracle.setdefault(one.oracle, set()).add(seed)
                kinds[case.findings[0].oracle, case.findings[0].words[:90]] += 1
                sys.stdout.write(
                    f"seed {seed}: {case.findings[0].oracle}: {case.findings[0].words}\n"
                    if chosen.brief
                    else f"{render(case)}\n\n"
                )
    counts.update(running.counts)
    sys.stdout.write(f"{dict(counts)}, {time.process_time() - begin:.1f} s of processor time\n")
    sys.stdout.write(f"{ {name: sorted(seeds) for name, seeds in by_oracle.items()} }\n")
    for (name, words), count in kinds.most_common():
        sys.stdout.write(f"{count} x {name}: {words}\n")
    return 1 if counts["found"] else 0


if __name__ == "__main__":
    sys.exit(main())
