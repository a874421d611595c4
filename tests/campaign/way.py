"""Oracle of ways: what `policy explain` prints for a walk's last refusal is done, and the request is admitted.

A way is played by requests, the clock, staff and the operator. A way with an event or change that a walk cannot bring
about is skipped; the campaign counts those that it plays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Reason
from authguard.policy.explain.explainer import explain_decision
from tests.campaign.cells import read_values
from tests.campaign.oracle import ADMITTED, Finding
from tests.campaign.vocabulary import ROLES
from tests.campaign.walk import CUSTOMERS
from tests.campaign.world import PREFIX, Action, actor_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.policy.explain.explanation import Remedy
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen, World

#: most events that a search examines
STEPS: Final = 2_000
#: what a better credential changes
BY_CREDENTIAL: Final = frozenset({"scope", "assurance", "credential", "actor"})
#: events of ways that are played
PLAYED: Final = frozenset({"session.renewed", "session.accepted", "verification.started", "verification.passed"})
OPERATED: Final = {"service.engaged": "engage", "service.released": "release", "service.impaired": "impaired"}


def last_refused(accepted: Accepted, seen: Sequence[Seen]) -> int | None:
    """Return the place of the last refused request of a customer without a transaction; None without one."""
    names = {one["name"] for one in accepted.document["operations"]}
    for place in reversed(range(len(seen))):
        one = seen[place]
        if one.action.kind == "request" and one.action.who in CUSTOMERS and one.decisions and one.claims:
            decision = one.decisions[-1]
            cell = dict(zip(DIMENSIONS, decision.cell, strict=True))
            is_plain = decision.subject and cell["transaction"] == "none" and cell["limit"] == "within"
            if is_plain and decision.operation in names and decision.outcome not in ADMITTED:
                return place
    return None


class WayPlayer:
    """Plays one way.

    Args:
        world: after the refused request.
        accepted: its policy.
        refused: the request.
    """

    def __init__(self, world: World, accepted: Accepted, refused: Seen) -> None:
        self.world = world
        self.document = accepted.document
        self.policy = accepted.policy
        self.refused = refused
        self.who, self.sid = refused.action.who, refused.action.sid
        self.story: list[Seen] = []
        self._asked = 0
        self._claims: dict[str, Any] = {}

    async def play(self) -> tuple[bool, list[Finding]]:
        """Explain the refusal from the states after it, and play the first way; return whether one was played."""
        decision = self.refused.decisions[-1]
        states = await self.world.snapshot(self.who, self.sid)
        given = read_values(self.policy, decision)
        given |= {"account": states.account.state, "session": states.session.state}
        given |= {"verification": states.session.verification}
        reported = self._words(states.account.state)
        if not reported:
            return False, []  # a sign-in would bring another state than the one explained
        self._claims = {"acr": "aal3", "scope": "chat read pay", "roles": list(ROLES), "account_status": reported[0]}
        kept = {"channel", *(one.claim for one in self.policy.conditions if one.claim)}
        self._claims |= {name: self.refused.claims.get(name) for name in kept}
        found = explain_decision(self.policy, given, decision.operation, steps=STEPS)
        for remedy in found.remedies:
            if not self._can_play(remedy):
                continue
            seen = await self._play(remedy)
            if self._are_attempts_spent():
                return False, []  # they are counted for a person, and a cell does not have them
            if seen.decisions and seen.decisions[-1].outcome not in ADMITTED:
                words = f"{given}: {remedy.path} with {[(c.dimension, c.to) for c in remedy.changes]}"
                return True, [Finding("way", f"{words} ends in {seen.decisions[-1]}")]
            return True, []
        return False, []

    def _are_attempts_spent(self) -> bool:
        exhausted = any(moved.event == "exhausted" for one in self.story for moved in one.transitions)
        reasons = {decision.reason for one in self.story for decision in one.decisions}
        refused = any(one.action.kind == "own" and one.status in (403, 429) for one in self.story)  # a method's own
        return exhausted or refused or Reason.ATTEMPTS_SPENT.code in reasons

    def _can_play(self, remedy: Remedy) -> bool:
        events = [one.split()[0] for one in remedy.path]
        can = {*PLAYED, *OPERATED}
        changed = {one.dimension for one in remedy.changes} - set(MACHINES)
        is_timed = [" after " in one for one in remedy.path]
        if "actor" in changed and any(one.startswith("verification.") for one in events):
            return False  # the customer verifies in person, and the agent asks: a walk has one credential
        return changed <= BY_CREDENTIAL and not any(is_timed) and set(events) <= can

    async def _play(self, remedy: Remedy) -> Seen:
        events = [one.split()[0] for one in remedy.path]
        for change in remedy.changes:
            if change.dimension == "actor":
                self._claims |= actor_claim() if "agent" in change.to else {"act": None}
        if {one.dimension for one in remedy.changes} & BY_CREDENTIAL and "session.renewed" not in events:
            await self._sign_in()
        for event in events:
            if event in OPERATED:
                await self._act(Action(OPERATED[event]))
            elif event == "session.renewed":
                await self._sign_in()
            elif event == "verification.passed":
                reply = await self._verify()
                if reply.ran:
                    return reply
        return await self._ask()

    async def _act(self, action: Action) -> Seen:
        self.story.append(await self.world.act(action))
        return self.story[-1]

    async def _sign_in(self) -> None:
        kept = {"act": self.refused.claims.get("act")}
        await self._act(Action("wait", values={"seconds": 2}))
        await self._act(Action("sign_in", self.who, self.sid, kept | self._claims))

    def _words(self, state: str) -> list[str]:
        """Return the words of the account claim that report a state; any word, if no claim does."""
        sources = self.document["accounts"] if isinstance(self.document["accounts"], list) else []
        maps = [one["map"] for one in sources if one["from"] == "claim"]
        return [word for one in maps for word, known in one.items() if known == state] if maps else ["ok"]

    async def _verify(self) -> Seen:
        """Answer the method that a reply offers; return that reply, which may be an admission already."""
        asked = await self._ask()
        if asked.ran:
            return asked
        offered = asked.body.get("next", {}).get("methods", ["default"])
        listed = self.document["methods"][offered[0]].values()
        names = next(names for names in listed if isinstance(names, list))
        body = {"method": offered[0], "answers": dict.fromkeys(names, "right")}
        values = {"path": f"{PREFIX}/verify", "method": "POST", "operation": "authguard.verify", "body": body}
        for _ in names:
            reply = await self._act(Action("own", self.who, self.sid, values | self._channel()))
            if reply.status != 202:
                break
        return asked

    def _channel(self) -> dict[str, Any]:
        sent = self.refused.action.values
        return {"channel": sent["channel"]} if "channel" in sent else {}

    async def _ask(self) -> Seen:
        self._asked += 1
        values = {name: value for name, value in self.refused.action.values.items() if name not in ("names", "report")}
        values |= {"token": "good", "key": f"way-{self._asked}"}
        return await self._act(Action("request", self.who, self.sid, values))
