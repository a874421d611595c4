"""Compare each line of a scene with the policy, print it and record it.

Both sides are compared: the reply to the customer, and the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from log import MACHINES, Recorded
from rich.table import Table

if TYPE_CHECKING:
    from customer import Answer, Customer
    from rich.console import Console
    from world import World

#: prefix of a problem's ``instance``
RECORD: Final = "urn:authguard:record:"
#: initial states of the five machines
BLANK: Final = "live unknown absent unverified none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One result of a scene.

    Attributes:
        family: the scene.
        what: a sentence.
        found: the decision in the log.
        status: HTTP status; 0 for a command.
        wrong: the difference from the policy; empty if there is none.
    """

    family: str
    what: str
    found: Recorded
    status: int
    wrong: tuple[str, ...]


class Stage:
    """Runs scenes in a world and records their lines."""

    def __init__(self, world: World, console: Console) -> None:
        """Start without lines.

        Args:
            world: processes and files of the demo.
            console: output for each line.
        """
        self.world = world
        self.lines: list[Line] = []
        self._console = console
        self._family = ""
        self._customers: list[Customer] = []

    def scene(self, family: str) -> None:
        """Start a scene."""
        self._family = family
        self._console.print(f"[bold]{family}[/]")

    def customer(self, name: str) -> Customer:
        """Return a new customer."""
        self._customers.append(self.world.customer(name))
        return self._customers[-1]

    @property
    def tokens(self) -> set[str]:
        """Return every credential that was sent so far."""
        return {token for customer in self._customers for token in customer.tokens}

    def wait(self, seconds: float, why: str) -> None:
        """Advance the time of every process without waiting."""
        self._console.print(f"  [dim]... {seconds:.0f} s later: {why}[/]")
        self.world.wait(seconds)

    def line(
        self, what: str, answer: Answer, policy_says: str, states: str, also: dict[str, bool] | None = None
    ) -> Answer:
        """Compare one request with the policy.

        Args:
            what: the request, in a sentence.
            answer: the reply.
            policy_says: HTTP status, outcome (``refused`` for a malformed request), the rule (``>`` and
                the next fallback after the attempts have run out; ``-`` for no rule), and the log's reason if it is not
                ``decided``: ``403 handoff prove_identity>to_a_person attempts-spent``.
            states: states of the five machines afterwards, in order; empty for a malformed request.
            also: further sentences, and whether they hold.
        """
        instance = str(answer.says("instance")).removeprefix(RECORD)
        found = self.world.log.find(answer.trace, instance)
        status, outcome, rules, *reason = policy_says.split()
        rule, _, fallback = rules.removeprefix("-").partition(">")
        expected = {
            "status": (str(answer.status), status),
            "outcome": (found.outcome, outcome),
            "rule": (found.rule, rule),
            "fallback": (found.fallback, fallback or rule),
            "reason": (found.reason, *(reason or ["decided"])),
            "states": (" ".join(found.states), states),
            "the record that the reply names": (instance or found.id, found.id),
        }
        wrong = [f"{name} is `{got}`, not `{want}`" for name, (got, want) in expected.items() if got != want]
        self._keep(what, found, answer.status, wrong + _untrue(also))
        return answer

    def act(self, what: str, *, also: dict[str, bool]) -> None:
        """Record a line that is no request: a command, or a check of the log."""
        self._keep(what, Recorded(id="", outcome=""), 0, _untrue(also))

    def _keep(self, what: str, found: Recorded, status: int, wrong: list[str]) -> None:
        self.lines.append(Line(family=self._family, what=what, found=found, status=status, wrong=tuple(wrong)))
        mark = "[red]NO[/]" if wrong else "[green]ok[/]"
        self._console.print(f"  {mark} {status or '':>3} {found.outcome:<9} {what}", highlight=False)
        for difference in wrong:
            self._console.print(f"     [red]{difference}[/]", highlight=False)

    def table(self) -> Table:
        """Format all lines as a table."""
        machines = ", ".join(MACHINES)
        table = Table(
            title="The results, and what the policy requires", caption=f"states: {machines}", title_justify="left"
        )
        for name in ("", "what happened", "states afterwards", "rule", "outcome", "status"):
            table.add_column(name, overflow="fold")
        family = ""
        for line in self.lines:
            if line.family != family:
                family = line.family
                table.add_section()
                table.add_row("", f"[bold]{family}[/]")
            found = line.found
            rule = found.rule if found.fallback in {"", found.rule} else f"{found.rule}, then {found.fallback}"
            mark = "[red]NO[/]" if line.wrong else "[green]ok[/]"
            table.add_row(mark, line.what, " ".join(found.states), rule, found.outcome, str(line.status or ""))
        return table


def _untrue(also: dict[str, bool] | None) -> list[str]:
    return [f"not so: {sentence}" for sentence, holds in (also or {}).items() if not holds]
