"""What is found while a draft is assembled, each finding at the place where it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authguard.policy.problem import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(slots=True)
class ProblemCollector:
    """Where things were written, and what was found on the way.

    Attributes:
        places: dotted path -> place; the empty path is the whole policy.
        problems: in the order in which they were found.
    """

    places: Mapping[str, Place]
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, path: str, message: str, advice: str = "", severity: str = "error") -> None:
        """Report one thing at a dotted path."""
        place = self.places.get(path) or self.places[""]
        self.problems.append(Problem(code=code, place=place, message=message, advice=advice, severity=severity))

    def add_unexpected(self, path: str, given: Iterable[str], allowed: frozenset[str], what: str) -> None:
        """Report the keys that do not go with what the rest says."""
        for key in sorted(set(given) - allowed):
            known = ", ".join(f"`{name}`" for name in sorted(allowed))
            self.add("key-not-for-kind", f"{path}.{key}", f"`{key}` does not go with {what}", f"known: {known}")
