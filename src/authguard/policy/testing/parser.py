"""Parser of scenario files: as strict as the parser of policies, with the names of one policy.

A misspelt scenario would seem to hold, so an unknown key or name is a problem. A list in place of a state, an
operation or a condition means "each of these" and yields one scenario per value.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard.core import flags
from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import UNKNOWN_CHANNEL
from authguard.core.outcomes import ALLOW, Outcome, Reason
from authguard.policy.checks.machine import unknown_name
from authguard.policy.loading.yaml_parser import MAX_BYTES, parse_yaml
from authguard.policy.problem import Place, Problem, did_you_mean
from authguard.policy.schema import units
from authguard.policy.testing.happening_parser import HappeningParser
from authguard.policy.testing.reply_detail import DETAILS, read_details
from authguard.policy.testing.request import REFUSED, ScenarioDecision, ScenarioRequest
from authguard.policy.testing.scenario import DEFAULT_STATES, Scenario, Step
from authguard.policy.testing.token_parser import TokenParser
from authguard.policy.tree import Node, quote

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.testing.happening import Happening

#: problem codes of scenario files; the YAML parser has its own codes for files that cannot be parsed
CODES: Final[dict[str, str]] = {
    "not-a-list": "a scenario file is something other than a list",
    "scenario-contradicts": "a scenario sets a condition that its operation determines",
    "scenario-incomplete": "a scenario lacks its name, what it asks for or what it expects",
    "scenario-outside": "a scenario file is a link to a place outside the policy's folder",
    "scenario-request": "the request, the token or the body of a scenario cannot be sent",
    "scenario-too-wide": "the lists of a scenario expand to too many cases",
    "scenario-unfinished": "a draft: the expected answer is the placeholder `___`",
    "too-many-files": "a policy has more scenario files than are read",
}
#: most scenario files of one policy
MAX_FILES: Final = 256
#: most variants of one scenario: a person could not review more
MAX_VARIANTS: Final = 100
#: placeholder for the expected answer in a draft; it must be replaced
PLACEHOLDER: Final = "___"
#: most repetitions of one step
MAX_TIMES: Final = 100
STEP: Final = ("after", "times", "when", "approve", "deny", "ask", "app", "then")
KEYS: Final = ("name", "given", *STEP, "steps")
EXPECTED: Final = ("outcome", "fallback", "reason", *DETAILS, "states")
#: what `ask` may state besides conditions
#: value of `idempotency_key` for a request without one
NO_KEY: Final = "none"
ASKED: Final = ("operation", "request", "token", "body", "amount", "idempotency_key")
#: a decision of which the details have the right types
_ADMITTED: Final = ScenarioDecision(outcome=ALLOW.kind, fallback=ALLOW.name, reason=Reason.DECIDED.code)
#: method and target of a request
_REQUEST: Final = re.compile(r"([A-Z]{1,16}|websocket) (/\S{0,1023})")


def parse_scenarios(files: Iterable[Path], policy: Policy) -> tuple[tuple[Scenario, ...], tuple[Problem, ...]]:
    """Parse every scenario of a policy.

    Args:
        files: YAML files, each with a list of scenarios.
        policy: the policy that defines the states, events, operations and fallbacks.

    Returns:
        The valid scenarios, and the problems of the others.
    """
    parser = _ScenarioParser(policy)
    chosen = sorted(files)
    for file in chosen[:MAX_FILES]:
        parser.parse_file(file)
    if len(chosen) > MAX_FILES:
        message = f"only {MAX_FILES} of {len(chosen)} scenario files are read"
        place = Place(str(chosen[MAX_FILES]))
        parser.problems.append(Problem(code="too-many-files", place=place, message=message))
    return tuple(parser.scenarios), tuple(sorted(parser.problems, key=lambda problem: problem.place))


def parse_scenario_nodes(nodes: Iterable[Node], policy: Policy) -> tuple[tuple[Scenario, ...], tuple[Problem, ...]]:
    """Parse scenarios that are no file, such as proposed ones.

    Args:
        nodes: one tree per scenario.
        policy: the policy that defines the states, events, operations and fallbacks.

    Returns:
        The valid scenarios, and the problems of the others.
    """
    parser = _ScenarioParser(policy)
    for node in nodes:
        parser.parse_scenario(node)
    return tuple(parser.scenarios), tuple(parser.problems)


#: machine, condition or ``operation`` -> its value, or several values
_Choices = dict[str, tuple[str, ...]]


class _ScenarioParser:
    """Parses scenario files of one policy and collects scenarios and problems."""

    def __init__(self, policy: Policy) -> None:
        self.scenarios: list[Scenario] = []
        self.problems: list[Problem] = []
        self._policy = policy
        self._names: set[str] = set()
        self._states = {name: machine.spec.states for name, machine in policy.machines.items()}
        self._events = tuple(
            f"{name}.{trigger}" for name in MACHINES for trigger in policy.machines[name].spec.triggers
        )
        self._operations: dict[str, Operation] = {item.name: item for item in policy.all_operations}
        self._channels = tuple(policy.channels.trusts)
        self._reasons = tuple(reason.code for reason in Reason)
        self._tokens = TokenParser(policy, self.problems)
        self._happenings = HappeningParser(policy, self.problems)
        self._flags = {flag.name: flags.VALUES for flag in policy.flags}
        self._own = {one.name: one.values for one in policy.conditions}

    def parse_file(self, file: Path) -> None:
        """Parse one file; a pipe or a device would block, so it counts as missing."""
        try:
            if not file.resolve().is_relative_to(file.parent.parent.resolve()):
                message = f"{quote(file.name)} links to a place outside the policy's folder"
                advice = "copy the file into the folder"
                problem = Problem(code="scenario-outside", place=Place(str(file)), message=message, advice=advice)
                self.problems.append(problem)
                return
            if not file.is_file():
                raise FileNotFoundError
            with file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except (OSError, RuntimeError) as error:  # a loop of links raises RuntimeError
            message = f"the scenario file cannot be read: {type(error).__name__}"
            self.problems.append(Problem(code="file-missing", place=Place(str(file)), message=message))
            return
        found = parse_yaml(data, str(file), listed=True)
        self.problems.extend(found.problems)
        kept = len(self.scenarios)
        for node in found.tree.items():
            self.parse_scenario(node)
        if found.problems:  # a syntax problem may affect any scenario of the file
            del self.scenarios[kept:]

    def parse_scenario(self, node: Node) -> None:
        """Parse one scenario and keep it if it has no problem."""
        before = len(self.problems)
        parts = self._mapping(node, KEYS, "a key of a scenario")
        name = self._text(parts["name"]) if "name" in parts else ""
        if not name:
            self._report("scenario-incomplete", node, "a scenario has no name", "begin with `name:` and a sentence")
        elif name in self._names:
            self._report("duplicate-name", node, f"two scenarios are named `{name}`", "one sentence, one scenario")
        self._names.add(name)
        given: _Choices = {name: (state,) for name, state in {**self._policy.initial, **DEFAULT_STATES}.items()}
        given |= self._given(parts.get("given"))
        steps = self._steps(node, parts)
        if len(self.problems) == before and node.is_valid:
            self.scenarios.extend(self._variants(node, name, given, steps))

    def _variants(self, node: Node, name: str, given: _Choices, steps: list[tuple[Step, _Choices]]) -> list[Scenario]:
        """Return one scenario per combination of the listed values; report a problem if there are too many."""
        choices = [(("", key), values) for key, values in given.items()]
        choices += [((str(at), key), values) for at, (_, asked) in enumerate(steps) for key, values in asked.items()]
        if prod(len(values) for _, values in choices) > MAX_VARIANTS:
            message = f"the lists of this scenario expand to more than {MAX_VARIANTS} cases"
            self._report("scenario-too-wide", node, message, "split it into several scenarios")
            return []
        scenarios = []
        for combination in product(*(values for _, values in choices)):
            chosen = {key: value for (key, _), value in zip(choices, combination, strict=True)}
            differing = [f"{key[1]} `{chosen[key]}`" for key, values in choices if len(values) > 1]
            played = tuple(
                replace(step, ask=step.ask and self._request(step.ask, {key: chosen[str(at), key] for key in asked}))
                for at, (step, asked) in enumerate(steps)
            )
            scenarios.append(
                Scenario(
                    name=name,
                    place=node.place,
                    given={key: chosen["", key] for key in given if key in self._states},
                    flags={key: chosen["", key] for key in given if key in self._flags},
                    at=datetime.fromisoformat(chosen["", "at"]).timestamp() if "at" in given else 0.0,
                    steps=tuple(repeated for step in played for repeated in _repeat(step)),
                    variant=", ".join(differing),
                )
            )
        return scenarios

    def _request(self, asked: ScenarioRequest, chosen: dict[str, str]) -> ScenarioRequest:
        """Add the chosen values to a request: operation, conditions, and a channel by its name."""
        name, channel = chosen.pop("operation", ""), chosen.pop("channel", "")
        if channel == UNKNOWN_CHANNEL:  # one fact with two names
            chosen["channel_change"] = channel
        else:
            asked = replace(asked, channel=channel)
        supposed = {key: chosen.pop(key) for key in self._flags if key in chosen}
        return replace(asked, operation=name, conditions=chosen, flags=supposed)

    def _given(self, node: Node | None) -> _Choices:
        """Parse what is given: states, flags, and one time or several."""
        if node is None or not isinstance(node.value, dict) or "at" not in node.value:
            return self._choices(node, {**self._states, **self._flags})
        at = node.value["at"]
        rest = Node({key: entry for key, entry in node.value.items() if key != "at"}, node.place, node.is_valid)
        found = self._choices(rest, {**self._states, **self._flags})
        return found | {"at": tuple(self._happenings.parse_time(one) for one in at.items() or (at,))}

    def _report(self, code: str, node: Node, message: str, advice: str = "") -> None:
        self.problems.append(Problem(code=code, place=node.place, message=message, advice=advice))

    def _mapping(self, node: Node, keys: Iterable[str], what: str) -> dict[str, Node]:
        known = tuple(keys)
        if not isinstance(node.value, dict):
            self._report("wrong-type", node, "this is not a mapping", f"known keys: {', '.join(known)}")
        for key, entry in node.entries().items():
            if key not in known:
                self.problems.append(unknown_name(entry.place, what, key, known))
        return {key: entry for key, entry in node.entries().items() if key in known}

    def _text(self, node: Node) -> str:
        if isinstance(node.value, str):
            return node.value
        self._report("wrong-type", node, "this is not a word", "quote it, if it is meant")
        return ""

    def _choice(self, node: Node, what: str, known: Iterable[str]) -> str:
        word, words = self._text(node), tuple(known)
        if word == PLACEHOLDER:
            message = "the expected answer is missing"
            self._report("scenario-unfinished", node, message, "replace `___` with the answer that you expect")
        elif word and word not in words:
            self._report("unknown-name", node, f"`{word}` is not {what}", did_you_mean(word, words))
        return word

    def _values(self, node: Node, what: str, known: Iterable[str]) -> tuple[str, ...]:
        if isinstance(node.value, tuple) and not node.items():
            self._report("wrong-type", node, "the list is empty", "name at least one value")
        return tuple(self._choice(item, what, known) for item in (node.items() or (node,)))

    def _choices(self, node: Node | None, known: dict[str, tuple[str, ...]]) -> _Choices:
        if node is None:
            return {}
        entries = self._mapping(node, known, "a machine or a condition")
        return {name: self._values(entry, f"a value of `{name}`", known[name]) for name, entry in entries.items()}

    def _steps(self, scenario: Node, parts: dict[str, Node]) -> list[tuple[Step, _Choices]]:
        """Parse the steps of a scenario; a scenario without `steps` is a single step."""
        if "steps" not in parts:
            for key, message, advice in (
                ("ask", "a scenario asks for nothing", "add `ask: {operation: NAME}`"),
                ("then", "a scenario expects nothing", "add `then: {outcome: ...}`"),
            ):
                if key not in parts:
                    self._report("scenario-incomplete", scenario, message, advice)
            return [self._step(scenario, parts)]
        for key in STEP:
            if key in parts:
                self._report("scenario-contradicts", parts[key], f"`{key}` is next to `steps`", "move it into a step")
        if not parts["steps"].items():
            self._report(
                "wrong-type", parts["steps"], "`steps` is a list", "start each step with `- ask:` or `- when:`"
            )
        if not any("then" in item.entries() for item in parts["steps"].items()):
            self._report("scenario-incomplete", scenario, "the steps expect nothing", "add `then:` to a step")
        return [self._step(item, self._mapping(item, STEP, "a key of a step")) for item in parts["steps"].items()]

    def _step(self, node: Node, parts: dict[str, Node]) -> tuple[Step, _Choices]:
        expected = self._mapping(parts["then"], EXPECTED, "something to expect") if "then" in parts else {}
        if "then" in parts and not expected:
            self._report("scenario-incomplete", parts["then"], "`then` expects nothing", "add `outcome: ...`")
        if "ask" not in parts and not expected.keys() <= {"states"}:
            self._report("scenario-incomplete", node, "an answer is expected without a request", "add `ask:`")
        known = {
            "outcome": (*Outcome, REFUSED),
            "fallback": tuple(self._policy.fallbacks),
            "reason": self._reasons,
        }
        answer = {
            key: self._choice(expected[key], f"one of the {key}s", values)
            for key, values in known.items()
            if key in expected
        }
        known_states = {**self._states, **self._flags}
        states = self._mapping(expected["states"], known_states, "a machine or a flag") if "states" in expected else {}
        step = Step(
            place=node.place,
            after=self._duration(parts["after"]) if "after" in parts else 0.0,
            when=self._when(parts.get("when")),
            outcome=answer.get("outcome", ""),
            fallback=answer.get("fallback", ""),
            reason=answer.get("reason", ""),
            ask=self._facts(parts["ask"]) if "ask" in parts else None,
            times=self._times(parts["times"]) if "times" in parts else 1,
            details={key: self._detail(expected[key], key) for key in DETAILS if key in expected},
            states={
                name: self._choice(entry, f"a state of `{name}`", known_states[name]) for name, entry in states.items()
            },
            approve=self._happenings.parse_approvals(parts["approve"]) if "approve" in parts else (),
            deny=self._happenings.parse_denial(parts["deny"]) if "deny" in parts else "",
            app=self._happenings.parse_answer(parts["app"]) if "app" in parts else None,
        )
        return step, self._ask(parts["ask"]) if "ask" in parts else {}

    def _times(self, node: Node) -> int:
        if type(node.value) is int and 1 <= node.value <= MAX_TIMES:
            return node.value
        self._report("wrong-type", node, "this is no number of repetitions", f"write a number from 1 to {MAX_TIMES}")
        return 1

    def _detail(self, node: Node, key: str) -> Any:  # noqa: ANN401 - a text, a list or a mapping
        """Parse an expected detail of a reply, and report one of another form."""
        form = f"it is {DETAILS[key]}"
        if key == "approvers":
            return [self._approvers(one, form) for one in (node.items() if isinstance(node.value, tuple) else (node,))]
        if key == "retry_after":
            return units.format_duration(self._duration(node))
        known = read_details(self._policy, _ADMITTED)[key]
        if type(node.to_plain()) is not type(known):
            self._report("wrong-type", node, f"`{key}` has another form", form)
            return known
        return node.to_plain()

    def _approvers(self, node: Node, form: str) -> dict[str, Any]:
        """Parse the expected approvers of one role."""
        kinds = {"role": str, "count": int, "acr": str}
        parts = self._mapping(node, kinds, "a key of `approvers`") if isinstance(node.value, dict) else {}
        if not parts or any(type(one.value) is not kinds[name] for name, one in parts.items() if name in kinds):
            self._report("wrong-type", node, "`approvers` has another form", form)
        return {name: one.value for name, one in parts.items()}

    def _duration(self, node: Node) -> float:
        try:
            return units.parse_duration(node.value)
        except ValueError as error:
            self._report("duration", node, "this is no duration", str(error))
            return 0.0

    def _when(self, node: Node | None) -> tuple[str | Happening, ...]:
        if node is not None and not isinstance(node.value, tuple):
            self._report("wrong-type", node, "`when` is a list of events", "write `when: [session.aged]`")
        return tuple(
            self._happenings.parse_change(item)
            if isinstance(item.value, dict)
            else self._choice(item, "an event", self._events)
            for item in (node.items() if node else ())
        )

    def _ask(self, node: Node) -> _Choices:
        """Parse the operation and the conditions of a request; each may be a list."""
        limits = self._policy.table.values["limit"]
        known = {
            **CONDITIONS,
            "limit": limits,
            "channel": (*self._channels, UNKNOWN_CHANNEL),
            **self._own,
            **self._flags,
        }
        entries = self._mapping(node, (*ASKED, *known), "a condition")
        asked = {
            name: self._values(entry, f"a value of `{name}`", known[name])
            for name, entry in entries.items()
            if name in known and not (name == "channel" and self._is_change(entry))
        }
        own = [name for name in ("risk", "effect") if name in asked]
        if "operation" in entries:
            asked["operation"] = self._values(entries["operation"], "an operation", self._operations)
        if "operation" in entries and "request" in entries:
            self._report(
                "scenario-contradicts",
                node,
                "the request determines the operation",
                "leave `operation` or `request` out",
            )
        if "operation" in entries or "request" in entries:
            if own:
                self._report(
                    "scenario-contradicts", node, "an operation determines its risk and effect", "leave them out"
                )
        elif len(own) < 2:  # noqa: PLR2004 - both of them
            advice = "add `operation:` or `request:`, or `risk:` and `effect:`"
            self._report("scenario-incomplete", node, "`ask` names no operation", advice)
        return asked

    def _is_change(self, node: Node) -> bool:
        """Report values of `channel_change` under the name that it had."""
        found = [one for one in node.items() or (node,) if one.value in CONDITIONS["channel_change"][:2]]
        for one in found:
            message = f"`{one.value}` is no channel"
            self._report("unknown-name", one, message, f"write `channel_change: {one.value}`")
        return bool(found)

    def _facts(self, node: Node) -> ScenarioRequest:
        """Parse what a request states of itself: its line, its token, its body and its key."""
        entries = node.entries()
        method, target = self._line(entries["request"]) if "request" in entries else ("", "")
        key = self._text(entries["idempotency_key"]) if "idempotency_key" in entries else ScenarioRequest().idempotency
        key = "" if key == NO_KEY else key
        return ScenarioRequest(
            method=method,
            target=target,
            token=self._tokens.parse_token(entries["token"]) if "token" in entries else None,
            body=self._tokens.parse_fields(entries["body"], "body") if "body" in entries else None,
            amount=self._amount(entries["amount"]) if "amount" in entries else "",
            idempotency=key,
        )

    def _amount(self, node: Node) -> str:
        try:
            return " ".join(units.parse_money(node.value))
        except ValueError as error:
            self._report("money", node, "this is no amount", str(error))
            return ""

    def _line(self, node: Node) -> tuple[str, str]:
        found = _REQUEST.fullmatch(self._text(node))
        if found is None:
            self._report("scenario-request", node, "this is no request", "write a method and a path: `POST /refund`")
            return "", ""
        return found[1], found[2]


def _repeat(step: Step) -> tuple[Step, ...]:
    """Return a step as often as it is repeated; each request but the first one has an idempotency key of its own."""
    asks = [step.ask and replace(step.ask, idempotency=f"{step.ask.idempotency}-{n}") for n in range(2, step.times + 1)]
    return (step, *(replace(step, ask=ask) for ask in asks))
