"""Scenario files become scenarios, or problems: as strictly as policies are read, with the names of one policy.

A scenario that is misspelt is worse than none, since it seems to hold; so nothing unknown is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decisions import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.checks.machines import unknown
from authguard.policy.problems import Place, Problem, did_you_mean
from authguard.policy.reader import BYTES_BOUND, read
from authguard.policy.scenarios import ASKED, GIVEN, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from authguard.core.facts import Operation
    from authguard.policy.compiled import Policy
    from authguard.policy.tree import Node

#: the codes that only scenarios have; what cannot be read at all has the reader's
CODES: Final[dict[str, str]] = {
    "not-a-list": "a scenario file is something other than a list",
    "scenario-contradicts": "a scenario sets what the operation it asks for has settled",
    "scenario-incomplete": "a scenario lacks its name, what it asks for or what it expects",
    "too-many-files": "more scenario files lie beside one policy than are read",
}
#: more files than this beside one policy are a mistake
FILES_BOUND: Final = 256
KEYS: Final = ("name", "given", "when", "ask", "then")
EXPECTED: Final = ("outcome", "fallback", "states")


def read_scenarios(files: Iterable[Path], policy: Policy) -> tuple[tuple[Scenario, ...], tuple[Problem, ...]]:
    """Read every scenario of a policy.

    Args:
        files: YAML files, each a list of scenarios.
        policy: whose states, events, operations and fallbacks they name.

    Returns:
        The scenarios that make sense, and what is wrong with the others.
    """
    reading = _Reading(policy)
    chosen = sorted(files)
    for file in chosen[:FILES_BOUND]:
        reading.open(file)
    if len(chosen) > FILES_BOUND:
        message = f"only {FILES_BOUND} of {len(chosen)} scenario files are read"
        place = Place(str(chosen[FILES_BOUND]))
        reading.problems.append(Problem(code="too-many-files", place=place, message=message))
    return tuple(reading.scenarios), tuple(sorted(reading.problems, key=lambda problem: problem.place))


class _Reading:
    """One reading: what was found so far, and the policy that gives the names their meaning."""

    def __init__(self, policy: Policy) -> None:
        self.scenarios: list[Scenario] = []
        self.problems: list[Problem] = []
        self._policy = policy
        self._names: set[str] = set()
        self._states = {name: machine.spec.states for name, machine in policy.machines.items()}
        self._events = tuple(
            f"{name}.{trigger}" for name in MACHINES for trigger in policy.machines[name].spec.triggers
        )
        self._operations: dict[str, Operation] = {item.name: item for item in policy.operations}
        self._operations["otherwise"] = policy.otherwise

    def open(self, file: Path) -> None:
        """Read every scenario of one file; a pipe or a device would be read for ever, so it counts as missing."""
        try:
            if not file.is_file():
                raise FileNotFoundError
            with file.open("rb") as stream:
                data = stream.read(BYTES_BOUND + 1)
        except OSError as error:
            message = f"the scenario file cannot be read: {type(error).__name__}"
            self.problems.append(Problem(code="file-missing", place=Place(str(file)), message=message))
            return
        found = read(data, str(file), listed=True)
        self.problems.extend(found.problems)
        kept = len(self.scenarios)
        for node in found.tree.items():
            self.take(node)
        if found.problems:  # what the reader refused may have been part of any of them
            del self.scenarios[kept:]

    def take(self, node: Node) -> None:
        """Read one scenario; it counts only when nothing is wrong with it."""
        before = len(self.problems)
        parts = self._mapping(node, KEYS, "a key of a scenario")
        name = self._word(parts["name"]) if "name" in parts else ""
        if not name:
            self._note("scenario-incomplete", node, "a scenario has no name", "begin with `name:` and a sentence")
        elif name in self._names:
            self._note("duplicate-name", node, f"two scenarios are named `{name}`", "one sentence, one scenario")
        self._names.add(name)
        operation, conditions = self._ask(node, parts.get("ask"))
        outcome, fallback, states = self._then(node, parts.get("then"))
        scenario = Scenario(
            name=name,
            place=node.place,
            given={**self._policy.initial, **GIVEN, **self._choices(parts.get("given"), self._states)},
            when=self._when(parts.get("when")),
            operation=operation,
            conditions=conditions,
            outcome=outcome,
            fallback=fallback,
            states=states,
        )
        if len(self.problems) == before and node.sound:
            self.scenarios.append(scenario)

    def _note(self, code: str, node: Node, message: str, advice: str = "") -> None:
        self.problems.append(Problem(code=code, place=node.place, message=message, advice=advice))

    def _mapping(self, node: Node, keys: Iterable[str], what: str) -> dict[str, Node]:
        known = tuple(keys)
        if not isinstance(node.value, dict):
            self._note("wrong-type", node, "this is not a mapping", f"known keys: {', '.join(known)}")
        for key, entry in node.entries().items():
            if key not in known:
                self.problems.append(unknown(entry.place, what, key, known))
        return {key: entry for key, entry in node.entries().items() if key in known}

    def _word(self, node: Node) -> str:
        if isinstance(node.value, str):
            return node.value
        self._note("wrong-type", node, "this is not a word", "quote it, if it is meant")
        return ""

    def _choice(self, node: Node, what: str, known: Iterable[str]) -> str:
        word, words = self._word(node), tuple(known)
        if word and word not in words:
            self._note("unknown-name", node, f"`{word}` is not {what}", did_you_mean(word, words))
        return word

    def _choices(self, node: Node | None, known: dict[str, tuple[str, ...]]) -> dict[str, str]:
        if node is None:
            return {}
        entries = self._mapping(node, known, "a machine or a condition")
        return {name: self._choice(entry, f"a value of `{name}`", known[name]) for name, entry in entries.items()}

    def _when(self, node: Node | None) -> tuple[str, ...]:
        if node is not None and not isinstance(node.value, tuple):
            self._note("wrong-type", node, "`when` is a list of events", "write `when: [session.aged]`")
        return tuple(self._choice(item, "an event", self._events) for item in (node.items() if node else ()))

    def _ask(self, scenario: Node, node: Node | None) -> tuple[str, dict[str, str]]:
        if node is None:
            self._note("scenario-incomplete", scenario, "a scenario asks for nothing", "add `ask: {operation: NAME}`")
            return "", {}
        entries = self._mapping(node, ("operation", *CONDITIONS), "a condition")
        asked = {
            name: self._choice(entry, f"a value of `{name}`", CONDITIONS[name])
            for name, entry in entries.items()
            if name != "operation"
        }
        own = {name: asked[name] for name in ("risk", "effect") if name in asked}
        if "operation" not in entries:
            if len(own) < 2:  # noqa: PLR2004 - both of them
                self._note(
                    "scenario-incomplete",
                    node,
                    "`ask` names no operation",
                    "add `operation:`, or `risk:` and `effect:`",
                )
            return "", {**ASKED, **asked}
        name = self._choice(entries["operation"], "an operation", self._operations)
        if own:
            self._note("scenario-contradicts", node, "an operation brings its own risk and effect", "leave them out")
        operation = self._operations.get(name, self._policy.otherwise)
        return name, {**ASKED, "risk": operation.risk, "effect": operation.effect, **asked}

    def _then(self, scenario: Node, node: Node | None) -> tuple[str, str, dict[str, str]]:
        entries = self._mapping(node, EXPECTED, "something to expect") if node else {}
        if not entries:
            self._note("scenario-incomplete", scenario, "a scenario expects nothing", "add `then: {outcome: ...}`")
        outcome = self._choice(entries["outcome"], "an outcome", tuple(Outcome)) if "outcome" in entries else ""
        fallback = (
            self._choice(entries["fallback"], "a fallback", self._policy.fallbacks) if "fallback" in entries else ""
        )
        return outcome, fallback, self._choices(entries.get("states"), self._states)
