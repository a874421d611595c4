"""What a careful clerk would keep of held transactions, on paper: the model that approvals are tested against.

It knows no machine, no table, no digest and no record: who asked for what, who said what, who may, and the time. Each
act comes in steps; between two of them a process may die.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

#: seconds that each state lasts, and what it becomes then
LASTS = {"held": (900.0, "lapsed"), "approved": (300.0, "lapsed"), "running": (120.0, "in_doubt")}
OPEN = frozenset({"held", "approved"})
#: a request for what is not open any more, or runs -> what it is told
TOLD = {"done": "repeat", "running": "retry", "failed": "handoff", "in_doubt": "handoff", "held": "hold"}
ROLE = "supervisor"
CALL, DAY, CALLS = 500.0, 1_000.0, 5
DAYS, MINUTES = 86_400.0, 600.0
NEVER = float("-inf")


@dataclass(frozen=True)
class Sheet:
    """Who is at the counter, by the credential that they show.

    Attributes:
        name: of the person.
        issued: when they signed in.
        roles: that the credential names.
        well: whether the credential says that their account is in good standing.
        strong: whether they signed in strongly.
        sid: of the session.
        actor: who acts for them.
    """

    name: str
    issued: float
    roles: frozenset[str] = frozenset()
    well: bool = True
    strong: bool = True
    sid: str = ""
    actor: str = ""


@dataclass
class Person:
    """What is known of somebody: from the newest credential each."""

    roles: frozenset[str] = frozenset()
    roles_at: float = NEVER
    well: bool = True
    said_at: float = NEVER
    barred: float = NEVER


@dataclass
class Paper:
    """One transaction.

    Attributes:
        owner: whose it is.
        asked: session, actor and meaning of the request.
        state: as it was last written down, and since when.
        waited: whether it was ever held.
        approvals: who said yes, and when.
    """

    owner: str
    asked: tuple[str, str, object]
    state: str
    since: float
    waited: bool = False
    approvals: dict[str, float] = field(default_factory=dict)

    def at(self, now: float) -> str:
        """Tell the state at a moment."""
        lasts, then = LASTS.get(self.state, (float("inf"), ""))
        return then if now - self.since >= lasts else self.state

    def become(self, state: str, now: float) -> None:
        """Write a state down."""
        if state != self.state:
            self.state, self.since = state, now


@dataclass
class Book:
    """Everything that the clerk knows.

    Attributes:
        count: how many people a hold asks for.
        people: by name.
        papers: by the name under which somebody asked.
        money: owner -> (moment, amount, paper) of what was let run.
        calls: owner and session -> (moment, paper).
        ran: paper -> how often it was let run.
    """

    count: int
    people: defaultdict[str, Person] = field(default_factory=lambda: defaultdict(Person))
    papers: dict[str, Paper] = field(default_factory=dict)
    money: defaultdict[str, list[tuple[float, float, str]]] = field(default_factory=lambda: defaultdict(list))
    calls: defaultdict[tuple[str, str], list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    ran: Counter[str] = field(default_factory=Counter)

    def meet(self, who: Sheet) -> str:
        """Take note of a credential; tell whether its bearer is let in."""
        person = self.people[who.name]
        if who.issued >= person.roles_at:
            person.roles, person.roles_at = who.roles, who.issued
        if who.issued > person.said_at:
            person.well, person.said_at = who.well, who.issued
        return "in" if person.well and who.issued > person.barred else "out"

    def ask(self, who: Sheet, paper: str, amount: float | None, meaning: object, *, named: bool, now: float) -> str:
        """Somebody asks for money.

        Args:
            who: asks.
            paper: the name under which they ask.
            amount: nothing where it cannot be read.
            meaning: of the request, whatever its spelling.
            named: whether the paper is to exist.
            now: the moment.
        """
        kept = self.papers.get(paper)
        asked = (who.sid, who.actor, meaning)
        if kept is None:
            return "unknown" if named else self._open(who, paper, amount, asked, now)
        if named and kept.owner != who.name:
            return "unknown"
        state = kept.at(now)
        if kept.asked != asked:
            if state not in OPEN:
                return "altered"
            state = "denied"
        elif state in OPEN and len(kept.approvals) >= self.count > len(self._lasting(kept)):
            state = "denied"
        met = self.meet(who)
        if state == "approved" and met == "in":
            return self._run(who, paper, kept, amount, now)
        kept.become(state, now)
        return TOLD.get(state, "deny") if met == "in" else "handoff"

    def begin(self, paper: str, word: str, now: float) -> str:
        """Look at who approved once more, just before what was let run begins."""
        kept = self.papers.get(paper)
        if kept is None or word != "allow" or not len(kept.approvals) >= self.count > len(self._lasting(kept)):
            return word
        self._end(paper, kept, "failed", now)
        self.ran[paper] -= 1
        return "handoff"

    def _open(self, who: Sheet, paper: str, amount: float | None, asked: tuple[str, str, object], now: float) -> str:
        if self.meet(who) == "out":
            return "handoff"
        if amount is None:
            return "deny"
        kept = self.papers[paper] = Paper(who.name, asked, "none", now)
        if not who.actor and self._fits(who, amount, now):
            return self._run(who, paper, kept, amount, now)
        kept.waited = True
        kept.become("held", now)
        return "hold"

    def _run(self, who: Sheet, paper: str, kept: Paper, amount: float | None, now: float) -> str:
        kept.become("running", now)
        assert amount is not None
        money, calls = self.money[who.name], self.calls[who.name, who.sid]
        money[:] = [*(one for one in money if now - one[0] < DAYS), (now, amount, paper)]
        calls[:] = [*(one for one in calls if now - one[0] < MINUTES), (now, paper)]
        self.ran[paper] += 1
        return "allow"

    def _fits(self, who: Sheet, amount: float, now: float) -> bool:
        spent = sum(one[1] for one in self.money[who.name] if now - one[0] < DAYS)
        called = sum(now - one[0] < MINUTES for one in self.calls[who.name, who.sid])
        return amount <= CALL and spent + amount <= DAY and called < CALLS

    def answer(self, paper: str, status: int, now: float) -> None:
        """The app answers what it was let run."""
        kept = self.papers[paper]
        state = kept.at(now)
        if state in {"running", "in_doubt"}:
            if 200 <= status < 300:
                state = "done"
            elif 400 <= status < 500:
                state = "failed"
            else:
                state = "in_doubt"
        self._end(paper, kept, state, now)

    def _end(self, paper: str, kept: Paper, state: str, now: float) -> None:
        if state == "failed" != kept.state:
            for spent in self.money.values():
                spent[:] = [one for one in spent if one[-1] != paper]
            for called in self.calls.values():
                called[:] = [one for one in called if one[-1] != paper]
        kept.become(state, now)

    def decide(self, who: Sheet, word: str, paper: str, now: float) -> str:
        """A person says yes or no to what is held, once they were let in."""
        kept = self.papers.get(paper)
        if kept is None or not kept.waited or ROLE not in who.roles & self.people[who.name].roles:
            return "unknown"
        if who.name in self._involved(kept):
            return "involved"
        if not who.strong:
            return "weak"
        if kept.at(now) not in ({"held"} if word == "approve" else OPEN):
            return "over"
        if word == "deny":
            kept.become("denied", now)
            return "denied"
        kept.approvals = {name: at for name, at in kept.approvals.items() if name in self._lasting(kept)}
        kept.approvals.setdefault(who.name, now)
        return self._counted(kept, now)

    def withdraw(self, who: Sheet, paper: str, now: float) -> str:
        """Whoever asked takes it back, once they were let in."""
        kept = self.papers.get(paper)
        if kept is None or kept.owner != who.name:
            return "unknown"
        if kept.at(now) not in OPEN:
            return "over"
        kept.become("denied", now)
        return "denied"

    def operate(self, word: str, paper: str, names: tuple[str, ...], now: float) -> str:
        """Operators decide, who are known by the names that they give."""
        kept = self.papers.get(paper)
        if kept is None:
            return "unknown"
        may = {"approve": {"held"}, "deny": OPEN, "done": {"in_doubt"}, "failed": {"in_doubt"}}[word]
        if kept.at(now) not in may:
            return "over"
        if word == "approve":
            for name in names:
                kept.approvals.setdefault(f"operator {name}", now)
            return self._counted(kept, now)
        self._end(paper, kept, {"deny": "denied"}.get(word, word), now)
        return kept.state

    def _counted(self, kept: Paper, now: float) -> str:
        if len(kept.approvals) >= self.count:
            kept.become("approved", now)
        return kept.state

    def see(self, who: Sheet, paper: str, now: float) -> str:
        """Somebody looks."""
        kept = self.papers.get(paper)
        if kept is None or (kept.owner != who.name and not (kept.waited and ROLE in who.roles)):
            return "unknown"
        return kept.at(now)

    def bar(self, name: str, now: float) -> str:
        """Every sign-in of somebody up to now is void."""
        self.people[name].barred = max(self.people[name].barred, now)
        return "barred"

    @staticmethod
    def _involved(kept: Paper) -> set[str]:
        return {kept.owner, kept.asked[1]} - {""}

    def _lasting(self, kept: Paper) -> set[str]:
        """List those of the approvers who may still approve."""
        found = set()
        for name, at in kept.approvals.items():
            person = self.people[name]
            may = ROLE in person.roles and person.well and person.barred <= at and name not in self._involved(kept)
            if may or name.startswith("operator "):
                found.add(name)
        return found

    def view(self) -> dict[str, object]:
        """Give what can be read in a store too."""
        found: dict[str, object] = {
            f"paper {name}": (kept.state, kept.since if kept.state in LASTS else 0.0, frozenset(kept.approvals))
            for name, kept in self.papers.items()
        }
        for name, person in self.people.items():
            if person.said_at > NEVER or person.barred > NEVER:
                found[f"person {name}"] = (person.roles, person.well, max(person.said_at, 0.0), max(person.barred, 0.0))
        for owner, money in self.money.items():
            found[f"money {owner}"] = sorted(money)
        for (owner, sid), calls in self.calls.items():
            found[f"calls {owner} {sid}"] = sorted(calls)
        return {name: what for name, what in found.items() if what != []}
