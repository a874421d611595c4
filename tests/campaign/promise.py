"""Oracle of liveness: from the end of a walk, a customer who does what the replies say comes to what is promised.

The customer has a strong sign-in, a normal account and right answers; they know nothing of the policy but the replies.
They wait as replies say, and longer where waiting changes nothing. So a promise that the checker accepts and this
customer cannot realise was proved with what does not surely happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.checks.liveness import CUSTOMER_RISKS, END_OUTCOMES
from tests.campaign.oracle import Finding, describe
from tests.campaign.vocabulary import AGENT, ROLES
from tests.campaign.world import PREFIX, Action, actor_claim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.campaign.document import Document
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen, World

#: requests of one pursuit
MAX_ROUNDS: Final = 14
#: seconds waited where replies lead nowhere, in this order
PATIENCE: Final = (31, 301, 901, 3_601, 43_201, 86_401, 7 * 86_401)
#: what else a customer may try, for a promise of a hand-off or a denial: they fail to verify, sign in weakly, lack
#: scopes and roles, send their agent, change the channel with each request, name none, or do all else first
WAYS: Final = ("guesses", "weak", "lacks", "delegates", "wanders", "nowhere", "prepares")
WHO: Final = "alice"
SID: Final = "s1"


class Pursuer:
    """A customer who pursues one operation.

    Args:
        world: after a walk.
        document: of its policy.
        operation: pursued, as in the document.
        way: what they have and do otherwise than the best customer, a key of `WAYS`.
    """

    def __init__(self, world: World, document: Document, operation: Document, way: str = "best") -> None:
        self._way = way
        self._answer = "wrong" if way == "guesses" else "right"
        self.world = world
        self.document = document
        self.operation = operation
        self.story: list[Seen] = []
        self._patience = list(PATIENCE)
        self._keys = 0
        self._asked = 0

    async def pursue(self, wanted: frozenset[str]) -> bool:
        """Ask until an outcome is one of those wanted; return whether it came."""
        last: tuple[Any, ...] = ()
        for _ in range(MAX_ROUNDS):
            seen = await self._ask()
            if not seen.decisions:
                return True  # refused before the table, of which nothing is promised
            decision = seen.decisions[-1]
            if decision.outcome in wanted:
                return True
            standing = (decision.cell[: len(MACHINES)], decision.fallback)
            if standing == last:
                # nothing that the replies say changes anything: wait longer, and sign in whether it is asked for or not
                if not await self._wait():
                    return False
                await self.sign_in()
            last = standing
            await self._follow(decision.outcome, seen)
        return False

    async def _wait(self) -> bool:
        if self._patience:
            await self._act(Action("wait", values={"seconds": self._patience.pop(0)}))
            return True
        return False

    async def _act(self, action: Action) -> Seen:
        self.story.append(await self.world.act(action))
        return self.story[-1]

    async def _ask(self) -> Seen:
        self._keys += 1
        match = self.operation["match"]
        values: dict[str, Any] = {"path": match["path"], "method": match["method"], "operation": self.operation["name"]}
        if self.operation["effect"] == "write":
            values["body"] = {"amount": 10, "currency": "EUR", "payee": "p"}
            values["key"] = f"pursuit-{self._keys}"
        return await self._act(Action("request", WHO, SID, values | self._channel()))

    def _channel(self) -> dict[str, Any]:
        if "channels" not in self.document:
            return {"tenant": "a", "segment": "vip"}
        self._asked += 1
        if self._way == "nowhere":
            return {"tenant": "a", "segment": "vip"}
        elsewhere = self._way == "wanders" and self._asked % 2
        return {"channel": "app" if elsewhere else "web", "tenant": "a", "segment": "vip"}

    async def _follow(self, outcome: str, seen: Seen) -> None:
        """Do what a reply says."""
        match outcome:
            case "challenge" | "step_up" | "terminate":
                await self.sign_in()
            case "verify":
                for method in seen.body.get("next", {}).get("methods", []):
                    await self._verify(method)
            case "retry":
                after = seen.body.get("next", {}).get("after", 30)
                await self._act(Action("wait", values={"seconds": float(after) + 1}))
            case _:
                await self._wait()

    async def _verify(self, method: str) -> None:
        names = next(names for names in self.document["methods"][method].values() if isinstance(names, list))
        body = {"method": method, "answers": dict.fromkeys(names, self._answer)}
        values = {"path": f"{PREFIX}/verify", "method": "POST", "operation": "authguard.verify", "body": body}
        for _ in names:
            status = (await self._act(Action("own", WHO, SID, values | self._channel()))).status
            if status == 401:
                await self.sign_in()
            if status != 202:
                return

    async def sign_in(self) -> None:
        """Sign in freshly and strongly."""
        await self._act(Action("wait", values={"seconds": 2}))
        sources = self.document["accounts"]
        words = (
            [
                word
                for source in sources
                if source["from"] == "claim"
                for word, state in source["map"].items()
                if state == "normal"
            ]
            if isinstance(sources, list)
            else []
        )
        claims: dict[str, Any] = {"acr": "aal3", "scope": "chat read pay", "account_status": (words or ["ok"])[0]}
        claims |= {"roles": list(ROLES), "channel": "web", "country": "DE"}
        if self._way == "lacks":
            claims |= {"scope": "", "roles": []}
        if self._way == "weak":
            claims["acr"] = "aal1"
        if self._way in ("wanders", "nowhere"):
            claims["channel"] = "app" if self._way == "wanders" else None
        if self._way == "delegates":
            claims |= actor_claim(AGENT)
        await self._act(Action("sign_in", WHO, SID, claims))
        for kind, word in (("status", "ok"), ("screened", "clean"), ("tier", "gold")):
            await self._act(Action(kind, WHO, values={"word": word}))


def promises(accepted: Accepted) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the name and the wanted outcomes of each promise that needs no operator."""
    yield "there is always a way out", frozenset(outcome.value for outcome in END_OUTCOMES)
    for one in accepted.draft.invariants:
        if one.always_reachable and "operator" not in one.by:
            yield one.name, frozenset(one.always_reachable)


async def prepare(world: World, document: Document, operation: Document) -> None:
    """Do the other operations first: a rule may ask for one of them by a flag."""
    for other in document["operations"]:
        if other is not operation and other["risk"] in CUSTOMER_RISKS:
            await Pursuer(world, document, other).pursue(frozenset({Outcome.ALLOW.value}))


async def find_broken_promises(world: World, accepted: Accepted, place: int) -> tuple[list[Finding], list[Seen]]:
    """Find promises that nobody keeps at run time, from the current states, for each operation.

    Returns:
        The findings, and the steps of the first of them.
    """
    for operation in accepted.document["operations"]:
        if operation["risk"] not in CUSTOMER_RISKS or operation.get("actor") == "required":
            continue
        for name, wanted in promises(accepted):
            first = pursuer = Pursuer(world, accepted.document, operation)
            kept = await pursuer.pursue(wanted)
            for way in WAYS:
                if not kept:
                    pursuer = Pursuer(world, accepted.document, operation, way)
                    await pursuer.sign_in()
                    if way == "prepares":
                        await prepare(world, accepted.document, operation)
                    kept = await pursuer.pursue(wanted)
            if not kept:
                pursuer = first
                words = (
                    f"`{name}` is not kept for `{operation['name']}`: {' | '.join(map(describe, pursuer.story[-6:]))}"
                )
                return [Finding("promise", words, place)], pursuer.story
    return [], []
