"""Seeded random walks: what customers, their agents, staff, operators and the app do under a policy."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.campaign.vocabulary import AGENT, CHANNELS, LEVELS, MAPPED_LEVEL, ROLES, STATUS_WORDS
from tests.campaign.world import PREFIX, Action, actor_claim

if TYPE_CHECKING:
    from tests.campaign.document import Document

CUSTOMERS: Final = ("alice", "bob")
SESSIONS: Final = ("s1", "s2")
STAFF: Final = ("sam", "sue")
#: seconds: under and over the usual timers, windows and lifetimes
WAITS: Final = (1, 5, 31, 61, 121, 299, 301, 601, 901, 1_801, 3_601, 43_201, 86_401)
WAIT_WEIGHTS: Final = (4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 1, 1, 1)
#: share of actions after which a known story follows
EPISODES: Final = 0.15
#: share of actions that are repeated at once
INSISTENCE: Final = 0.1
#: amounts of a burst: alone each is within most limits, together they are not
BURST_AMOUNTS: Final = (50, 50, 90, 120)
ANSWERS: Final = ("right", "wrong", "doubt", "down")
REPORTS: Final = (
    *("session.ended", "session.revoked", "everywhere", "verification.failed", "verification.doubted"),
    *("verification.moved", "verification.exhausted", "verification.unavailable", "verification.contradicted"),
)
WORDS: Final = (*STATUS_WORDS, "watch", "nonsense")


class WalkGenerator:
    """Draws a walk for a document.

    Args:
        seed: the same seed gives the same walk.
        document: whose operations, methods and channels it uses.
    """

    def __init__(self, seed: int | str, document: Document) -> None:
        self.random = Random(f"walk {seed}")  # noqa: S311 - a campaign is repeated, not guessed
        self.document = document

    def draw(self, length: int) -> tuple[Action, ...]:
        """Return a walk with this number of actions, besides the first sign-ins."""
        pick = self.random
        begin = [self._sign_in(who, "s1", plain=pick.random() < 0.7) for who in CUSTOMERS]
        begin += [Action("sign_in", who, "s1", {"roles": list(ROLES), "acr": "aal3"}) for who in STAFF]
        kinds = {
            self._ask: 10,
            self._verify: 4,
            self._wait: 3,
            self._sign_in_again: 3,
            self._decide: 2,
            self._end: 1,
            self._act: 1,
            self._status: 1,
        }
        chosen = pick.choices(list(kinds), list(kinds.values()), k=length)
        done = [*begin]
        for one in chosen:
            action = one()
            done += self._insist(action) if pick.random() < INSISTENCE else [action]
            if pick.random() < EPISODES:
                done += pick.choice((self._hold, self._guess, self._spread))()
        return tuple(done[: length + len(begin)])

    def finish(self) -> list[Action]:
        """Return a story that is drawn for what the document counts and raises."""
        stories = [self._insist_weakly]
        if any("limits" in one for one in self.document["operations"]):
            stories += [self._burst] * 2
        provoked = self._provoke() if self._raising_words() else []
        return [*provoked, *self.random.choice(stories)()]

    def _burst(self) -> list[Action]:
        """Let one subject ask for one limited operation several times within its window, by new keys."""
        pick = self.random
        operation = pick.choice([one for one in self.document["operations"] if "limits" in one])
        right = Action("own", "alice", "s1", self._answers("default", "right"))
        made = [self._sign_in("alice", "s1", plain=True), right]
        amount = pick.choice(BURST_AMOUNTS)
        for number in range(pick.randint(4, 8)):
            values = self._call(operation) | {"key": f"burst-{number}", "tenant": "a"}
            if operation["effect"] == "write":
                values["body"] = {"amount": amount, "currency": "EUR", "payee": "p"}
            made.append(Action("request", "alice", "s1", values))
        return made

    def _insist_weakly(self) -> list[Action]:
        """Let one subject sign in again and again, each time too weakly for what they ask for."""
        pick = self.random
        checked = [one for one in self.document["operations"] if "assurance" in one]
        operation = pick.choice(checked or self.document["operations"])
        made = []
        for number in range(pick.randint(4, 7)):
            values = self._call(operation) | {"key": f"weak-{number}", "tenant": "a"}
            if operation["effect"] == "write":
                values["body"] = {"amount": 50, "currency": "EUR", "payee": "p"}
            made += [
                Action("wait", values={"seconds": 1}),
                Action("sign_in", "alice", "s1", {"acr": "aal1", "channel": "web"}),
                Action("request", "alice", "s1", values),
            ]
        return made

    def _provoke(self) -> list[Action]:
        """Bring the quieter account, of which two sessions are live, to a state whose line raises an event."""
        values = self._call(self.random.choice(self.document["operations"])) | {"tenant": "a"}
        word = self.random.choice(self._raising_words())
        signed_in = [
            step
            for sid in SESSIONS
            for step in (self._sign_in("bob", sid, plain=True), Action("request", "bob", sid, values))
        ]
        moved = Action("refresh", "bob", "s1", {"account_status": word, "channel": "web"})
        return [*signed_in, Action("wait", values={"seconds": 1}), moved, *signed_in[1::2]]

    def _raising_words(self) -> list[str]:
        """Return the words of the account claim whose event a line of this document raises another by."""
        lines = self.document.get("machines", {}).get("account", {}).get("transitions", [])
        raising = {str(one["trigger"]) for one in lines if one.get("raises") and one["source"] != "*"}
        sources = self.document["accounts"] if isinstance(self.document["accounts"], list) else []
        maps = [one["map"] for one in sources if one["from"] == "claim"]
        return [word for one in maps for word, state in one.items() if state in raising]

    def _call(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a request for an operation, by a declared channel."""
        match = operation["match"]
        values = {"path": match["path"], "method": match["method"], "operation": operation["name"]}
        return values | ({"channel": "web"} if "channels" in self.document else {})

    def _answers(self, method: str, answer: str) -> dict[str, Any]:
        """Return the values of a request that answers all steps of a method alike."""
        names = [
            name for listed in self.document["methods"][method].values() if isinstance(listed, list) for name in listed
        ]
        values: dict[str, Any] = {"path": f"{PREFIX}/verify", "method": "POST", "operation": "authguard.verify"}
        values["body"] = {"method": method, "answers": dict.fromkeys(names, answer)}
        return values | ({"channel": "web"} if "channels" in self.document else {})

    def _hold(self) -> list[Action]:
        """Let somebody ask for what may be held, staff decide, and the customer come again with the same key."""
        pick = self.random
        writes = [one for one in self.document["operations"] if one["effect"] == "write" and one["risk"] != "public"]
        if not writes:
            return []
        operation = pick.choice(writes)
        values: dict[str, Any] = {"path": operation["match"]["path"], "method": operation["match"]["method"]}
        values |= {"operation": operation["name"], "key": f"h{pick.randint(1, 4)}", "tenant": "a"}
        values["body"] = {"amount": pick.choice([50, 120, 700]), "currency": "EUR", "payee": "p"}
        if "channels" in self.document:
            values["channel"] = "web"
        who, sid = self._who()
        ask = Action("request", who, sid, values)
        made = [self._sign_in(who, sid, plain=True), ask]
        act = pick.choices(("approve", "deny", ""), (4, 3, 1))[0]
        for staff in STAFF if act else ():
            path = f"{PREFIX}/transactions/{{transaction}}/{act}"
            body = {"reason": "seen"}
            made.append(
                Action("own", staff, "s1", {"path": path, "method": "POST", "of": who, "operation": act, "body": body})
            )
        return [*made, *([self._wait()] if pick.random() < 0.3 else []), ask, self._ask()]

    def _guess(self) -> list[Action]:
        """Let somebody sign in weakly, and answer a method until no attempts are left."""
        who, sid = self._who()
        verify = self._verify()
        verify = Action("own", who, sid, verify.values)
        return [
            Action("sign_in", who, sid, {"acr": "aal1", "channel": "web"}),
            *[verify] * self.random.randint(2, 5),
            self._ask(),
        ]

    def _spread(self) -> list[Action]:
        """Bring news of an account by one session, and ask in another."""
        pick = self.random
        ask = self._ask()
        values = {**ask.values, "token": "good"}
        who, reports = ask.who, self.document.get("reports", {}).get("app", [])
        if reports and pick.random() < 0.5:
            news = Action("request", who, "s1", values | {"report": pick.choice([*reports, *REPORTS])})
        else:
            news = Action("request", who, "s1", values)
        begin = self._sign_in(who, "s2", plain=True)
        word = {"account_status": pick.choice(WORDS), "channel": "web"}
        return [
            begin,
            Action("request", who, "s2", values),
            Action("sign_in", who, "s1", word),
            news,
            Action("request", who, "s2", values),
        ]

    def _insist(self, action: Action) -> list[Action]:
        """Repeat an action, at times with another credential of the same sign-in or a new one each time."""
        pick = self.random
        kind = pick.choice(("", "refresh", "sign_in"))
        again = [action]
        for _ in range(pick.randint(2, 4)):
            if kind and action.who in CUSTOMERS:
                again += [Action("wait", values={"seconds": 1}), Action(kind, action.who, action.sid, {})]
            again.append(action)
        return again

    def _who(self) -> tuple[str, str]:
        return self.random.choices(CUSTOMERS, (4, 1))[0], self.random.choices(SESSIONS, (3, 1))[0]

    def _ask(self) -> Action:
        pick = self.random
        who, sid = self._who()
        operation = pick.choice(self.document["operations"])
        match = operation["match"]
        values: dict[str, Any] = {"path": match["path"], "method": match["method"], "operation": operation["name"]}
        values["token"] = pick.choices(("good", "old", "none", "broken"), (24, 2, 1, 1))[0]
        if operation["effect"] == "write":
            values["body"] = {
                "amount": pick.choice([50, 50, 120, 700, "much"]),
                "currency": "EUR",
                "payee": pick.choice("pq"),
            }
            if pick.random() < 0.8:
                values["key"] = f"k{pick.randint(1, 3)}"
            values["names"] = pick.random() < 0.3
            if pick.random() < 0.15:
                values["app_status"] = pick.choice([402, 409, 500])
        if "channels" in self.document and pick.random() < 0.8:
            values["channel"] = pick.choice(CHANNELS)
        if pick.random() < 0.08:
            values["report"] = pick.choice([*REPORTS, *self.document.get("reports", {}).get("app", [])])
        if "binds" in operation:
            values["tenant"] = pick.choice("ab")
        return Action("request", who, sid, values)

    def _verify(self) -> Action:
        pick = self.random
        who, sid = self._who()
        method = pick.choice(list(self.document["methods"]))
        answer = pick.choices(ANSWERS, (5, 3, 1, 1))[0]
        values = self._answers(method, answer)
        values.pop("channel", None)
        if "channels" in self.document and pick.random() < 0.8:
            values["channel"] = pick.choice(CHANNELS)
        return Action("own", who, sid, values)

    def _wait(self) -> Action:
        return Action("wait", values={"seconds": self.random.choices(WAITS, WAIT_WEIGHTS)[0]})

    def _claims(self) -> dict[str, Any]:
        pick = self.random
        claims: dict[str, Any] = {"acr": pick.choice([*LEVELS, MAPPED_LEVEL])}
        claims["scope"] = pick.choice(["chat read pay", "chat read pay", "chat", "read pay", ""])
        claims["account_status"] = pick.choice(["ok", "ok", "ok", *WORDS])
        if pick.random() < 0.2:
            claims |= actor_claim(pick.choice([AGENT, AGENT, "mallory"]))
        if pick.random() < 0.1:
            claims["roles"] = [pick.choice(ROLES)]
        if "channels" in self.document:
            claims["channel"] = pick.choice(CHANNELS)
        if pick.random() < 0.1:
            claims["auth_time"] = None
        return claims

    def _sign_in(self, who: str, sid: str, *, plain: bool = False) -> Action:
        claims = {"acr": "aal3", "channel": "web"} if plain else self._claims()
        return Action("sign_in", who, sid, claims)

    def _sign_in_again(self) -> Action:
        who, sid = self._who()
        plain = self.random.random() < 0.5
        action = self._sign_in(who, sid, plain=plain)
        return Action("refresh", who, sid, action.values) if self.random.random() < 0.4 else action

    def _decide(self) -> Action:
        pick = self.random
        who = pick.choice(STAFF)
        act = pick.choices(("approve", "deny", "reinstate", "withdraw", "list"), (5, 2, 2, 1, 1))[0]
        values: dict[str, Any] = {
            "method": "POST",
            "of": pick.choices(CUSTOMERS, (4, 1))[0],
            "operation": f"staff {act}",
        }
        match act:
            case "reinstate":
                values |= {
                    "path": f"{PREFIX}/accounts/{{account}}/reinstate",
                    "body": {"reason": "seen"},
                    "account": values["of"],
                }
            case "list":
                values |= {"path": f"{PREFIX}/transactions", "method": "GET"}
            case "withdraw":
                who = values["of"]
                values |= {"path": f"{PREFIX}/transactions/{{transaction}}/withdraw", "body": {"reason": "no"}}
            case _:
                values |= {"path": f"{PREFIX}/transactions/{{transaction}}/{act}", "body": {"reason": "seen"}}
        return Action("own", who, "s1", values)

    def _end(self) -> Action:
        who, sid = self._who()
        path = self.random.choice(["session/end", "sessions/end"])
        return Action("own", who, sid, {"path": f"{PREFIX}/{path}", "method": "POST", "operation": path})

    def _act(self) -> Action:
        return Action(self.random.choices(("engage", "release", "impaired"), (1, 2, 1))[0])

    def _status(self) -> Action:
        return Action(
            "status", self._who()[0], values={"word": self.random.choice(["ok", "locked", "frozen", "nonsense"])}
        )


def draw_walk(seed: int | str, document: Document, length: int = 20) -> tuple[Action, ...]:
    """Return the walk of a seed, which ends with a story of its own seed."""
    begin = WalkGenerator(seed, document).draw(length)
    return (*begin, *WalkGenerator(f"{seed} end", document).finish())
