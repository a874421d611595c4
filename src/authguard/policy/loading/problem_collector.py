"""Collect the problems found while a draft is built, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authguard.policy.problem import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(slots=True)
class ProblemCollector:
    """Collects problems by dotted path.

    Attributes:
        places: dotted path -> place; the empty path is the whole policy.
        problems: problems in the order of their detection.
    """

    places: Mapping[str, Place]
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, path: str, message: str, advice: str = "", severity: str = "error") -> None:
        """Add a problem at a dotted path."""
        place = self.places.get(path) or self.places[""]
        self.problems.append(Problem(code=code, place=place, message=message, advice=advice, severity=severity))

    def is_given(self, path: str) -> bool:
        """Return whether the policy has the key at a dotted path; an expanded short form has none."""
        return path in self.places

    def add_unexpected(self, path: str, keys: Iterable[str], allowed: frozenset[str], what: str) -> None:
        """Add a problem for each of the keys that the policy has at a dotted path and that is not allowed there."""
        for key in sorted(key for key in set(keys) - allowed if self.is_given(f"{path}.{key}")):
            known = ", ".join(f"`{name}`" for name in sorted(allowed))
            self.add("key-not-for-kind", f"{path}.{key}", f"`{key}` is not allowed with {what}", f"known: {known}")
