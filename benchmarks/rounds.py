"""Interleaved rounds: every case takes its turn in each round, so that a machine that changes its speed changes all.

A round gives one time per case; a ratio is taken within each round, and the median over the rounds is quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

MICROSECONDS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed.

    Attributes:
        name: short, unique in a run.
        prepare: makes a batch of so many requests; not timed.
        run: works through a batch; timed.
        size: requests in each round, instead of as many as the others; 0 for as many.
    """

    name: str
    prepare: Callable[[int], Sequence[Any]]
    run: Callable[[Sequence[Any]], Awaitable[None]]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """The results of a run.

    Attributes:
        rounds: case -> microseconds per request, one number per round.
    """

    rounds: dict[str, list[float]]

    def of(self, case: str) -> float:
        """Return the median time of a case in microseconds per request."""
        return median(self.rounds[case])

    def above(self, case: str, base: str) -> list[float]:
        """Return the difference of two cases per round, in microseconds."""
        return [mine - under for mine, under in zip(self.rounds[case], self.rounds[base], strict=True)]

    def ratio(self, case: str, to: str, *, base: str = "", to_base: str = "") -> Spread:
        """Compare two cases within each round.

        Args:
            case: the first case.
            to: the second case.
            base: a case to subtract from the first; empty for none.
            to_base: a case to subtract from the second; empty for none.
        """
        upper = self.above(case, base) if base else self.rounds[case]
        lower = self.above(to, to_base) if to_base else self.rounds[to]
        return Spread.of([a / b for a, b in zip(upper, lower, strict=True)])


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the middle half of what it is the median of."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, middle, high = quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)

    def divided(self, number: float) -> Spread:
        """Divide all three by a number."""
        return Spread(self.middle / number, self.low / number, self.high / number)


async def play(cases: Sequence[Case], *, rounds: int, size: int, clock: Callable[[], float] = perf_counter) -> Times:
    """Run every case in turn in every round.

    Args:
        cases: the cases; their order rotates by one from round to round, so that no case always follows the same one.
        rounds: number of rounds.
        size: requests of each case per round.
        clock: a clock in seconds; the processor's clock if no case waits and other processes use the machine.
    """
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(rounds):
        turn = number % len(cases)
        for case in (*cases[turn:], *cases[:turn]):
            batch = case.prepare(case.size or size)
            start = clock()
            await case.run(batch)
            times[case.name].append((clock() - start) / len(batch) * MICROSECONDS)
    return Times(times)
