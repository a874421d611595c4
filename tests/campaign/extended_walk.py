"""Adds to a drawn walk what extended policies decide on: claims, headers, answers of the app, acts on flags."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from tests.campaign.vocabulary import AGENT
from tests.campaign.walk import CUSTOMERS, STAFF
from tests.campaign.world import PREFIX, Action

if TYPE_CHECKING:
    from tests.campaign.document import Document

#: share of requests, sign-ins and further steps that bring such facts
SHARE: Final = 0.7
FURTHER: Final = 0.12
GUARDIAN: Final = "guardian"


class WalkExtender:
    """Extends one walk.

    Args:
        seed: of the walk.
        document: of its policy.
    """

    def __init__(self, seed: int | str, document: Document) -> None:
        self.random = Random(f"extended walk {seed}")  # noqa: S311 - a campaign is repeated, not guessed
        self.document = document
        self.conditions: Document = document.get("conditions", {})
        self.flags: Document = document.get("flags", {})
        sources = document["accounts"]
        self.has_delegations = isinstance(sources, list) and any("delegations" in one for one in sources)
        self.is_late = isinstance(sources, list) and any("late" in one["map"] for one in sources)

    def extend(self, walk: tuple[Action, ...]) -> tuple[Action, ...]:
        """Return a walk with further facts and steps; an unextended document has the same walk."""
        made: list[Action] = []
        for action in walk:
            made.append(self._bring(action))
            if self.random.random() < FURTHER and (further := self._further()):
                made.append(self.random.choice(further))
        return tuple(made)

    def _bring(self, action: Action) -> Action:
        pick, values = self.random, dict(action.values)
        if action.kind in {"sign_in", "refresh"}:
            if "country" in self.conditions and pick.random() < SHARE:
                values["country"] = pick.choice(["DE", "AT", "FR", 7])
            if self.has_delegations and pick.random() < SHARE / 2:
                values["may_act"] = [{"sub": GUARDIAN, "for": self._named()}]
                if action.who in CUSTOMERS and pick.random() < SHARE:
                    values["act"] = {"sub": pick.choice([GUARDIAN, GUARDIAN, AGENT])}
            if self.is_late and action.who in CUSTOMERS and pick.random() < SHARE / 4:
                values["account_status"] = "late"
        elif action.kind in {"request", "own"}:
            if "segment" in self.conditions and pick.random() < SHARE:
                values["segment"] = pick.choice(["vip", "vip", "other"])
            if action.kind == "request" and self._by_app() and pick.random() < FURTHER:
                values["flag"] = pick.choice(self._by_app())
        return replace(action, values=values)

    def _named(self) -> list[str]:
        names = [one["name"] for one in self.document["operations"]]
        return self.random.sample(names, self.random.randint(1, len(names)))

    def _by_app(self) -> list[str]:
        return [name for name, flag in self.flags.items() if {"app": "report"} in flag["set_by"]]

    def _further(self) -> list[Action]:
        """Return the steps that the document gives a meaning."""
        pick, who = self.random, self.random.choice(CUSTOMERS)
        made = []
        if "screening" in self.conditions:
            made.append(Action("screened", who, values={"word": pick.choice(["clean", "match", "down", "odd"])}))
        if "tier" in self.conditions:
            made.append(Action("tier", who, values={"word": pick.choice(["gold", "lead"])}))
        if "desk" in self.conditions:
            made.append(Action("wait", values={"seconds": pick.choice([3_600, 14_400, 43_200])}))
        if named := [name for name, flag in self.flags.items() if flag["by"] == "subject"]:
            made += [self._act(pick.choice(named), who, verb) for verb in ("POST", "DELETE")]
        return made

    def _act(self, name: str, who: str, verb: str) -> Action:
        """Return an act of staff on a flag, for which they may lack the role."""
        values: dict[str, Any] = {"method": verb, "account": who, "operation": f"staff flag {verb}"}
        values |= {"path": f"{PREFIX}/accounts/{{account}}/flags/{name}", "body": {"reason": "seen"}}
        if "channels" in self.document:
            values["channel"] = "web"
        return Action("own", self.random.choice(STAFF), "s1", values)


def extend_walk(seed: int | str, document: Document, walk: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the walk of a seed with the facts of an extended document."""
    return WalkExtender(seed, document).extend(walk)
