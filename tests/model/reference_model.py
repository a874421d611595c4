"""Reference model of held transactions, against which approvals are tested.

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
#: the limits of a refund, by name
PER_CALL, PER_DAY, PER_CALLS = "refund/0", "refund/1", "refund/2"
#: until when what ran counts by itself, and not by its window
RAN = 0.0
CALL, DAY, CALLS = 500.0, 1_000.0, 5
DAYS, MINUTES = 86_400.0, 600.0
NEVER = float("-inf")


#: what was spent or booked: when, how much, until when a booking counts, and for which paper
Entry = tuple[float, float, float, str]


def _counts(entry: Entry, window: float, now: float) -> bool:
    return now < entry[2] if entry[2] else now - entry[0] < window


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
        sid: of the session that asked.
        asked: actor and meaning of the request.
        amount: asked for.
        state: as it was last written down, and since when.
        waited: whether it was ever held.
        tripped: limits that it was over then.
        approvals: who said yes, when, and to which limits it may go over.
    """

    owner: str
    sid: str
    asked: tuple[str, object]
    amount: float
    state: str
    since: float
    waited: bool = False
    tripped: frozenset[str] = frozenset()
    approvals: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)

    def at(self, now: float) -> str:
        """Tell the state at a moment."""
        lasts, then = LASTS.get(self.state, (float("inf"), ""))
        return then if now - self.since >= lasts else self.state

    def become(self, state: str, now: float) -> None:
        """Write a state down."""
        if state != self.state:
            self.state, self.since = state, now


def filed_as(state: str, since: float, now: float) -> str:
    """Return the state as which a paper is compared: what lapsed while it was held may be filed so at any moment."""
    lasts, then = LASTS["held"]
    return then if state == "held" and now - since >= lasts else state


@dataclass
class Book:
    """Everything that the clerk knows.

    Attributes:
        count: how many people a hold asks for.
        people: by name.
        papers: by the name under which somebody asked.
        money: owner -> (moment, amount, until, paper) of what was let run, or is booked until a moment.
        calls: owner and session -> the same, one each.
        ran: paper -> how often it was let run.
    """

    count: int
    people: defaultdict[str, Person] = field(default_factory=lambda: defaultdict(Person))
    papers: dict[str, Paper] = field(default_factory=dict)
    money: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    calls: defaultdict[tuple[str, str], list[Entry]] = field(default_factory=lambda: defaultdict(list))
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
        asked = (who.actor, meaning)
        if kept is None:
            return "unknown" if named else self._open(who, paper, amount, asked, now)
        if named and kept.owner != who.name:
            return "unknown"
        state = kept.at(now)
        if state in OPEN and kept.sid != who.sid:
            return "session" if kept.asked == asked else "altered"
        if kept.asked != asked:
            if state not in OPEN:
                return "altered"
            state = "denied"
        elif state in OPEN and len(kept.approvals) >= self.count > len(self._lasting(kept)):
            state = "denied"
        if state == "approved" and not self._is_booked(kept, paper, now):
            state = "lapsed"
        met = self.meet(who)
        if state == "approved" and met == "in":
            return self._run(paper, kept, now)
        if state != kept.state and state in {"denied", "lapsed"}:
            self._free(paper, who.name, who.sid)
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

    def _open(self, who: Sheet, paper: str, amount: float | None, asked: tuple[str, object], now: float) -> str:
        if self.meet(who) == "out":
            return "handoff"
        if amount is None:
            return "deny"
        kept = self.papers[paper] = Paper(who.name, who.sid, asked, amount, "none", now)
        kept.tripped = self._over(kept, paper, now)
        if not who.actor and not kept.tripped:
            return self._run(paper, kept, now)
        kept.waited = True
        kept.become("held", now)
        return "hold"

    def _run(self, paper: str, kept: Paper, now: float) -> str:
        kept.become("running", now)
        self._write(kept, paper, RAN, now)
        self.ran[paper] += 1
        return "allow"

    def _write(self, kept: Paper, paper: str, until: float, now: float) -> None:
        """Write down what a paper spends, in place of what was written of it before."""
        for entries, window, amount in self._ledgers(kept):
            others = [one for one in entries if _counts(one, window, now) and one[-1] != paper]
            entries[:] = [*others, (now, amount, until, paper)]

    def _ledgers(self, kept: Paper) -> tuple[tuple[list[Entry], float, float], ...]:
        return (
            (self.money[kept.owner], DAYS, kept.amount),
            (self.calls[kept.owner, kept.sid], MINUTES, 1.0),
        )

    def _over(self, kept: Paper, paper: str, now: float) -> frozenset[str]:
        """List the limits that a paper would go over if it were let run now."""
        spent, called = (
            sum(one[1] for one in entries if _counts(one, window, now) and one[-1] != paper)
            for entries, window, _ in self._ledgers(kept)
        )
        over = {PER_CALL: kept.amount > CALL, PER_DAY: spent + kept.amount > DAY, PER_CALLS: called + 1 > CALLS}
        return frozenset(name for name, is_over in over.items() if is_over)

    def _is_booked(self, kept: Paper, paper: str, now: float) -> bool:
        return all(any(one[-1] == paper and now < one[2] for one in entries) for entries, _, _ in self._ledgers(kept))

    def _free(self, paper: str, owner: str, sid: str) -> None:
        for entries in (self.money[owner], self.calls[owner, sid]):
            entries[:] = [one for one in entries if one[-1] != paper]

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
            for entries in (*self.money.values(), *self.calls.values()):
                entries[:] = [one for one in entries if one[-1] != paper]
        kept.become(state, now)

    def decide(self, who: Sheet, word: str, paper: str, now: float, over: frozenset[str] = frozenset()) -> str:
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
            self._free(paper, kept.owner, kept.sid)
            kept.become("denied", now)
            return "denied"
        return self._approve(kept, paper, self._lasting(kept), (who.name,), over, now)

    def withdraw(self, who: Sheet, paper: str, now: float) -> str:
        """Whoever asked takes it back, once they were let in."""
        kept = self.papers.get(paper)
        if kept is None or kept.owner != who.name:
            return "unknown"
        if kept.at(now) not in OPEN:
            return "over"
        self._free(paper, kept.owner, kept.sid)
        kept.become("denied", now)
        return "denied"

    def operate(
        self, word: str, paper: str, names: tuple[str, ...], now: float, over: frozenset[str] = frozenset()
    ) -> str:
        """Operators decide, who are known by the names that they give."""
        kept = self.papers.get(paper)
        if kept is None:
            return "unknown"
        may = {"approve": {"held"}, "deny": OPEN, "done": {"in_doubt"}, "failed": {"in_doubt"}}[word]
        if kept.at(now) not in may:
            return "over"
        if word == "approve":
            named = tuple(f"operator {name}" for name in names)
            return self._approve(kept, paper, set(kept.approvals), named, over, now)
        if word == "deny":
            self._free(paper, kept.owner, kept.sid)
        self._end(paper, kept, {"deny": "denied"}.get(word, word), now)
        return kept.state

    def _approve(  # noqa: PLR0917 - the parts of one yes
        self, kept: Paper, paper: str, lasting: set[str], names: tuple[str, ...], over: frozenset[str], now: float
    ) -> str:
        """Count a yes for what its giver accepted; the last of as many as are asked for books the money."""
        exceeded = self._over(kept, paper, now)
        if not exceeded <= over | kept.tripped:
            return "limit"
        kept.approvals = {
            name: (at, accepted)
            for name, (at, accepted) in kept.approvals.items()
            if name in lasting and exceeded <= accepted | kept.tripped
        }
        for name in names:
            kept.approvals.setdefault(name, (now, over))
        if len(kept.approvals) >= self.count:
            kept.become("approved", now)
            self._write(kept, paper, now + LASTS["approved"][0], now)
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
        return {kept.owner, kept.asked[0]} - {""}

    def _lasting(self, kept: Paper) -> set[str]:
        """List those of the approvers who may still approve."""
        found = set()
        for name, (at, _) in kept.approvals.items():
            person = self.people[name]
            may = ROLE in person.roles and person.well and person.barred <= at and name not in self._involved(kept)
            if may or name.startswith("operator "):
                found.add(name)
        return found

    def view(self, now: float) -> dict[str, object]:
        """Give what can be read in a store too."""
        found: dict[str, object] = {}
        for name, kept in self.papers.items():
            state = filed_as(kept.state, kept.since, now)
            found[f"paper {name}"] = (state, kept.since if state in LASTS else 0.0, frozenset(kept.approvals))
        for name, person in self.people.items():
            if person.said_at > NEVER or person.barred > NEVER:
                found[f"person {name}"] = (person.roles, person.well, max(person.said_at, 0.0), max(person.barred, 0.0))
        for owner, money in self.money.items():
            found[f"money {owner}"] = sorted(money)
        for (owner, sid), calls in self.calls.items():
            found[f"calls {owner} {sid}"] = sorted(calls)
        return {name: what for name, what in found.items() if what != []}
