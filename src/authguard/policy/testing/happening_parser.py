"""Parser of what happens in a scenario besides events: flags, reports, approvals, the app's answer, the time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from authguard.core import flags
from authguard.core.events import NOT_REPORTS
from authguard.policy.checks.machine import unknown_name
from authguard.policy.problem import Problem
from authguard.policy.schema import units
from authguard.policy.testing.facts import PAYEE
from authguard.policy.testing.happening import ACT_EVENTS, APP, AccountReport, FlagChange, Happening, PersonAct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authguard.core.policy import Policy
    from authguard.policy.tree import Node

#: value of `app` for an app that does not answer
NO_ANSWER: Final = "none"
#: most persons that one step lets approve
MAX_PERSONS: Final = 20
#: HTTP statuses that an app can answer with
_STATUSES: Final = range(200, 600)


class HappeningParser:
    """Parses what happens in a step, with the names of one policy."""

    __slots__ = ("_flags", "_policy", "_problems", "_states")

    def __init__(self, policy: Policy, problems: list[Problem]) -> None:
        """Store where problems are reported.

        Args:
            policy: with flags, account states and sources.
            problems: to which problems are added.
        """
        self._policy = policy
        self._problems = problems
        self._flags = tuple(flag.name for flag in policy.flags)
        self._states = tuple(one for one in policy.machines["account"].spec.states if one not in NOT_REPORTS)

    def parse_change(self, node: Node) -> Happening:
        """Parse a mapping of `when`: a changed flag, a report of the account by one source, or an act of people."""
        entries = node.entries()
        if "account" in entries:
            self._keys(node, ("account", "from", "age"))
            state = self._choice(entries["account"], "a state of `account`", self._states)
            return AccountReport(state=state, source=self._text(node, "from"), age=self._age(entries.get("age")))
        if "act" in entries:
            self._keys(node, ("act", "by"))
            act = self._choice(entries["act"], "an act", ACT_EVENTS)
            by = entries.get("by")
            return PersonAct(act=act, by=tuple(self._role(one) for one in (by.items() or (by,))) if by else ())
        self._keys(node, ("set", "clear", "by", "payee"))
        verbs = [verb for verb in ("set", "clear") if verb in entries]
        if len(verbs) != 1:
            advice = "write `{set: FLAG, by: app}`, `{clear: FLAG, by: ROLE}`, `{account: STATE, from: SOURCE}`"
            advice += " or `{act: reinstate, by: ROLE}`"
            self._report("wrong-type", node, "this says nothing that happens", advice)
            return FlagChange(flag="", value=flags.CLEAR, by="")
        flag = self._choice(entries[verbs[0]], "a flag", self._flags)
        value = flags.SET if verbs == ["set"] else flags.CLEAR
        payee = self._text(node, "payee") if "payee" in entries else PAYEE
        return FlagChange(flag=flag, value=value, by=self._text(node, "by"), payee=payee)

    def parse_approvals(self, node: Node) -> tuple[tuple[str, ...], ...]:
        """Parse `approve`: one entry for each person, which is a role, or a list of roles."""
        persons = node.items()
        if not 0 < len(persons) <= MAX_PERSONS:
            self._report("wrong-type", node, "`approve` is a list of persons", "write `approve: [ROLE, [ROLE, ROLE]]`")
            return ()
        return tuple(tuple(self._role(role) for role in one.items() or (one,)) for one in persons)

    def parse_denial(self, node: Node) -> str:
        """Parse `deny`: the role of the person."""
        return self._role(node)

    def parse_answer(self, node: Node) -> int:
        """Parse `app`: the status of its answer, or `none`; 0 for none."""
        if node.value == NO_ANSWER:
            return 0
        if type(node.value) is int and node.value in _STATUSES:
            return node.value
        self._report("wrong-type", node, "this is no answer of an app", "write a status such as `200`, or `none`")
        return 0

    def parse_time(self, node: Node) -> str:
        """Parse a time with its zone; return it as it is written."""
        text = str(node.value)
        try:
            if datetime.fromisoformat(text).tzinfo is not None:
                return text
        except ValueError:
            pass
        self._report("wrong-type", node, "this is no time", "write it with its zone: `'2026-12-07T10:00:00+01:00'`")
        return ""

    def _role(self, node: Node) -> str:
        if isinstance(node.value, str) and node.value:
            return node.value
        self._report("wrong-type", node, "this is no role", "name the role of the person")
        return ""

    def _age(self, node: Node | None) -> float:
        try:
            return units.parse_duration(node.value) if node is not None else 0.0
        except ValueError as error:
            self._report("duration", node, "this is no duration", str(error))  # type: ignore[arg-type] # it has a value
            return 0.0

    def _text(self, node: Node, key: str) -> str:
        found = node.entries().get(key)
        if found is not None and isinstance(found.value, str) and found.value:
            return found.value
        what = {"by": f"`{APP}` or the role of a person", "from": "the source", "payee": "the payee"}[key]
        self._report("scenario-incomplete", node, f"`{key}` is missing", f"name {what}")
        return ""

    def _keys(self, node: Node, known: tuple[str, ...]) -> None:
        for key, entry in node.entries().items():
            if key not in known:
                self._problems.append(unknown_name(entry.place, "a key of what happens", key, known))

    def _choice(self, node: Node, what: str, known: Iterable[str]) -> str:
        if node.value in tuple(known):
            return str(node.value)
        self._problems.append(unknown_name(node.place, what, str(node.value), tuple(known)))
        return ""

    def _report(self, code: str, node: Node, message: str, advice: str) -> None:
        self._problems.append(Problem(code=code, place=node.place, message=message, advice=advice))
