"""Decision table: an ordered list of rules over closed dimensions; the first matching rule decides.

The table is indexed by *cell* (one value per dimension) and caches the results, so that a request costs one look-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import force_setattr

from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: per-request conditions, each with a closed set of values (DESIGN 3); in a cell they follow the five machine states
CONDITIONS: Final[dict[str, tuple[str, ...]]] = {
    "credential": ("good", "undated", "missing", "expired", "rejected", "unproven"),
    "risk": ("public", "self", "routine", "sensitive", "high", "staff"),
    "effect": ("read", "write"),
    "scope": ("granted", "missing"),
    "assurance": ("met", "insufficient", "stale"),
    "limit": ("within", "exceeded", "unmeasured"),
    "channel_change": ("same", "switched", "unknown"),
    "actor": ("subject", "agent", "representative", "stranger"),
}

#: values of ``credential`` for a proven principal; the others are those of `NotProven`
PROVEN_CREDENTIALS: Final = ("good", "undated")

#: the dimensions that every cell has; those that a policy adds follow them (`authguard.core.extra_dimensions`)
DIMENSIONS: Final = ("service", "account", "session", "verification", "transaction", *CONDITIONS)

#: phases of a table in order; a rule belongs to one
PHASES: Final = ("service", "caller", "account", "identity", "transaction", "request", "last")

#: phase of a rule that names none: the caller is known, and their identity is not asked for yet
DEFAULT_PHASE: Final = "account"

#: what a rule may do instead of deciding: leave out the rest of its phase
SKIP_PHASE: Final = "skip_phase"

#: cached cells per process; more distinct cells are an attack on memory, and the cache is cleared
MAX_CACHED_CELLS: Final = 65_536

#: a written rule that is one rule of the table
ALONE: Final = -1

Cell = tuple[str, ...]
NO_EXTRA: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: a box of cells and the fallback for them.

    Attributes:
        when: dimension -> matching values; a dimension that is not named matches any value.
        do: ``allow``, a fallback's name, or ``skip_phase``.
        index: position in the merged table, from 0.
        phase: one of `PHASES`; the rules of a table are in their order.
        origin: source position, ``file:line``.
        first: a number that the rules of one written rule share (`do: by_limit`); `ALONE` for others.
        name: of the rule in the log.
    """

    when: Mapping[str, frozenset[str]]
    do: str
    index: int
    phase: str = DEFAULT_PHASE
    origin: str = ""
    first: int = ALONE
    name: str = ""

    def __post_init__(self) -> None:
        """Derive the name."""
        force_setattr(self, "name", f"{self.index}:{self.do}")

    @property
    def skips(self) -> bool:
        """Whether the rule leaves out the rest of its phase and decides nothing."""
        return self.do == SKIP_PHASE

    def matches(self, cell: Cell, extra: tuple[str, ...] = ()) -> bool:
        """Return whether the rule matches a cell, without the cache.

        Args:
            cell: one value per dimension.
            extra: names of the dimensions that follow `DIMENSIONS` in the cell.
        """
        names = DIMENSIONS + extra
        return all(cell[names.index(dimension)] in values for dimension, values in self.when.items())


@dataclass(frozen=True, slots=True)
class Table:
    """The rules over the values of every dimension.

    Attributes:
        values: dimension -> its closed set, in order: those of `DIMENSIONS`, then those that the policy adds.
        rules: in the order of their phases; the first match decides, and ``skip_phase`` goes on with the next phase.
        extra: names of the added dimensions, in the order in which a cell has them after `DIMENSIONS`.
    """

    values: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    extra: tuple[str, ...] = field(init=False)
    _cache: dict[Cell, tuple[Rule, Cell]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the names of the added dimensions."""
        object.__setattr__(self, "extra", tuple(self.values)[len(DIMENSIONS) :])

    def decide(self, cell: Cell) -> Rule:
        """Return the rule that decides a cell.

        Args:
            cell: one value per dimension, in the order of `values`.

        Raises:
            MachineFaultError: no rule matches, or a value is not in its dimension's set.
        """
        return self.find(cell)[0]

    def find(self, cell: Cell) -> tuple[Rule, Cell]:
        """Return the rule that decides a cell, and the cached tuple equal to the cell.

        Raises:
            MachineFaultError: no rule matches, or a value is not in its dimension's set.
        """
        found = self._cache.get(cell)
        if found is None:
            found = (self._first(cell), cell)
            if len(self._cache) >= MAX_CACHED_CELLS:
                self._cache.clear()
            self._cache[cell] = found
        return found

    def _first(self, cell: Cell) -> Rule:
        for (dimension, known), value in zip(self.values.items(), cell, strict=True):
            if value not in known:
                raise MachineFaultError(f"`{value}` is not a value of `{dimension}`")
        matching = self.trace(cell)
        if not matching or matching[-1].skips:
            raise MachineFaultError("no rule decides this cell")
        return matching[-1]

    def trace(self, cell: Cell) -> tuple[Rule, ...]:
        """Return the rules that skip a phase for a cell, then the rule that decides it, without the cache."""
        found: list[Rule] = []
        for rule in self.rules:
            if (found and rule.phase == found[-1].phase) or not rule.matches(cell, self.extra):
                continue
            found.append(rule)
            if not rule.skips:
                break
        return tuple(found)


def dimension_values(
    states: Mapping[str, Sequence[str]], extra: Mapping[str, Sequence[str]] = NO_EXTRA
) -> dict[str, tuple[str, ...]]:
    """Return every dimension's closed set: the machines' states, the conditions, then what the policy adds.

    Args:
        states: machine -> its states.
        extra: from `authguard.core.extra_dimensions.find_extra`.
    """
    fixed = {
        dimension: tuple(states[dimension]) if dimension in states else CONDITIONS[dimension]
        for dimension in DIMENSIONS
    }
    return fixed | {dimension: tuple(values) for dimension, values in extra.items()}
