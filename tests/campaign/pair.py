"""Oracles of two policies: the same walk under both, against what `policy diff` and `audit replay` say of them.

Only the first step at which the two runs differ is compared. Until then all answers were equal, so that its cause is
the policy and not what an earlier difference led to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.policy.diff.policy_diff import diff_policies
from tests.campaign.oracle import ADMITTED, Finding, replay_decisions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.policy.diff.policy_diff import PolicyDiff
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen


class Divergence(Struct, frozen=True):
    """The first step at which two runs of a walk differ.

    Attributes:
        at: index of the action.
        old: what it brought under the old policy.
        new: the same under the new one.
    """

    at: int
    old: Seen
    new: Seen

    @property
    def is_looser(self) -> bool:
        """Return whether the new policy admits what the old one refused."""
        return _admits(self.new) and not _admits(self.old)

    @property
    def is_stricter(self) -> bool:
        """Return whether the new policy refuses what the old one admitted."""
        return _admits(self.old) and not _admits(self.new)

    def __str__(self) -> str:
        """Return a text for people."""
        return f"{self.old.answer} becomes {self.new.answer}"


def _admits(seen: Seen) -> bool:
    return bool(seen.ran) or any(one.outcome in ADMITTED for one in seen.decisions)


def find_divergence(old: Sequence[Seen], new: Sequence[Seen]) -> Divergence | None:
    """Return the first step that differs; ``None`` if none does."""
    for place, (before, after) in enumerate(zip(old, new, strict=True)):
        if before.answer != after.answer:
            return Divergence(place, before, after)
    return None


def compare_diff(old: Accepted, new: Accepted, divergence: Divergence) -> Iterator[Finding]:
    """Find a divergence that `policy diff` does not tell, or tells as no loosening."""
    found = diff_policies(old.draft, new.draft, find_paths=False)
    if found.undecided:
        return
    if not found.differences:
        yield Finding("diff", f"no difference is told: {divergence}", divergence.at)
        return
    if divergence.is_stricter:  # so the old policy is the looser one
        found = diff_policies(new.draft, old.draft, find_paths=False)
    if (divergence.is_looser or divergence.is_stricter) and not tells_looser(found):
        told = "; ".join(f"{one.direction.value} {one.what}: {one.message}" for one in found.differences)
        yield Finding("diff", f"no loosening is told ({told}): {divergence}", divergence.at)


def tells_looser(found: PolicyDiff) -> bool:
    """Return whether a comparison fails `--fail-on looser`."""
    return any("looser" in one.direction.value for one in found.differences)


def compare_replay(
    new: Accepted, log: Path, old_seen: Sequence[Seen], divergence: Divergence | None
) -> Iterator[Finding]:
    """Find where a replay under the new policy disagrees with the run under it, up to the first divergence."""
    replayed = replay_decisions(log, new.policy)
    unknown = {record for record, (_, found) in replayed.items() if found.problem}
    told = {
        record
        for record, (was, found) in replayed.items()
        if not found.problem and was != (found.outcome, found.fallback)
    }
    until = len(old_seen) if divergence is None else divergence.at
    before = {one.id for seen in old_seen[:until] for one in seen.decisions}
    if wrong := told & before:
        names = [f"{replayed[record][0]} -> {replayed[record][1]}" for record in sorted(wrong)]
        yield Finding("replay", f"told as different, and is not at run time: {names}", until)
    if divergence is None:
        return
    decided = [(one.operation, one.outcome, one.fallback) for one in divergence.old.decisions]
    again = [(one.operation, one.outcome, one.fallback) for one in divergence.new.decisions]
    if decided == again or not decided:
        return  # a refusal before the table, which no record has
    ids = {one.id for one in divergence.old.decisions}
    if not ids & (told | unknown):
        yield Finding("replay", f"not told: {divergence}", divergence.at)
