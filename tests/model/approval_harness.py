"""Harness for approvals: each act on the guard and on the reference model."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from authguard.asgi.transaction_endpoints import own_operations
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key, session_key
from authguard.core.request import Evidence, Proven
from authguard.core.snapshot import Keys
from authguard.evaluation.decision import AppResponse, Verdict
from authguard.evaluation.request import AccessRequest, Body
from tests.model.enforcer_harness import Killed, Rig
from tests.model.reference_model import LASTS, ROLE, Book, Sheet, filed_as
from tests.support.harness import ISSUER, POLICY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from authguard.core.snapshot import LedgerEntry
    from authguard.evaluation.decision import Refusal

#: sessions, trust and accounts do not age here: what ages is what is held
TEXT: Final = (
    POLICY
    + """
budget: {request: 5m}
timers:
  - {event: session.idled, after: 400d, since: last_seen, states: [active]}
  - {event: session.aged, after: 400d, since: signed_in}
  - {event: verification.aged, after: 400d, since: entered, states: [verified, pending, unavailable]}
  - {event: account.aged, after: 400d, since: reported}
fallbacks:
  await_approval: {kind: hold, approvers: {role: supervisor, count: COUNT, acr: aal2}}
"""
)
OWN: Final = {operation.name.rpartition(".")[2]: operation for operation in own_operations("/.authguard")}
EVENTS: Final = {
    "approve": "transaction.approved",
    "deny": "transaction.denied",
    "done": "transaction.committed",
    "failed": "transaction.failed",
}
SAID: Final = {
    Reason.TRANSACTION_UNKNOWN: "unknown",
    Reason.TRANSACTION_ALTERED: "altered",
    Reason.TRANSACTION_OVER: "over",
    Reason.APPROVER_INVOLVED: "involved",
    Reason.APPROVER_WEAK: "weak",
    Reason.LIMIT_EXCEEDED: "limit",
    Reason.SESSION_CHANGED: "session",
}
CUSTOMERS: Final = ("alice", "bob")
ACCOUNTS: Final = {account_key(ISSUER, name): name for name in (*CUSTOMERS, "concierge", "dana", "erik", "fay")}
#: whoever is not named here is a supervisor
ROLES: Final = {"bob": frozenset[str](), "fay": frozenset({"clerk"})}
SESSIONS: Final = ("s1", "s2")
#: a moment between two credentials, so that which is newer is never a question
TICK: Final = 2.0**-10
#: places for the sessions of all who come
CAPACITY: Final = 4_096


@dataclass(frozen=True)
class Request:
    """What somebody asks for: an amount, how it is written down, and what else stands in it.

    Attributes:
        amount: as JSON.
        spelling: of the same meaning: another order, other blanks, another way to write a number.
        more: a byte that makes it another request: in the body, or in the query.
    """

    amount: float | str = 900
    spelling: int = 0
    more: str = ""

    def meaning(self) -> object:
        """Give what every spelling means."""
        return self.amount, self.more

    def body(self) -> Body:
        """Write it down."""
        content: dict[str, object] = {"amount": self.amount, "currency": "EUR"}
        if self.more.startswith("{"):
            content["note"] = self.more
        if self.spelling % 2:
            content = dict(reversed(content.items()))
        text = json.dumps(content, indent=self.spelling or None)
        if self.spelling > 1 and isinstance(self.amount, int):
            text = text.replace(f'"amount": {self.amount}', f'"amount": {self.amount}.0')
        target = b"/orders/7/refund?" + (self.more.encode() if self.more.startswith("?") else b"")
        form = f"application/json; more={self.more[1:]}".encode() if self.more[:1] == "*" else b""
        return Body(text.encode(), target, "application/json", form)


@dataclass(frozen=True)
class Act:
    """One thing that somebody does: as the guard has it done, and as the book has it, step by step."""

    done: Callable[[], Awaitable[str]]
    steps: tuple[Callable[[Book], str], ...]


class Counter:
    """A deployment, its book, and everything that can be done there.

    Attributes:
        met: how often each word was said, over all walks.
    """

    met: Final[dict[str, int]] = {}

    def __init__(self, kind: str, count: int) -> None:
        self.rig = Rig(kind, TEXT.replace("COUNT", str(count)), CAPACITY)
        self.book = Book(count)
        self.ids: dict[str, str] = {}
        self.papers: dict[str, str] = {}
        self.running: dict[str, Verdict] = {}
        self.answers: dict[str, bytes] = {}
        self.settled: set[str] = set()
        self.numbers = itertools.count()
        self.latest = 0.0

    # what happens

    def happens(self, act: Act) -> str:
        """Let one thing happen, and look whether the guard says and keeps what the book does."""
        self.note_filed()
        said = str(self.rig.run(act.done()))
        told = ""
        for step in act.steps:
            told = step(self.book)
        assert said == told, f"the guard says `{said}`, and the book `{told}`"
        self.met[said] = self.met.get(said, 0) + 1
        self.agree()
        return said

    def happen_at_once(self, acts: Sequence[Act]) -> None:
        """Let several things happen at once: what comes of it is what comes of them in some order."""
        self.note_filed()

        async def together() -> list[str]:
            return await asyncio.gather(*(act.done() for act in acts))

        said = self.rig.run(together())
        seen = self.look()
        turns = [place for place, act in enumerate(acts) for _ in act.steps]
        for order in sorted(set(itertools.permutations(turns))):
            book = copy.deepcopy(self.book)
            told = [""] * len(acts)
            left = [iter(act.steps) for act in acts]
            for place in order:
                told[place] = next(left[place])(book)
            if told == said and self.written(book) == seen:
                self.book = book
                self.met["at once"] = self.met.get("at once", 0) + 1
                return
        raise AssertionError(
            f"the guard says {said} and keeps {seen}, which no order gives; before: {self.written(self.book)}"
        )

    def dies_over(self, act: Act, calls: int) -> None:
        """Let the process die over something: what is kept is what was before, or after one of its steps."""
        self.rig.tape.fuse, self.rig.tape.error = calls, Killed
        try:
            self.happens(act)
        except Killed:
            self.met["died"] = self.met.get("died", 0) + 1
            self.rig.restart()
            self.running.clear()
            ran = self.book.ran.copy()
            seen, books = self.look(), [copy.deepcopy(self.book)]
            for step in act.steps:
                book = copy.deepcopy(books[-1])
                step(book)
                books.append(book)
            matching = [book for book in books if self.written(book) == seen]
            assert matching, f"{seen} is neither before nor after: {list(map(self.written, books))}"
            self.book = matching[-1]
            self.book.ran = ran  # nobody was told to run
            self.agree()
        finally:
            self.rig.tape.fuse = 0
            self.rig.tape.broke.clear()

    def restarts(self) -> None:
        """End the process and start the next; what ran is cut off."""
        self.rig.restart()
        self.running.clear()
        self.agree()

    # what can be done

    def sheet(self, name: str, **facts: Any) -> tuple[Sheet, bytes]:
        """Sign somebody in now."""
        self.rig.clock.advance(TICK)
        given = {"roles": ROLES.get(name, frozenset({ROLE})), "sid": f"n{next(self.numbers)}"} | facts
        who = Sheet(name, self.rig.clock.now(), **given)
        claims = {"account_status": "ok" if who.well else "locked", "roles": sorted(who.roles)}
        chain = ((ISSUER, who.actor),) if who.actor else ()
        acr = "aal2" if who.strong else "aal1"
        header = self.rig.sign_in(
            name, skew=0, sid=who.sid, acr=acr, actor=who.actor, chain=chain, claims=claims, token_scopes=SCOPES
        )
        return who, header

    def asks(
        self, name: str, paper: str, request: Request, *, named: bool = False, sid: str = "s1", actor: str = ""
    ) -> Act:
        """Somebody asks for money, by a key of their own or by a transaction's id."""
        who, header = self.sheet(name, sid=sid, actor=actor)
        amount = float(request.amount) if not isinstance(request.amount, str) else None
        evidence = Evidence(authorization=header, idempotency=paper.partition(" ")[2])
        if named:
            evidence = Evidence(authorization=header, transaction=self.ids.get(paper, "0" * 32))
        else:
            self.name(paper, who)

        async def ask() -> str:
            return self.asked(paper, await self.decide("refund", evidence, request.body()))

        word = ""

        def first(book: Book) -> str:
            nonlocal word
            word = book.ask(who, paper, amount, request.meaning(), named=named, now=self.rig.clock.now())
            return word

        return Act(ask, (first, lambda book: book.begin(paper, word, self.rig.clock.now())))

    def name(self, paper: str, who: Sheet) -> None:
        """Note the id that a key stands for: the same for one account and operation, and for no other."""
        if paper not in self.ids:
            parts = (account_key(ISSUER, who.name), b"refund", paper.partition(" ")[2].encode())
            digest = blake2b(digest_size=16, person=b"transaction")
            for part in parts:
                digest.update(len(part).to_bytes(4, "big") + part)
            self.ids[paper] = digest.hexdigest()
            self.papers[digest.hexdigest()] = paper

    def asked(self, paper: str, answer: Verdict | Refusal) -> str:
        """Take note of an answer; say it in a word."""
        if not isinstance(answer, Verdict):
            return SAID[answer.reason]
        if answer.transaction:
            assert self.ids[paper] == answer.transaction
        if answer.running:
            assert paper not in self.running, "it runs twice"
            self.running[paper] = answer
        if answer.fallback.kind.value == "repeat":
            first = self.answers.get(paper, b"")
            told = {first, b""} if paper in self.settled else {first}
            assert answer.snapshot.transaction.answer in told, "the first answer is another"
        return answer.fallback.kind.value

    def decides(self, name: str, word: str, paper: str, over: tuple[str, ...] = (), **facts: Any) -> Act:
        """Somebody says yes or no, or takes back what is theirs, over the guard's own endpoint."""
        who, header = self.sheet(name, **facts)
        approvals = self.rig.enforcer.approvals

        async def do() -> str:
            verdict = await self.decide(OWN[word].name, Evidence(authorization=header), Body(b""))
            if not isinstance(verdict, Verdict) or not verdict.admits:
                return "out"
            known = self.ids.get(paper, "0" * 32)
            if word == "approve":
                return said(await approvals.approve(verdict, known, "because", over))
            decide = {"deny": approvals.deny, "withdraw": approvals.withdraw}[word]
            return said(await decide(verdict, known, "because"))

        def second(book: Book) -> str:
            now = self.rig.clock.now()
            if word == "withdraw":
                return book.withdraw(who, paper, now)
            return book.decide(who, word, paper, now, frozenset(over))

        # what is one's own can be taken back whatever is wrong with one's account
        return Act(do, self.let_in(who, second, anyway=word == "withdraw"))

    @staticmethod
    def let_in(
        who: Sheet, second: Callable[[Book], str], *, anyway: bool
    ) -> tuple[Callable[[Book], str], Callable[[Book], str]]:
        """Have a second step taken by those only who were let in by the first."""
        met = ""

        def first(book: Book) -> str:
            nonlocal met
            found = book.meet(who)
            met = "in" if anyway else found
            return met

        return first, lambda book: second(book) if met == "in" else met

    def shows_up(self, name: str, **facts: Any) -> Act:
        """Somebody comes with a newer credential, which says something else of them."""
        who, header = self.sheet(name, **facts)

        async def come() -> str:
            verdict = await self.decide(OWN["transactions"].name, Evidence(authorization=header), Body(b""))
            return "in" if isinstance(verdict, Verdict) and verdict.admits else "out"

        return Act(come, (lambda book: book.meet(who),))

    def operates(self, word: str, paper: str, names: tuple[str, ...], over: tuple[str, ...] = ()) -> Act:
        """Operators decide."""
        self.settled |= {paper} if word == "done" else set()

        async def do() -> str:
            known = self.ids.get(paper, "0" * 32)
            return said(
                await self.rig.enforcer.approvals.decide_as_operator(known, EVENTS[word], names, "because", over)
            )

        return Act(do, (lambda book: book.operate(word, paper, names, self.rig.clock.now(), frozenset(over)),))

    def bars(self, name: str) -> Act:
        """The issuer says that every sign-in of somebody is void."""

        async def bar() -> str:
            now = self.rig.clock.now()

            def make(evaluation: Any) -> None:
                evaluation.update_record("account", not_before=max(now, evaluation.snapshot.account.not_before))

            await self.rig.enforcer.repository.change(Keys(account_key(ISSUER, name)), make)
            return "barred"

        return Act(bar, (lambda book: book.bar(name, self.rig.clock.now()),))

    def answers_as(self, paper: str, status: int) -> Act:
        """The app answers what it was let run."""
        verdict = self.running.pop(paper)
        body = f'{{"of": "{paper}"}}'.encode()

        async def settle() -> str:
            await self.rig.enforcer.reports.settle(verdict, AppResponse(status, "application/json", body))
            if 200 <= status < 300:
                self.answers[paper] = body
            return "answered"

        def told(book: Book) -> str:
            book.answer(paper, status, self.rig.clock.now())
            return "answered"

        return Act(settle, (told,))

    def looks(self, name: str, paper: str, **facts: Any) -> Act:
        """Somebody looks at a transaction; nothing is written down."""
        who, header = self.sheet(name, **facts)

        async def see() -> str:
            found = self.rig.check.evaluate(header, self.rig.clock.now())
            assert isinstance(found, Proven)
            return said(await self.rig.enforcer.approvals.get(found.principal, self.ids.get(paper, "0" * 32)))

        return Act(see, (lambda book: book.see(who, paper, self.rig.clock.now()),))

    async def decide(self, operation: str, evidence: Evidence, body: Body) -> Verdict | Refusal:
        """Decide as the shell does."""
        own = [item for item in OWN.values() if item.name == operation]
        wanted = next(iter(own), None) or next(item for item in self.rig.policy.operations if item.name == operation)

        async def read() -> Body:
            await asyncio.sleep(0)
            return body

        return await self.rig.answer(AccessRequest(operation=wanted, evidence=evidence, method="POST", read_body=read))

    # what is kept

    def agree(self) -> None:
        """The store holds what the book does, and nothing was let run twice."""
        seen, written = self.look(), self.written(self.book)
        assert seen == written, f"the store holds {seen}, and the book {written}"
        assert max(self.book.ran.values(), default=0) <= 1

    def note_filed(self) -> None:
        """Note what the guard filed as lapsed when its time was over, whatever the clock says by now."""
        now = self.rig.clock.now()
        listed: Any = self.rig.run(self.rig.inner.transactions(limit=CAPACITY))
        for transaction, record in listed:
            kept = self.book.papers.get(self.paper_of(transaction))
            if kept is None or (kept.state, record.state) != ("held", "lapsed"):
                continue
            if self.latest - kept.since >= LASTS["held"][0]:
                kept.become("lapsed", now)
        self.latest = max(self.latest, now)

    def written(self, book: Book) -> dict[str, object]:
        """Read a book as of now."""
        return book.view(self.rig.clock.now())

    def look(self) -> dict[str, object]:
        """Read the store."""
        found: dict[str, object] = self.rig.run(self._look())
        return found

    async def _look(self) -> dict[str, object]:
        found: dict[str, object] = {}
        listed: Any = await self.rig.inner.transactions(limit=CAPACITY)
        for transaction, record in listed:
            approvals = {ACCOUNTS.get(one.account, f"operator {one.by}") for one in record.approvals}
            state = filed_as(record.state, record.entered, self.rig.clock.now())
            since = record.entered if state in LASTS else 0.0
            found[f"paper {self.paper_of(transaction)}"] = (state, since, frozenset(approvals))
        for key, name in ACCOUNTS.items():
            for sid in SESSIONS if name in CUSTOMERS else ("",):
                keys = Keys(key, session_key(ISSUER, name, "app", sid) if sid else b"")
                snapshot = await self.rig.inner.load(keys, self.rig.enforcer.repository.blank)
                spent = self.entries(snapshot.session.ledger)
                found |= {f"calls {name} {sid}": spent} if spent else {}
            account = snapshot.account
            if account.version:
                well = account.state in {"normal", "unknown"}
                heard = max((report.at for report in (account.reports or {}).values()), default=0.0)
                found[f"person {name}"] = (frozenset(account.roles), well, heard, account.not_before)
            money = self.entries(account.ledger)
            found |= {f"money {name}": money} if money else {}
        return found

    def entries(self, ledger: tuple[LedgerEntry, ...]) -> list[tuple[float, float, float, str]]:
        """Give what was spent or booked, as the book has it."""
        return sorted((one.at, float(one.amount), one.expires, self.paper_of(one.transaction)) for one in ledger)

    def paper_of(self, transaction: str) -> str:
        """Give the name under which somebody asked for a transaction."""
        assert transaction in self.papers, "there is a transaction that nobody asked for"
        return self.papers[transaction]


SCOPES: Final = frozenset({"chat", "accounts", "refunds"})


def said(found: Any) -> str:
    """Say in a word what came of a decision."""
    return SAID[found] if isinstance(found, Reason) else str(found.state)
