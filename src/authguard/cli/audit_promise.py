"""Compare a log with the policy that was to be in force: its digests, its checkpoints and its retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.cli.terminal import format_time
from authguard.policy.schema.units import format_duration
from authguard.records.chain import ChainBreak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.verify.result import Verification
    from authguard.core.policy import Policy

#: seconds by which a checkpoint or a retirement may be late
TOLERANCE_S: Final = 60.0
#: a file is retired as a whole, so its oldest line is kept at most twice as long
RETENTION_FACTOR: Final = 2.0


class UsedPolicy(Struct, frozen=True, kw_only=True):
    """A policy under which records were written.

    Attributes:
        digest: of the policy.
        first: time of its first record, epoch seconds UTC.
        last: time of its last record.
        records: number of its records.
    """

    digest: str
    first: float
    last: float
    records: int


class Promise(Struct, frozen=True, kw_only=True):
    """Something that the policy promises about the log.

    Attributes:
        name: `policy`, `checkpoint` or `retention`.
        is_kept: whether the log agrees.
        words: what was found.
    """

    name: str
    is_kept: bool
    words: str


def list_policies(index: Index) -> tuple[UsedPolicy, ...]:
    """Return the policies of a log in the order of their first records."""
    found: dict[str, UsedPolicy] = {}
    sql = "SELECT template, min(at), max(at), count(*) FROM record GROUP BY template"
    templates = index.templates()
    for number, first, last, records in index.db.execute(sql):
        digest = templates[number].policy
        old = found.get(digest, UsedPolicy(digest=digest, first=first, last=last, records=0))
        found[digest] = UsedPolicy(
            digest=digest, first=min(old.first, first), last=max(old.last, last), records=old.records + records
        )
    return tuple(sorted((one for one in found.values() if one.digest), key=lambda one: one.first))


def compare_promises(
    policy: Policy, used: tuple[UsedPolicy, ...], found: Verification, now: float
) -> Iterator[Promise]:
    """Yield what the policy promises about the log, and whether the log agrees."""
    newest = max(used, key=lambda one: one.last, default=None)
    in_force = newest is not None and newest.digest == policy.digest
    yield Promise(
        name="policy",
        is_kept=in_force,
        words=f"`{policy.name}` ({policy.digest[:12]}) is in force at the end of the log"
        if in_force
        else f"`{policy.name}` ({policy.digest[:12]}) is not in force at the end of the log: "
        + (f"the last records have {newest.digest[:12]}" if newest else "no record names a policy"),
    )
    yield _checkpoints(policy, found, now)
    yield _retention(policy, found, now)


def _checkpoints(policy: Policy, found: Verification, now: float) -> Promise:
    promised = policy.audit.checkpoint.max_interval
    unsigned = sum(
        max(chain.lines - max(chain.ranges.signed, chain.ranges.anchored), 0)
        for chain in found.chains
        if not isinstance(chain.result, ChainBreak)
    )
    late = bool(unsigned) and now - found.last > promised + TOLERANCE_S
    gap = max((chain.ranges.silence for chain in found.chains), default=0)
    words = f"a checkpoint within {format_duration(promised)} of a line (`audit.checkpoint.max_interval`)"
    if late:
        return Promise(name="checkpoint", is_kept=False, words=f"{words}: {unsigned} lines have had none for longer")
    quiet = (
        f"; the longest gap is {gap} s, in which no line was written or the app did not run" if gap > promised else ""
    )
    return Promise(name="checkpoint", is_kept=True, words=f"{words}: no line waits longer{quiet}")


def _retention(policy: Policy, found: Verification, now: float) -> Promise:
    promised = policy.audit.retention
    retired = [chain.retired for chain in found.chains if chain.retired[0]]
    early = [until for _, _, until in retired if now - until < promised - TOLERANCE_S]
    if early:
        words = f"lines of {format_time(max(early))} were removed before the end of `audit.retention`"
        return Promise(name="retention", is_kept=False, words=words)
    if promised == float("inf"):
        return Promise(name="retention", is_kept=True, words="no `audit.retention`: every line is kept")
    words = f"lines are kept for {format_duration(promised)} (`audit.retention`)"
    if found.first < now - RETENTION_FACTOR * promised - TOLERANCE_S:
        words += f": the oldest is of {format_time(found.first)}; run `authguard audit maintain`"
        return Promise(name="retention", is_kept=False, words=words)
    return Promise(name="retention", is_kept=True, words=words)
