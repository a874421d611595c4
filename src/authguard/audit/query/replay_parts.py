"""Comparison of the policy that a record was decided by with another one, by the digests of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.policy_parts import (
    DEMANDS,
    FALLBACK,
    FLAGS,
    LIMITS,
    MATCH,
    OPERATION,
    PLACES,
    READING,
    RUNS,
    STATES,
    digest_parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.policy import Policy

Parts = dict[str, str]


class PartComparison:
    """What of a recorded policy is the same in another one.

    Attributes:
        is_same: whether all parts are.
        reads_same: whether credentials, accounts, channels and agents are read in the same way.
        moves_same: whether the machines move in the same way.
        answers_same: whether answers of the app set the same flags.
    """

    def __init__(self, recorded: Mapping[str, str], other: Mapping[str, str]) -> None:
        """Compare the parts of the recorded policy with those of the other one."""
        self._recorded: Final = recorded
        self._other: Final = other
        self.is_same: Final = dict(recorded) == dict(other)
        self.reads_same: Final = self._is_same(READING)
        self.moves_same: Final = self._is_same(STATES)
        self.answers_same: Final = recorded.get(FLAGS, "") == other.get(FLAGS, "")
        self._matched: Final = (_matches(recorded), _matches(other))
        self._names: Final = (list(self._matched[0]), list(self._matched[1]))
        self._is_known: Final[dict[str, bool]] = {}

    def _is_same(self, part: str) -> bool:
        return part in self._recorded and self._recorded[part] == self._other.get(part)

    def matches_same(self, operation: str) -> bool:
        """Return whether a request that matched an operation matches it under the other policy, too."""
        if operation not in self._is_known:
            self._is_known[operation] = self._matches_first(operation)
        return self._is_known[operation]

    def _matches_first(self, operation: str) -> bool:
        (old, new), (before, after) = self._matched, self._names
        if operation not in old or old[operation] != new.get(operation):
            return False
        # an operation that precedes it must have preceded it before, since the request did not match it then
        earlier = set(before[: before.index(operation)])
        return all(name in earlier and old[name] == new[name] for name in after[: after.index(operation)])

    def matches_nothing_new(self) -> bool:
        """Return whether no request matches an operation that matched none before."""
        old, new = self._matched
        return all(old.get(name) == digest for name, digest in new.items())

    def demands_same(self, operation: str) -> bool:
        """Return whether an operation demands the same scopes, roles, level, age and actor."""
        return self._digest(operation, DEMANDS)

    def measures_same(self, operation: str) -> bool:
        """Return whether an operation's amount and payee are at the same places."""
        return self._digest(operation, PLACES)

    def limits_same(self, operation: str) -> bool:
        """Return whether an operation has the same limits, and measures the same amounts."""
        return self._digest(operation, LIMITS) and self.measures_same(operation)

    def runs_same(self, operation: str) -> bool:
        """Return whether an operation runs as often, and is bound to the same parts of a request."""
        return self._digest(operation, RUNS)

    def counts_same(self, fallback: str) -> bool:
        """Return whether a fallback answers as often, and the same follows."""
        return self._is_same(FALLBACK + fallback)

    def all_limits_same(self) -> bool:
        """Return whether every operation of both policies has the same limits."""
        return all(self.limits_same(name) for name in self._matched[0] if name in self._matched[1])

    def _digest(self, operation: str, place: int) -> bool:
        old, new = (parts.get(OPERATION + operation, "").split(".") for parts in (self._recorded, self._other))
        return len(old) > place and len(new) > place and old[place] == new[place]


def _matches(parts: Mapping[str, str]) -> dict[str, str]:
    named = ((name.removeprefix(OPERATION), digest) for name, digest in parts.items() if name.startswith(OPERATION))
    return {name: digest.split(".")[MATCH] for name, digest in named}


def compare(recorded: Mapping[str, Parts], policy: Policy, digests: Iterable[str]) -> dict[str, PartComparison]:
    """Return the comparison for each recorded policy whose parts are known.

    Args:
        recorded: digest of a policy -> its parts.
        policy: the other policy.
        digests: of the recorded policies.
    """
    own = digest_parts(policy)
    known = {**recorded, policy.digest: own}
    return {digest: PartComparison(known[digest], own) for digest in digests if digest in known}
