"""Oracle of scenarios: what one customer does is written as a scenario, which has to give the answers of the guard.

A scenario can state requests, sign-ins and waits of one customer with several sessions. The rest of a walk is left out
of both. Each request has a new token of its sign-in, as each request of a scenario has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES
from authguard.policy.testing.request import REFUSED, ScenarioRequest
from authguard.policy.testing.scenario import Scenario, Step, run_scenarios
from authguard.policy.testing.token import TokenSpec
from tests.campaign.oracle import Finding
from tests.campaign.world import START, Action

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy
    from tests.campaign.document import Document
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen

WHO: Final = "alice"
#: kind of token -> the condition that a scenario types
UNPROVEN: Final = {"none": "missing", "broken": "rejected"}
#: events of a response of the app, which a scenario sends
SETTLING: Final = ("transaction.committed", "transaction.failed")
#: tokens state whole seconds, and the clock of a scenario moves a little at each step
TICK: Final = Action("wait", values={"seconds": 1})
#: age of a token that does not state its sign-in
#: claims that sources and conditions read
_FACTS: Final = ("account_status", "country", "may_act")
UNDATED: Final = -1.0
_NOT_STATED: Final = ("names", "report", "app_status", "tenant", "flag")


def can_be_written(document: Document) -> bool:
    """Return whether a scenario can state the facts of a policy's requests: from tokens that state the sign-in."""
    sources = document["accounts"] if isinstance(document["accounts"], list) else []
    is_asked = any(source["from"] != "claim" for source in sources)
    return document["issuers"][0]["evidence"] != "sid" and not is_asked


def tell(walk: Sequence[Action], document: Document) -> tuple[Action, ...]:
    """Return what a scenario can state of a walk, with a refreshed token for each request."""
    told: list[Action] = []
    public = {one["name"] for one in document["operations"] if one["risk"] == "public"}
    bound = {one["name"] for one in document["operations"] if "binds" in one}
    for place, action in enumerate(walk):
        if action.kind == "wait" or (action.who == WHO and action.kind == "screened"):
            told.append(action)
        elif action.who == WHO and action.kind in {"sign_in", "refresh"}:
            told += [TICK, action]
        elif action.who == WHO and action.kind == "request" and action.values["operation"] not in bound:
            values = {name: value for name, value in action.values.items() if name not in _NOT_STATED}
            values.setdefault("key", f"own-{place}")
            if values.get("token") == "old" or action.values["operation"] in public:
                values["token"] = "good"
            if values.get("token", "good") == "good":
                told += [TICK, Action("refresh", WHO, action.sid, {})]
            told.append(Action("request", WHO, action.sid, values))
    return tuple(told)


class ScenarioWriter:
    """Writes a run as a scenario.

    Args:
        policy: of the run.
        document: of the policy.
    """

    def __init__(self, policy: Policy, document: Document) -> None:
        self._policy = policy
        self._channels = document.get("channels", {})
        self._public = {one["name"] for one in document["operations"] if one["risk"] == "public"}
        self._conditions = document.get("conditions", {})
        self._flags = document.get("flags", {})
        self._screened = "clean"
        self._stated: dict[str, Any] = {}

    def write(self, seen: Sequence[Seen]) -> Scenario:
        """Return the scenario, with the guard's answers as its expectations."""
        steps: list[Step] = []
        waited = 0.0
        events: list[str] = []
        for one in seen:
            if one.action.kind == "wait":
                waited += one.action.values["seconds"]
            elif one.action.kind == "screened":
                self._screened = one.action.values["word"]
            elif one.action.kind == "request":
                steps.append(self._step(one, waited, tuple(events)))
                waited, events = 0.0, []
            moved = [f"{entry.machine}.{entry.event}" for entry in one.transitions]
            if not self._flags:  # the answer of the app settles a transaction, and sets flags
                events += [event for event in moved if event in SETTLING]
        return Scenario(
            name="a walk", given=dict(zip(MACHINES, self._initial(), strict=True)), steps=tuple(steps), at=START
        )

    def _initial(self) -> list[str]:
        return [self._policy.initial[machine] for machine in MACHINES]

    def _step(self, seen: Seen, after: float, events: tuple[str, ...]) -> Step:
        decision = seen.decisions[-1] if seen.decisions else None
        return Step(
            after=after,
            when=events,
            ask=self._ask(seen),
            outcome=decision.outcome if decision else REFUSED,
            fallback=decision.fallback if decision else "",
            app=seen.status if self._flags and seen.ran and decision else None,
        )

    def _ask(self, seen: Seen) -> ScenarioRequest:
        values = seen.action.values
        conditions: dict[str, str] = {}
        token = None
        kind = values.get("token", "good")
        if kind == "good":
            token = self._token(seen)
        else:
            conditions["credential"] = UNPROVEN[kind]
        channel = ""
        if self._channels and kind == "good":
            channel = (
                values.get("channel", "") if "header" in self._channels["from"] else seen.claims.get("channel", "")
            )
            if channel not in self._channels["trusts"]:
                channel, conditions["channel_change"] = "", "unknown"
        place = DIMENSIONS.index("credential")
        if seen.decisions and seen.decisions[-1].cell[place] in PROVEN_CREDENTIALS:
            conditions |= self._brought(values)
        return ScenarioRequest(
            operation=values["operation"],
            conditions=conditions,
            token=token,
            body=values.get("body"),
            channel=channel,
            idempotency=values["key"],
        )

    def _brought(self, values: dict[str, Any]) -> dict[str, str]:
        """Return what a header and a call bring to a request of a proven caller."""
        screened = self._screened if self._screened in {"clean", "match"} else "unavailable"
        found = {"segment": "vip" if values.get("segment") == "vip" else "plain", "screening": screened}
        return {name: value for name, value in found.items() if name in self._conditions}

    def _token(self, seen: Seen) -> TokenSpec:
        claims, sid = seen.claims, seen.action.sid
        signed_in = claims.get("auth_time")
        age = None if self._stated.get(sid) == signed_in else seen.at - (signed_in or 0.0)
        if signed_in is None:
            age = UNDATED
        if seen.action.values["operation"] not in self._public:  # whose credential is not checked
            self._stated[sid] = signed_in
        return TokenSpec(
            subject=WHO,
            client="app-1",
            session=sid,
            scope=tuple(str(claims.get("scope", "chat read pay")).split()),
            roles=tuple(claims.get("roles", ())),
            acr=claims.get("acr", "aal2"),
            age=age,
            actor=(claims["act"]["sub"],) if "act" in claims else (),
            claims={"account_status": "ok", "country": ""} | {name: claims[name] for name in _FACTS if name in claims},
        )


def compare_scenario(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find where a run and its scenario differ."""
    scenario = ScenarioWriter(accepted.policy, accepted.document).write(seen)
    if scenario.steps:
        (result,) = run_scenarios(accepted.policy, [scenario]).results
        for difference in result.differences[:1]:
            yield Finding("scenario", difference)
